from odoo import api, fields, models
from odoo.addons.steward_llm.exceptions import BudgetExhausted
from odoo.tools import SQL

from ..kernel.control import ENDED, Wish


class StewardBudget(models.Model):
    """Budgets of agents; and what happens to runs when money is used up."""

    _inherit = "steward.budget"

    scope = fields.Selection(
        selection_add=[("agent", "Agent")], ondelete={"agent": "cascade"}
    )
    agent_id = fields.Many2one(
        "steward.agent", index="btree_not_null", check_company=True, ondelete="cascade"
    )

    @api.model
    def _get_scopes(self):
        return {**super()._get_scopes(), "agent": "agent_id"}

    @api.model
    def _check_left(self, subject):
        """Refuse to begin what a used up budget does not allow.

        Runs that go on are told by their next call that costs something.

        :raises BudgetExhausted: when a budget that blocks or pauses is used up
        """
        applies = SQL(" OR ").join(
            SQL("(b.scope = %s AND %s = %s)", scope, SQL.identifier("b", field), key)
            for scope, field in self._get_scopes().items()
            if (key := subject.get(scope))
        )
        used_up = self.env.execute_query(
            SQL(
                """
                SELECT b.name FROM steward_budget AS b
                  JOIN steward_budget_period AS p ON p.budget_id = b.id
                 WHERE b.active AND b.action IN ('block', 'pause')
                   AND b.company_id = %s AND (%s)
                   AND p.starts_at <= now() AT TIME ZONE 'utc'
                   AND p.ends_at > now() AT TIME ZONE 'utc'
                   AND p.spent >= p.limit_amount
                 LIMIT 1
                """,
                subject["company"],
                applies,
            )
        )
        for (name,) in used_up:
            raise BudgetExhausted(
                self.env._(
                    "The budget %(name)s is used up: nothing new begins before its"
                    " next period, or until somebody raises it.",
                    name=name,
                )
            )

    def _pause_subject(self, subject):
        """Pause the runs that spend from a budget which is used up."""
        fields_ = {"company": "company_id", "user": "asked_by_id", "agent": "agent_id"}
        domain = [("state", "not in", [*ENDED, "paused"])]
        for scope, key in subject.items():
            if scope not in fields_:
                return super()._pause_subject(subject)
            domain.append((fields_[scope], "=", key))
        for run in self.env["steward.run"].search(domain):
            run._ask(Wish.PAUSE, self.env._("The budget is used up."))
        return super()._pause_subject(subject)
