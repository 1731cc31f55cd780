from odoo import fields, models


class StewardSkillFile(models.Model):
    """A file that comes with a skill. It is kept and handed out, and never executed."""

    _name = "steward.skill.file"
    _description = "File of a Skill"
    _order = "path"
    _rec_name = "path"

    skill_id = fields.Many2one(
        "steward.skill", required=True, readonly=True, index=True, ondelete="cascade"
    )
    path = fields.Char(required=True, readonly=True)
    content = fields.Binary(required=True, readonly=True, attachment=True)
    size = fields.Integer(readonly=True)
    checksum = fields.Char(readonly=True, help="SHA-256 of the content.")

    _content_uniq = models.UniqueIndex("(skill_id, path, checksum)")
