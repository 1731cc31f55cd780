from odoo import api, models
from odoo.addons.steward.kernel.context import Item, tokens_of

MOST = 5  # skills that are told of
WHOLE = 0.4  # of the tokens: a skill up to that length is told as a whole


class StewardContext(models.AbstractModel):
    """What has proved itself for tasks like this one, told before an agent begins."""

    _inherit = "steward.context"

    @api.model
    def _get_providers(self):
        return {**super()._get_providers(), "skills": self._skills}

    @api.model
    def _skills(self, task, tokens):
        """The skills that fit, the best of them with its instructions."""
        found = self.env["steward.skill"]._find(task, MOST)
        if run := self.env["steward.run"]._at_work():
            found = self.env["steward.skill.use"]._allotted(run, found)
        versions = self.env["steward.skill.version"].browse(
            row.version_id for row in found
        )
        for row, version in zip(found, versions, strict=True):
            text = version.description
            how = version._told()
            if row is found[0] and tokens_of(how) <= tokens * WHOLE:
                text = f"{text}\n{how}"
            else:
                text = f"{text}\n{version._hint()}"
            about = {
                "name": version.skill_id.name,
                "version": version.number,
                "version_id": version.id,
            }
            yield Item(text, version.title, "", row.score, about)


class StewardSkillVersion(models.Model):
    _inherit = "steward.skill.version"

    def _told(self):
        """What an agent is told to do."""
        if self.kind == "playbook":
            return self._hint()
        return (self.body or "").strip()

    def _hint(self):
        """How an agent comes by the whole of it."""
        tool = "run_skill" if self.kind == "playbook" else "read_skill"
        return self.env._(
            "All of it: the tool %(tool)s, with the name %(name)s.",
            tool=tool,
            name=self.skill_id.name,
        )
