from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.kernel.statistics import Moments
from odoo.tools import SQL

from ..kernel.trial import VERDICTS, Arm, compare, confidence
from .steward_skill import StewardSkill as Skill

DOUBTFUL = 0.3  # confidence under which a skill should be looked at
USES = 20  # of it, before that says anything
UNUSED = 90  # days after which a skill that nobody uses should be looked at


class StewardSkill(models.Model):
    """What a skill is good for, as far as that was measured."""

    _inherit = "steward.skill"
    _steward_own_fields = (*Skill._steward_own_fields, "deprecation")

    trial_verdict = fields.Selection(VERDICTS, "Effect", compute="_compute_trial")
    trial_text = fields.Text("Trial", compute="_compute_trial")
    deprecation = fields.Char(
        "Should it be deprecated?", readonly=True, copy=False, help="Why."
    )

    @api.depends("approved_version_id", "trial_share", "use_count")
    @api.depends_context("lang")
    def _compute_trial(self):
        arms = self._arms()
        for skill in self:
            told, untold, days = arms.get(skill.approved_version_id.id, (0, 0, 0))
            if not (told and skill.trial_share):
                skill.trial_verdict = skill.trial_text = False
                continue
            result = compare(told, untold, skill.trial_share / 100, days)
            skill.trial_verdict = result.verdict
            skill.trial_text = skill._trial_words(told, untold, result)

    def _arms(self):
        """Version in use -> the runs told of it, those that were not, days of trial."""
        versions = self.approved_version_id
        if not versions:
            return {}
        self.env["steward.skill.use"].flush_model()
        sums = SQL(", ").join(
            SQL(
                "count(%(c)s), coalesce(avg(%(c)s), 0)::float,"
                " coalesce(var_samp(%(c)s), 0)::float",
                c=SQL.identifier(name),
            )
            for name in ("cost", "step_count", "duration_ms")
        )
        found = {}
        for version, arm, runs, good, days, *figures in self.env.execute_query(
            SQL(
                """
                SELECT version_id, arm, count(*),
                       count(*) FILTER (WHERE state = 'completed'
                                          AND verdict IS DISTINCT FROM 'rejected'),
                       extract(epoch FROM (now() AT TIME ZONE 'utc') - min(used_at))
                           ::float / 86400, %s
                  FROM steward_skill_use
                 WHERE version_id = ANY(%s) AND state IS NOT NULL GROUP BY 1, 2
                """,
                sums,
                versions.ids,
            )
        ):
            moments = [
                Moments(count, mean, variance * max(count - 1, 0))
                for count, mean, variance in zip(*[iter(figures)] * 3, strict=True)
            ]
            arms = found.setdefault(version, {"with": Arm(), "without": Arm()})
            arms[arm] = Arm(runs, good, *moments)
            arms["days"] = max(days, arms.get("days", 0))
        return {
            version: (arms["with"], arms["without"], arms["days"])
            for version, arms in found.items()
        }

    def _trial_words(self, told, untold, result):
        """What the trial shows, in lines that people read."""
        lines = []
        for name, arm in (
            (self.env._("With it"), told),
            (self.env._("Without it"), untold),
        ):
            if not arm.runs:
                lines.append(self.env._("%(arm)s: no run has ended.", arm=name))
                continue
            lines.append(
                self.env._(
                    "%(arm)s: %(good)s of %(runs)s runs went well (%(share)s %%);"
                    " %(steps)s steps, %(seconds)s s and %(cost)s a run.",
                    arm=name,
                    good=arm.good,
                    runs=arm.runs,
                    share=round(100 * arm.success),
                    steps=f"{arm.steps.mean:.1f}",
                    seconds=f"{arm.seconds.mean / 1000:.1f}",
                    cost=f"{arm.cost.mean:.4f} USD"
                    if arm.cost.count
                    else self.env._("an unknown cost"),
                )
            )
        if result.interval:
            low, high = (round(100 * value) for value in result.interval)
            lines.append(
                self.env._(
                    "The difference is between %(low)s and %(high)s points, with 95 %%"
                    " confidence at each look.",
                    low=f"{low:+d}",
                    high=f"{high:+d}",
                )
            )
        return "\n".join(lines)

    @api.model
    def _reconsider(self) -> "StewardSkill":
        """Count uses, say anew how sure each skill is, propose to deprecate.

        :return: the skills that should be looked at, as of now
        """
        self.env["steward.skill.use"]._refresh()
        doubtful = self.browse()
        # sudo: steward.skill - our code counts and proposes; people decide
        skills = self.sudo().search([("approved_version_id", "!=", False)])
        arms = skills._arms()
        for skill in skills:
            told, _untold, _days = arms.get(
                skill.approved_version_id.id, (Arm(), Arm(), 0)
            )
            sources = len(skill.source_traces or ())
            sure = round(confidence(told.good, told.runs, sources), 3)
            if sure != skill.confidence:
                skill._write_own({"confidence": sure})
            reason = skill._why_deprecate(told.runs)
            if reason and not skill.deprecation:
                skill._write_own({"deprecation": reason})
                skill._ask_about(reason)
                doubtful |= skill
            elif skill.deprecation and not reason:
                skill._write_own({"deprecation": False})
        return doubtful

    def _why_deprecate(self, runs):
        """Why agents should use it no longer; empty: they should. Hook."""
        self.ensure_one()
        if self.trial_verdict == "harms":
            return self.env._("Runs go better without it.")
        if runs >= USES and self.confidence < DOUBTFUL:
            return self.env._(
                "Surely only %(share)s %% of the runs with it go well.",
                share=round(100 * self.confidence),
            )
        last = self.last_used_at or self.approved_version_id.approved_at
        if last and (fields.Datetime.now() - last).days >= UNUSED:
            return self.env._("Nobody has used it for %(days)s days.", days=UNUSED)
        return ""

    def _ask_about(self, reason):
        person = self.owner_id or self.env["steward.secret"]._get_reminded()
        if person:
            self.with_user(SUPERUSER_ID).activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Deprecate this skill?"),
                note=reason,
                user_id=person.id,
            )

    def _on_deprecated(self):
        # sudo: steward.skill - somebody decided it
        self.sudo()._write_own({"deprecation": False})
        return super()._on_deprecated()
