import logging
import uuid
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL

from ..exceptions import Invalid, converted
from ..kernel import operation as kernel
from ..kernel.redactor import redact
from ..kernel.schema import Document, validate

_logger = logging.getLogger(__name__)

CHANGED = "steward.operation"  # the bus's name for: it has ended, or was cancelled
KEPT_DAYS = 90  # after its end; what it made remembers the outcome itself
BATCH = 50  # results that one run of the scheduled action takes over
STATES = [
    (kernel.QUEUED, "Waiting"),
    (kernel.RUNNING, "At work"),
    (kernel.DONE, "Done"),
    (kernel.FAILED, "Failed"),
    (kernel.CANCELLED, "Cancelled"),
    (kernel.LOST, "Lost"),
]


class StewardOperation(models.Model):
    """Work that outlives Odoo: asked for here, done by the runner, taken over here.

    The runner claims and writes these rows in plain SQL: docs/operations.md has the
    columns and the rules.
    """

    _name = "steward.operation"
    _inherit = ["steward", "bus.listener.mixin"]
    _description = "Operation"
    _order = "id DESC"
    _steward_own_fields = (
        *("uuid", "verb", "arguments", "state", "runner_id", "fence", "lease_until"),
        *("cancel_wanted", "progress", "step", "steps", "eta", "queued_at"),
        *("started_at", "ended_at", "result", "error", "detail", "user_id"),
        *("company_id", "res_model", "res_id", "applied", "problem"),
    )

    uuid = fields.Char("Job", required=True, readonly=True, copy=False)
    verb = fields.Char("Kind", required=True, readonly=True)
    arguments = fields.Json(readonly=True, groups="steward.group_operator")
    state = fields.Selection(
        STATES, required=True, readonly=True, default=kernel.QUEUED, copy=False
    )
    runner_id = fields.Many2one(
        "steward.runner", readonly=True, index="btree_not_null", ondelete="set null"
    )
    fence = fields.Integer(readonly=True, required=True, default=0)
    lease_until = fields.Datetime("Lease until", readonly=True)
    cancel_wanted = fields.Boolean(readonly=True)
    progress = fields.Float("Done (%)", readonly=True, aggregator=None)
    step = fields.Char("Step (key)", readonly=True)
    steps = fields.Json(readonly=True)
    eta = fields.Datetime("Expected end", readonly=True)
    queued_at = fields.Datetime(
        "Asked for", required=True, readonly=True, default=fields.Datetime.now
    )
    started_at = fields.Datetime("Began", readonly=True)
    ended_at = fields.Datetime("Ended", readonly=True)
    result = fields.Json(readonly=True, groups="steward.group_operator")
    error = fields.Char("What happened", readonly=True)
    detail = fields.Text(
        "Technical detail", readonly=True, groups="steward.group_operator"
    )
    user_id = fields.Many2one(
        "res.users",
        "Asked by",
        readonly=True,
        index="btree_not_null",
        default=lambda self: self.env.user,
    )
    company_id = fields.Many2one("res.company", readonly=True, index="btree_not_null")
    res_model = fields.Char("For (model)", readonly=True)
    res_id = fields.Many2oneReference(
        "For (id)", model_field="res_model", readonly=True
    )
    applied = fields.Boolean(
        "Taken over",
        readonly=True,
        help="Odoo has written down what the runner did.",
    )
    problem = fields.Char(
        readonly=True, help="Why the result could not be taken over; it is tried again."
    )

    step_title = fields.Char("Step", compute="_compute_step_title")
    duration = fields.Float("Duration", compute="_compute_duration")
    subject = fields.Reference(
        selection="_get_subject_models", string="For", compute="_compute_subject"
    )

    _uuid = models.UniqueIndex("(uuid)")
    _claimable = models.Index("(id) WHERE state = 'queued'")
    _to_apply = models.Index(
        "(ended_at) WHERE applied IS NOT TRUE"
        " AND state IN ('done', 'failed', 'cancelled', 'lost')"
    )
    _subject_index = models.Index("(res_model, res_id)")

    @api.depends("verb", "res_model", "res_id")
    def _compute_display_name(self):
        titles = self._get_verb_titles()
        for operation in self:
            operation.display_name = titles.get(operation.verb, operation.verb or "")

    @api.depends("step")
    def _compute_step_title(self):
        titles = self._get_step_titles()
        for operation in self:
            operation.step_title = titles.get(operation.step, operation.step)

    @api.depends("started_at", "ended_at")
    def _compute_duration(self):
        for operation in self:
            began, ended = operation.started_at, operation.ended_at
            known = began and ended
            operation.duration = (ended - began).total_seconds() if known else 0.0

    @api.model
    def _get_subject_models(self):
        # sudo: ir.model - names of models, for a link
        found = self.env["ir.model"].sudo().search([("model", "=like", "steward.%")])
        return [(model.model, model.name) for model in found]

    @api.depends("res_model", "res_id")
    def _compute_subject(self):
        for operation in self:
            record = operation._subject()
            shown = record and record.has_access("read")
            operation.subject = shown and f"{record._name},{record.id}"

    def _subject(self):
        """The record that asked for it, if it is still there."""
        self.ensure_one()
        if not self.res_id or self.res_model not in self.env:
            return None
        return self.env[self.res_model].browse(self.res_id).exists() or None

    # -- hooks --------------------------------------------------

    def _adopt(self):
        """Make the record to which an outcome belongs; called where there is none.

        After a restore in place the runner brings along what it did later than the
        backup, of which this database knows nothing: then ``res_model`` is empty.

        :return: the record whose ``_operation_done`` is called, or None
        """
        return

    @api.model
    def _get_verbs(self):
        """What the runner can be asked for: verb -> JSON Schema of its arguments."""
        return {}

    @api.model
    def _get_verb_titles(self):
        """What people call the verbs."""
        return {}

    @api.model
    def _get_step_titles(self):
        """What people read while a step goes on."""
        return {
            "snapshot": self.env._("Hold a picture of the files"),
            "dump": self.env._("Read the database"),
            "filestore": self.env._("Read the files"),
            "pack": self.env._("Pack"),
            "checksum": self.env._("Compute checksums"),
            "readback": self.env._("Read it back"),
            "upload": self.env._("Send to the storage"),
            "fetch": self.env._("Fetch from the storage"),
            "restore": self.env._("Restore the database"),
            "compare": self.env._("Compare with the manifest"),
            "neutralize": self.env._("Neutralize the copy"),
            "swap": self.env._("Put it into place"),
            "boot": self.env._("Start Odoo on it"),
            "login": self.env._("Log in"),
            "prune": self.env._("Remove old backups"),
            "cleanup": self.env._("Tidy up"),
        }

    # -- asking --------------------------------------------------

    @api.model
    def _start(self, verb, arguments, subject=None, company=None):
        """Ask the runner for something; the one way to make an operation.

        :param verb: one of `_get_verbs`
        :param dict arguments: as its schema wants them; references instead of secrets
        :param subject: the record whose ``_operation_done(operation)`` is called, once,
            when there is an outcome
        :param company: whose it is; none: everybody's
        :return: the operation
        """
        schema = self._get_verbs().get(verb)
        if schema is None:
            raise Invalid(self.env._("There is no operation %(verb)s.", verb=verb))
        problems = validate(Document(arguments, {}), schema)
        if problems:
            where = problems[0].path.strip("/").replace("/", ".")
            raise Invalid(
                self.env._(
                    "%(verb)s cannot be asked for like that: %(problem)s.",
                    verb=self._get_verb_titles().get(verb, verb),
                    problem=": ".join(filter(None, (where, problems[0].message))),
                )
            )
        # sudo: steward.operation - whoever may ask for it was checked by the caller
        operation = self.sudo()._create_own(
            [
                {
                    "uuid": str(uuid.uuid4()),
                    "verb": verb,
                    "arguments": arguments,
                    "res_model": subject._name if subject else False,
                    "res_id": subject.id if subject else False,
                    "company_id": company.id if company else False,
                }
            ]
        )
        operation._wake_runner()
        return operation.with_env(self.env)

    def _wake_runner(self):
        """Tell runners that listen; those that poll see it by themselves."""
        self.flush_recordset()
        for operation in self:
            self.env.cr.execute(
                SQL("SELECT pg_notify('steward_operation', %s)", operation.uuid)
            )

    def action_cancel(self) -> bool:
        """Ask for an end: at once for what waits, soon for what is at work.

        Operators only.
        """
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators cancel operations."))
        # sudo: steward.operation - its state is written by our code alone
        operations = self.sudo()
        operations.flush_recordset()
        self.env.cr.execute(
            SQL(
                """
                UPDATE steward_operation
                   SET cancel_wanted = true,
                       state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                       ended_at = CASE state WHEN 'queued'
                                  THEN now() AT TIME ZONE 'utc' END
                 WHERE id = ANY(%s) AND state IN ('queued', 'running')
                """,
                operations.ids,
            )
        )
        operations.invalidate_recordset()
        operations._wake_runner()
        operations.filtered(lambda o: o.state == kernel.CANCELLED)._apply()
        return True

    @api.model
    def status(self, operations: list[int]) -> list[dict]:
        """Tell how far operations are; Viewers may ask, as often as each second.

        What has ended meanwhile is taken over at once: the scheduled action for it may
        have to wait for others.

        :param operations: their ids; those that are gone, or another company's, are
            left out
        :return: ``[{"id", "title", "state", "progress", "step"?, "elapsed"?,
            "remaining"?, "error"?, "cancel_wanted", "applied"}]``, times in seconds
        """
        self.check_access("read")
        now = fields.Datetime.now()
        found = self.search([("id", "in", list(map(int, operations)))])
        if ended := found.filtered_domain(self._to_apply_domain()):
            # as the scheduled action does it, whoever asks
            ended.with_user(SUPERUSER_ID)._apply()
            ended.invalidate_recordset()
        return [operation._status(now) for operation in found]

    def _status(self, now):
        self.ensure_one()
        began, ended = self.started_at or None, self.ended_at or None
        told = {
            "id": self.id,
            "title": self.display_name,
            "state": self.state,
            "progress": self.progress,
            "cancel_wanted": self.cancel_wanted,
            "applied": self.applied,
            "step": self.step_title,
            "error": self.error,
        }
        if began:
            told["elapsed"] = max(0.0, ((ended or now) - began).total_seconds())
        if self.state == kernel.RUNNING:
            told["remaining"] = kernel.remaining(
                began, self.eta or None, self.progress, now
            )
        return {
            name: value
            for name, value in told.items()
            if value is not None and (value is not False or name in _TRUTHS)
        }

    # -- taking over --------------------------------------------------

    @api.model
    def _cron_apply(self):
        """Write down what runners did, and find work that nobody does any more.

        Started by the runner itself when something has ended, and each minute.
        """
        self._find_lost()
        waiting = self.search(
            self._to_apply_domain(), order="ended_at, id", limit=BATCH
        )
        for number, operation in enumerate(waiting, 1):
            operation._apply()
            left = len(waiting) - number
            if not self.env["ir.cron"]._commit_progress(1, remaining=left):
                break

    @api.model
    def _to_apply_domain(self):
        return Domain("applied", "=", False) & Domain("state", "in", kernel.ENDED)

    def _apply(self):
        """Hand each outcome to the record that asked for it, exactly once."""
        waiting = self.try_lock_for_update().filtered_domain(self._to_apply_domain())
        for operation in waiting:
            try:
                with self.env.cr.savepoint():
                    subject = operation._subject() or operation._adopt()
                    if subject and hasattr(subject, "_operation_done"):
                        subject._operation_done(operation)
                    operation._write_own({"applied": True, "problem": False})
            except Exception as error:  # noqa: BLE001 - of the record; the next goes on
                operation.invalidate_recordset()
                told = converted(error)
                _logger.warning("operation %s: %s", operation.uuid, told)
                operation._write_own({"problem": redact(str(told))})
            operation._bus_send(CHANGED, {"id": operation.id}, subchannel=CHANGED)
        self.env["steward.dashboard"]._touch()

    @api.model
    def _find_lost(self):
        """Say so when a runner died with its work and did not come back."""
        now = fields.Datetime.now()
        running = self.search(
            [
                ("state", "=", kernel.RUNNING),
                ("lease_until", "<", now - kernel.LEASE_GRACE),
            ]
        ).try_lock_for_update()
        for operation in running:
            seen_at = operation.runner_id.seen_at or None
            if kernel.is_lost(operation.lease_until or None, seen_at, now):
                operation._write_own(
                    {
                        "state": kernel.LOST,
                        "fence": operation.fence + 1,
                        "ended_at": now,
                        "error": self.env._(
                            "The runner that did it went silent. What became of it is"
                            " not known; start the runner again to learn it."
                        ),
                    }
                )

    # -- screens --------------------------------------------------

    @api.model
    def _get_channels(self, ids):
        """The channels of those of these operations that the user may read."""
        if not self.has_access("read"):
            return []
        return [(found, CHANGED) for found in self.search([("id", "in", ids)])]

    def action_open_subject(self) -> dict:
        """Show the record for which it was done."""
        self.ensure_one()
        subject = self._subject()
        if not subject:
            raise Invalid(self.env._("What it was done for is no longer there."))
        return subject._get_records_action()

    @api.autovacuum
    def _gc_operations(self):
        """Forget what ended long ago; nothing that Odoo has not taken over yet."""
        before = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        self.search(
            [
                ("state", "in", kernel.ENDED),
                ("applied", "=", True),
                ("ended_at", "<", before),
            ],
            limit=1000,
        ).unlink()


_TRUTHS = ("cancel_wanted", "applied")
