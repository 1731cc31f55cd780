from odoo import api, models
from odoo.addons.steward.exceptions import Invalid
from odoo.tools import SQL

from ..kernel.comparison import MAX_STEPS, difference, differing, pairs

_COMPARED = ("status", "model", "input", "output")  # of two steps


class StewardRun(models.Model):
    """Two runs side by side."""

    _inherit = "steward.run"

    @api.model
    def compare(self, first: int, second: int) -> dict:
        """Tell in what two runs differ.

        Steps belong together that are of one kind and name, at the same place of the
        playbook, in the same order.

        :param first: id of a run
        :param second: id of another one
        :return: ``{"runs": [head, head], "steps": [{"left"?, "right"?, "differs"}],
            "cut": bool, "output": [[kind, line]]}``, kinds of lines are ``same``,
            ``gone`` and ``new``
        """
        if first == second:
            raise Invalid(self.env._("Choose two runs."))
        runs = [self._for_trace(id) for id in (first, second)]
        self.env["steward.step"].check_access("read")
        left, right = (run._steps_to_compare() for run in runs)
        rows = []
        for a, b in pairs(*([_key(step) for step in steps] for steps in (left, right))):
            row = {"differs": []}
            if a is not None:
                row["left"] = left[a]
            if b is not None:
                row["right"] = right[b]
            if len(row) == 3:
                row["differs"] = differing(left[a], right[b], _COMPARED)
            rows.append(row)
        return {
            "runs": [run._as_compared() for run in runs],
            "steps": rows,
            "cut": max(run.step_count for run in runs) > MAX_STEPS,
            "output": difference(runs[0].output or "", runs[1].output or ""),
        }

    @api.model
    def compare_steps(self, first: int, second: int) -> dict:
        """Tell in what two steps differ.

        :param first: id of a step
        :param second: id of another one
        :return: ``{"input": [[kind, line]], "output": [[kind, line]]}``
        """
        steps = self.env["steward.step"]
        one, two = (steps.search([("id", "=", id)], limit=1) for id in (first, second))
        if not (one and two):
            raise Invalid(self.env._("This step is not kept any longer."))
        return {
            name: difference(one[name] or "", two[name] or "")
            for name in ("input", "output")
        }

    # -- buttons -------------------------------------------------------------------

    def action_compare(self) -> dict:
        """Show two runs side by side."""
        if len(self) != 2:
            raise Invalid(self.env._("Choose two runs."))
        first, second = self.sorted("id").ids
        return {
            **self.env["ir.actions.actions"]._for_xml_id(
                "steward_agent.action_compare"
            ),
            "params": {"run": first, "other": second},
        }

    def action_compare_with(self) -> dict:
        """Choose the run to compare this one with."""
        self.ensure_one()
        return {
            "type": "ir.actions.client",
            "tag": "steward_compare_with",
            "params": {
                "run": self.id,
                "domain": [
                    ("id", "!=", self.id),
                    ("agent_name", "=", self.agent_name),
                    ("company_id", "=", self.company_id.id),
                ],
            },
        }

    # -- how it is told --------------------------------------------------------------

    def _as_compared(self):
        """The figures of a run that are set beside those of another. Hook."""
        states = dict(self._fields["state"]._description_selection(self.env))
        return {
            "id": self.id,
            "name": self.display_name,
            "agent": self.agent_name,
            "state": self.state,
            "word": states[self.state],
            "sentence": self.sentence,
            "started": self._as_head().get("start", False),
            "duration": self.duration_ms,
            "steps": self.step_count,
            "errors": self.error_count,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
            "unpriced": self.unpriced_count,
            "model": self.model,
            "prompt": self.prompt_version,
            "version": self.agent_version,
            "verdict": self.verdict,
        }

    def _steps_to_compare(self):
        """Its steps; what went in and out as fingerprints, of which none is shown."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, kind, name, step_key, status, model, duration_ms,
                       md5(input), md5(output)
                  FROM steward_step
                 WHERE run_id = %s AND period = %s
                 ORDER BY started_at, id LIMIT %s
                """,
                self.id,
                self.month,
                MAX_STEPS,
            )
        )
        names = ("id", "kind", "name", "key", "status", "model", "ms")
        return [
            dict(zip((*names, "input", "output"), row, strict=True)) for row in rows
        ]


def _key(step):
    # another model does not make it another step
    name = "" if step["kind"] == "llm_inference" else step["name"]
    return (step["kind"], name, step["key"])
