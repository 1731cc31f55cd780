from datetime import timedelta

from odoo import fields, models

TIMES = 2  # that something fails before a guardrail is proposed
LATELY = timedelta(days=7)  # in which it happened last
FAILURES = 100  # that are looked at in a night
DIGEST = 0  # Monday


class StewardDaily(models.Model):
    """What is learnt each night from what agents did."""

    _inherit = "steward.daily"

    def _get_parts(self):
        return {
            **super()._get_parts(),
            "skills": (self.env._("Skills"), self._part_skills),
            "guardrails": (self.env._("Guardrails"), self._part_guardrails),
            "effect": (self.env._("What skills are good for"), self._part_effect),
            "learnt": (self.env._("What was learnt this week"), self._part_learnt),
        }

    def _part_skills(self, _daily):
        """Look for skills in what people approved."""
        runs = self.env["steward.run"]
        approved = runs._read_group(runs._teachable_domain(), ["company_id"])
        for [company] in approved:
            harvest = self.env["steward.skill.harvest"]._round(company)
            if harvest.error:
                yield f"{company.name}: {harvest.error}"
            for skill in harvest.skill_ids:
                yield self.env._("Proposed: %(title)s", title=skill.title)
            if harvest.refusals:
                yield self.env._(
                    "%(company)s: %(count)s groups of runs led to no proposal.",
                    company=company.name,
                    count=len(harvest.refusals),
                )

    def _part_guardrails(self, _daily):
        """Propose guardrails against what keeps failing, and judge those in force."""
        guardrails = self.env["steward.guardrail"]
        settled = self.env["steward.guardrail.hit"]._settle()
        failures = self.env["steward.failure"].search(
            [
                ("times", ">=", TIMES),
                ("last_at", ">=", fields.Datetime.now() - LATELY),
            ],
            order="times desc",
            limit=FAILURES,
        )
        for made in guardrails._propose_for(failures):
            yield self.env._("Proposed: %(name)s", name=made.name)
        if settled:
            yield self.env._("%(count)s hits were judged.", count=settled)
        for noisy in guardrails._propose_retirements():
            yield f"{noisy.name}: {noisy.retirement}"

    def _part_effect(self, _daily):
        """How sure each skill is, by its use."""
        for skill in self.env["steward.skill"]._reconsider():
            yield f"{skill.title}: {skill.deprecation}"

    def _part_learnt(self, daily):
        """Once a week: what was learnt, what it did, and what waits for people."""
        if daily.day.weekday() != DIGEST:
            return
        since = fields.Datetime.now() - timedelta(days=7)
        skills, hits = self.env["steward.skill"], self.env["steward.guardrail.hit"]
        approved = self.env["steward.skill.version"].search_count(
            [("approved_at", ">=", since)]
        )
        in_force = self.env["steward.guardrail.version"].search_count(
            [("approved_at", ">=", since)]
        )
        uses = self.env["steward.skill.use"].search_count(
            [("used_at", ">=", since), ("arm", "=", "with")]
        )
        outcomes = dict(
            hits._read_group([("at", ">=", since)], ["outcome"], ["__count"])
        )
        waiting = skills.search_count([("state", "=", "review")])
        waiting += self.env["steward.guardrail"].search_count(
            [("state", "=", "review")]
        )
        if approved or in_force:
            yield self.env._(
                "%(skills)s skills were approved, %(guardrails)s guardrails put in"
                " force.",
                skills=approved,
                guardrails=in_force,
            )
        if uses:
            yield self.env._("Skills were told to runs %(count)s times.", count=uses)
        if outcomes:
            yield self.env._(
                "Guardrails prevented %(prevented)s failures; %(wrong)s were false"
                " alarms.",
                prevented=outcomes.get("prevented", 0),
                wrong=outcomes.get("false_alarm", 0),
            )
        if waiting:
            yield self.env._("%(count)s proposals wait for a review.", count=waiting)
