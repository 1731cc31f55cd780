from functools import cache, partial

from odoo import api, models
from odoo.addons.steward.kernel import health
from odoo.addons.steward.models.steward_dashboard import TOP

from ..kernel.control import ENDED
from ..kernel.ledger import FAILED
from .steward_metric_overview import Figures

BUDGET_STATUS = {"ok": health.OK, "near": health.DEGRADED, "over": health.FAILED}


class StewardDashboard(models.AbstractModel):
    _inherit = "steward.dashboard"

    @api.model
    def _get_cards(self):
        # several cards show the same figures: they are added up once for each answer
        look = cache(self.env["steward.metric"]._overview)
        return {
            **super()._get_cards(),
            "runs": partial(self._card_runs, look),
            "success": partial(self._card_success, look),
            "run_typical": partial(self._card_run_time, look, 0.5),
            "run_slow": partial(self._card_run_time, look, 0.95),
            "cost": partial(self._card_cost, look),
            "runs_over_time": partial(self._card_runs_over_time, look),
            "cost_over_time": partial(self._card_cost_over_time, look),
            "budgets": self._card_budgets,
            "failures": self._card_failures,
            "approvals": self._card_approvals,
        }

    # -- runs ------------------------------------------------------------------------

    def _card_runs(self, look, period):
        """What is under way, and how the runs of the period ended."""
        counts = {}
        for state, waits_for, count in self.env["steward.run"]._read_group(
            self._runs_domain(("state", "not in", sorted(ENDED))),
            ["state", "waits_for"],
            ["__count"],
        ):
            key = "person" if waits_for == "person" else state
            counts[key] = counts.get(key, 0) + count
        figures = look(period).now

        def part(name, title, value, *conditions, status=None):
            return {
                "name": name,
                "title": title,
                "value": value,
                "status": status if value else None,
                "action": self._runs_action(*conditions),
            }

        ended = self._ended_conditions(period)
        return {
            "parts": [
                part(
                    "running",
                    self.env._("At work"),
                    counts.get("running", 0),
                    ("state", "=", "running"),
                ),
                part(
                    "person",
                    self.env._("Wait for a person"),
                    counts.get("person", 0),
                    ("state", "=", "waiting"),
                    ("waits_for", "=", "person"),
                    status=health.DEGRADED,
                ),
                part(
                    "waiting",
                    self.env._("Wait for their turn or time"),
                    counts.get("queued", 0) + counts.get("waiting", 0),
                    ("state", "in", ["queued", "waiting"]),
                    ("waits_for", "!=", "person"),
                ),
                part(
                    "paused",
                    self.env._("Paused"),
                    counts.get("paused", 0),
                    ("state", "=", "paused"),
                ),
                part(
                    "failed",
                    self.env._("Failed in this period"),
                    figures.failures,
                    ("state", "in", sorted(FAILED)),
                    *ended,
                    status=health.FAILED,
                ),
                part(
                    "ended",
                    self.env._("Ended in this period"),
                    figures.runs,
                    ("state", "in", sorted(ENDED)),
                    *ended,
                ),
            ]
        }

    def _card_success(self, look, period):
        def rate(figures):
            if not figures.runs:
                return None  # of no runs, none failed and none succeeded
            return 100 * (1 - figures.failures / figures.runs)

        overview = look(period)
        return {
            "value": rate(overview.now),
            "before": rate(overview.before),
            "action": self._ended_action(period),
        }

    def _card_run_time(self, look, share, period):
        def seconds(durations):
            ms = durations.quantile(share)
            return None if ms is None else ms / 1000

        overview = look(period)
        return {
            "value": seconds(overview.durations),
            "before": seconds(overview.durations_before),
            "action": self._ended_action(period),
        }

    def _card_runs_over_time(self, look, period):
        edges = period.edges()
        figures = [look(period).steps.get(edge, Figures()) for edge in edges]
        return {
            "labels": edges,
            "series": [
                {
                    "name": self.env._("Done"),
                    "status": health.OK,
                    "values": [step.runs - step.failures for step in figures],
                },
                {
                    "name": self.env._("Failed"),
                    "status": health.FAILED,
                    "values": [step.failures for step in figures],
                },
            ],
            "action": self._ended_action(period),
        }

    # -- money -----------------------------------------------------------------------

    def _card_cost(self, look, period):
        overview = look(period)
        return {
            "value": overview.now.known_cost,
            "before": overview.before.known_cost,
            "action": self._figures_action(period),
        }

    def _card_cost_over_time(self, look, period):
        edges = period.edges()
        figures = [look(period).steps.get(edge, Figures()) for edge in edges]
        return {
            "labels": edges,
            "series": [
                {
                    "name": self.env._("Cost"),
                    "values": [step.known_cost for step in figures],
                }
            ],
            "action": self._figures_action(period),
        }

    def _card_budgets(self, _period):
        """What is left of each budget, the fullest first, and how it will end."""
        budgets = self.env["steward.budget"].search(
            [("company_id", "in", self.env.companies.ids)]
        )
        fullest = budgets.sorted("percentage", reverse=True)[:TOP]
        return {
            "parts": [
                {
                    "name": str(budget.id),
                    "title": budget.name,
                    "value": self.env._("%(share)s %%", share=round(budget.percentage)),
                    "status": BUDGET_STATUS[budget.state],
                    "reason": budget.forecast_sentence,
                    "action": self._drill(
                        "steward_llm.action_budgets", res_id=budget.id
                    ),
                }
                for budget in fullest
            ],
            "action": self._drill("steward_llm.action_budgets"),
        }

    # -- what needs somebody -----------------------------------------------------------

    def _card_failures(self, period):
        """What failed in the period, what failed most often first."""
        failures = self.env["steward.failure"]
        domain = [
            ("company_id", "in", self.env.companies.ids),
            ("last_at", ">=", period.start),
            ("last_at", "<", period.end),
        ]
        found = failures.search(domain, order="times desc, id desc", limit=TOP)
        return {
            "rows": [
                {
                    "id": failure.id,
                    "sentence": failure.sentence,
                    "times": failure.times,
                    "last": failure.last_at,
                    "action": self._drill(
                        "steward_agent.action_failures", res_id=failure.id
                    ),
                }
                for failure in found
            ],
            "total": self._count_beyond(found, domain),
            "action": self._drill("steward_agent.action_failures", domain),
        }

    def _card_approvals(self, _period):
        """Questions that runs wait with, the oldest first."""
        domain = [
            ("company_id", "in", self.env.companies.ids),
            *self.env["steward.approval"]._get_pending_domain(),
        ]
        found = self.env["steward.approval"].search(domain, order="id", limit=TOP)
        return {
            "rows": [
                {
                    "id": approval.id,
                    "question": approval.question,
                    "agent": approval.run_id.agent_name,
                    "asked": approval.create_date,
                    "action": self._drill(
                        "steward_agent.action_approvals", res_id=approval.id
                    ),
                }
                for approval in found
            ],
            "total": self._count_beyond(found, domain),
            "action": self._drill("steward_agent.action_approvals", domain),
        }

    @api.model
    def _count_beyond(self, found, domain):
        """How many there are, without counting when all were found."""
        return len(found) if len(found) < TOP else found.search_count(domain)

    # -- where a click leads -----------------------------------------------------------

    @api.model
    def _runs_domain(self, *conditions):
        return [("company_id", "in", self.env.companies.ids), *conditions]

    @api.model
    def _runs_action(self, *conditions):
        return self._drill("steward_agent.action_runs", self._runs_domain(*conditions))

    @api.model
    def _ended_conditions(self, period):
        return ("ended_at", ">=", period.start), ("ended_at", "<", period.end)

    @api.model
    def _ended_action(self, period):
        return self._runs_action(*self._ended_conditions(period))

    @api.model
    def _figures_action(self, period):
        domain = self._runs_domain(
            ("start", ">=", period.start), ("start", "<", period.end)
        )
        return self._drill("steward_agent.action_metrics", domain)
