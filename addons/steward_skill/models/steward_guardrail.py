import json
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple

from odoo import SUPERUSER_ID, api, fields, models, tools
from odoo.addons.steward.exceptions import Invalid, Locked, Refused
from odoo.addons.steward_agent.kernel.failure import CATEGORIES
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL

from ..exceptions import Guarded, GuardedForNow
from ..kernel import contrast as contrasts
from ..kernel import guardrail as kernel
from ..kernel.cause import cause_of

STATES = [
    ("draft", "Draft"),
    ("review", "In review"),
    ("approved", "In force"),
    ("retired", "Retired"),
]
SHARE = 2.0  # percent of the good runs that a guardrail may disturb, unless set
FAILED = 20  # runs that failed, with which a guardrail is tried
GOOD = 500  # runs that were fine, the same
# what workers remember of those in force; see `_in_force`
IN_FORCE = frozenset({"approved_version_id", "company_id", "active", "name"})


class Rule(NamedTuple):
    """What is told of a guardrail in force."""

    version_id: int
    name: str
    text: str


class StewardGuardrail(models.Model):
    """What keeps a failure from happening again: code looks at it before each step."""

    _name = "steward.guardrail"
    _inherit = ["steward.versioned.mixin", "mail.thread", "mail.activity.mixin"]
    _description = "Guardrail"
    _order = "state_order, id desc"
    _steward_own_fields = (
        *("version_id", "approved_version_id", "state", "fingerprint", "failure_id"),
        *("confidence", "evidence", "tested", "source_traces", "retirement"),
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    owner_id = fields.Many2one("res.users", default=lambda self: self.env.user)
    category = fields.Selection(CATEGORIES, "Kind of failure")
    action = fields.Selection(
        kernel.ACTIONS, "Then", required=True, default="warn", tracking=True
    )
    definition = fields.Text(
        "When",
        required=True,
        default='{"tool": ""}',
        help="JSON: tool, arguments (what must hold of them), context (agents, kinds,"
        " failures, repeats), change (set, drop) and wait (seconds).",
    )
    text = fields.Text(
        "What agents are told",
        required=True,
        help="Agents that think read it before they begin, and when it stops them.",
    )
    summary = fields.Char("Rule", compute="_compute_summary")
    state = fields.Selection(
        STATES, required=True, readonly=True, default="draft", copy=False, tracking=True
    )
    state_order = fields.Integer(compute="_compute_state_order", store=True)
    version_id = fields.Many2one(
        "steward.guardrail.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.guardrail.version", "guardrail_id", "Versions", readonly=True
    )
    approved_version_id = fields.Many2one(
        "steward.guardrail.version",
        "In force",
        readonly=True,
        copy=False,
        help="What is checked before each step, whatever is being written meanwhile.",
    )

    # where it comes from
    failure_id = fields.Many2one(
        "steward.failure", readonly=True, copy=False, index="btree_not_null"
    )
    fingerprint = fields.Char(readonly=True, copy=False, index="btree_not_null")
    confidence = fields.Float("Confidence in the cause", readonly=True, copy=False)
    evidence = fields.Json(
        readonly=True, copy=False, help="[{trace_id, steps: [span_id], why}]"
    )
    evidence_text = fields.Char("Why", compute="_compute_evidence_text")
    source_traces = fields.Json(readonly=True, copy=False)

    # how it does
    tested = fields.Json(
        readonly=True,
        copy=False,
        help="{version, caught, failed, hit, good}: with runs of the past.",
    )
    test_result = fields.Char("Test", compute="_compute_test_result")
    test_passed = fields.Boolean(compute="_compute_test_result")
    hit_ids = fields.One2many("steward.guardrail.hit", "guardrail_id", readonly=True)
    hit_count = fields.Integer("Hits", compute="_compute_counts")
    prevented_count = fields.Integer("Prevented", compute="_compute_counts")
    false_alarm_count = fields.Integer("False alarms", compute="_compute_counts")
    last_hit_at = fields.Datetime("Last hit", compute="_compute_counts")
    retirement = fields.Char(
        "Should it retire?", readonly=True, copy=False, help="Why it may do more harm."
    )

    @api.depends("state")
    def _compute_state_order(self):
        order = {"review": 0, "draft": 1, "approved": 2, "retired": 3}
        for guardrail in self:
            guardrail.state_order = order[guardrail.state]

    @api.depends("action", "definition")
    @api.depends_context("lang")
    def _compute_summary(self):
        actions = dict(self._fields["action"]._description_selection(self.env))
        for guardrail in self:
            parts = guardrail._in_words(guardrail._parsed())
            guardrail.summary = f"{parts} → {actions.get(guardrail.action, '')}"

    def _in_words(self, definition):
        """A definition as a line that people read."""
        words = [str(definition.get("tool") or "…")]
        for condition in definition.get("arguments") or ():
            value = condition.get("value")
            told = "" if value is None else f" {json.dumps(value, ensure_ascii=False)}"
            name = str(condition.get("is", "")).replace("_", " ")
            words.append(f"{condition.get('path')} {name}{told}")
        context = definition.get("context") or {}
        if agents := context.get("agents"):
            words.append(", ".join(agents))
        if failures := context.get("failures"):
            words.append(self.env._("failed before (%(times)s)", times=failures))
        if repeats := context.get("repeats"):
            words.append(self.env._("same call before (%(times)s)", times=repeats))
        return " · ".join(words)

    @api.depends("evidence", "category", "confidence")
    @api.depends_context("lang")
    def _compute_evidence_text(self):
        whys = self._get_whys()
        for guardrail in self:
            found = (guardrail.evidence or [{}])[0]
            guardrail.evidence_text = whys.get(found.get("why"), False)

    @api.model
    def _get_whys(self):
        env = self.env
        return {
            "said": env._("The error says so."),
            "guessed": env._("Judged by where it happened."),
            "circle": env._("The same call was made again and again."),
            "model-chose": env._("The model made up what the tool was called with."),
            "nothing-found": env._("A step before had found nothing."),
            "followed": env._("A failure before had been passed over."),
            "too-much": env._("What was read before is too long."),
            "gone": env._("It was there when it was looked up, and then no longer."),
            "again": env._("Several tries failed in the same way."),
        }

    @api.depends("tested", "version_id")
    @api.depends_context("lang")
    def _compute_test_result(self):
        for guardrail in self:
            tested = guardrail.tested or {}
            result = kernel.Tried(
                *(tested.get(name, 0) for name in ("caught", "failed", "hit", "good"))
            )
            is_current = tested.get("version") == guardrail.version_id.number
            guardrail.test_passed = is_current and result.passes(self._most() / 100)
            if not tested:
                guardrail.test_result = False
                continue
            text = (
                self.env._(
                    "Catches %(caught)s of %(failed)s failed runs, disturbs %(hit)s of"
                    " %(good)s good ones.",
                    **result._asdict(),
                )
                if result.failed
                else self.env._(
                    "There is no failed run to try it with; it disturbs %(hit)s of"
                    " %(good)s good ones.",
                    **result._asdict(),
                )
            )
            if not is_current:
                text = self.env._("%(result)s It was changed since.", result=text)
            guardrail.test_result = text

    @api.depends("hit_ids")
    def _compute_counts(self):
        counts = {guardrail.id: {} for guardrail in self}
        latest = {}
        for guardrail, outcome, count, last in self.env[
            "steward.guardrail.hit"
        ]._read_group(
            [("guardrail_id", "in", self.ids)],
            ["guardrail_id", "outcome"],
            ["__count", "at:max"],
        ):
            counts[guardrail.id][outcome] = count
            latest[guardrail.id] = max(last, latest.get(guardrail.id, last))
        for guardrail in self:
            found = counts.get(guardrail.id, {})
            guardrail.hit_count = sum(found.values())
            guardrail.prevented_count = found.get("prevented", 0)
            guardrail.false_alarm_count = found.get("false_alarm", 0)
            guardrail.last_hit_at = latest.get(guardrail.id, False)

    @api.constrains("definition", "action")
    def _check_definition(self):
        for guardrail in self:
            try:
                definition = json.loads(guardrail.definition)
            except ValueError as error:
                raise ValidationError(
                    self.env._("“When” is no JSON: %(problem)s.", problem=error)
                ) from error
            if found := kernel.problems(guardrail.action, definition):
                raise ValidationError(
                    self.env._("“When” cannot be checked. %(why)s.", why=found[0])
                )

    # -- versions --------------------------------------------------------------------

    def _definition(self):
        kept = ("name", "category", "action", "text")
        values = {name: self[name] or "" for name in kept}
        return json.dumps(
            {**values, "definition": self._parsed()}, indent=1, ensure_ascii=False
        )

    def _definition_values(self, text):
        values = json.loads(text)
        definition = json.dumps(values.pop("definition"), ensure_ascii=False, indent=1)
        return {**values, "category": values["category"] or False} | {
            "definition": definition
        }

    def _parsed(self):
        try:
            found = json.loads(self.definition or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        if not IN_FORCE.isdisjoint(vals):
            self.env.registry.clear_cache()
        before = {guardrail.id: guardrail.version_id for guardrail in self}
        done = super().write(vals)
        for guardrail in self:
            # what is in force stays so; what was written now has to be looked at
            changed = before[guardrail.id] and before[guardrail.id] != (
                guardrail.version_id
            )
            if changed and guardrail.state in ("approved", "retired"):
                guardrail._write_own({"state": "draft"})
        return done

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def copy_data(self, default=None):
        return [
            {**values, "name": self.env._("%(name)s (copy)", name=guardrail.name)}
            for guardrail, values in zip(self, super().copy_data(default), strict=True)
        ]

    # -- review ----------------------------------------------------------------------

    def action_test(self) -> None:
        """Try it with the runs that failed, and with recent ones that were fine."""
        self._check_may_write()
        for guardrail in self:
            guardrail._try()

    def action_submit(self) -> None:
        """Ask for a review; it is tried with runs of the past first."""
        self._check_may_write()
        for guardrail in self.filtered(lambda one: one.state == "draft"):
            guardrail._try()
            guardrail._write_own({"state": "review"})

    def action_approve(self) -> None:
        """Put the version in force that the screen shows."""
        self._check_may_review()
        seen = self.env.context.get("seen_version")
        for guardrail in self:
            guardrail._approve(seen or guardrail.version_number)

    @api.model
    def approve(self, id: int, version: int) -> dict:
        """Put a version in force that somebody has looked at.

        :param id: of the guardrail
        :param version: its number; refused when there is a newer one
        :return: ``{"id", "state", "version"}``
        """
        self._check_may_review()
        guardrail = self.search([("id", "=", id)])
        if not guardrail:
            raise Invalid(self.env._("There is no guardrail %(id)s.", id=id))
        guardrail._approve(version)
        return {"id": guardrail.id, "state": guardrail.state, "version": version}

    def action_return(self) -> None:
        """Give it back to whoever wrote it."""
        self._check_may_review()
        self.filtered(lambda one: one.state == "review")._write_own({"state": "draft"})

    def action_retire(self) -> None:
        """Check it no longer."""
        self._check_may_review()
        self._write_own(
            {"state": "retired", "approved_version_id": False, "retirement": False}
        )
        self.activity_unlink(["mail.mail_activity_data_todo"])

    def action_keep(self) -> None:
        """Keep it, although it was proposed to retire it."""
        self._check_may_review()
        self._write_own({"retirement": False})
        self.activity_unlink(["mail.mail_activity_data_todo"])

    def action_hits(self) -> dict:
        """Show what it caught."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_skill.action_guardrail_hits"
        )
        return {**action, "domain": [("guardrail_id", "=", self.id)]}

    def action_source(self) -> dict:
        """Show the failed runs that it was made for, as far as they are kept."""
        self.ensure_one()
        traces = [row["trace_id"] for row in self.source_traces or ()]
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward_agent.action_runs"),
            "domain": [("trace_id", "in", traces)],
            "context": {},
        }

    def _approve(self, number):
        self.ensure_one()
        if not self.try_lock_for_update():
            raise Locked(self.env._("Somebody else is deciding this right now."))
        version = self.version_id
        if version.number != number:
            raise Refused(
                self.env._(
                    "It was changed meanwhile: look at version %(number)s.",
                    number=version.number,
                )
            )
        if version.author_id == self.env.user and not self._may_approve_own():
            raise Refused(self.env._("Nobody approves what they have written."))
        if not self.test_passed:
            self._try()
        if not self.test_passed:
            raise Refused(
                self.env._(
                    "It cannot be put in force: %(result)s At most %(most)s %% may be"
                    " disturbed.",
                    result=self.test_result,
                    most=f"{self._most():g}",
                )
            )
        # sudo: steward.guardrail.version - who approved it, written by our code alone
        version.sudo()._write_own(
            {
                "approver_id": self.env.uid,
                "approved_at": fields.Datetime.now(),
                "tested": self.tested,
            }
        )
        self._write_own(
            {
                "state": "approved",
                "approved_version_id": version.id,
                "retirement": False,
            }
        )
        self.activity_unlink(["mail.mail_activity_data_todo"])

    @api.model
    def _may_approve_own(self):
        return self.env.su or self.env["steward.skill"]._authors_approve()

    @api.model
    def _most(self):
        """The percentage of good runs that a guardrail may disturb."""
        # sudo: ir.config_parameter - a rule that holds for everybody
        get = self.env["ir.config_parameter"].sudo().get_param
        return float(get("steward.guardrail_share") or SHARE)

    @api.model
    def _check_may_review(self):
        user = self.env.user
        if user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents approve nothing: people do."))
        if not (self.env.su or user.has_group("steward.group_reviewer")):
            raise AccessError(self.env._("Only Reviewers approve guardrails."))

    def _check_may_write(self):
        if self.env.user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents change no guardrails: people do."))
        self.check_access("write")

    # -- trying ----------------------------------------------------------------------

    def _try(self):
        """Let the newest version look at runs of the past."""
        self.ensure_one()
        guard = self._guard(self.version_id)
        failed, good = self._past()
        result = kernel.tried(guard, failed, good)
        self._write_own(
            {"tested": {"version": self.version_id.number, **result._asdict()}}
        )

    def _past(self):
        """The runs that it is for, and recent ones that were fine."""
        # sudo: steward.run - compared by code, in numbers; nobody reads them here
        runs = self.env["steward.run"].sudo()
        traces = [row["trace_id"] for row in self.source_traces or ()]
        companies = self.company_id or self.env.companies
        failed = runs.search(
            [("company_id", "in", companies.ids), ("trace_id", "in", traces)],
            order="id desc",
            limit=FAILED,
        )
        good = runs._that_used(self._parsed().get("tool", ""), companies, GOOD)
        return failed._traces(), good._traces()

    def _guard(self, version):
        """A version as it is checked."""
        values = json.loads(version.text)
        company = self.company_id.id or 0
        return kernel.Guard.of(self.id, values["action"], values["definition"], company)

    # -- proposing -------------------------------------------------------------------

    @api.model
    def _propose_for(self, failures) -> "StewardGuardrail":
        """Propose guardrails against failures that have none.

        :param failures: records of steward.failure
        :return: the guardrails that were made; they wait for a review
        """
        made = self.browse()
        for failure in failures:
            made |= self._propose(failure)
        return made

    @api.model
    def _known_for(self, failure):
        """The guards against a failure that there are, in whatever state."""
        # sudo: steward.guardrail - whether there is one; nobody is told
        known = self.sudo().with_context(active_test=False)
        found = known.search(
            [
                ("fingerprint", "=", failure.fingerprint),
                ("company_id", "in", [failure.company_id.id, False]),
            ]
        )
        return [one._guard(one.version_id) for one in found]

    @api.model
    def _propose(self, failure):
        # sudo: steward.run - compared by code; a person sees the proposal
        runs = self.env["steward.run"].sudo()
        known = self._known_for(failure)
        failed = [
            trace
            for trace in runs._that_failed_of(failure, FAILED)._traces()
            if not any(kernel.tried(guard, [trace], []).caught for guard in known)
        ]
        causes = {trace.id: cause for trace in failed if (cause := cause_of(trace))}
        if not causes:
            return self.browse()
        cause = next(iter(causes.values()))
        good = runs._that_used(cause.place, failure.company_id, GOOD)._traces()
        made = contrasts.proposal(cause.category, failed, good)
        # what would not have met them helps nobody, and would be proposed each night
        if (
            made is None
            or not kernel.tried(contrasts.guard_of(made), failed, []).caught
        ):
            return self.browse()
        # nobody's own work: whoever asked for it may review it
        guardrail = self.with_user(SUPERUSER_ID)._create_own(
            [
                {
                    "name": self._name_for(made, failure),
                    "company_id": failure.company_id.id,
                    "category": cause.category,
                    "action": made.action,
                    "definition": json.dumps(
                        made.definition, ensure_ascii=False, indent=1
                    ),
                    "text": self._text_for(made, failure),
                    "failure_id": failure.id,
                    "fingerprint": failure.fingerprint,
                    "confidence": round(cause.confidence, 2),
                    "evidence": [
                        {"trace_id": trace, "steps": found.evidence, "why": found.why}
                        for trace, found in causes.items()
                    ],
                    "source_traces": [{"trace_id": trace.id} for trace in failed],
                    "owner_id": False,
                }
            ]
        )
        guardrail._try()
        guardrail._write_own({"state": "review"})
        return guardrail

    @api.model
    def _name_for(self, made, failure):
        # where it happened and of what: people tell them apart by that
        conditions = made.definition.get("arguments") or [{}]
        where = conditions[-1].get("path") or failure.place
        return f"{made.definition['tool']}: {where}"

    @api.model
    def _text_for(self, made, failure):
        """What agents are told, in English as their other rules."""
        rule = self._in_words(made.definition)
        told = {
            "block": "This call does not work; find another way",
            "approve": "A person has to agree to this call",
            "rewrite": "This call is put right before it is made",
            "warn": "Look twice before this call",
            "retry": "After a failure, wait before this call is made again",
        }[made.action]
        return f"{told}: {rule}. It failed before: {(failure.detail or '')[:300]}"

    # -- checking --------------------------------------------------------------------

    @api.model
    @tools.ormcache()
    def _in_force(self):
        """All that are in force, as the kernel checks them, with what they tell."""
        # sudo: steward.guardrail - they hold for whoever does not see them
        found = self.sudo().search([("approved_version_id", "!=", False)], order="id")
        guards = kernel.Guards(one._guard(one.approved_version_id) for one in found)
        texts = {
            one.id: Rule(
                one.approved_version_id.id,
                one.name,
                json.loads(one.approved_version_id.text)["text"],
            )
            for one in found
        }
        return guards, texts

    @api.model
    def _met(self, attempt):
        """The guardrails that are there for an attempt."""
        guards, _texts = self._in_force()
        if not len(guards):
            return []
        return guards.met(
            kernel.Call(
                attempt.name,
                attempt.arguments,
                attempt.agent.code or "",
                attempt.agent.kind or "",
                attempt.company.id,
                lambda: self._before(attempt),
            )
        )

    @api.model
    def _before(self, attempt):
        """What the run did so far, as the ledger keeps it."""
        run = attempt.run
        if not run:
            return kernel.Before()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT name, input, status = 'ok' FROM steward_step
                 WHERE run_id = %s AND period = %s AND kind = 'tool_call'
                 ORDER BY started_at DESC LIMIT %s
                """,
                run.id,
                run.month,
                kernel.MOST_BEFORE,
            )
        )
        same = self.env["steward.run"]._as_kept(attempt.arguments, attempt.agent)
        return kernel.Before(rows, same or "")

    @api.model
    def _prepare(self, attempt):
        """Put an attempt right, before anybody is asked whether it may be made.

        :return: the guardrail that wants a person to be asked; empty: none does
        """
        asks = self.browse()
        for guard in self._met(attempt):
            if guard.change and isinstance(attempt.arguments, dict):
                changed = guard.changed(attempt.arguments)
                if changed != attempt.arguments:
                    self._hit(guard, attempt)
                    # what is recorded, approved and done is all the same thing
                    attempt.arguments.clear()
                    attempt.arguments.update(changed)
            elif guard.action == "approve" and not asks:
                self._hit(guard, attempt)
                asks = self.browse(guard.id)
        return asks

    @api.model
    def _check(self, attempt):
        """Refuse what a guardrail is against.

        :raises Guarded: with what agents are told
        :raises GuardedForNow: when waiting helps
        """
        for guard in self._met(attempt):
            if guard.action in ("approve", "rewrite"):
                continue
            is_first = self._hit(guard, attempt)
            text = self._in_force()[1][guard.id].text
            if guard.action == "block":
                raise Guarded(text)
            if guard.action == "retry" and is_first:
                raise GuardedForNow(text, retry_after=guard.wait)
            # who thinks is told once, and may insist
            if guard.action == "warn" and is_first and attempt.agent.kind == "chat":
                raise Guarded(text)

    @api.model
    def _hit(self, guard, attempt) -> bool:
        """Count a hit; the same call counts once in a run. False: it was known."""
        call = f"{attempt.name} {kernel.key(attempt.arguments)}"
        run, hits = attempt.run, self.env["steward.guardrail.hit"]
        hits.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                INSERT INTO steward_guardrail_hit (guardrail_id, version_id, company_id,
                    run_id, trace_id, agent_id, tool, action, call, at, outcome)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'open')
                ON CONFLICT (guardrail_id, run_id, call) DO NOTHING RETURNING id
                """,
                guard.id,
                self._in_force()[1][guard.id].version_id,
                attempt.company.id,
                run.id or None,
                run.trace_id or None,
                attempt.agent.id or None,
                attempt.name,
                guard.action,
                blake2b(call.encode("utf-8", "replace"), digest_size=8).hexdigest(),
                # by the clock of the run's steps, to which `_settle` compares it
                datetime.now(UTC).replace(tzinfo=None),
            )
        )
        hits.invalidate_model()
        return bool(rows)

    # -- how they do -----------------------------------------------------------------

    @api.model
    def _propose_retirements(self, share=0.5, least=10) -> "StewardGuardrail":
        """Propose to retire what is wrong more often than right.

        :param share: of the hits that were judged, which are false alarms
        :param least: hits that were judged
        """
        noisy = self.browse()
        # sudo: steward.guardrail - our code proposes; people decide
        for guardrail in self.sudo().search(
            [("approved_version_id", "!=", False), ("retirement", "=", False)]
        ):
            judged = guardrail.prevented_count + guardrail.false_alarm_count
            if judged < least or guardrail.false_alarm_count <= share * judged:
                continue
            reason = self.env._(
                "%(wrong)s of its %(judged)s hits that were judged were false alarms.",
                wrong=guardrail.false_alarm_count,
                judged=judged,
            )
            guardrail._write_own({"retirement": reason})
            guardrail._ask_to_look(self.env._("Retire this guardrail?"), reason)
            noisy |= guardrail
        return noisy

    def _ask_to_look(self, summary, note):
        person = self.owner_id or self.env["steward.secret"]._get_reminded()
        if person:
            self.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=summary,
                note=note,
                user_id=person.id,
            )


class StewardGuardrailVersion(models.Model):
    """A guardrail at one time."""

    _name = "steward.guardrail.version"
    _inherit = ["steward.version.mixin", "steward"]
    _description = "Version of a Guardrail"
    _version_of = "guardrail_id"
    _version_facts = ("approver_id", "approved_at", "tested")
    _steward_own_fields = _version_facts

    guardrail_id = fields.Many2one(
        "steward.guardrail",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="guardrail_id.company_id", store=True)
    approver_id = fields.Many2one("res.users", "Approved by", readonly=True)
    approved_at = fields.Datetime("Approved", readonly=True)
    tested = fields.Json(readonly=True)

    _number_uniq = models.UniqueIndex("(guardrail_id, number)")
