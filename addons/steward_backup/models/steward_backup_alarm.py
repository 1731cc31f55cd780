from datetime import UTC, timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.addons.steward.kernel import health
from odoo.addons.steward.kernel.units import human_bytes
from odoo.tools import SQL, format_datetime

from ..kernel import band, schedule

HISTORY = 30  # good backups from which the usual band is taken
SIZE_SHARE, SIZE_FLOOR = 0.3, 1024 * 1024  # so much off is usual: 30 %, 1 MB
TIME_SHARE, TIME_FLOOR = 1.0, 60  # so much longer is usual: twice, a minute
DRILL_LATE = timedelta(days=8)  # a week and a day
ROOM_FOR = 2  # so many backups more should fit into a storage
KINDS = [
    ("missed", "Not made"),
    ("failed", "Failed"),
    ("size", "Unusual size"),
    ("duration", "Unusually long"),
    ("verification", "Verification"),
    ("drill", "Restore drill"),
    ("storage", "Storage"),
    ("key", "Key"),
    ("clock", "Clock"),
    ("runner", "Runner"),
]
ACTIVITY = "mail.mail_activity_data_todo"
SERIOUS = {"missed", "failed", "verification", "drill", "key", "runner"}


class StewardBackupAlarm(models.Model):
    """Something about backups that a person should know, as long as it is so.

    Alarms are not raised by what goes wrong, which may be that nothing happens at all:
    `_look` compares how things are with how they should be, each few minutes and after
    each outcome, opens what is missing and closes what is over.
    """

    _name = "steward.backup.alarm"
    _inherit = ["mail.thread", "mail.activity.mixin", "steward"]
    _mail_post_access = "read"
    _description = "Backup Alarm"
    _order = "is_open DESC, since DESC, id DESC"
    _rec_name = "sentence"
    _steward_own_fields = (
        *("kind", "topic", "sentence", "remedy", "since", "ended_at", "is_open"),
        *("plan_id", "storage_id", "backup_id", "severity"),
    )

    kind = fields.Selection(KINDS, required=True, readonly=True)
    topic = fields.Char(
        required=True, readonly=True, help="Tells alarms of one kind apart."
    )
    severity = fields.Selection(
        [("degraded", "Look at it"), ("failed", "Act now")],
        required=True,
        readonly=True,
        default="failed",
    )
    sentence = fields.Char("What", required=True, readonly=True)
    remedy = fields.Char("What to do", readonly=True)
    since = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    ended_at = fields.Datetime("Over since", readonly=True)
    is_open = fields.Boolean("Open", default=True, readonly=True)
    plan_id = fields.Many2one(
        "steward.backup.plan", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    storage_id = fields.Many2one("steward.storage", readonly=True, ondelete="cascade")
    backup_id = fields.Many2one("steward.backup", readonly=True, ondelete="cascade")

    _one_open = models.UniqueIndex("(kind, topic) WHERE is_open")

    # -- opening and closing --------------------------------------------------

    @api.model
    def _look(self):
        """Bring the alarms to what is so now; may be called as often as one likes."""
        [(alone,)] = self.env.execute_query(
            SQL("SELECT pg_try_advisory_xact_lock(hashtext('steward.backup.alarm'))")
        )
        if not alone:  # who looks now may not see what we did: look again, after it
            self.env.ref("steward_backup.ir_cron_run_plans")._trigger()
            return
        # sudo: steward.backup.alarm - written by our code alone, about all plans
        alarms = self.sudo().with_context(lang=None)
        if alarms.env["steward.status"]._is_neutralized():
            wanted = {}
        else:
            wanted = {(a["kind"], a["topic"]): a for a in alarms._get_alarms()}
        known = {
            (alarm.kind, alarm.topic): alarm
            for alarm in alarms.search([("is_open", "=", True)])
        }
        now = fields.Datetime.now()
        for key, alarm in known.items():
            if key not in wanted:
                alarm._write_own({"is_open": False, "ended_at": now})
                alarm._tell_over()
            elif changed := {
                name: value
                for name, value in wanted[key].items()
                if name in ("sentence", "remedy", "severity") and alarm[name] != value
            }:
                alarm._write_own(changed)
        for key in wanted.keys() - known.keys():
            alarms._create_own([wanted[key]])._tell()
        if wanted.keys() != known.keys():
            self.env["steward.dashboard"]._touch()

    @api.model
    def _get_alarms(self):
        """Everything that is wrong now, as values of alarms.

        Called as superuser. Each has ``kind``, ``topic``, ``sentence`` (what, since
        when), ``remedy`` (what to do), ``since``, and what it is about.
        """
        plans = self.env["steward.backup.plan"].search([("active", "=", True)])
        return [
            *self._runner_alarms(plans),
            *(alarm for plan in plans for alarm in self._plan_alarms(plan)),
            *self._storage_alarms(plans.storage_ids.filtered("active")),
            *self._verification_alarms(),
        ]

    @api.model
    def _alarm(self, kind, topic, sentence, remedy, since=None, **about):
        return {
            "kind": kind,
            "topic": str(topic),
            "sentence": sentence,
            "remedy": remedy,
            "since": since or fields.Datetime.now(),
            "severity": health.FAILED if kind in SERIOUS else health.DEGRADED,
            **{name: record.id for name, record in about.items()},
        }

    def _tell(self):
        """The one message of an alarm; and who has to act at once has it to do."""
        for alarm in self:
            people = alarm._get_people()
            alarm.message_post(
                subject=self.env._("Backups: %(sentence)s", sentence=alarm.sentence),
                body=Markup("<p>%s</p><p>%s</p>") % (alarm.sentence, alarm.remedy),
                partner_ids=people.partner_id.ids,
                subtype_xmlid="mail.mt_note",
            )
            for user in alarm.plan_id.told_ids if alarm.severity == "failed" else ():
                alarm.activity_schedule(
                    ACTIVITY, summary=alarm.sentence, note=alarm.remedy, user_id=user.id
                )

    def _get_people(self):
        """Who is told of an alarm."""
        return self.plan_id.told_ids or self.env["steward.job.failure"]._get_operators()

    def _tell_over(self):
        for alarm in self:
            alarm.message_post(
                body=self.env._("It is over."), subtype_xmlid="mail.mt_note"
            )
            alarm.activity_unlink([ACTIVITY])

    # -- what may be wrong --------------------------------------------------

    @api.model
    def _runner_alarms(self, plans):
        runners = self.env["steward.runner"]
        enrolled = runners.search(runners._enrolled_domain())
        alive = runners._alive()
        if not alive and plans:
            seen_at = max(filter(None, enrolled.mapped("seen_at")), default=None)
            since = seen_at or min(plans.mapped("create_date"))
            if enrolled:
                yield self._alarm(
                    "runner",
                    "silent",
                    self.env._(
                        "The runner has been silent since %(when)s: no backup is made.",
                        when=self._when(since),
                    ),
                    self.env._(
                        "Start it on its machine (steward runner), and look into its"
                        " log if it does not stay."
                    ),
                    since,
                )
            else:
                yield self._alarm(
                    "runner",
                    "none",
                    self.env._("No runner is enrolled: no backup is made."),
                    self.env._(
                        "Press “Enrol a runner” under Configuration > Runners, and type"
                        " what it shows on the runner's machine."
                    ),
                    since,
                )
        for runner in alive._is_skewed():
            yield self._alarm(
                "clock",
                runner.id,
                self.env._(
                    "The clock of %(runner)s differs by %(seconds)s s from the"
                    " database's.",
                    runner=runner.hostname or runner.name,
                    seconds=round(abs(runner.clock_skew)),
                ),
                self.env._(
                    "Let both machines set their clocks over the network (NTP): times"
                    " of backups, and S3, depend on it."
                ),
            )
        for runner in alive:
            if (runner.facts or {}).get("signing_key_ok") is False:
                yield self._alarm(
                    "key",
                    f"runner {runner.id}",
                    self.env._(
                        "%(runner)s cannot read the key with which it signs backups.",
                        runner=runner.hostname or runner.name,
                    ),
                    self.env._(
                        "Put the signing key's file back, as the runner's settings name"
                        " it, or make a new one: backups that the old key signed are"
                        " then told as foreign."
                    ),
                )

    @api.model
    def _plan_alarms(self, plan):
        yield from self._missed_alarms(plan)
        yield from self._key_alarms(plan)
        backups = self.env["steward.backup"]
        for storage in plan.storage_ids.filtered("active"):
            for database in plan._databases():
                ended = backups.search(
                    [
                        ("plan_id", "=", plan.id),
                        ("storage_id", "=", storage.id),
                        ("database", "=", database),
                        ("state", "not in", ["queued", "running"]),
                        ("kind", "=", plan.kind),
                    ],
                    limit=HISTORY + 1,
                )
                if ended:
                    yield from self._outcome_alarms(ended[0])
                    yield from self._band_alarms(ended)
        yield from self._drill_alarms(plan)

    def _missed_alarms(self, plan):
        rule = plan._rule()
        if not rule:
            return
        attempt = self.env["steward.backup"].search(
            # what still waits for a runner was not begun
            [("plan_id", "=", plan.id), ("state", "!=", "queued")],
            limit=1,
        )
        due = schedule.missed_since(
            rule,
            plan._zone(),
            fields.Datetime.now().replace(tzinfo=UTC),
            plan.due_since.replace(tzinfo=UTC),
            attempt.moment.replace(tzinfo=UTC) if attempt else None,
        )
        if due:
            due = due.replace(tzinfo=None)
            yield self._alarm(
                "missed",
                plan.id,
                self.env._(
                    "%(plan)s was to be made at %(when)s, and was not begun.",
                    plan=plan.name,
                    when=self._when(due, plan.tz),
                ),
                self.env._(
                    "See that Odoo's scheduled actions and the runner work, then press"
                    " “Back up now”."
                ),
                due,
                plan_id=plan,
            )

    def _key_alarms(self, plan):
        for backup in self._latest(plan):
            if backup.operation_id.detail == "key_missing":
                yield self._alarm(
                    "key",
                    f"backup {plan.id} {backup.storage_id.id} {backup.database}",
                    self.env._(
                        "The runner lacks a key of %(plan)s: %(why)s",
                        plan=plan.name,
                        why=backup.operation_id.error,
                    ),
                    self.env._(
                        "Put the key back where the secret says, on the runner's"
                        " machine. A copy of it belongs to where no backup is."
                    ),
                    backup.operation_id.ended_at,
                    plan_id=plan,
                    storage_id=backup.storage_id,
                    backup_id=backup,
                )
        key = plan.key_id
        if key and (not key.active or key.scheme not in ("env", "file")):
            yield self._alarm(
                "key",
                f"plan {plan.id}",
                self.env._(
                    "The encryption key of %(plan)s cannot be used: its secret"
                    " %(secret)s is archived or out of the runner's reach.",
                    plan=plan.name,
                    secret=key.name,
                ),
                self.env._("Name a secret of the kind env: or file: that is in use."),
                plan_id=plan,
            )

    @api.model
    def _latest(self, plan):
        """The last backup to each storage with which something was tried."""
        backups = self.env["steward.backup"]
        for storage in plan.storage_ids.filtered("active"):
            for database in plan._databases():
                backups += backups.search(
                    [
                        ("plan_id", "=", plan.id),
                        ("storage_id", "=", storage.id),
                        ("database", "=", database),
                        ("state", "not in", ["queued", "running"]),
                    ],
                    limit=1,
                )
        return backups

    def _outcome_alarms(self, last):
        if last.state == "done":
            return
        states = dict(last._fields["state"]._description_selection(self.env))
        yield self._alarm(
            "failed",
            f"{last.plan_id.id} {last.storage_id.id} {last.database}",
            self.env._(
                "The backup of %(database)s of %(when)s did not end well: %(why)s",
                database=last.database,
                when=self._when(last.moment),
                why=last.error or states[last.state],
            ),
            self.env._("Remove the cause, then press “Back up now”."),
            last.ended_at or last.moment,
            plan_id=last.plan_id,
            storage_id=last.storage_id,
            backup_id=last,
        )

    def _band_alarms(self, ended):
        good = ended.filtered(lambda backup: backup.state == "done")
        last, before = good[:1], good[1:]
        if not last:
            return
        about = {
            "plan_id": last.plan_id,
            "storage_id": last.storage_id,
            "backup_id": last,
        }
        sizes = band.usual(before.mapped("bytes"), SIZE_SHARE, SIZE_FLOOR)
        if side := sizes and sizes.side(last.bytes):
            word = self.env._("smaller") if side == "low" else self.env._("larger")
            yield self._alarm(
                "size",
                f"{last.plan_id.id} {last.storage_id.id} {last.database}",
                self.env._(
                    "The backup of %(database)s of %(when)s is much %(word)s than"
                    " usual: %(size)s instead of about %(usual)s.",
                    database=last.database,
                    when=self._when(last.moment),
                    word=word,
                    size=human_bytes(last.bytes),
                    usual=human_bytes(sizes.middle),
                ),
                self.env._(
                    "See whether much was deleted or added, by intention. Make a"
                    " restore drill if in doubt."
                ),
                last.ended_at,
                **about,
            )
        times = band.usual(before.mapped("duration"), TIME_SHARE, TIME_FLOOR)
        if times and times.side(last.duration) == "high":
            yield self._alarm(
                "duration",
                f"{last.plan_id.id} {last.storage_id.id} {last.database}",
                self.env._(
                    "The backup of %(database)s of %(when)s took %(seconds)s s, usually"
                    " it takes about %(usual)s s.",
                    database=last.database,
                    when=self._when(last.moment),
                    seconds=round(last.duration),
                    usual=round(times.middle),
                ),
                self.env._("See what else the machine and the storage had to do then."),
                last.ended_at,
                **about,
            )

    def _drill_alarms(self, plan):
        if not plan.drill_on:
            return
        drills = self.env["steward.drill"]
        domain = [("plan_id", "=", plan.id), ("ended_at", "!=", False)]
        last = drills.search(domain, order="ended_at DESC", limit=1)
        if last and last.outcome != "passed":
            yield self._alarm(
                "drill",
                f"failed {plan.id}",
                self.env._(
                    "The restore drill of %(when)s was not passed: %(why)s",
                    when=self._when(last.ended_at),
                    why=last.error
                    or last.check_ids.filtered(lambda c: not c.ok)[:1].sentence
                    or self.env._("see its checks."),
                ),
                self.env._("Open the drill, remove the cause, and start another one."),
                last.ended_at,
                plan_id=plan,
                backup_id=last.backup_id,
            )
        passed = drills.search(
            [*domain, ("outcome", "=", "passed")], order="ended_at DESC", limit=1
        )
        first_good = self.env["steward.backup"].search(
            [("plan_id", "=", plan.id), ("state", "=", "done")], order="moment", limit=1
        )
        since = passed.ended_at or (
            first_good and max(first_good.moment, plan.due_since)
        )
        if since and fields.Datetime.now() - since > DRILL_LATE:
            yield self._alarm(
                "drill",
                f"late {plan.id}",
                self.env._(
                    "No restore drill of %(plan)s was passed since %(when)s.",
                    plan=plan.name,
                    when=self._when(since),
                ),
                self.env._(
                    "Press “Restore drill” in the plan, and see why none was made."
                ),
                since + DRILL_LATE,
                plan_id=plan,
            )

    @api.model
    def _storage_alarms(self, storages):
        for storage in storages:
            if storage.last_test_at and not storage.last_test_ok:
                yield self._alarm(
                    "storage",
                    f"test {storage.id}",
                    self.env._(
                        "The storage %(storage)s did not pass its test: %(why)s",
                        storage=storage.name,
                        why=storage.last_test_message or "",
                    ),
                    self.env._("Correct its settings, and test it again."),
                    storage.last_test_at,
                    storage_id=storage,
                )
            free, total = self._room(storage)
            if total is None:
                continue
            recent = self.env["steward.backup"].search(
                [("storage_id", "=", storage.id), ("is_there", "=", True)], limit=5
            )
            needed = ROOM_FOR * max(recent.mapped("added_bytes"), default=0)
            if free < needed or health.disk_status(int(free), int(total)) != health.OK:
                yield self._alarm(
                    "storage",
                    f"room {storage.id}",
                    self.env._(
                        "The storage %(storage)s is nearly full: %(free)s of %(total)s"
                        " are free.",
                        storage=storage.name,
                        free=human_bytes(free),
                        total=human_bytes(total),
                    ),
                    self.env._(
                        "Make room, or let the plan keep less: “What would go” shows"
                        " what that means."
                    ),
                    storage_id=storage,
                )

    @api.model
    def _room(self, storage):
        """Free and total bytes: what the runner tells all the time, or a test found."""
        if storage.kind == "folder":
            roots = self.env["steward.runner"]._roots()
            path = storage.path or (roots and roots[0]["path"]) or ""
            for root in roots:
                if f"{path}/".startswith(f"{root['path'].rstrip('/')}/"):
                    return root.get("free_bytes") or 0, root.get("total_bytes")
        if storage.total_bytes:
            return storage.free_bytes, storage.total_bytes
        return None, None

    @api.model
    def _verification_alarms(self):
        doubtful = self.env["steward.backup"].search(
            [
                ("is_there", "=", True),
                "|",
                ("verify_error", "!=", False),
                "&",
                ("verified_at", "!=", False),
                ("verify_ok", "=", False),
            ]
        )
        for backup in doubtful:
            if backup.verify_error:
                sentence = self.env._(
                    "The backup of %(database)s of %(when)s could not be verified:"
                    " %(why)s",
                    database=backup.database,
                    when=self._when(backup.moment),
                    why=backup.verify_error,
                )
            else:
                sentence = self.env._(
                    "The backup of %(database)s of %(when)s is not what was written.",
                    database=backup.database,
                    when=self._when(backup.moment),
                )
            yield self._alarm(
                "verification",
                backup.id,
                sentence,
                self.env._(
                    "Do not rely on it: make another one, and look after the storage."
                ),
                backup.verified_at or backup.ended_at,
                plan_id=backup.plan_id,
                storage_id=backup.storage_id,
                backup_id=backup,
            )

    @api.model
    def _when(self, moment, tz=None):
        return format_datetime(self.env, moment, tz=tz or False, dt_format="short")

    # -- screens --------------------------------------------------

    def action_open_cause(self) -> dict:
        """Show what it is about."""
        self.ensure_one()
        record = self.backup_id or self.plan_id or self.storage_id
        if record:
            return record._get_records_action()
        return self.env["ir.actions.actions"]._for_xml_id("steward.action_runners")

    @api.autovacuum
    def _gc_alarms(self):
        """Forget what was over long ago."""
        before = fields.Datetime.now() - timedelta(days=365)
        self.search(
            [("is_open", "=", False), ("ended_at", "<", before)], limit=1000
        ).unlink()
