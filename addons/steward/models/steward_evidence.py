import hashlib
import platform
from pathlib import Path

from odoo import api, fields, models, release
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..exceptions import Invalid
from ..kernel import evidence


class StewardEvidence(models.Model):
    """What was found and done, in files whose change would show.

    Open, files are added; closed, it is one zip with a manifest, and stays as it is.
    """

    _name = "steward.evidence"
    _inherit = "steward"
    _description = "Evidence Pack"
    _order = "id DESC"
    _steward_own_fields = (
        *("name", "scope", "state", "res_model", "res_id", "company_id", "closed_at"),
        *("sha256", "summary", "files", "attachment_id", "user_id"),
    )

    name = fields.Char(required=True, readonly=True)
    scope = fields.Char(required=True, readonly=True)
    state = fields.Selection(
        [("open", "Open"), ("closed", "Closed")],
        required=True,
        readonly=True,
        default="open",
    )
    res_model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(
        model_field="res_model", readonly=True, index="btree_not_null"
    )
    company_id = fields.Many2one("res.company", readonly=True, index="btree_not_null")
    user_id = fields.Many2one(
        "res.users", "Closed by", readonly=True, default=lambda self: self.env.user
    )
    closed_at = fields.Datetime("Closed", readonly=True)
    sha256 = fields.Char("SHA-256 of the zip", readonly=True)
    summary = fields.Text(readonly=True)
    files = fields.Json(
        "Files and checksums",
        readonly=True,
        help="Path, SHA-256 and size of each file.",
    )
    files_text = fields.Text("What is inside", compute="_compute_files_text")
    attachment_id = fields.Many2one(
        "ir.attachment", "Zip", readonly=True, ondelete="restrict"
    )

    @api.depends("files")
    def _compute_files_text(self):
        for pack in self:
            pack.files_text = "\n".join(
                f"{entry['sha256'][:12]}…  {entry['path']}"
                for entry in pack.files or []
            )

    # -- filling and closing --------------------------------------------------

    @api.model
    def _open(self, record, scope):
        """Begin a pack about a record; who may was checked by the caller."""
        # all times in a pack are UTC, whoever closes it
        name = record.with_context(tz="UTC").display_name
        # sudo: steward.evidence - written by our code alone
        return self.sudo()._create_own(
            [
                {
                    "name": f"{scope}: {name}",
                    "scope": scope,
                    "res_model": record._name,
                    "res_id": record.id,
                }
            ]
        )

    def _add(self, files):
        """Put files in: path -> text or bytes. A path is given once."""
        self.ensure_one()
        self._check_open()
        attachments = self._loose()
        known = set(attachments.mapped("name"))
        for path, content in files.items():
            try:
                evidence.check_path(path)
            except ValueError as error:
                raise Invalid(str(error)) from error
            if path in known:
                raise Invalid(self.env._("%(path)s is in the pack already.", path=path))
            data = content.encode() if isinstance(content, str) else content
            attachments.create(
                {
                    "name": path,
                    "raw": data,
                    "res_model": self._name,
                    "res_id": self.id,
                }
            )

    def _close(self, verification):
        """Seal it: from now on nobody changes a byte unnoticed.

        :param dict verification: ``{"ok", "checks"?, …}``, plain JSON
        """
        self.ensure_one()
        self._check_open()
        loose = self._loose()
        files = {attachment.name: attachment.raw or b"" for attachment in loose}
        files["verification.json"] = evidence.as_json(verification)
        files["runtime.json"] = evidence.as_json(self._runtime())
        if git := evidence.git_state(Path(__file__).resolve().parent):
            files["git.json"] = evidence.as_json(git)
        now = fields.Datetime.now()
        data = evidence.pack(files, self.name, now, self.scope)
        folder = evidence.folder(now, self.scope).replace("/", "-")
        attachment = loose.create(
            {
                "name": f"{folder}.zip",
                "raw": data,
                "mimetype": "application/zip",
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        self._write_own(
            {
                "state": "closed",
                "closed_at": now,
                "sha256": hashlib.sha256(data).hexdigest(),
                "summary": evidence.summary(self.name, now, files),
                "files": [entry._asdict() for entry in evidence.contents(data)],
                "attachment_id": attachment.id,
            }
        )
        loose.unlink()

    def _check_open(self):
        if self.state != "open":
            raise Invalid(self.env._("This evidence is closed: it stays as it is."))

    def _loose(self):
        # sudo: ir.attachment - files of the pack, which our code alone writes
        attachments = self.env["ir.attachment"].sudo()
        return attachments.search(
            [
                ("res_model", "=", self._name),
                ("res_id", "=", self.id),
                ("id", "!=", self.attachment_id.id),
            ]
        )

    @api.model
    def _runtime(self):
        """With what it was done."""
        # sudo: ir.module.module - versions of what is installed
        modules = self.env["ir.module.module"].sudo()
        [(postgres,)] = self.env.execute_query(SQL("SHOW server_version"))
        # sudo: ir.config_parameter - which database this is
        get = self.env["ir.config_parameter"].sudo().get_param
        return {
            "odoo": release.version,
            "python": platform.python_version(),
            "postgresql": postgres,
            "database": self.env.cr.dbname,
            "database_uuid": get("database.uuid"),
            "modules": {
                module.name: module.latest_version
                for module in modules.search([("state", "=", "installed")])
            },
        }

    # -- screens --------------------------------------------------

    def action_download(self) -> dict:
        """Get the zip."""
        self.ensure_one()
        self.check_access("read")
        if not self.attachment_id:
            raise Invalid(self.env._("This evidence is not closed yet."))
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self.attachment_id.id}?download=true",
            "target": "download",
        }

    def action_verify(self) -> dict:
        """Say whether the pack is still what was closed."""
        self.ensure_one()
        found = self._problems()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "danger" if found else "success",
                "sticky": bool(found),
                "title": self.name,
                "message": " ".join(found)
                or self.env._("Every file is as it was when the pack was closed."),
            },
        }

    def _problems(self):
        self.check_access("read")
        # sudo: ir.attachment - the pack that this user may read
        data = self.attachment_id.sudo().raw or b""
        if hashlib.sha256(data).hexdigest() == self.sha256:
            return evidence.problems(data)
        return evidence.problems(data) or [self.env._("The zip was made anew.")]


