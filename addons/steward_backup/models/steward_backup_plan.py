import logging
import re
import uuid
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.addons.steward.exceptions import Invalid, Refused, converted
from odoo.addons.steward.kernel import operation as work
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import float_round

from ..kernel import retention, schedule
from ..kernel.verbs import DATABASE_NAME
from .steward_backup import EXPORT_DAYS, KINDS

_logger = logging.getLogger(__name__)

EVERY = [
    ("none", "By hand only"),
    (schedule.HOURLY, "Every hour"),
    (schedule.DAILY, "Every day"),
    (schedule.WEEKLY, "Every week"),
]
WEEKDAYS = [
    ("0", "Monday"),
    ("1", "Tuesday"),
    ("2", "Wednesday"),
    ("3", "Thursday"),
    ("4", "Friday"),
    ("5", "Saturday"),
    ("6", "Sunday"),
]
PRESETS = {  # name -> title, and what it stands for; "own" leaves the numbers alone
    "gfs": ("7 days, 4 weeks, 3 months", {"daily": 7, "weekly": 4, "monthly": 3}),
    "production": ("Every night for 30 days", {"daily": 30}),
    "staging": ("Every night for 7 days", {"daily": 7}),
    "own": ("My own numbers", None),
}
KEEPS = ("daily", "weekly", "monthly", "within")
DRILL_HOUR = 4  # of the plan's day


