import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel import operation as work
from odoo.addons.steward.kernel.units import human_bytes
from odoo.exceptions import AccessError
from odoo.tools import SQL, format_datetime

from ..kernel.verbs import KINDS as KIND_NAMES
from ..kernel.verbs import proves_more

KINDS = list(
    zip(KIND_NAMES, ("Database and files", "Database only", "Files only"), strict=True)
)
LEVELS = [
    ("written", "Written"),
    ("checksummed", "Checksums right"),
    ("readback", "Read back"),
    ("restored", "Restored"),
]
STATES = [
    (work.QUEUED, "Waiting"),
    (work.RUNNING, "At work"),
    (work.DONE, "Done"),
    (work.FAILED, "Failed"),
    (work.CANCELLED, "Cancelled"),
    (work.LOST, "Lost"),
]
EXPORT_DAYS = 7  # that an export stays, where no plan says otherwise
DISCARD_AGAIN = timedelta(days=1)  # until one that could not go is tried again
TIMELINE_DAYS = 30
TIMELINE_MOST = 2000  # marks


class StewardBackup(models.Model):
    """One backup, as the runner told of it; nothing here claims success by itself."""

    _name = "steward.backup"
    _inherit = ["steward.progress.mixin", "mail.thread"]
    _description = "Backup"
    _order = "moment DESC, id DESC"
    _steward_own_fields = (
        *("operation_id", "plan_id", "storage_id", "database", "kind", "reason"),
        *("state", "moment", "ended_at", "duration", "level", "is_there", "is_good"),
        *("verified_at", "verify_ok", "findings", "path", "manifest_sha256", "bytes"),
        *("database_bytes", "filestore_bytes", "filestore_files", "parts"),
        *("odoo_version", "pg_version", "modules_count", "key_id", "is_encrypted"),
        *("added_bytes", "encryption_key"),
        *("error", "pruned_at", "user_id", "verify_error", "export_path"),
        "exported_at",
    )

    plan_id = fields.Many2one(
        "steward.backup.plan", "Plan", readonly=True, index=True, ondelete="restrict"
    )
    storage_id = fields.Many2one(
        "steward.storage",
        "Storage",
        readonly=True,
        required=True,
        index=True,
        ondelete="restrict",
    )
    database = fields.Char(readonly=True, required=True)
    kind = fields.Selection(KINDS, "Content", readonly=True, required=True)
    reason = fields.Char("Why", readonly=True)
    label = fields.Char(help="Your own word for it, to find it again.", tracking=True)
    protected = fields.Boolean(
        tracking=True, help="Stays until you say otherwise, however old it is."
    )
    user_id = fields.Many2one(
        "res.users", "Asked by", readonly=True, default=lambda self: self.env.user
    )

    state = fields.Selection(
        STATES, required=True, readonly=True, default=work.QUEUED, copy=False
    )
    moment = fields.Datetime(
        "Taken at",
        required=True,
        readonly=True,
        default=fields.Datetime.now,
        help="The state of the database that it holds: when the runner began.",
    )
    ended_at = fields.Datetime("Ended", readonly=True)
    duration = fields.Float("Duration", readonly=True, aggregator="avg")
    error = fields.Char("What happened", readonly=True)

    # what is proven
    level = fields.Selection(
        LEVELS,
        "Proven",
        readonly=True,
        help="Written: it is there. Checksums right: each part is as it was written."
        " Read back: it was unpacked to the end. Restored: it was brought to life.",
    )
    verified_at = fields.Datetime("Last verified", readonly=True)
    verify_ok = fields.Boolean(
        "Verification passed", readonly=True, help="Of the last one."
    )
    verify_error = fields.Char(
        "Verification not possible", readonly=True, help="Why the last one did not end."
    )
    findings = fields.Json("Findings (data)", readonly=True)
    findings_text = fields.Text("Findings", compute="_compute_findings_text")
    is_there = fields.Boolean(
        "In the storage", compute="_compute_is_good", store=True, index=True
    )
    is_good = fields.Boolean(
        "Can be restored",
        compute="_compute_is_good",
        store=True,
        help="Complete, in its storage, and no verification has said otherwise.",
    )
    pruned_at = fields.Datetime("Removed", readonly=True)

    # what it is
    path = fields.Char(readonly=True, groups="steward.group_operator")
    export_path = fields.Char(
        "Odoo's zip",
        readonly=True,
        copy=False,
        groups="steward.group_operator",
        help="On the runner's machine. Odoo's own database manager restores it.",
    )
    exported_at = fields.Datetime("Exported", readonly=True, copy=False)
    export_until = fields.Datetime(
        "Export stays until",
        compute="_compute_export_until",
        help="The plan says how many days an export stays.",
    )
    manifest_sha256 = fields.Char("Manifest (SHA-256)", readonly=True)
    bytes = fields.Float("Size", readonly=True, aggregator="sum")
    added_bytes = fields.Float(
        "New in the storage",
        readonly=True,
        aggregator="sum",
        help="What it added: restic keeps once what did not change.",
    )
    database_bytes = fields.Float("Database's size", readonly=True, aggregator=None)
    filestore_bytes = fields.Float("Files' size", readonly=True, aggregator=None)
    filestore_files = fields.Integer("Files", readonly=True, aggregator=None)
    parts = fields.Integer(readonly=True, aggregator=None)
    odoo_version = fields.Char("Odoo", readonly=True)
    pg_version = fields.Char("PostgreSQL", readonly=True)
    modules_count = fields.Integer("Apps and modules", readonly=True, aggregator=None)
    key_id = fields.Char("Signed with key", readonly=True)
    is_encrypted = fields.Boolean("Encrypted", readonly=True)
    encryption_key = fields.Char(
        "Encrypted with key",
        readonly=True,
        help="The key's fingerprint, by which the runner finds it among those that the"
        " plan names.",
    )

    drill_ids = fields.One2many("steward.drill", "backup_id", readonly=True)
    age = fields.Char(compute="_compute_age")
    look = fields.Selection(
        [
            ("work", "At work"),
            ("good", "Good"),
            ("doubtful", "Doubtful"),
            ("failed", "Failed"),
            ("gone", "Removed"),
        ],
        "How it stands",
        compute="_compute_look",
    )

    _path = models.UniqueIndex("(storage_id, path) WHERE pruned_at IS NULL")
    _exported = models.Index("(exported_at) WHERE export_path IS NOT NULL")
    _series = models.Index("(plan_id, storage_id, database, moment DESC)")

    # -- computes --------------------------------------------------

    @api.depends("moment", "database", "label")
    @api.depends_context("tz")
    def _compute_display_name(self):
        for backup in self:
            moment = format_datetime(self.env, backup.moment, dt_format="short")
            parts = (backup.database, moment, backup.label)
            backup.display_name = ", ".join(filter(None, parts))

    @api.depends("state", "pruned_at", "verified_at", "verify_ok", "path")
    def _compute_is_good(self):
        # sudo: steward.backup - whether there is a path, not which
        for backup in self.sudo():
            there = backup.state == work.DONE and backup.path and not backup.pruned_at
            backup.is_there = bool(there)
            refuted = backup.verified_at and not backup.verify_ok
            backup.is_good = bool(there) and not refuted

    @api.depends("is_good", "is_there", "state", "pruned_at")
    def _compute_look(self):
        for backup in self:
            if backup.state in work.OPEN:
                backup.look = "work"
            elif backup.pruned_at:
                backup.look = "gone"
            elif backup.is_good:
                backup.look = "good"
            else:
                backup.look = "doubtful" if backup.is_there else "failed"

    @api.depends("moment")
    def _compute_age(self):
        now = fields.Datetime.now()
        for backup in self:
            backup.age = self._ago(now - backup.moment)

    @api.model
    def _ago(self, span):
        """How long ago something was, in words that fit into a sentence."""
        seconds = max(0.0, span.total_seconds())
        if seconds < 60:
            return self.env._("less than a minute")
        if seconds < 5400:
            return self.env._("%(number)s minutes", number=round(seconds / 60))
        if seconds < 36 * 3600:
            return self.env._("%(number)s hours", number=round(seconds / 3600))
        return self.env._("%(number)s days", number=round(seconds / 86400))

    @api.depends("exported_at", "plan_id.export_days")
    def _compute_export_until(self):
        for backup in self:
            days = backup.plan_id.export_days if backup.plan_id else EXPORT_DAYS
            known = backup.exported_at and days
            backup.export_until = known and backup.exported_at + timedelta(days=days)

    @api.depends("findings")
    def _compute_findings_text(self):
        for backup in self:
            lines = [
                finding.get("sentence") or str(finding)
                if isinstance(finding, dict)
                else str(finding)
                for finding in backup.findings or []
            ]
            backup.findings_text = "\n".join(lines) or False

    @api.ondelete(at_uninstall=False)
    def _unlink_except_there(self):
        if self.filtered(lambda backup: backup.is_there or backup.is_working):
            raise Refused(
                self.env._(
                    "A backup that is in its storage stays in the list. Let its plan"
                    " remove it."
                )
            )
        if self.filtered("exported_at"):
            raise Refused(
                self.env._(
                    "A backup whose export is there stays in the list. Remove the"
                    " export first."
                )
            )

    # -- making one --------------------------------------------------

    @api.model
    def _begin(self, plan, storage, database, reason):
        """Ask the runner for a backup; the caller has checked who may."""
        # sudo: steward.backup - written by our code alone
        backup = self.sudo()._create_own(
            [
                {
                    "plan_id": plan.id,
                    "storage_id": storage.id,
                    "database": database,
                    "kind": plan.kind,
                    "reason": reason,
                    "is_encrypted": plan.is_encrypted or storage.kind == "restic",
                    "user_id": self.env.uid,
                }
            ]
        )
        backup._start_operation(
            "backup",
            {
                "database": database,
                "kind": plan.kind,
                "storage": storage._prepare_storage(),
                "engine": storage._engine(),
                "encryption": plan._encryption(),
                "jobs": plan.jobs,
                "label": reason or "",
                "plan_uuid": plan.uuid,
            },
        )
        return backup.with_env(self.env)

    def action_back_up_now(self) -> dict:
        """Make a backup by the first plan, and show how it goes; Operators only."""
        plans = self.env["steward.backup.plan"]
        plans._check_operator()
        plan = plans.search([], limit=1)
        if not plan:
            raise Invalid(
                self.env._("There is no plan. Make one under Operations > Plans.")
            )
        return plan.action_run()

    # -- what the runner told --------------------------------------------------

    def _operation_done(self, operation):
        """Take over an outcome: of the backup itself, a verification or a restore."""
        # a later outcome of the same operation (lost, then found done) comes again
        getattr(self, f"_{operation.verb}_done")(operation, operation.result or {})
        self.env["steward.backup.alarm"]._look()

    def _backup_done(self, operation, result):
        values = {
            "state": operation.state,
            "moment": _whole(operation.started_at or self.moment),
            "ended_at": _whole(operation.ended_at),
            "duration": operation.duration,
            "error": operation.error,
        }
        if operation.state == work.DONE:
            values |= self._prepare_made(result)
        self._write_own(values)
        if self.is_good and self.plan_id:
            self.plan_id._prune()

    @api.model
    def _prepare_made(self, result):
        """What the runner tells of a backup that it made, as values."""
        told = result.get("backup") or {}
        if not told.get("path"):
            # a runner that claims success without saying where is not believed
            return {
                "state": work.FAILED,
                "error": self.env._("The runner did not tell where the backup is."),
            }
        values = {
            "path": told["path"],
            "manifest_sha256": told.get("manifest_sha256"),
            "bytes": told.get("bytes") or 0,
            "added_bytes": told.get("added_bytes") or told.get("bytes") or 0,
            "database_bytes": told.get("database_bytes") or 0,
            "filestore_bytes": told.get("filestore_bytes") or 0,
            "filestore_files": told.get("filestore_files") or 0,
            "parts": _count(told.get("parts")),
            "odoo_version": told.get("odoo_version"),
            "pg_version": told.get("pg_version"),
            "modules_count": told.get("modules_count") or 0,
            "key_id": told.get("key_id"),
            "level": self._known_level(result.get("level")) or "written",
            "findings": told.get("findings") or False,
            "error": False,
        }
        if "encryption" in told:  # what was asked for is no proof that it was done
            encryption = told["encryption"] or {}
            values["is_encrypted"] = bool(encryption)
            values["encryption_key"] = encryption.get("key_id")
        return values | ({"duration": told["duration"]} if told.get("duration") else {})

    @api.model
    def _adopt(self, operation):
        """The record of a backup that was made after the state of this database.

        :param operation: what the runner brought along at a restore in place
        """
        told = operation.arguments or {}
        storage = self.env["steward.storage"]._find_prepared(told.get("storage"))
        if not storage:
            return None
        plan = self.env["steward.backup.plan"].search(
            [("uuid", "=", told.get("plan_uuid") or "")], limit=1
        )
        return self._create_own(
            [
                {
                    "operation_id": operation.id,
                    "plan_id": plan.id,
                    "storage_id": storage.id,
                    "database": told["database"],
                    "kind": told["kind"],
                    "reason": told.get("label"),
                    "is_encrypted": bool(told.get("encryption")),
                    "user_id": False,
                }
            ]
        )

    @api.model
    def _note_removed(self, operation):
        """Take over what the runner removed after the state of this database."""
        told = operation.arguments or {}
        storage = self.env["steward.storage"]._find_prepared(told.get("storage"))
        removed = (operation.result or {}).get("removed") or []
        self.search(
            [
                ("storage_id", "in", storage.ids),
                ("path", "in", removed),
                ("pruned_at", "=", False),
            ]
        )._write_own({"pruned_at": operation.ended_at or fields.Datetime.now()})

    def _verify_done(self, operation, result):
        if operation.state != work.DONE:
            if operation.state != work.CANCELLED:
                self._write_own({"verify_error": operation.error or operation.state})
            return self._tell_attempt(operation)
        ok = bool(result.get("ok"))
        self._proved(ok, ok and result.get("level"), operation.ended_at)
        self._write_own({"findings": result.get("findings") or False})
        return None

    def _restore_done(self, operation, result):
        if operation.state != work.DONE:
            return self._tell_attempt(operation)
        self._proved(True, result.get("level"), operation.ended_at)
        self._list_safety(operation, result)
        seconds = result.get("rto") or result.get("seconds")
        self.message_post(
            body=self.env._(
                "Restored to the database %(database)s in %(seconds)s s.",
                database=result.get("database"),
                seconds=round(seconds, 1) if seconds else "?",
            )
        )
        return None

    def _list_safety(self, operation, result):
        """The backup that was made of what was replaced is one like others."""
        made = result.get("safety_backup") or {}
        path = (made.get("backup") or {}).get("path")
        there = [("storage_id", "=", self.storage_id.id), ("path", "=", path)]
        if not path or self.search_count(there, limit=1):
            return
        self._create_own(
            [
                {
                    "plan_id": self.plan_id.id,
                    "storage_id": self.storage_id.id,
                    "database": result.get("database") or self.database,
                    "kind": "full",
                    "reason": self.env._("Before it was replaced"),
                    "moment": _whole(operation.started_at or operation.ended_at),
                    "ended_at": _whole(operation.ended_at),
                    "state": work.DONE,
                    "user_id": operation.user_id.id,
                    **self._prepare_made(made),
                }
            ]
        )

    def _export_done(self, operation, result):
        if operation.state != work.DONE or not result.get("path"):
            return self._tell_attempt(operation)
        self._write_own(
            {
                "export_path": result["path"],
                "exported_at": _whole(operation.ended_at) or fields.Datetime.now(),
            }
        )
        self.message_post(
            body=self.env._(
                "Exported as a zip that Odoo's database manager restores (%(size)s). It"
                " is on the runner's machine; Operators see where, under Details.",
                size=human_bytes(result.get("bytes") or 0),
            )
        )
        return None

    @api.model
    def _find_exported(self, operation):
        """The backup of an export that was made, or removed, after this state."""
        told = operation.arguments or {}
        if operation.verb == "discard":
            return self.search([("export_path", "=", told["path"])], limit=1)
        storage = self.env["steward.storage"]._find_prepared(told.get("storage"))
        here = [("storage_id", "in", storage.ids), ("path", "=", told["path"])]
        return self.search(here, limit=1)

    def _discard(self):
        """Have the runner remove the export."""
        self.ensure_one()
        # sudo: steward.backup - where it is, for the runner
        self._start_operation("discard", {"path": self.sudo().export_path})

    def _discard_done(self, operation, result):
        if operation.state == work.DONE and result.get("removed"):
            self._write_own({"export_path": False, "exported_at": False})
            self.message_post(body=self.env._("The export was removed."))
        else:
            why = result.get("sentence") or operation.error or operation.state
            self.message_post(
                body=self.env._("The export was not removed: %(why)s", why=why)
            )

    @api.model
    def _discard_old_exports(self):
        """Have exports removed that are older than their plans want."""
        if "discard" not in self.env["steward.storage"]._runner_verbs():
            return
        now = fields.Datetime.now()
        exported = self.search(
            [("export_path", "!=", False), ("exported_at", "!=", False)]
        )
        for backup in exported.filtered(
            lambda b: b.export_until and b.export_until <= now and not b.is_working
        ):
            last = backup.operation_id
            tried = last.verb == "discard" and (last.ended_at or now)
            if not tried or tried < now - DISCARD_AGAIN:
                backup._discard()

    def _tell_attempt(self, operation):
        """What was tried with it, where people discuss it."""
        if operation.state == work.DONE:
            body = self.env._("%(what)s: done.", what=operation.display_name)
        else:
            body = self.env._(
                "%(what)s was not brought to its end: %(why)s",
                what=operation.display_name,
                why=operation.error or operation.state,
            )
        self.message_post(body=body)

    def _proved(self, ok, level, when):
        """Note the outcome of a verification; a level never sinks by a lesser one."""
        values = {"verified_at": when or fields.Datetime.now(), "verify_ok": ok}
        values["verify_error"] = False
        level = self._known_level(level)
        if ok and level and proves_more(level, self.level or ""):
            values["level"] = level
        self._write_own(values)

    @api.model
    def _known_level(self, level):
        return level if level in dict(LEVELS) else False

    # -- what people and programs ask for ------------------------------------------

    @api.model
    def verify(self, backup_id: int, level: str = "readback") -> dict:
        """Verify a backup; Operators only.

        :param backup_id: its id
        :param level: ``checksummed``, ``readback``, or ``restored`` for a drill
        :return: ``{"job"}``, with ``{"drill_id"}`` for a drill
        """
        backup = self._find_backup(backup_id)
        backup._check_group("steward.group_operator")
        return backup._verify(level)

    @api.model
    def restore(self, backup_id: int, target_db: str, neutralize: bool = True) -> dict:
        """Restore a backup to a database that is not there yet; Administrators only.

        :param backup_id: its id
        :param target_db: the name of the new database
        :param neutralize: so that the copy mails, calls and pays nothing
        :return: ``{"job"}``
        """
        backup = self._find_backup(backup_id)
        return {"job": backup._restore(target_db, neutralize).uuid}

    @api.model
    def _find_backup(self, backup_id):
        self.check_access("read")
        backup = self.browse(int(backup_id)).exists()
        if not backup:
            raise Invalid(self.env._("There is no backup %(id)s.", id=backup_id))
        return backup

    def _verify(self, level):
        self.ensure_one()
        self._check_ready()
        if level == "restored":
            # sudo: steward.drill - who may verify was checked by the caller
            drill = self.env["steward.drill"].sudo()._begin(self.sudo())
            return {"drill_id": drill.id, "job": drill.operation_id.uuid}
        operation = self._start_operation(
            "verify", self._prepare_operation(level=level)
        )
        return {"job": operation.uuid}

    def _restore(self, target, neutralize, confirmed_name=None):
        """Ask for a restore; over a database that is there only if its name was typed.

        :return: the operation
        """
        self.ensure_one()
        self._check_group("steward.group_administrator")
        self._check_ready()
        exists = self._database_exists(target)
        if exists and confirmed_name != target:
            raise Refused(
                self.env._(
                    "There is a database %(name)s. Choose another name; to replace it,"
                    " use the screen, which asks for its name once more.",
                    name=target,
                )
            )
        arguments = self._prepare_operation(
            target=target, replace=exists, neutralize=bool(neutralize)
        )
        if exists:
            # sudo: steward.backup - where the safety backup goes
            storage = self.sudo().storage_id
            arguments |= {
                "confirmed_name": target,
                "safety": storage._prepare_storage(),
            }
        return self._start_operation("restore", arguments)

    def _prepare_operation(self, **arguments):
        """Arguments that say which backup it is."""
        # sudo: steward.backup - where it is, for the runner
        backup = self.sudo()
        told = {"storage": backup.storage_id._prepare_storage(), "path": backup.path}
        encryption = backup.plan_id._decryption() if backup.plan_id else None
        if encryption:
            told["encryption"] = encryption
        return told | arguments

    def _check_ready(self):
        if not self.is_there:
            raise Invalid(
                self.env._(
                    "%(backup)s is not in its storage.", backup=self.display_name
                )
            )
        self._check_idle()

    def _check_idle(self):
        if self.is_working:
            raise Invalid(
                self.env._(
                    "Something is being done with %(backup)s. Wait for its end, or"
                    " cancel it.",
                    backup=self.display_name,
                )
            )

    @api.model
    def _database_exists(self, name):
        return bool(
            self.env.execute_query(
                SQL("SELECT 1 FROM pg_database WHERE datname = %s", name)
            )
        )

    @api.model
    def _check_group(self, group):
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group(group)):
            # sudo: res.groups - its name, for the sentence
            name = self.env.ref(group).sudo().name
            raise AccessError(self.env._("Only a Steward %(group)s may.", group=name))

    # -- buttons --------------------------------------------------

    def action_verify(self) -> bool:
        """Read it back to the end; Operators only."""
        self.ensure_one()
        self._check_group("steward.group_operator")
        self._verify("readback")
        return True

    def action_drill(self) -> dict:
        """Restore it for real, compare it, start Odoo on it; Operators only."""
        self.ensure_one()
        self._check_group("steward.group_operator")
        drill_id = self._verify("restored")["drill_id"]
        return self.env["steward.drill"].browse(drill_id)._get_records_action()

    def action_restore(self) -> dict:
        """Ask where to restore it."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "steward_backup.action_restore"
        )
        return {**action, "context": {"default_backup_id": self.id}}

    def action_export(self) -> bool:
        """Write it as the zip that Odoo's database manager restores; Administrators.

        It goes to the folder ``exports`` of the runner's own storage, and stays there
        for as long as its plan says.
        """
        self.ensure_one()
        self._check_group("steward.group_administrator")
        self._check_ready()
        if self.export_path:
            raise Invalid(
                self.env._(
                    "%(backup)s is exported already; under Details you see where. For"
                    " another one, remove that first.",
                    backup=self.display_name,
                )
            )
        stamp = fields.Datetime.now().strftime("%Y%m%d_%H%M%S")
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.database).lstrip(".")
        to = f"exports/{name}_{stamp}.zip"
        self._start_operation("export", self._prepare_operation(to=to))
        return True

    def action_discard_export(self) -> bool:
        """Remove the export before its time; Administrators."""
        self.ensure_one()
        self._check_group("steward.group_administrator")
        self._check_idle()
        if self.export_path:
            self._discard()
        return True

    def action_open_drills(self) -> dict:
        """Show the drills of this backup."""
        return {
            **self.env["ir.actions.actions"]._for_xml_id(
                "steward_backup.action_drills"
            ),
            "domain": [("backup_id", "in", self.ids)],
            "context": {},
        }

    # -- timeline --------------------------------------------------

    @api.model
    def timeline(self, days: int = TIMELINE_DAYS) -> dict:
        """Tell the backups of the last days, day by day; for Viewers.

        :param days: at most 366
        :return: ``{"days": [ISO dates of the user's calendar], "rows": [{"name",
            "marks": [{"id", "day", "time", "look", "level"?, "size", "title"}]}],
            "pitr": a sentence on who keeps PostgreSQL's log, or ""}``
        """
        self.check_access("read")
        days = max(1, min(int(days), 366))
        today = fields.Date.context_today(self)
        first = today - timedelta(days=days - 1)
        since = fields.Datetime.now() - timedelta(days=days + 1)
        backups = self.search([("moment", ">=", since)], limit=TIMELINE_MOST)
        rows = {}
        for backup in backups:
            at = fields.Datetime.context_timestamp(self, backup.moment)
            if at.date() >= first:
                key = (backup.database, backup.storage_id)
                rows.setdefault(key, []).append(backup._timeline_mark(at))
        several = len({database for database, _storage in rows}) > 1
        return {
            "pitr": self.env["steward.runner"]._pitr_sentence(),
            "days": [str(first + timedelta(days=day)) for day in range(days)],
            "rows": [
                {
                    "name": f"{database}, {storage.name}" if several else storage.name,
                    "marks": marks[::-1],
                }
                for (database, storage), marks in sorted(
                    rows.items(), key=lambda row: (row[0][0], row[0][1].sequence)
                )
            ],
        }

    def _timeline_mark(self, at):
        levels = dict(self._fields["level"]._description_selection(self.env))
        looks = dict(self._fields["look"]._description_selection(self.env))
        words = [at.strftime("%H:%M"), looks[self.look]]
        if self.is_there:
            words += [levels.get(self.level), human_bytes(self.bytes)]
        else:
            words.append(self.error)
        return {
            "id": self.id,
            "day": str(at.date()),
            "time": at.strftime("%H:%M"),
            "look": self.look,
            "level": self.level or "",
            "size": self.bytes,
            "title": " · ".join(filter(None, words)),
        }


def _whole(moment):
    """A moment as people read it: the runner's SQL has fractions of a second."""
    return moment and moment.replace(microsecond=0)


def _count(parts):
    return len(parts) if isinstance(parts, list) else int(parts or 0)
