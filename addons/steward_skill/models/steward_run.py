from odoo import api, models
from odoo.addons.steward_agent.ledger import CAPTURE
from odoo.tools import SQL

from ..kernel.trace import Step, Trace, read

AT_ONCE = 2000  # runs whose steps are read in one query


class StewardRun(models.Model):
    """Runs, as learning looks at them."""

    _inherit = "steward.run"

    def _traces(self, results=True) -> list[Trace]:
        """What these runs did, in their order.

        :param results: whether what came of each step is wanted, too: that is long
        """
        traces = []
        for start in range(0, len(self), AT_ONCE):
            traces += self[start : start + AT_ONCE]._some_traces(results)
        return traces

    def _some_traces(self, results):
        if not self:
            return []
        self.env.flush_all()
        output = SQL("output") if results else SQL("NULL")
        steps = {}
        for (
            run_id,
            span,
            kind,
            name,
            ok,
            given,
            result,
            error,
            message,
            place,
        ) in self.env.execute_query(
            SQL(
                """
                    SELECT run_id, span_id, kind, name, status != 'error', input, %s,
                           error_type, error_message, step_key
                      FROM steward_step
                     WHERE run_id = ANY(%s) AND period = ANY(%s)
                     ORDER BY run_id, started_at, id
                    """,
                output,
                self.ids,
                list({run.month for run in self}),
            )
        ):
            steps.setdefault(run_id, []).append(
                Step(
                    span,
                    kind,
                    name,
                    ok,
                    read(given) if kind == "tool_call" else given,
                    read(result),
                    error or "",
                    message or "",
                    place or "",
                )
            )
        return [
            Trace(
                run.trace_id,
                run.task or "",
                tuple(steps.get(run.id, ())),
                run.state == "completed",
                run.agent_id.code or "",
                run.agent_id.kind or "",
                run.error or run.reason or "",
                run.category or "",
            )
            for run in self
        ]

    @api.model
    def _as_kept(self, arguments, agent):
        """Arguments as the ledger keeps them of an agent; None: it does not."""
        return CAPTURE.text(arguments, agent.capture or "none")

    @api.model
    def _that_failed_of(self, failure, limit):
        """The newest runs that had a failure."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id FROM steward_run AS run
                 WHERE company_id = %(company)s AND state IN ('failed', 'timed_out')
                   AND (fingerprint = %(fingerprint)s OR EXISTS (
                        SELECT FROM steward_step AS step
                         WHERE step.run_id = run.id AND step.period = run.month
                           AND step.fingerprint = %(fingerprint)s))
                   AND id >= COALESCE(%(last)s, 0) - 200000
                 ORDER BY id DESC LIMIT %(limit)s
                """,
                company=failure.company_id.id,
                fingerprint=failure.fingerprint,
                last=failure.last_run_id.id or None,
                limit=limit,
            )
        )
        return self.browse(row[0] for row in rows)

    @api.model
    def _that_used(self, tool, companies, limit):
        """The newest runs that were fine and used a tool.

        :param tool: its name, or a pattern with ``*``
        """
        self.env.flush_all()
        like = tool.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id FROM (
                    SELECT id, month FROM steward_run
                     WHERE company_id = ANY(%(companies)s) AND state = 'completed'
                     ORDER BY id DESC LIMIT 20000) AS run
                 WHERE EXISTS (
                    SELECT FROM steward_step AS step
                     WHERE step.run_id = run.id AND step.period = run.month
                       AND step.kind = 'tool_call' AND step.name LIKE %(like)s)
                 ORDER BY id DESC LIMIT %(limit)s
                """,
                companies=companies.ids,
                like=like.replace("*", "%"),
                limit=limit,
            )
        )
        return self.browse(row[0] for row in rows)
