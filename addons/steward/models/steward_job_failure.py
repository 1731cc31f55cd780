import logging

from markupsafe import Markup

from odoo import api, fields, models
from odoo.addons.queue_job.job import FAILED
from odoo.exceptions import AccessError
from odoo.tools import SQL

_logger = logging.getLogger(__name__)


class StewardJobFailure(models.Model):
    """What the Operators were told: one record for all failures of a kind."""

    _name = "steward.job.failure"
    _description = "Failed Jobs of a Kind"
    _inherit = ["mail.thread", "steward"]
    _mail_post_access = "read"
    _order = "is_open DESC, last_date DESC, id DESC"
    _rec_name = "sentence"

    function = fields.Char(string="Task", required=True, readonly=True)
    code = fields.Char(required=True, readonly=True)
    sentence = fields.Char(string="What happened", readonly=True)
    is_open = fields.Boolean(string="Open", default=True, readonly=True)
    times = fields.Integer(default=1, readonly=True, aggregator="sum")
    first_date = fields.Datetime(string="First", readonly=True)
    last_date = fields.Datetime(string="Last", readonly=True)
    job_ids = fields.One2many("queue.job", "steward_failure_id", readonly=True)
    failed_count = fields.Integer(
        string="Still failed", compute="_compute_failed_count"
    )

    _one_open = models.UniqueIndex("(function, code) WHERE is_open")

    @api.depends("job_ids.state")
    def _compute_failed_count(self):
        counts = dict(
            self.env["queue.job"]._read_group(
                [("steward_failure_id", "in", self.ids), ("state", "=", FAILED)],
                ["steward_failure_id"],
                ["__count"],
            )
        )
        for failure in self:
            failure.failed_count = counts.get(failure, 0)

    # -- actions ---------------------------------------------------------------

    def action_retry(self):
        """Put the jobs that are still failed back into the queue, and close."""
        self.check_access("read")
        self.job_ids.filtered(lambda job: job.state == FAILED).requeue()
        return self.action_close()

    def action_close(self):
        """Dealt with; a next failure of the kind is told anew."""
        self._check_operator()
        # sudo: steward.job.failure - its state is written by our code alone
        self.sudo().is_open = False
        return True

    def action_jobs(self):
        self.ensure_one()
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward.action_jobs"),
            "domain": [("steward_failure_id", "=", self.id)],
            "context": {},
        }

    def _check_operator(self):
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators decide about failed jobs."))

    # -- telling ---------------------------------------------------------------

    @api.model
    def _get_operators(self):
        """Who is told of failed jobs."""
        group = self.env.ref("steward.group_operator")
        # sudo: res.users - whoever's job failed may not read all users
        users = self.env["res.users"].sudo()
        operators = users.search([("all_group_ids", "in", group.ids)])
        return operators | self.env["res.config.settings"]._steward_contact()

    @api.model
    def _tell_of(self, uuids):
        """Tell the Operators of failed jobs, once for each kind.

        Called after the commit that stored the failure. That it cannot be told must
        not undo anything: the log says so, and the scheduled action tries again.
        """
        if not uuids:
            return
        try:
            with self._own_transaction() as cr:
                env = self.env(cr=cr, user=api.SUPERUSER_ID, su=True)
                jobs = env["queue.job"].search(
                    [
                        ("uuid", "in", list(uuids)),
                        ("state", "=", FAILED),
                        ("steward_failure_id", "=", False),
                    ]
                )
                for job in jobs:
                    env[self._name]._count(job)
                env.flush_all()
        except Exception:  # whatever it is, the failure itself is stored
            _logger.exception("could not tell the Operators of failed jobs")

    @api.model
    def _count(self, job):
        """Count a failed job on the open record of its kind; tell of a new kind."""
        function = job.channel_method_name or f"<{job.model_name}>.{job.method_name}"
        sentence = job.exc_message or self.env._(
            "The process that ran it ended in the middle, again and again."
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO steward_job_failure AS f (
                    function, code, sentence, is_open, times, first_date, last_date,
                    create_uid, write_uid, create_date, write_date
                ) VALUES (
                    %(function)s, %(code)s, %(sentence)s, true, 1,
                    %(now)s, %(now)s, %(uid)s, %(uid)s, %(now)s, %(now)s
                )
                ON CONFLICT (function, code) WHERE is_open DO UPDATE
                   SET times = f.times + 1, last_date = excluded.last_date,
                       sentence = excluded.sentence
                RETURNING id, times
                """,
                function=function,
                code=job._failure_code(),
                sentence=sentence,
                now=fields.Datetime.now(),
                uid=self.env.uid,
            )
        )
        failure_id, times = self.env.cr.fetchone()
        failure = self.browse(failure_id)
        failure.invalidate_recordset()
        job.steward_failure_id = failure
        job.flush_recordset(["steward_failure_id"])
        if times == 1:
            failure._tell()
        return failure

    def _tell(self):
        """The one message of a kind; later failures only count."""
        self.ensure_one()
        self.message_post(
            subject=self.env._("A job failed: %(code)s", code=self.code),
            body=Markup("<p>%s</p><p>%s</p>")
            % (
                self.sentence,
                self.env._(
                    "Task: %(function)s. More failures of this kind are only counted,"
                    " until you retry or close this.",
                    function=self.function,
                ),
            ),
            partner_ids=self._get_operators().partner_id.ids,
            subtype_xmlid="mail.mt_note",
        )
