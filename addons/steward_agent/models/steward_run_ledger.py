import logging
from datetime import UTC
from functools import partial

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ..kernel.control import ENDED, VERDICTS
from ..kernel.ledger import FAILED, MAX_ROWS
from ..kernel.tally import MINUTE, floor
from ..ledger import Entry, Reporter, run_failure

_logger = logging.getLogger(__name__)

LOCK_TIMEOUT = "5s"  # for another report of the same run


class StewardRun(models.Model):
    """What the ledger does with runs: take reports, count, keep what people said."""

    _inherit = "steward.run"
    step_ids = fields.One2many("steward.step", "run_id", "What it did")

    @api.ondelete(at_uninstall=False)
    def _unlink_steps(self):
        # no foreign key reaches a partitioned table
        self.env.cr.execute(
            "DELETE FROM steward_step WHERE run_id = ANY(%s)", [self.ids]
        )

    # -- reports -------------------------------------------------------------------

    @api.model
    def report(self, batch: dict) -> dict:
        """Report runs and steps of an agent that works elsewhere.

        Each row stands for itself: what cannot be kept is listed with the reason, the
        rest is written. The same rows may be sent again, in any order: nothing is
        written twice, and what was told once is never changed, only completed.

        Operators report for each agent of their company; an Agent for those that are
        its own. A name that nobody knows registers an agent.

        :param batch: ``{"runs": [...], "steps": [...]}``, at most 5,000 of each; the
            fields are described in the documentation of the ledger
        :return: ``{"runs", "steps", "duplicates"}`` as numbers of what was written or
            known before, ``"rejected"``: ``[{"index", "where", "code", "reason"}]``,
            and ``"control"``: by trace the states wished for, if there are any
        """
        reporter = self._get_reporter()
        runs, steps = self._get_rows(batch)
        # READ COMMITTED, and kept from here on: reporters meet at their runs and
        # failures, and a report that was heard shall not be lost by what comes after
        with self._own_transaction() as cr:
            cr.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            env = self.env(cr=cr)
            entry = Entry(env, env.company, reporter)
            answer = entry.take(runs, steps)
            env["steward.failure"]._count(entry.failures)
            wishes = env[self._name]._get_wishes(entry.runs)
            told = env[self._name].browse(run["id"] for run in entry.runs.values())
            told._tell_screens()
        self._charge(entry)
        return {**answer, **wishes}

    @api.model
    def _ingest(self, runs: list, steps: list, known=()) -> dict:
        """The same for our own executor: in its transaction, about runs that run here.

        :param known: pairs for ``Entry.know``, when all of the batch is about them

        A step may also tell ``step_key``, ``attempt``, ``iteration``, ``category``,
        ``fingerprint`` and ``cost_source``. Failures are counted after the commit.
        """
        self.env.flush_all()
        company = self.company_id[:1] or self.env.company
        entry = Entry(self.env, company, Reporter(self.env.uid, True, is_us=True))
        for run, agent in known:
            entry.know(run, agent)
        answer = entry.take(runs, steps)
        self._count_failures_later(entry.failures)
        return answer

    def _count_ended(self) -> None:
        """Count runs that ended here; for the executor, as it changes the state."""
        metrics = self.env["steward.metric"]
        tally = metrics._tally()
        failures = []
        for run in self:
            start = floor(run.ended_at, MINUTE)
            key = (run.company_id.id, run.agent_id.id or None, "", "", "1", start)
            tally.add_run(key, run.state in FAILED, run.duration_ms)
            if run.state in FAILED and not run.error_count:
                failure = run_failure(
                    *(run.company_id.id, run.agent_id, run.id),
                    *(run.error or run.reason, run.ended_at),
                )
                failure["category"] = run.category or failure["category"]
                names = ("category", "fingerprint")
                run._write_own({name: failure[name] for name in names})
                failures.append(failure)
        metrics._add(tally)
        self._count_failures_later(failures)

    def _count_failures_later(self, failures):
        """Count after the commit: the rows are shared, our transaction may be long."""
        if failures:
            count = partial(_count_failures, self.env["steward.failure"], failures)
            self.env.cr.postcommit.add(count)

    @api.model
    def _get_reporter(self) -> Reporter:
        """Who reports; refuses who may not. Hook."""
        user = self.env.user
        operator = user.has_group("steward.group_operator")
        if not (operator or user.has_group("steward.group_agent")):
            raise AccessError(
                self.env._("Only Operators and Agents report what agents did.")
            )
        return Reporter(user.id, operator)

    @api.model
    def _get_rows(self, batch):
        """The rows of a batch, if it is one at all."""
        rows = []
        for where in ("runs", "steps"):
            given = batch.get(where) if isinstance(batch, dict) else None
            given = [] if given is None else given
            if not isinstance(batch, dict) or not isinstance(given, list):
                raise Invalid(
                    self.env._("A batch is an object with lists of runs and steps.")
                )
            if len(given) > MAX_ROWS:
                raise Invalid(
                    self.env._(
                        "Report at most %(limit)s %(where)s at a time.",
                        limit=MAX_ROWS,
                        where=where,
                    )
                )
            rows.append(given)
        return rows

    @api.model
    def _get_wishes(self, known: dict) -> dict:
        """What people wish of these runs, and is not so yet."""
        # sudo: steward.run - a reporter is told of its own runs; it may not read others
        runs = self.sudo().browse(run["id"] for run in known.values())
        wishes = {"control": {}, "models": {}}
        for run in runs:
            wish = "terminated" if run.state == "terminated" else run.desired_state
            if wish and (wish != run.state or wish == "terminated"):
                wishes["control"][run.trace_id] = wish
            if run.desired_model and run.desired_model != run.model:
                wishes["models"][run.trace_id] = run.desired_model
        return {about: told for about, told in wishes.items() if told}

    @api.model
    def _charge(self, entry) -> None:
        """Count what the reported steps cost on the company's budgets."""
        if not entry.costs:
            return
        providers = self._get_provider_ids({key[1] for key in entry.costs})
        costs = [
            (
                {
                    "company": entry.company.id,
                    "user": entry.reporter.uid,
                    "provider": providers.get(provider),
                    "agent": agent,
                    "model": model,
                },
                amount,
                at.replace(tzinfo=UTC),
            )
            for (agent, provider, model, *_), (amount, at) in entry.costs.items()
        ]
        try:
            self.env["steward.budget"]._charge(costs)
        except Exception:  # whatever it is: the report is written, and must be answered
            _logger.exception("could not count the cost of a report on budgets")

    @api.model
    def _get_provider_ids(self, codes):
        # sudo: steward.provider - reporters name providers that they may not read
        providers = self.env["steward.provider"].sudo()
        found = providers.search(
            [
                ("code", "in", [code.lower() for code in codes if code]),
                ("company_id", "in", [self.env.company.id, False]),
            ]
        )
        ids = {provider.code: provider.id for provider in found}
        return {code: ids.get(code.lower()) for code in codes if code}

    # -- asking --------------------------------------------------------------------

    @api.model
    @api.readonly
    def status(self, trace_id: str) -> dict:
        """How a run stands.

        :param trace_id: which run; an Agent asks about its own
        :return: ``{"trace_id", "state", "desired"?}``
        """
        run = self._find_own(trace_id)
        status = {"trace_id": run.trace_id, "state": run.state}
        if run.desired_state:
            status["desired"] = run.desired_state
        return status

    @api.model
    def _find_own(self, trace_id):
        """A run that the user may read, or that is its own; None else is told apart."""
        domain = Domain("trace_id", "=", str(trace_id))
        domain &= Domain("company_id", "in", self.env.companies.ids)
        if not self.has_access("read"):
            uid = self.env.uid
            domain &= Domain("user_id", "=", uid) | Domain("agent_id.user_id", "=", uid)
        # sudo: steward.run - its own runs are told to who may not read all
        run = self.sudo().search(domain)
        run = run.filtered(lambda run: run.company_id == self.env.company) or run
        if not run:
            raise Invalid(
                self.env._(
                    "There is no run with the trace %(trace)s, or it is not yours.",
                    trace=trace_id,
                )
            )
        return run[0]

    # -- judging -------------------------------------------------------------------

    @api.model
    def feedback(
        self,
        trace_id: str,
        verdict: str,
        score: int | None = None,
        comment: str | None = None,
        intent: str | None = None,
    ) -> dict:
        """Say whether a run did what it should; agents may learn from approved ones.

        Reviewers and Operators judge each run, everybody else the runs that worked for
        them. An Agent judges none: it does not approve itself.

        :param trace_id: which run; it has ended
        :param verdict: ``approved`` or ``rejected``
        :param score: from 1 to 5
        :param comment: why
        :param intent: what was really meant
        :return: ``{"trace_id"}``
        """
        run = self._find_own(trace_id)
        user = self.env.user
        if user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents do not judge runs; people do."))
        reviewer = user.has_group("steward.group_reviewer")
        if not (
            reviewer or user.has_group("steward.group_operator") or run.user_id == user
        ):
            raise AccessError(
                self.env._("Only Reviewers and Operators judge the runs of others.")
            )
        if run.state not in ENDED:
            raise Invalid(self.env._("This run goes on; judge it when it has ended."))
        if verdict not in dict(VERDICTS):
            raise Invalid(self.env._("A verdict is “approved” or “rejected”."))
        if score is not None and (type(score) is not int or not 1 <= score <= 5):
            raise Invalid(self.env._("A score is a whole number from 1 to 5."))
        for text in (comment, intent):
            if text is not None and not isinstance(text, str):
                raise Invalid(self.env._("Comment and intent are texts."))
        run._write_own(
            {
                "verdict": verdict,
                "score": score or False,
                "comment": comment or False,
                "intent": intent or False,
                "judged_by_id": user.id,
                "judged_at": fields.Datetime.now(),
            }
        )
        return {"trace_id": run.trace_id}

    @api.model
    def _teachable_domain(self) -> Domain:
        """The runs that agents may learn from: those that a person approved."""
        return Domain("verdict", "=", "approved") & Domain("state", "=", "completed")


def _count_failures(model, failures):
    with model._own_transaction() as cr:
        model.with_env(model.env(cr=cr))._count(failures)
