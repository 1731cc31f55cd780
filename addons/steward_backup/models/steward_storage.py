from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel import health
from odoo.exceptions import AccessError, ValidationError

KINDS = [
    ("folder", "Folder"),
    ("s3", "S3 and compatible"),
    ("restic", "restic repository"),
]
ENGINES = {"restic": "restic"}  # the others hold archives
# per kind: name in what the runner gets -> field here; a secret travels as a reference
_FIELDS = {
    "folder": {"path": "path"},
    "s3": {
        "endpoint": "endpoint",
        "region": "region",
        "bucket": "bucket",
        "prefix": "prefix",
        "path_style": "path_style",
        "access_key": "access_key_id",
        "secret_key": "secret_key_id",
    },
    "restic": {
        "repository": "repository",
        "password": "password_id",
        "access_key": "access_key_id",
        "secret_key": "secret_key_id",
    },
}
_NEEDED = {
    "folder": (),
    "s3": ("bucket", "access_key_id", "secret_key_id"),
    "restic": ("repository", "password_id"),
}


class StewardStorage(models.Model):
    """Where backups are kept; what is known of it comes from the runner."""

    _name = "steward.storage"
    _inherit = ["steward.progress.mixin"]
    _description = "Backup Storage"
    _order = "sequence, id"
    _steward_own_fields = (
        *("operation_id", "free_bytes", "total_bytes", "last_test_at"),
        *("last_test_ok", "last_test_message"),
    )

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    kind = fields.Selection(KINDS, required=True, default="folder")

    path = fields.Char(
        "Folder",
        groups="steward.group_administrator",
        help="Absolute, and in a folder that the runner's settings allow. Empty: the"
        " runner's own folder.",
    )
    endpoint = fields.Char(
        groups="steward.group_administrator",
        help="https://host of the service; empty: Amazon's.",
    )
    region = fields.Char()
    bucket = fields.Char(groups="steward.group_administrator")
    prefix = fields.Char("Folder in the bucket", groups="steward.group_administrator")
    path_style = fields.Boolean(
        "Bucket in the path",
        help="Most services other than Amazon's want it: https://host/bucket.",
    )
    repository = fields.Char(
        groups="steward.group_administrator",
        help="As restic names it: /srv/restic, s3:https://host/bucket or rest:https://…",
    )
    access_key_id = fields.Many2one(
        "steward.secret", "Access key", groups="steward.group_administrator"
    )
    secret_key_id = fields.Many2one(
        "steward.secret", "Secret key", groups="steward.group_administrator"
    )
    password_id = fields.Many2one(
        "steward.secret", "Repository's password", groups="steward.group_administrator"
    )

    free_bytes = fields.Float("Free", readonly=True, copy=False, aggregator=None)
    total_bytes = fields.Float("Size", readonly=True, copy=False, aggregator=None)
    last_test_at = fields.Datetime("Last tested", readonly=True, copy=False)
    last_test_ok = fields.Boolean("Works", readonly=True, copy=False)
    last_test_message = fields.Char("Result", readonly=True, copy=False)

    plan_ids = fields.Many2many("steward.backup.plan", string="Plans", readonly=True)
    used_bytes = fields.Float("Backups take", compute="_compute_used", aggregator=None)
    backup_count = fields.Integer("Backups", compute="_compute_used")
    room = fields.Selection(
        [("ok", "Enough"), ("degraded", "Nearly full"), ("failed", "Full")],
        compute="_compute_room",
    )

    def _compute_used(self):
        found = {
            storage: (count, size)
            for storage, count, size in self.env["steward.backup"]._read_group(
                [("storage_id", "in", self.ids), ("is_there", "=", True)],
                ["storage_id"],
                ["__count", "bytes:sum"],
            )
        }
        for storage in self:
            storage.backup_count, storage.used_bytes = found.get(storage, (0, 0.0))

    @api.depends("free_bytes", "total_bytes")
    def _compute_room(self):
        for storage in self:
            storage.room = storage.total_bytes and health.disk_status(
                int(storage.free_bytes), int(storage.total_bytes)
            )

    @api.constrains("kind", "bucket", "access_key_id", "secret_key_id", "repository")
    def _check_complete(self):
        for storage in self:
            missing = [
                storage._fields[name]._description_string(self.env)
                for name in _NEEDED[storage.kind]
                if not storage[name]
            ]
            if missing:
                raise ValidationError(
                    self.env._(
                        "%(storage)s is not complete: fill in %(fields)s.",
                        storage=storage.name,
                        fields=", ".join(missing),
                    )
                )

    @api.constrains("path")
    def _check_path(self):
        for storage in self.filtered("path"):
            if not storage.path.startswith("/") or ".." in storage.path.split("/"):
                raise ValidationError(
                    self.env._("A folder is absolute, without “..”: /srv/backups.")
                )

    @api.constrains("access_key_id", "secret_key_id", "password_id")
    def _check_references(self):
        secrets = self.access_key_id | self.secret_key_id | self.password_id
        for secret in secrets:
            secret._check_runner_can_read()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_backups(self):
        backups = self.env["steward.backup"]
        if backups.search_count([("storage_id", "in", self.ids)], limit=1):
            raise Refused(
                self.env._("A storage with backups is not deleted. Archive it instead.")
            )

    def write(self, vals):
        done = super().write(vals)
        if {"kind", *(f for names in _FIELDS.values() for f in names.values())} & {
            *vals
        }:
            # what was tested was another place
            self._write_own(
                {
                    **dict.fromkeys(
                        ("last_test_at", "last_test_ok", "last_test_message"), False
                    ),
                    "free_bytes": 0,
                    "total_bytes": 0,
                }
            )
        return done

    # -- what the runner gets --------------------------------------------------

    def _engine(self):
        return ENGINES.get(self.kind, "archive")

    def _prepare_storage(self):
        """The storage as an argument of the runner's verbs; no value of a secret."""
        self.ensure_one()
        # sudo: steward.storage - who may back up need not know where to
        storage = self.sudo()
        told = {"kind": storage.kind}
        for name, field in _FIELDS[storage.kind].items():
            value = storage[field]
            if field.endswith("_id") and value:
                value = value._get_runner_reference()
            if value:
                told[name] = value
        if storage.kind == "folder" and not storage.path:
            told["path"] = self._default_folder()
        return told

    @api.model
    def _find_prepared(self, told):
        """The storage that the runner was told like this, archived or not."""
        for storage in self.with_context(active_test=False).search([]):
            try:
                if storage._prepare_storage() == told:
                    return storage
            except (Invalid, ValidationError):  # it cannot be used any more
                continue
        return self.browse()

    @api.model
    def _default_folder(self):
        roots = self.env["steward.runner"]._roots()
        if not roots:
            raise Invalid(
                self.env._(
                    "No runner has told where it may keep backups. Enrol one under"
                    " Configuration > Runners and start it, or name a folder in the"
                    " storage."
                )
            )
        return roots[0]["path"]

    # -- test --------------------------------------------------

    def action_test(self) -> bool:
        """Let the runner write, read back and remove a small file there.

        Operators only; the result is kept with the storage.
        """
        self.ensure_one()
        self._check_operator()
        if "probe" in self._runner_verbs():
            self._start_operation("probe", {"storage": self._prepare_storage()})
        else:
            self._note_root()
        return True

    def _runner_verbs(self):
        # sudo: steward.runner - what it can do
        facts = self.env["steward.runner"].sudo()._alive()[:1].facts or {}
        return facts.get("verbs") or []

    def _note_root(self):
        """What a runner told by itself of the folder that holds this one."""
        path = self._prepare_storage().get("path") or ""
        root = next(
            (
                root
                for root in self.env["steward.runner"]._roots()
                if f"{path}/".startswith(f"{root['path'].rstrip('/')}/")
            ),
            None,
        )
        values = {"last_test_at": fields.Datetime.now(), "last_test_ok": bool(root)}
        if root:
            values["free_bytes"] = root.get("free_bytes") or 0
            values["total_bytes"] = root.get("total_bytes") or 0
            message = self.env._("The runner may write there.")
        else:
            message = self.env._(
                "No living runner has told that it may write there. Look under"
                " Configuration > Runners."
            )
        # sudo: steward.storage - the result of a test
        self.sudo()._write_own({**values, "last_test_message": message})

    def _operation_done(self, operation):
        """Take over what a test found."""
        found = operation.result or {}
        ok = operation.state == "done" and bool(found.get("ok"))
        message = found.get("sentence") or operation.error
        if not message:
            message = (
                self.env._("A file was written, read back and removed.")
                if ok
                else self.env._("The test was not brought to its end.")
            )
        self._write_own(
            {
                "last_test_at": operation.ended_at or fields.Datetime.now(),
                "last_test_ok": ok,
                "last_test_message": message,
                "free_bytes": found.get("free_bytes") or 0,
                "total_bytes": found.get("total_bytes") or 0,
            }
        )
        self.env["steward.backup.alarm"]._look()

    def _check_operator(self):
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators test storages."))

    def action_open_backups(self) -> dict:
        """Show what is kept there."""
        self.ensure_one()
        return {
            **self.env["ir.actions.actions"]._for_xml_id(
                "steward_backup.action_backups"
            ),
            "domain": [("storage_id", "=", self.id)],
            "context": {},
        }


class StewardSecret(models.Model):
    _inherit = "steward.secret"

    def _check_runner_can_read(self):
        # sudo: steward.secret - the kind of place alone
        for secret in self.sudo():
            if secret.scheme not in ("env", "file"):
                raise ValidationError(
                    self.env._(
                        "%(secret)s is kept where the runner cannot read it. For"
                        " backups, name an environment variable (env:NAME) or a file"
                        " (file:/path) of the runner's machine.",
                        secret=secret.name,
                    )
                )

    def _get_runner_reference(self):
        """Where the runner finds the value itself; it never passes through Odoo."""
        self.ensure_one()
        # sudo: steward.secret - the place, for the one who reads it there
        secret = self.sudo()
        secret._check_runner_can_read()
        return secret.reference
