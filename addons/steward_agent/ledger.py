"""How a batch of runs and steps gets into the ledger: read, judged, written, counted.

A number of statements that does not depend on the size of the batch. All rows go to
PostgreSQL as one JSON value: that took two thirds of the time of a multi-row INSERT
(31 against 45 µs a row), and needs no temporary table as COPY would (18 µs).
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from odoo.addons.steward.kernel import fingerprint as fingerprints
from odoo.addons.steward.kernel.redactor import REDACTOR, sensitive_kind
from odoo.addons.steward_llm.kernel.pricing import charge
from odoo.addons.steward_llm.kernel.usage import Usage
from odoo.tools import SQL

from .kernel import ledger as kernel
from .kernel import tally as tallies
from .kernel.capture import Capture
from .kernel.control import ENDED
from .kernel.failure import category_of
from .kernel.ledger import FAILED, Rejected

MAX_AGENTS = 50  # that one account may register by reporting
MODEL_KINDS = ("llm_inference", "embedding")  # steps that cost, whether told or not
TRUSTED = ("step_key", "attempt", "iteration", "category", "fingerprint", "cost_source")

CAPTURE = Capture(REDACTOR, sensitive_kind, fingerprints.parameterize)
_fingerprint = lru_cache(4096)(fingerprints.fingerprint)

_STEP_COLUMNS = (
    *("period", "run_id", "company_id", "agent_id", "agent_name", "span_id"),
    *("parent_span_id", "kind", "name", "status", "started_at", "duration_ms"),
    *("model", "provider", "tokens_in", "tokens_out", "tokens_cached", "cost"),
    *("cost_source", "input", "output", "error_type", "error_message", "category"),
    *("fingerprint", "attributes", "step_key", "attempt", "iteration"),
)
_RUN_TEXTS = ("task", "output", "error", "session", "prompt_version")
_RUN_COLUMNS = (
    *("trace_id", "company_id", "month", "agent_id", "agent_name", "source"),
    *("user_id", "state", "started_at", "ended_at", "duration_ms", "tags"),
    *("idempotency_key", *_RUN_TEXTS),
)


def _names(names):
    return SQL(", ").join(map(SQL.identifier, names))


# what every batch says alike is put together once
_STEPS_SQL, _RUNS_SQL = _names(_STEP_COLUMNS), _names(_RUN_COLUMNS)
_HAS_TEXTS = SQL(", ").join(
    SQL("NULLIF(%s IS NOT NULL, false)", SQL.identifier(name)) for name in _RUN_TEXTS
)
_FILLED = ("agent_id", "agent_name", "ended_at", "duration_ms", "tags", *_RUN_TEXTS)
_NEWER = ("state", "started_at", "model", "category", "fingerprint")
_ADDED = (
    *("step_count", "error_count", "tokens_in", "tokens_out"),
    *("tokens_cached", "unpriced_count"),
)
_ASSIGNMENTS = SQL(", ").join(
    [
        *(
            SQL("%(c)s = COALESCE(run.%(c)s, told.%(c)s)", c=SQL.identifier(name))
            for name in _FILLED
        ),
        *(
            SQL("%(c)s = COALESCE(told.%(c)s, run.%(c)s)", c=SQL.identifier(name))
            for name in _NEWER
        ),
        *(
            SQL(
                "%(c)s = LEAST(COALESCE(run.%(c)s, 0)::bigint"
                " + COALESCE(told.%(c)s, 0), %(max)s)",
                c=SQL.identifier(name),
                max=kernel.MAX_INT,
            )
            for name in _ADDED
        ),
        SQL("cost = COALESCE(run.cost + told.cost, told.cost, run.cost)"),
    ]
)


class Agent(NamedTuple):
    """What the ledger needs to know of an agent."""

    id: int
    code: str
    name: str
    kind: str
    capture: str
    user_id: int | None


class Reporter(NamedTuple):
    """Who reports.

    :param any_agent: an Operator, who may report for each agent of the company
    :param is_us: our own executor, about runs that run here
    """

    uid: int
    any_agent: bool
    is_us: bool = False


class Entry:
    """One batch on its way into the ledger of a company."""

    def __init__(self, env, company, reporter):
        self.env, self.cr, self.company = env, env.cr, company
        self.reporter = reporter
        now = datetime.now(UTC).replace(tzinfo=None)
        self.now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.rejected = []
        self.duplicates = 0
        self.agents = {}  # by id
        self.by_code = {}
        self.runs = {}  # trace -> what is known of it, changes included
        self.told = set()  # traces of runs that were made or changed
        self.ended = set()  # and of those that ended with it
        self.tally = env["steward.metric"]._tally()
        self.failures = []
        self.costs = {}  # (agent, provider, model, day) -> [amount or None, latest]

    def know(self, run, agent):
        """Take a run of ours as given: who holds it needs no look at the table.

        :param run: its ``id``, ``trace_id`` and ``month``
        :param agent: the record
        """
        self.runs[run["trace_id"]] = {
            **run,
            "agent_id": agent.id,
            "agent_name": agent.name,
        }
        names = ("id", "code", "name", "kind", "capture")
        self._know(Agent(*(agent[name] for name in names), None))

    def take(self, runs, steps):
        """Write all of the batch that can be written; tell what became of it."""
        runs = self._read("runs", runs, kernel.read_run)
        steps = self._read("steps", steps, self._read_step)
        traces = {row["trace_id"] for _index, row in [*runs, *steps]}
        if traces != self.runs.keys():
            self._find(traces)
            self._load_agents({kernel.code_of(row["agent"]) for _index, row in runs})
        reports = self._judge_runs(runs)
        steps = self._judge_steps(steps)
        changes = self._write_runs(reports, steps)
        written = self._write_steps(steps)
        self._update_runs(changes, written)
        self.env["steward.metric"]._add(self.tally)
        self.env.invalidate_all(flush=False)
        return {
            "runs": len(self.told),
            "steps": len(written),
            "duplicates": self.duplicates,
            "rejected": sorted(
                self.rejected, key=lambda row: (row["where"], row["index"])
            ),
        }

    # -- reading -------------------------------------------------------------------

    def _read(self, where, rows, reader):
        read = []
        for index, row in enumerate(rows):
            try:
                read.append((index, reader(row, self.now)))
            except Rejected as error:
                self._reject(where, index, error)
        return read

    def _read_step(self, row, now):
        step = kernel.read_step(row, now)
        if self.reporter.is_us:
            step |= {key: row.get(key) for key in TRUSTED}
        return step

    def _reject(self, where, index, error):
        told = {"index": index, "where": where, "code": error.code}
        self.rejected.append({**told, "reason": error.reason})

    def _find(self, traces):
        """Look for these traces in our company, and nobody changes them meanwhile."""
        if not traces:
            return
        self.cr.execute(
            SQL(
                """
                SELECT id, trace_id, month, agent_id, agent_name, user_id, source,
                       state, started_at, ended_at, error_count,
                       NULLIF(tags IS NOT NULL, false), %s
                  FROM steward_run
                 WHERE company_id = %s AND trace_id = ANY(%s)
                 ORDER BY trace_id FOR UPDATE
                """,
                _HAS_TEXTS,
                self.company.id,
                list(traces),
            )
        )
        names = (
            *("id", "trace_id", "month", "agent_id", "agent_name", "user_id"),
            *("source", "state", "started_at", "ended_at", "error_count", "tags"),
            *_RUN_TEXTS,
        )
        for values in self.cr.fetchall():
            run = dict(zip(names, values, strict=True))
            run["placeholder"] = run["agent_name"] is None
            self.runs[run["trace_id"]] = run

    def _load_agents(self, codes):
        ids = {run["agent_id"] for run in self.runs.values() if run["agent_id"]}
        self.cr.execute(
            """
            SELECT id, code, name, kind, capture, user_id FROM steward_agent
             WHERE company_id = %s AND (code = ANY(%s) OR id = ANY(%s))
            """,
            [self.company.id, list(codes), list(ids)],
        )
        for row in self.cr.fetchall():
            self._know(Agent(*row))

    def _know(self, agent):
        self.agents[agent.id] = self.by_code[agent.code] = agent
        return agent

    # -- judging -------------------------------------------------------------------

    def _judge_runs(self, rows):
        """What each run is told of, by trace; with the contents that may be kept."""
        reports = {}
        for index, row in rows:
            try:
                run = self.runs.get(row["trace_id"])
                if run:
                    self._check_may_report(run)
                agent = self._agent_for(row.pop("agent"), run)
            except Rejected as error:
                self._reject("runs", index, error)
                continue
            row |= {"agent_id": agent.id, "agent_name": agent.name, "index": index}
            for key in ("task", "output"):
                row[key] = CAPTURE.text(row.get(key), agent.capture)
            if row.get("error"):
                row["error"] = CAPTURE.message(row["error"], agent.capture)
            for key in ("session", "prompt_version"):
                row[key] = row.get(key) and REDACTOR.redact(row[key])
            row["tags"] = REDACTOR.redact_value(row.get("tags"))
            reports.setdefault(row["trace_id"], []).append(row)
        return reports

    def _agent_for(self, name, run):
        """The agent of a run: that of its first report, or the one that is named."""
        agent = self.by_code.get(kernel.code_of(name))
        if run and run["agent_id"]:
            if agent is None or agent.id != run["agent_id"]:
                raise Rejected(*_ANOTHER_AGENT)
        elif agent is None:
            agent = self._register(name)
        elif agent.kind != "external":
            raise Rejected("agent", "agent: this one works here and reports nothing")
        elif not self._is_ours(agent.user_id):
            raise Rejected("agent", "agent: another account reports for this one")
        return agent

    def _register(self, name):
        """Make an agent of a name that nobody knows yet."""
        code = kernel.code_of(name)
        # one at a time: the other's agent is found, not made twice
        self.cr.execute(
            "SELECT pg_advisory_xact_lock(hashtext('steward.agent'), %s)",
            [self.company.id],
        )
        self._load_agents({code})
        if code in self.by_code:
            return self._agent_for(name, None)
        # sudo: steward.agent - reporting registers an agent that works elsewhere
        agents = self.env["steward.agent"].sudo().with_context(active_test=False)
        owner = not self.reporter.any_agent and self.reporter.uid
        if owner and agents.search_count([("user_id", "=", owner)]) >= MAX_AGENTS:
            raise Rejected("agents", f"agent: {MAX_AGENTS} are registered already")
        agent = agents.create(
            {
                "name": name,
                "code": code,
                "kind": "external",
                "company_id": self.company.id,
                "user_id": owner,
            }
        )
        agent.flush_recordset()
        return self._know(
            Agent(agent.id, code, name, "external", agent.capture, owner or None)
        )

    def _check_may_report(self, run):
        if self.reporter.is_us:
            return
        agent = self.agents.get(run["agent_id"])
        if run["source"] != "reported":
            raise Rejected("trace", "trace_id: this run runs here")
        if not self._is_ours(agent.user_id if agent else run["user_id"]):
            raise Rejected("trace", "trace_id: another account's run")

    def _is_ours(self, user_id):
        return self.reporter.any_agent or user_id == self.reporter.uid

    def _judge_steps(self, rows):
        """The steps that may be written, with a run known or to be made for each."""
        kept = []
        may = {}  # trace -> why not, or None
        for index, step in rows:
            trace = step["trace_id"]
            if trace not in may:
                may[trace] = self._why_not(trace)
            if may[trace]:
                self._reject("steps", index, may[trace])
            else:
                kept.append((index, step))
        return kept

    def _why_not(self, trace):
        run = self.runs.get(trace)
        try:
            if run:
                self._check_may_report(run)
            elif self.reporter.is_us:
                raise Rejected("trace", "trace_id: there is no such run")
        except Rejected as error:
            return error
        return None

    # -- runs ----------------------------------------------------------------------

    def _write_runs(self, reports, steps):
        """Make the runs that are new; return what changes of the others, by trace."""
        began = {}
        for _index, step in steps:
            trace = step["trace_id"]
            began[trace] = min(step["started_at"], began.get(trace, self.now))
        fresh = {}
        for trace in [*reports, *began]:
            if trace in self.runs or trace in fresh:
                continue
            told = reports.get(trace)
            fresh[trace] = self._begin(trace, told, began.get(trace))
        self._insert_runs(fresh)
        lost = fresh.keys() - self.runs.keys()
        if lost:  # somebody else made them in this very moment
            self._find(lost)
            missing = {self.runs[t]["agent_id"] for t in lost & self.runs.keys()}
            if missing - self.agents.keys() - {None}:
                self._load_agents(set())
        changes = {}
        for trace, told in reports.items():
            if trace not in self.runs:
                for row in told:
                    self._reject("runs", row["index"], Rejected(*_KEY_USED))
            elif trace not in fresh or trace in lost:
                changes[trace] = self._complete(self.runs[trace], told)
            else:
                self.told.add(trace)
        return changes

    def _begin(self, trace, told, began):
        run = {
            "trace_id": trace,
            "company_id": self.company.id,
            "month": self.now.date().replace(day=1),
            "source": "reported",
            "user_id": self.reporter.uid,
            "state": "running",
            "started_at": began,
            "placeholder": True,
            "agent_id": None,
            "agent_name": None,
        }
        if told:
            run["idempotency_key"] = told[0].get("idempotency_key")
            self._tell(run, told)
        return run

    def _tell(self, run, told):
        """Complete a run by what reports tell of it; return what changed."""
        changes = {}
        for row in told:
            if run["agent_id"] not in (None, row["agent_id"]):
                self._reject("runs", row["index"], Rejected(*_ANOTHER_AGENT))
                continue
            more = kernel.complete(run, row)
            self.duplicates += not more
            run |= more
            run["placeholder"] = False
            changes |= more
        return changes

    def _insert_runs(self, fresh):
        if not fresh:
            return
        self.cr.execute(
            SQL(
                """
                INSERT INTO steward_run (%(columns)s, step_count, error_count,
                    tokens_in, tokens_out, tokens_cached, unpriced_count, fence,
                    create_uid, write_uid, create_date, write_date)
                SELECT %(columns)s, 0, 0, 0, 0, 0, 0, 0,
                    %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM json_populate_recordset(null::steward_run, %(rows)s)
                    ON CONFLICT DO NOTHING
                RETURNING id, trace_id
                """,
                columns=_RUNS_SQL,
                uid=self.env.uid,
                now=self.now,
                rows=_json([fresh[trace] for trace in sorted(fresh)]),
            )
        )
        for run_id, trace in self.cr.fetchall():
            run = self.runs[trace] = fresh[trace]
            run["id"] = run_id
            if run["state"] in ENDED:
                self._count_run(run)

    def _complete(self, run, told):
        try:
            self._check_may_report(run)
        except Rejected as error:
            for row in told:
                self._reject("runs", row["index"], error)
            return {}
        changes = self._tell(run, told)
        if changes:
            self.told.add(run["trace_id"])
        if changes.get("agent_id"):
            self._attribute(run)
        if changes.get("state") in ENDED:
            self._count_run(run)
        return changes

    def _attribute(self, run):
        """Steps that came before their run are counted now that its agent is known."""
        columns = (
            *("kind", "name", "status", "started_at", "duration_ms", "model"),
            *("provider", "tokens_in", "tokens_out", "tokens_cached", "cost_source"),
        )
        self.cr.execute(
            SQL(
                "UPDATE steward_step SET agent_id = %s, agent_name = %s"
                " WHERE run_id = %s AND period = %s AND agent_id IS NULL"
                " RETURNING cost::text, %s",
                run["agent_id"],
                run["agent_name"],
                run["id"],
                run["month"],
                SQL(", ").join(map(SQL.identifier, columns)),
            )
        )
        for cost, *values in self.cr.fetchall():
            step = dict(zip(columns, values, strict=True))
            step["cost"] = cost and Decimal(cost)
            self._count_step({**step, "agent_id": run["agent_id"]})

    def _update_runs(self, changes, written):
        """Add to each run what was written of it, and what its report completes."""
        rows = {trace: dict(told) for trace, told in changes.items() if told}
        for step in written:
            row = rows.setdefault(step["trace_id"], {})
            row["step_count"] = row.get("step_count", 0) + 1
            if step["status"] == "error":
                row["error_count"] = row.get("error_count", 0) + 1
                row["category"] = step["category"]
                row["fingerprint"] = step["fingerprint"]
            for key in ("tokens_in", "tokens_out", "tokens_cached"):
                if step[key]:
                    row[key] = min(row.get(key, 0) + step[key], kernel.MAX_INT)
            if step["cost"] is not None:
                row["cost"] = row.get("cost", 0) + step["cost"]
            elif step["cost_source"] == "unknown":
                row["unpriced_count"] = row.get("unpriced_count", 0) + 1
            if step["model"]:
                row["model"] = step["model"]
        self._count_own_failures(rows)
        if not rows:
            return
        self.cr.execute(
            SQL(
                "UPDATE steward_run AS run SET %s, write_date = %s, write_uid = %s"
                " FROM json_populate_recordset(null::steward_run, %s) AS told"
                " WHERE run.id = told.id",
                _ASSIGNMENTS,
                *(self.now, self.env.uid),
                _json(
                    [
                        {**rows[trace], "id": self.runs[trace]["id"]}
                        for trace in sorted(rows)
                    ]
                ),
            )
        )

    # -- steps ---------------------------------------------------------------------

    def _write_steps(self, steps):
        """Insert the steps; return those that were not there before."""
        rows = []
        months = set()
        for index, step in steps:
            run = self.runs.get(step["trace_id"])
            if run is None:
                self._reject("steps", index, Rejected(*_KEY_USED))
                continue
            agent = self.agents.get(run["agent_id"])
            # until the agent is known: nothing that it may not want to be kept
            CAPTURE.step(step, agent.capture if agent else "hashed")
            step["period"] = run["month"]
            step["run_id"] = run["id"]
            step["company_id"] = self.company.id
            step["agent_id"] = run["agent_id"]
            step["agent_name"] = run["agent_name"]
            if step["status"] == "error":
                self._name_failure(step, agent)
            months.add(run["month"])
            rows.append(step)
        if not rows:
            return []
        self._price(rows)
        for month in months:
            self.env["steward.step"]._make_partition(month)
        self.cr.execute(
            SQL(
                """
                INSERT INTO steward_step (%(columns)s)
                SELECT %(columns)s
                  FROM json_populate_recordset(null::steward_step, %(rows)s)
                    ON CONFLICT (run_id, span_id, period) DO NOTHING
                RETURNING run_id, span_id
                """,
                columns=_STEPS_SQL,
                rows=_json(rows),
            )
        )
        new = set(self.cr.fetchall())
        self.duplicates += len(rows) - len(new)
        if len(new) < len(rows):
            # twice in one batch: the first counts
            rows = [row for row in rows if _discarded(new, row)]
        for step in rows:
            if step["agent_id"]:
                self._count_step(step)
            if step["status"] == "error":
                self._count_failure(step)
        return rows

    def _name_failure(self, step, agent):
        kind, message = step["error_type"] or "", step["error_message"] or ""
        step["category"] = step.get("category") or category_of(
            kind, message, step["kind"]
        )
        step["fingerprint"] = step.get("fingerprint") or _fingerprint(
            agent.kind if agent else "external", kind, step["name"], message
        )

    def _price(self, steps):
        """What is told counts; else the price list's, asked once for each model."""
        quotes = {}
        prices = self.env["steward.price"].with_company(self.company)
        for step in steps:
            if step["cost"] is not None:
                step["cost_source"] = step.get("cost_source") or "provided"
                continue
            tokens = step["tokens_in"] or step["tokens_out"]
            step["cost_source"] = None
            if not tokens and step["kind"] not in MODEL_KINDS:
                continue
            step["cost_source"] = "unknown"
            if not tokens or not step["model"]:
                continue
            key = (step["model"], step["provider"], step["started_at"].date())
            if key not in quotes:
                at = step["started_at"].replace(tzinfo=UTC)
                quotes[key] = prices._quote(step["model"], step["provider"] or "", at)
            usage = Usage(
                step["tokens_in"] or 0,
                step["tokens_out"] or 0,
                step["tokens_cached"] or 0,
            )
            cost = charge(usage, quotes[key])
            step["cost"], step["cost_source"] = cost.amount, cost.source

    # -- counting ------------------------------------------------------------------

    def _count_step(self, step):
        is_tool = step["kind"] == "tool_call"
        self.tally.add_step(
            (
                self.company.id,
                step["agent_id"],
                "" if is_tool else step["model"] or "",
                step["name"] if is_tool else "",
                "1",
                tallies.floor(step["started_at"], tallies.MINUTE),
            ),
            step,
        )
        if step["cost_source"] and not self.reporter.is_us:
            at, amount = step["started_at"], step["cost"]
            known = amount is not None
            key = (
                *(step["agent_id"], step["provider"], step["model"]),
                *(at.date(), known),
            )
            cost = self.costs.setdefault(key, [Decimal(0) if known else None, at])
            if known:
                cost[0] += amount
            cost[1] = max(cost[1], at)

    def _count_run(self, run):
        self.ended.add(run["trace_id"])
        minute = tallies.floor(run["ended_at"], tallies.MINUTE)
        key = (self.company.id, run["agent_id"], "", "", "1", minute)
        failed = run["state"] in FAILED
        self.tally.add_run(key, failed, run["duration_ms"])

    def _count_failure(self, step):
        self.failures.append(
            {
                "company_id": self.company.id,
                "fingerprint": step["fingerprint"],
                "category": step["category"],
                "place": step["name"],
                "error_type": step["error_type"],
                "detail": step["error_message"],
                "at": step["started_at"],
                "last_run_id": step["run_id"],
                "agent_id": step["agent_id"],
            }
        )

    def _count_own_failures(self, rows):
        """A run that failed while none of its steps did is a failure itself."""
        for trace in self.ended:
            run = self.runs[trace]
            if run["state"] not in FAILED:
                continue
            row = rows.setdefault(trace, {})
            if "fingerprint" in row or run.get("error_count"):
                continue
            failure = run_failure(
                self.company.id,
                self.agents[run["agent_id"]],
                run["id"],
                run.get("error"),
                run["ended_at"],
            )
            row["category"] = failure["category"]
            row["fingerprint"] = failure["fingerprint"]
            self.failures.append(failure)


def run_failure(company_id, agent, run_id, error, at):
    """What is counted of a run that failed without a step that did."""
    error = error if isinstance(error, str) else ""
    return {
        "company_id": company_id,
        "fingerprint": _fingerprint(agent.kind, "", "run", error),
        "category": category_of("", error),
        "place": agent.name,
        "error_type": None,
        "detail": error or None,
        "at": at,
        "last_run_id": run_id,
        "agent_id": agent.id,
    }


_ANOTHER_AGENT = ("agent", "agent: this run is another agent's")
_KEY_USED = ("key-used", "idempotency_key: another run has it")


def _discarded(keys, row):
    key = (row["run_id"], row["span_id"])
    if key in keys:
        keys.discard(key)
        return True
    return False


def _json(rows):
    return json.dumps(rows, ensure_ascii=False, default=str)
