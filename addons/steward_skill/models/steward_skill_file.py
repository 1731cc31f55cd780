import base64

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused

from ..kernel import skill_format as kernel


def fingerprint(checksum, executable):
    return f"{checksum} executable" if executable else checksum


class StewardSkillFile(models.Model):
    """A file that comes with a skill. It is kept and handed out, and never executed.

    It never changes, so that versions can share it; another content is another file.
    """

    _name = "steward.skill.file"
    _inherit = "steward"
    _description = "File of a Skill"
    _order = "path"
    _rec_name = "path"
    _steward_own_fields = ("size", "checksum", "is_executable")

    skill_id = fields.Many2one(
        "steward.skill", required=True, index=True, ondelete="cascade"
    )
    path = fields.Char(required=True, help="Within the skill's folder.")
    content = fields.Binary(required=True, attachment=True)
    size = fields.Integer("Bytes", readonly=True, aggregator=None)
    checksum = fields.Char(readonly=True, help="SHA-256 of the content.")
    is_executable = fields.Boolean(
        "Executable",
        readonly=True,
        help="So it was handed in, and so it is handed out. Steward executes no file.",
    )

    _content_uniq = models.UniqueIndex("(skill_id, path, checksum, is_executable)")

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise Refused(self.env._("Files come to a skill by importing its folder."))
        return super().create(vals_list)

    # pylint: disable-next=method-required-super
    def write(self, vals):  # noqa: ARG002 - whatever it is
        raise Refused(self.env._("A file never changes; import another one."))

    def _fingerprint(self):
        """By which one content of a path is told from another."""
        return fingerprint(self.checksum, self.is_executable)

    def _bytes(self):
        self.ensure_one()
        return base64.b64decode(self.with_context(bin_size=False).content)

    @api.model
    def _kept(self, skill, files):
        """Files of a skill: those that are there already, and new ones.

        :param files: ``skill_format.File`` of a folder
        """
        # sudo: steward.skill.file - whoever may write the skill brings them along
        mine = self.sudo().search([("skill_id", "=", skill.id)])
        known = {(file.path, file._fingerprint()): file for file in mine}
        found = self.browse()
        for path, content, executable in files:
            checksum = kernel.checksum(content)
            file = known.get((path, fingerprint(checksum, executable)))
            if not file:
                try:
                    kernel.checked_path(path)
                except kernel.Unreadable as error:
                    raise Invalid(str(error)) from error
                file = mine._create_own(
                    [
                        {
                            "skill_id": skill.id,
                            "path": path,
                            "content": base64.b64encode(content),
                            "size": len(content),
                            "checksum": checksum,
                            "is_executable": executable,
                        }
                    ]
                )
            found |= file
        return found.with_env(self.env)
