import logging
from datetime import datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError

from ..exceptions import converted

_logger = logging.getLogger(__name__)

HOUR = 2  # of the day, where the person to tell lives
LOOK_AGAIN = 60  # seconds until a part that waits for others' jobs looks again
WAIT_AT_MOST = timedelta(hours=3)  # for such a part
TRIES = 3  # of a part that met what may pass: a lock, a service that was away
KEEP = timedelta(days=400)
SIGNS = {"done": "✓", "failed": "✗"}


class Later(Exception):
    """Raised by a part that waits for work it has started: it is asked again."""


class StewardDaily(models.Model):
    """One night's round: each part does what is due, and says what came of it.

    Parts come from the addons. One that fails does not keep the others from their
    work; one that waits for jobs lets go meanwhile.
    """

    _name = "steward.daily"
    _inherit = ["steward", "mail.thread"]
    _description = "Daily Round"
    _order = "id desc"
    _rec_name = "day"
    _steward_own_fields = ("day", "state", "parts", "ended_at")

    day = fields.Date(required=True, readonly=True, index=True)
    state = fields.Selection(
        [("running", "On its way"), ("done", "Done"), ("failed", "Done with failures")],
        required=True,
        readonly=True,
        default="running",
    )
    # [{"name", "title", "state", "seconds", "lines": [...]}], in the order done
    parts = fields.Json(readonly=True)
    ended_at = fields.Datetime(string="Ended", readonly=True)
    report = fields.Html(compute="_compute_report", sanitize=False)

    @api.depends("parts")
    def _compute_report(self):
        for daily in self:
            daily.report = daily._written()

    # -- parts ---------------------------------------------------------------------

    @api.model
    def _get_parts(self):
        """Return what is done each night, in order: name -> (title, method). Hook.

        A method takes the round's record and returns sentences that say what came of
        it; none: nothing worth telling. It raises `Later` while it waits for jobs.
        """
        return {}

    # -- beginning -----------------------------------------------------------------

    @api.model
    def run(self) -> dict:
        """Do today's round now, also if it was done before.

        :return: ``{"daily_id"}``
        """
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators start the daily round."))
        # sudo: steward.daily - written by our code alone
        daily = self.sudo()._begin()
        return {"daily_id": daily.id}

    @api.model
    def status(self, daily_id: int) -> dict:
        """Tell how a round is.

        :return: ``{"state", "day", "parts": [{"name", "title", "state", "lines"}]}``
        """
        daily = self.browse(daily_id)
        daily.check_access("read")
        return {
            "state": daily.state,
            "day": fields.Date.to_string(daily.day),
            "parts": daily.parts or [],
        }

    def action_run(self) -> dict:
        """Do today's round now, and look at it."""
        found = self.run()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": found["daily_id"],
            "views": [(False, "form")],
        }

    @api.model
    def _cron_begin(self):
        """Begin the round when it is due where the person to tell lives."""
        now = self._local_now()
        if now.hour < HOUR:
            return
        if not self.search_count([("day", "=", now.date())], limit=1):
            self._begin()

    @api.model
    def _begin(self):
        daily = self._create_own([{"day": self._local_now().date(), "parts": []}])
        daily._enqueue()
        return daily

    @api.model
    def _local_now(self):
        """The time where the person to tell lives, or else the company."""
        contact = self.env["res.config.settings"]._steward_contact()
        # sudo: res.partner - the time zone of the company's address
        zone = contact.tz or self.env.company.sudo().partner_id.tz or "UTC"
        try:
            place = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            place = ZoneInfo("UTC")
        return datetime.now(place)

    # -- working -------------------------------------------------------------------

    def _enqueue(self, seconds=None, tried=0):
        self.with_user(SUPERUSER_ID).with_delay(
            eta=seconds, description=self.env._("Daily round")
        )._work(tried)

    def _work(self, tried=0):
        """One job: the next part; or the report, when none is left.

        :param tried: how often that part has failed
        """
        if not self.try_lock_for_update() or self.state != "running":
            return
        told = {part["name"] for part in self.parts or ()}
        for name, (title, method) in self._get_parts().items():
            if name not in told:
                self._do(name, title, method, tried)
                return
        self._finish()

    def _do(self, name, title, method, tried):
        began, waits = monotonic(), False
        part = {"name": name, "title": title, "state": "done", "lines": []}
        try:
            with self.env.cr.savepoint():
                try:
                    part["lines"] = [str(line) for line in method(self) or ()]
                except Later:  # what it has started stays
                    waits = True
        except Exception as error:  # noqa: BLE001 - the other parts do their work
            failure = converted(error)
            if failure.retryable and tried + 1 < TRIES:
                self._enqueue(LOOK_AGAIN, tried + 1)
                return
            part["state"] = "failed"
            part["lines"] = [failure.sentence]
            _logger.warning("daily round, %s: %s", name, failure.sentence)
        if waits:
            if fields.Datetime.now() - self.create_date < WAIT_AT_MOST:
                self._enqueue(LOOK_AGAIN)
                return
            part["state"] = "failed"
            part["lines"] = [self.env._("It takes longer than a night.")]
        part["seconds"] = round(monotonic() - began, 1)
        self._write_own({"parts": [*(self.parts or ()), part]})
        self._enqueue()

    def _finish(self):
        failed = any(part["state"] == "failed" for part in self.parts or ())
        self._write_own(
            {
                "state": "failed" if failed else "done",
                "ended_at": fields.Datetime.now(),
            }
        )
        person = self.env["steward.secret"]._get_reminded()
        daily = self.with_context(lang=person.lang or self.env.lang)
        daily.message_post(
            subject=daily.env._("Daily round of %(day)s", day=daily.day),
            body=daily._written(),
            partner_ids=person.partner_id.ids,
        )

    def _written(self):
        """What each part says, for people."""
        rows = Markup().join(
            Markup("<li><b>%s %s</b>%s</li>")
            % (
                SIGNS[part["state"]],
                part["title"],
                Markup().join(Markup("<br/>%s") % line for line in part["lines"]),
            )
            for part in self.parts or ()
            if part["lines"] or part["state"] == "failed"
        )
        if not rows:
            return Markup("<p>%s</p>") % self.env._("There was nothing to do.")
        return Markup("<ul>%s</ul>") % rows

    @api.autovacuum
    def _gc_old(self):
        old = fields.Datetime.now() - KEEP
        self.search([("create_date", "<", old)], limit=1000).unlink()