class StewardEvidenceMixin(models.AbstractModel):
    """For a record that shall be able to prove something."""

    _name = "steward.evidence.mixin"
    _inherit = "steward"
    _description = "Evidence"

    evidence_ids = fields.One2many(
        "steward.evidence",
        "res_id",
        "Evidence",
        domain=lambda self: [("res_model", "=", self._name)],
        readonly=True,
    )
    evidence_count = fields.Integer(compute="_compute_evidence_count")

    @api.depends("evidence_ids")
    def _compute_evidence_count(self):
        for record in self:
            record.evidence_count = len(record.evidence_ids)

    def _pack_evidence(self, scope, files, verification):
        """Close a pack about this record, in one go.

        :param str scope: what it is about, in a word or two
        :param dict files: path in the pack -> text or bytes
        :param dict verification: ``{"ok", "checks"?: [{"name", "ok", "sentence"?}]}``
        :return: the evidence
        """
        self.ensure_one()
        pack = self.env["steward.evidence"]._open(self, scope)
        pack._add(files)
        pack._close(verification)
        self.invalidate_recordset(["evidence_ids"])
        return pack.with_env(self.env)

    def action_open_evidence(self) -> dict:
        """Show the evidence about these records."""
        if not self.env["steward.evidence"].has_access("read"):
            raise AccessError(self.env._("Only Steward's Viewers see evidence."))
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward.action_evidence"),
            "domain": [("res_model", "=", self._name), ("res_id", "in", self.ids)],
            "context": {},
        }
