from odoo import api, models
from odoo.addons.steward.kernel import health
from odoo.tools import SQL

from .steward_skill import ORIGINS


class StewardDashboard(models.AbstractModel):
    _inherit = "steward.dashboard"

    @api.model
    def _get_cards(self):
        return {
            **super()._get_cards(),
            "skill_review": self._card_skill_review,
            "skill_effect": self._card_skill_effect,
            "skills_over_time": self._card_skills_over_time,
            "guardrails": self._card_guardrails,
            "errors_repeated": self._card_errors_repeated,
        }

    # -- skills ----------------------------------------------------------------------

    def _card_skill_review(self, _period):
        """What waits for a Reviewer, and how much of it too long."""
        waits = [*self._get_companies_domain(), ("state", "=", "review")]
        late = [*waits, ("is_overdue", "=", True)]
        skills, guardrails = self.env["steward.skill"], self.env["steward.guardrail"]

        def part(name, title, records, action, domain, status=None):
            count = records.search_count(domain)
            return {
                "name": name,
                "title": title,
                "value": count,
                "status": status if count else None,
                "action": self._drill(action, domain),
            }

        noisy = [*self._get_companies_domain(), ("retirement", "!=", False)]
        return {
            "parts": [
                part(
                    "skills",
                    self.env._("Skills"),
                    skills,
                    "steward_skill.action_skills",
                    waits,
                    health.DEGRADED,
                ),
                part(
                    "late",
                    self.env._("Skills that wait too long"),
                    skills,
                    "steward_skill.action_skills",
                    late,
                    health.FAILED,
                ),
                part(
                    "guardrails",
                    self.env._("Guardrails"),
                    guardrails,
                    "steward_skill.action_guardrails",
                    waits,
                    health.DEGRADED,
                ),
                part(
                    "retirement",
                    self.env._("Guardrails that may retire"),
                    guardrails,
                    "steward_skill.action_guardrails",
                    noisy,
                    health.DEGRADED,
                ),
            ]
        }

    def _card_skills_over_time(self, period):
        """How many skills had been approved by then, by where they come from."""
        counts = {origin: {} for origin, _label in ORIGINS}
        before = dict.fromkeys(counts, 0)
        for origin, step, count in self.env.execute_query(
            SQL(
                """
                SELECT skill.origin, CASE WHEN first.at < %(start)s THEN NULL
                            ELSE date_bin(%(step)s, first.at, %(start)s) END, count(*)
                  FROM steward_skill AS skill
                  JOIN (SELECT skill_id, min(approved_at) AS at
                          FROM steward_skill_version WHERE approved_at IS NOT NULL
                         GROUP BY skill_id) AS first ON first.skill_id = skill.id
                 WHERE first.at < %(end)s AND skill.active
                   AND (skill.company_id IS NULL
                        OR skill.company_id = ANY(%(companies)s))
                 GROUP BY 1, 2
                """,
                start=period.start,
                end=period.end,
                step=period.step,
                companies=self.env.companies.ids,
            )
        ):
            if step is None:
                before[origin] += count
            else:
                counts[origin][step] = count
        edges = period.edges()
        labels = dict(
            self.env["steward.skill"]._fields["origin"]._description_selection(self.env)
        )
        series = []
        for origin, found in counts.items():
            total, values = before[origin], []
            for edge in edges:
                total += found.get(edge, 0)
                values.append(total)
            series.append({"name": labels[origin], "values": values})
        return {
            "labels": edges,
            "series": series,
            "action": self._drill(
                "steward_skill.action_skills",
                [*self._get_companies_domain(), ("approved_version_id", "!=", False)],
            ),
        }

    def _card_skill_effect(self, _period):
        """The skills that are used most, and whether they do any good."""
        skills = self.env["steward.skill"]
        domain = [*self._get_companies_domain(), ("use_count", ">", 0)]
        found = skills.search(domain, order="use_count desc, id", limit=5)
        labels = dict(skills._fields["trial_verdict"]._description_selection(self.env))
        return {
            "rows": [
                {
                    "id": skill.id,
                    "title": skill.title,
                    "uses": skill.use_count,
                    "confidence": round(100 * skill.confidence),
                    "effect": labels.get(skill.trial_verdict)
                    or self.env._("Not measured"),
                    "action": self._drill(
                        "steward_skill.action_skills", res_id=skill.id
                    ),
                }
                for skill in found
            ],
            "total": self._count_beyond(found, domain),
            "action": self._drill("steward_skill.action_skills", domain),
        }

    # -- failures --------------------------------------------------------------------

    def _card_guardrails(self, period):
        """What guardrails did in the period."""
        hits = self.env["steward.guardrail.hit"]
        domain = [
            ("company_id", "in", self.env.companies.ids),
            ("at", ">=", period.start),
            ("at", "<", period.end),
        ]
        counts = dict(hits._read_group(domain, ["outcome"], ["__count"]))
        labels = dict(hits._fields["outcome"]._description_selection(self.env))
        states = {
            "prevented": health.OK,
            "false_alarm": health.DEGRADED,
            "missed": health.FAILED,
        }
        in_force = [
            *self._get_companies_domain(),
            ("approved_version_id", "!=", False),
        ]
        return {
            "parts": [
                {
                    "name": "in_force",
                    "title": self.env._("In force"),
                    "value": self.env["steward.guardrail"].search_count(in_force),
                    "action": self._drill("steward_skill.action_guardrails", in_force),
                },
                *(
                    {
                        "name": outcome,
                        "title": labels[outcome],
                        "value": counts.get(outcome, 0),
                        "status": status if counts.get(outcome) else None,
                        "action": self._drill(
                            "steward_skill.action_guardrail_hits",
                            [*domain, ("outcome", "=", outcome)],
                        ),
                    }
                    for outcome, status in states.items()
                ),
            ]
        }

    def _card_errors_repeated(self, period):
        """Failures that had happened before, new ones, and what was prevented.

        The curve that should fall is that of the repeated ones.
        """
        repeated, new = {}, {}
        companies, start, end = self.env.companies.ids, period.start, period.end
        for step, is_new, count in self.env.execute_query(
            SQL(
                """
                SELECT date_bin(%(step)s, step.started_at, %(start)s),
                       step.started_at <= failure.first_at,
                       count(*)
                  FROM steward_step AS step
                  JOIN steward_failure AS failure
                    ON failure.company_id = step.company_id
                   AND failure.fingerprint = step.fingerprint
                 WHERE step.fingerprint IS NOT NULL AND step.started_at >= %(start)s
                   AND step.started_at < %(end)s
                   AND step.company_id = ANY(%(companies)s)
                   AND step.period >= %(month)s
                   AND step.error_type NOT LIKE '%%-GUARDRAIL'
                 GROUP BY 1, 2
                """,
                step=period.step,
                start=start,
                end=end,
                month=start.date().replace(day=1),
                companies=companies,
            )
        ):
            (new if is_new else repeated)[step] = count
        rows = self.env.execute_query(
            SQL(
                """
                SELECT date_bin(%(step)s, at, %(start)s), count(*)
                  FROM steward_guardrail_hit
                 WHERE outcome = 'prevented' AND at >= %(start)s AND at < %(end)s
                   AND company_id = ANY(%(companies)s)
                 GROUP BY 1
                """,
                step=period.step,
                start=start,
                end=end,
                companies=companies,
            )
        )
        prevented = dict(rows)
        edges = period.edges()

        def series(name, found, status):
            values = [found.get(edge, 0) for edge in edges]
            return {"name": name, "status": status, "values": values}

        return {
            "labels": edges,
            "series": [
                series(self.env._("Failed again"), repeated, health.FAILED),
                series(self.env._("Failed for the first time"), new, health.DEGRADED),
                series(self.env._("Prevented"), prevented, health.OK),
            ],
            "action": self._drill("steward_agent.action_failures"),
        }
