import base64

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid

from ..kernel import skill_format as kernel


class StewardSkillImport(models.TransientModel):
    """Upload skills; see what they would change before they do."""

    _name = "steward.skill.import"
    _description = "Import Skills"

    file = fields.Binary("Zip or SKILL.md", attachment=False)
    file_name = fields.Char()
    company_id = fields.Many2one(
        "res.company",
        default=lambda self: self.env.company,
        help="Empty: for all companies.",
    )
    problems = fields.Text(compute="_compute_preview")
    preview = fields.Text(compute="_compute_preview")
    ignored = fields.Text(compute="_compute_preview")

    @api.depends("file", "company_id")
    def _compute_preview(self):
        skills = self.env["steward.skill"].with_context(active_test=False)
        for wizard in self:
            wizard.problems = wizard.preview = wizard.ignored = False
            if not wizard.file:
                continue
            try:
                folders, ignored = wizard._folders()
            except Invalid as error:
                wizard.problems = error.sentence
                continue
            lines = []
            for folder in folders:
                said = kernel.parse(folder.markdown)
                known = skills._by_names([said.name], wizard.company_id)
                files = len(folder.files)
                lines.append(
                    self.env._(
                        "%(name)s: a new version of %(title)s, with %(files)s files",
                        name=said.name,
                        title=known.title,
                        files=files,
                    )
                    if known
                    else self.env._(
                        "%(name)s: new, %(title)s, with %(files)s files",
                        name=said.name,
                        title=said.title,
                        files=files,
                    )
                )
            wizard.preview = "\n".join(lines)
            wizard.ignored = "\n".join(ignored)

    def _folders(self):
        skills = self.env["steward.skill"]
        return skills._read_folders(base64.b64decode(self.file), self.file_name or "")

    def action_import(self) -> dict:
        """Take them in as drafts.

        :return: the skill's form, or the list of them
        """
        self.ensure_one()
        skills = self.env["steward.skill"]
        skills.check_access("create")
        if not self.file:
            raise Invalid(self.env._("Choose a file."))
        folders, _ignored = self._folders()
        taken = skills._take_in(folders, self.company_id)
        if len(taken) == 1:
            return taken.get_formview_action()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_skill.action_skills"
        )
        return {**action, "domain": [("id", "in", taken.ids)], "context": {}}


class StewardSkillExport(models.TransientModel):
    """Several skills on their way out as one archive."""

    _name = "steward.skill.export"
    _description = "Export Skills"

    skill_ids = fields.Many2many("steward.skill", required=True)
    file = fields.Binary(compute="_compute_file")

    @api.depends("skill_ids")
    def _compute_file(self):
        for wizard in self:
            wizard.file = base64.b64encode(wizard.skill_ids._archive())

    def _download(self):
        url = f"/web/content/{self._name}/{self.id}/file/skills.zip?download=true"
        return {"type": "ir.actions.act_url", "url": url, "target": "download"}