class StewardBackupPlan(models.Model):
    """What is backed up, where to, when, and how long it stays."""

    _name = "steward.backup.plan"
    _inherit = ["steward.progress.mixin", "mail.thread"]
    _description = "Backup Plan"
    _order = "sequence, id"
    _steward_own_fields = (
        "operation_id",
        "uuid",
        "next_run",
        "next_drill",
        "due_since",
    )

    name = fields.Char(required=True, tracking=True)
    uuid = fields.Char(
        default=lambda _self: str(uuid.uuid4()), readonly=True, copy=False
    )
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)

    # what, and where to
    kind = fields.Selection(
        KINDS, "Content", required=True, default="full", tracking=True
    )
    database_names = fields.Char(
        "Databases",
        tracking=True,
        help="Names, separated by commas, of databases that the runner can reach."
        " Empty: this database.",
    )
    storage_ids = fields.Many2many(
        "steward.storage", string="Storages", required=True, tracking=True
    )
    key_id = fields.Many2one(
        "steward.secret",
        "Encryption key",
        tracking=True,
        ondelete="restrict",
        groups="steward.group_administrator",
        help="Where the key is kept, on the runner's machine. Who loses it loses the"
        " backups. Empty: they are not encrypted (restic always does).",
    )
    old_key_ids = fields.Many2many(
        "steward.secret",
        "steward_backup_plan_old_key_rel",
        string="Earlier keys",
        groups="steward.group_administrator",
        help="Keys with which older backups were encrypted. They are needed to read"
        " them, for as long as these are kept.",
    )
    is_encrypted = fields.Boolean("Encrypted", compute="_compute_is_encrypted")
    jobs = fields.Integer(
        "Parallel parts",
        default=2,
        help="How many parts of the database are read at once.",
    )

    # when
    every = fields.Selection(
        EVERY, "How often", required=True, default=schedule.DAILY, tracking=True
    )
    at = fields.Float("At", default=2.0, tracking=True)
    weekday = fields.Selection(WEEKDAYS, "On", default="6", tracking=True)
    tz = fields.Selection(
        _tz_get,
        "Time zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
        tracking=True,
    )
    next_run = fields.Datetime(
        "Next backup",
        compute="_compute_next_run",
        store=True,
        readonly=True,
        copy=False,
    )
    due_since = fields.Datetime(
        "Planned since",
        compute="_compute_next_run",
        store=True,
        help="Before, nothing was due.",
    )
    before_update = fields.Boolean(
        "Before updates and promotions",
        help="Also made before something risky is done with the database.",
    )

    # how long
    preset = fields.Selection(
        [(name, title) for name, (title, _numbers) in PRESETS.items()],
        "Kept",
        required=True,
        default="gfs",
        tracking=True,
    )
    keep_daily = fields.Integer(
        "Days", compute="_compute_keep", store=True, readonly=False, precompute=True
    )
    keep_weekly = fields.Integer(
        "Weeks", compute="_compute_keep", store=True, readonly=False, precompute=True
    )
    keep_monthly = fields.Integer(
        "Months", compute="_compute_keep", store=True, readonly=False, precompute=True
    )
    keep_within = fields.Integer(
        "All of the last (days)",
        compute="_compute_keep",
        store=True,
        readonly=False,
        precompute=True,
    )
    keep_minimum = fields.Integer(
        "At least",
        default=3,
        help="So many good backups stay, however old they are.",
    )

    export_days = fields.Integer(
        "Exports stay (days)",
        default=EXPORT_DAYS,
        tracking=True,
        help="A zip for Odoo's database manager holds everything and is not encrypted:"
        " after so many days it is removed. 0: somebody has to.",
    )

    # proof
    told_ids = fields.Many2many(
        "res.users",
        "steward_backup_plan_told_rel",
        string="Told of alarms",
        help="Whoever has to act gets the message, and an activity when it is serious."
        " Empty: all Operators, and Steward's contact.",
    )
    drill_on = fields.Boolean(
        "Weekly restore drill",
        default=True,
        tracking=True,
        help="Restores the newest backup for real, compares it, starts Odoo on it, and"
        " removes it again.",
    )
    drill_weekday = fields.Selection(WEEKDAYS, "Drill on", default="6")
    next_drill = fields.Datetime(
        "Next drill", compute="_compute_next_drill", store=True, copy=False
    )

    backup_ids = fields.One2many("steward.backup", "plan_id", readonly=True)
    drill_ids = fields.One2many("steward.drill", "plan_id", readonly=True)
    alarm_ids = fields.One2many(
        "steward.backup.alarm",
        "plan_id",
        readonly=True,
        domain=[("is_open", "=", True)],
    )
    backup_count = fields.Integer("Backups", compute="_compute_counts")
    last_good_id = fields.Many2one(
        "steward.backup", "Last good backup", compute="_compute_last"
    )
    last_drill_id = fields.Many2one(
        "steward.drill", "Last drill", compute="_compute_last"
    )

    _numbers = models.Constraint(
        "CHECK (keep_daily >= 0 AND keep_weekly >= 0 AND keep_monthly >= 0"
        " AND keep_within >= 0 AND keep_minimum >= 1)",
        "Numbers of backups to keep cannot be negative, and at least one stays.",
    )
    _export_days = models.Constraint(
        "CHECK (export_days >= 0)", "The days that exports stay cannot be negative."
    )
    _jobs = models.Constraint(
        "CHECK (jobs BETWEEN 1 AND 16)", "Between 1 and 16 parts are read at once."
    )
    _hours = models.Constraint(
        "CHECK (at >= 0 AND at < 24)", "The time lies between 00:00 and 23:59."
    )
    _due = models.Index("(next_run) WHERE active")

    # -- computes --------------------------------------------------

    @api.depends("preset")
    def _compute_keep(self):
        for plan in self:
            numbers = PRESETS[plan.preset or "gfs"][1]
            for name in KEEPS:
                kept = plan[f"keep_{name}"]
                plan[f"keep_{name}"] = kept if numbers is None else numbers.get(name, 0)

    @api.depends("key_id")
    def _compute_is_encrypted(self):
        # sudo: steward.backup.plan - whether there is a key, not where
        for plan in self.sudo():
            plan.is_encrypted = bool(plan.key_id)

    @api.depends("every", "at", "weekday", "tz", "active")
    def _compute_next_run(self):
        """A change of the plan begins anew: nothing was due before it."""
        now = fields.Datetime.now()
        for plan in self:
            plan.due_since = now
            rule = plan.active and plan._rule()
            plan.next_run = rule and plan._next(rule, now)

    @api.depends("drill_on", "drill_weekday", "tz", "active")
    def _compute_next_drill(self):
        now = fields.Datetime.now()
        for plan in self:
            rule = plan.active and plan._drill_rule()
            plan.next_drill = rule and plan._next(rule, now)

    def _compute_counts(self):
        counts = dict(
            self.env["steward.backup"]._read_group(
                [("plan_id", "in", self.ids), ("is_there", "=", True)],
                ["plan_id"],
                ["__count"],
            )
        )
        for plan in self:
            plan.backup_count = counts.get(plan, 0)

    def _compute_last(self):
        for plan in self:
            plan.last_good_id = self.env["steward.backup"].search(
                [("plan_id", "=", plan.id), ("is_good", "=", True)], limit=1
            )
            plan.last_drill_id = self.env["steward.drill"].search(
                [("plan_id", "=", plan.id), ("ended_at", "!=", False)], limit=1
            )

    @api.constrains("database_names")
    def _check_database_names(self):
        for plan in self:
            for name in plan._databases():
                if not re.match(DATABASE_NAME, name):
                    raise ValidationError(
                        self.env._("%(name)s is no name of a database.", name=name)
                    )

    @api.constrains("storage_ids", "active")
    def _check_storages(self):
        for plan in self:
            if plan.active and not plan.storage_ids:
                raise ValidationError(self.env._("Say where backups are kept."))

    @api.constrains("key_id", "old_key_ids")
    def _check_key(self):
        (self.key_id | self.old_key_ids)._check_runner_can_read()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_backups(self):
        if self.env["steward.backup"].search_count(
            [("plan_id", "in", self.ids)], limit=1
        ):
            raise Refused(
                self.env._("A plan with backups is not deleted. Archive it instead.")
            )

    def write(self, vals):
        """A key that is replaced stays among the earlier ones: backups need it."""
        if "key_id" in vals:
            for plan in self.filtered("key_id"):
                if plan.key_id.id != vals["key_id"]:
                    plan.old_key_ids |= plan.key_id
        return super().write(vals)

    # -- plan's calendar --------------------------------------------------

    def _zone(self):
        return ZoneInfo(self.tz or "UTC")

    def _rule(self):
        """The schedule, or None when somebody has to press the button."""
        self.ensure_one()
        if self.every == "none" or not self.every:
            return None
        minutes = min(int(float_round(self.at * 60, precision_digits=0)), 24 * 60 - 1)
        return schedule.Rule(
            self.every, minutes // 60, minutes % 60, int(self.weekday or 0)
        )

    def _drill_rule(self):
        if not self.drill_on:
            return None
        return schedule.Rule(
            schedule.WEEKLY, DRILL_HOUR, weekday=int(self.drill_weekday or 0)
        )

    def _next(self, rule, now):
        due = rule.next_run(now.replace(tzinfo=UTC), self._zone())
        return due.replace(tzinfo=None)

    def _encryption(self):
        """The key's reference for the runner, or None without encryption."""
        # sudo: steward.backup.plan - who may back up need not know where the key is
        key = self.sudo().key_id
        return {"key": key._get_runner_reference()} if key else None

    def _decryption(self):
        """The references of all keys with which this plan's backups may be read."""
        # sudo: steward.backup.plan - as above
        old = self.sudo().old_key_ids
        told = self._encryption() or {}
        if old:
            told["keys"] = [key._get_runner_reference() for key in old]
        return told or None

    def _databases(self):
        self.ensure_one()
        names = re.split(r"[\s,;]+", self.database_names or "")
        return [name for name in names if name] or [self.env.cr.dbname]

    # -- running --------------------------------------------------

    @api.model
    def run(self, plan: int | str) -> dict:
        """Make a backup by a plan now; Operators only.

        :param plan: its id or its name
        :return: ``{"backup_id", "job", "backups": [{"backup_id", "job"}]}``: one for
            each database and storage; the first is told twice
        """
        backups = self._find_plan(plan)._run_by_hand()
        told = [
            {"backup_id": backup.id, "job": backup.operation_id.uuid}
            for backup in backups
        ]
        return {**told[0], "backups": told}

    @api.model
    def _find_plan(self, plan):
        self._check_operator()
        if isinstance(plan, str) and not plan.isdigit():
            found = self.search([("name", "=", plan)], limit=2)
        else:
            found = self.browse(int(plan)).exists()
        if len(found) != 1:
            raise Invalid(self.env._("There is no plan %(plan)s.", plan=plan))
        return found

    def action_run(self) -> dict:
        """Make a backup now and show how it goes; Operators only."""
        self.ensure_one()
        backups = self._run_by_hand()
        action = backups._get_records_action(name=self.env._("Backups"))
        return action if len(backups) > 1 else backups._get_records_action()

    def _run_by_hand(self):
        self.ensure_one()
        self._check_operator()
        return self._run(self.env._("By hand"))

    def _run(self, reason):
        """Ask for a backup of each database to each storage.

        :param reason: why, in words for the list of backups
        :return: the backups, which are waiting
        """
        self.ensure_one()
        if not self.active:
            raise Invalid(self.env._("The plan %(name)s is archived.", name=self.name))
        storages = self.storage_ids.filtered("active")
        if not storages:
            raise Invalid(
                self.env._("No storage of %(name)s is in use.", name=self.name)
            )
        backups = self.env["steward.backup"]
        for storage in storages:
            for database in self._databases():
                backups += backups._begin(self, storage, database, reason)
        return backups

    @api.model
    def _before(self, reason):
        """Make backups before something risky; for code of other addons.

        :param reason: what is about to be done, in words for the list of backups
        :return: the backups, which are waiting; go on when all are good
        """
        # sudo: steward.backup.plan - who may do the risky thing was checked there
        plans = self.sudo().search([("before_update", "=", True)])
        backups = self.env["steward.backup"]
        for plan in plans:
            backups |= plan._run(reason)
        return backups

    @api.model
    def _cron_run(self):
        """Start what is due, once, however long nobody looked; then look for alarms."""
        now = fields.Datetime.now()
        for plan in self.search([("next_run", "<=", now)]).try_lock_for_update():
            plan._safely(lambda plan=plan: plan._run(self.env._("As planned")))
            plan._write_own({"next_run": plan._next(plan._rule(), now)})
        for plan in self.search([("next_drill", "<=", now)]).try_lock_for_update():
            plan._safely(plan._run_drill)
            plan._write_own({"next_drill": plan._next(plan._drill_rule(), now)})
        self.env["steward.backup"]._discard_old_exports()
        self.env["steward.backup.alarm"]._look()

    def _safely(self, run):
        """One plan that cannot run does not keep the others from it: it is missed."""
        try:
            with self.env.cr.savepoint():
                run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the alarm tells
            told = converted(error)
            _logger.warning("plan %s did not run: %s", self.name, told)

    def _run_drill(self):
        """Restore the newest good backup of each database for real."""
        drills = self.env["steward.drill"]
        for database in self._databases():
            newest = self.env["steward.backup"].search(
                [
                    ("plan_id", "=", self.id),
                    ("database", "=", database),
                    ("is_good", "=", True),
                    ("kind", "!=", "filestore"),
                ],
                limit=1,
            )
            if newest:
                drills += drills._begin(newest)
        return drills

    def action_drill(self) -> dict:
        """Restore the newest backup for real, now; Operators only."""
        self.ensure_one()
        self._check_operator()
        # sudo: steward.drill - made by this button alone
        drills = self.sudo()._run_drill().with_env(self.env)
        if not drills:
            raise Invalid(
                self.env._("There is no good backup yet that could be restored.")
            )
        return drills._get_records_action()

    @api.model
    def _check_operator(self):
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators make backups."))

    # -- keeping --------------------------------------------------

    def _policy(self):
        self.ensure_one()
        return retention.Policy(
            daily=self.keep_daily,
            weekly=self.keep_weekly,
            monthly=self.keep_monthly,
            within=timedelta(days=self.keep_within),
            minimum=self.keep_minimum,
        )

    def _decide(self, policy=None, now=None):
        """What becomes of this plan's backups that are there.

        :param policy: another one than the plan's, to see what it would do
        :return: ``{backup: verdict}``, newest first within each storage and database
        """
        self.ensure_one()
        backups = self.env["steward.backup"]
        now = (now or fields.Datetime.now()).replace(tzinfo=UTC)
        there = backups.search([("plan_id", "=", self.id), ("is_there", "=", True)])
        series = there.grouped(lambda backup: (backup.storage_id, backup.database))
        verdicts = {}
        for (storage, database), found in series.items():
            last = backups.search(
                [
                    ("plan_id", "=", self.id),
                    ("storage_id", "=", storage.id),
                    ("database", "=", database),
                    ("state", "not in", work.OPEN),
                ],
                limit=1,
            )
            decided = retention.decide(
                [
                    retention.Backup(
                        backup.id,
                        backup.moment.replace(tzinfo=UTC),
                        backup.is_good,
                        backup.protected,
                    )
                    for backup in found
                ],
                policy or self._policy(),
                now,
                self._zone(),
                last_run_failed=last.state != work.DONE,
            )
            verdicts |= {backups.browse(verdict.key): verdict for verdict in decided}
        return verdicts

    def _prune(self):
        """Ask the runner to remove what is not kept; nothing while it does so."""
        self.ensure_one()
        # a lock, so that two backups that end together ask once
        if self.is_working or not self.try_lock_for_update():
            return
        verdicts = self._decide()
        gone = [
            backup
            for backup, verdict in verdicts.items()
            # what is being restored or verified goes another time
            if not (verdict.keep or backup.is_working)
            and not any(backup.drill_ids.mapped("is_working"))
        ]
        if not gone:
            return
        storage = gone[0].storage_id  # one at a time; the next when this has ended
        here = [backup for backup in verdicts if backup.storage_id == storage]
        remove = [backup.path for backup in gone if backup.storage_id == storage]
        self._start_operation(
            "prune",
            {
                "storage": storage._prepare_storage(),
                "remove": remove,
                "keep": [backup.path for backup in here if backup.path not in remove],
            },
        )

    def _operation_done(self, operation):
        """Note which backups the runner has removed."""
        if operation.state != "done":
            return
        removed = (operation.result or {}).get("removed") or []
        asked = set((operation.arguments or {}).get("remove") or [])
        backups = self.env["steward.backup"].search(
            [
                ("plan_id", "=", self.id),
                ("path", "in", [path for path in removed if path in asked]),
                ("pruned_at", "=", False),
            ]
        )
        backups._write_own({"pruned_at": operation.ended_at or fields.Datetime.now()})
        if backups:
            self._prune()

    # -- screens --------------------------------------------------

    def action_open_backups(self) -> dict:
        """Show this plan's backups."""
        self.ensure_one()
        return {
            **self.env["ir.actions.actions"]._for_xml_id(
                "steward_backup.action_backups"
            ),
            "domain": [("plan_id", "=", self.id)],
            "context": {},
        }

    def action_what_if(self) -> dict:
        """Show what would go and why the rest stays."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "steward_backup.action_what_if"
        )
        return {**action, "context": {"default_plan_id": self.id}}
