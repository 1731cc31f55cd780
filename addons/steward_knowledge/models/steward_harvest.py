import random
import time
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.const import CHANNEL_OUTBOUND
from odoo.addons.steward.exceptions import External, StewardError, converted
from odoo.addons.steward.kernel import backoff
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..const import BATCH_ITEMS, BATCH_SECONDS, MAX_TRIES, MAX_WAITS

STATES = [
    ("waiting", "Waiting"),
    ("discovering", "Looking what there is"),
    ("fetching", "Fetching"),
    ("done", "Done"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
]
UNFINISHED = ("waiting", "discovering", "fetching")
CHANGED = "steward.harvest"  # the bus's messages, as in static/src/harvest
COUNTS = ("found", "new", "changed", "unchanged", "failed", "skipped", "gone")
TRY_AGAIN = backoff.Backoff(base=30, cap=1800)  # seconds between tries of a page
SILENT_MINUTES = 30  # after which an unfinished harvest is looked after
MANY_GONE = 10  # pages that may vanish at once without anybody asking


class StewardHarvest(models.Model):
    """One harvest of a source: how far it is, and what came of it.

    It advances by jobs of a few seconds, each a transaction of its own, so a killed
    worker loses a batch at most and nothing comes in twice.
    """

    _name = "steward.harvest"
    _inherit = "steward"
    _description = "Harvest"
    _order = "id desc"
    _rec_name = "source_id"

    source_id = fields.Many2one(
        "steward.source", required=True, ondelete="cascade", index=True, readonly=True
    )
    company_id = fields.Many2one(related="source_id.company_id")
    user_id = fields.Many2one("res.users", string="Started by", readonly=True)
    state = fields.Selection(STATES, required=True, default="waiting", readonly=True)
    mode = fields.Selection(
        [("full", "All of it"), ("retry", "What failed")],
        required=True,
        default="full",
        readonly=True,
    )
    reason = fields.Char(string="Remark", readonly=True)
    started_at = fields.Datetime(string="Started", readonly=True)
    ended_at = fields.Datetime(string="Ended", readonly=True)
    next_at = fields.Datetime(string="Goes on", readonly=True)
    found = fields.Integer(readonly=True, help="What there is, as far as it is known.")
    new = fields.Integer(readonly=True)
    changed = fields.Integer(readonly=True)
    unchanged = fields.Integer(readonly=True)
    failed = fields.Integer(readonly=True)
    skipped = fields.Integer(string="Left out", readonly=True)
    gone = fields.Integer(readonly=True)
    gone_unasked = fields.Integer(
        string="Missing", readonly=True, help="Not retired, because it is so much."
    )
    size = fields.Float(string="Bytes", readonly=True)
    seconds = fields.Float(string="Work", readonly=True)
    waits = fields.Integer(readonly=True)
    memory = fields.Json(groups=fields.NO_ACCESS)
    job_uuid = fields.Char(readonly=True)
    item_ids = fields.One2many("steward.source.item", "harvest_id", string="Items")
    progress = fields.Float(compute="_compute_progress", help="Percent.")

    # one at once: the second one is refused by the database itself
    _one_at_once = models.UniqueIndex(
        "(source_id) WHERE state IN ('waiting', 'discovering', 'fetching')",
        "This source is being harvested already.",
    )

    @api.depends("state", *COUNTS)
    def _compute_progress(self):
        for harvest in self:
            if harvest.state in UNFINISHED:
                done = sum(harvest[name] for name in COUNTS[1:])
                harvest.progress = 100 * min(done / (harvest.found or 1), 1)
            else:
                harvest.progress = 100 if harvest.state == "done" else 0

    # -- jobs ----------------------------------------------------------------------

    def _enqueue(self, eta=None):
        """Let a worker go on with this harvest.

        :return: the job's uuid
        """
        self.ensure_one()
        # as the superuser: what may be read is the adapter's business
        job = (
            self.with_user(SUPERUSER_ID)
            .with_delay(
                channel=CHANNEL_OUTBOUND,
                eta=eta,
                identity_key=f"steward.harvest/{self.id}",
                description=self.env._("Harvest of %(name)s", name=self.source_id.name),
            )
            ._work()
        )
        uuid = getattr(job, "uuid", None)  # none where jobs run at once, in tests
        self._write_plainly({"job_uuid": uuid, "next_at": eta})
        return uuid

    def _work(self):
        """Go on for some seconds, and let the next job do the rest."""
        harvest = self.exists()
        if not harvest or harvest.state not in UNFINISHED:
            return  # cancelled, or deleted with its source
        began = time.monotonic()
        source = harvest.source_id
        if not source.active:
            harvest._end("cancelled", self.env._("The source was archived."))
            return
        memory = dict(harvest.memory or {})
        adapter = source._adapter(memory)
        eta = None
        try:
            over = harvest._advance(adapter)
        except UserError as error:
            eta = harvest._postpone(converted(error), adapter)
            over = eta is None
        if harvest.state in UNFINISHED:
            seconds = harvest.seconds + time.monotonic() - began
            harvest._write_plainly({"memory": memory, "seconds": seconds})
            if not over:
                harvest._enqueue(eta=eta)
        harvest._tell()

    def _advance(self, adapter):
        """One step. Called by each job.

        :return: whether the harvest is over
        """
        if self.state == "waiting":
            adapter.check()
            state = "discovering" if self.mode == "full" else "fetching"
            self._write_plainly(
                {"state": state, "started_at": self.started_at or fields.Datetime.now()}
            )
        if self.seconds > self.source_id.max_minutes * 60:
            adapter.memory["capped"] = "time"
            return self._finish(adapter)
        if self.state == "discovering":
            step = adapter.discover()
            self._note(step.found)
            adapter.memory.pop("tries", None)
            self._write_plainly({"waits": 0, "reason": False})
            if step.over:
                self._write_plainly({"state": "fetching"})
            return False
        return self._fetch(adapter)

    def _note(self, found):
        """Write down what there is, up to the source's limits."""
        items = self.env["steward.source.item"]
        self._add(items._note(self.source_id, self, found))

    def _postpone(self, error, adapter):
        """Say when to go on after an error of the whole source; None: never."""
        memory = adapter.memory
        if isinstance(error, External):  # the site is ill
            tries = memory["tries"] = memory.get("tries", 0) + 1
            retryable = error.retryable and tries <= MAX_TRIES
            wait = TRY_AGAIN.full(tries, random)
        else:
            retryable = error.retryable and self.waits < MAX_WAITS
            wait = 60
        if not retryable:
            self._end("failed", error.sentence)
            return None
        wait = error.retry_after or wait
        waits = self.waits + (wait > 5)  # its turn comes soon: no news
        reason = error.sentence if wait > 5 else self.reason
        self._write_plainly({"waits": waits, "reason": reason})
        return fields.Datetime.now() + timedelta(seconds=max(1, wait))

    # -- fetching ------------------------------------------------------------------

    def _fetch(self, adapter):
        """A batch of pages, in one transaction.

        :return: whether that was all
        """
        now = fields.Datetime.now()
        items = self.env["steward.source.item"].search(
            [
                ("harvest_id", "=", self.id),
                ("state", "=", "waiting"),
                "|",
                ("next_try", "=", False),
                ("next_try", "<=", now),
            ],
            order="depth, id",
            limit=BATCH_ITEMS,
        )
        if not items:
            return self._wait_for_the_rest(adapter)
        results, stopped = self._fetch_items(adapter, items)
        counts = self.source_id._settle(results, harvest=self)
        links = [link for result in results.values() for link in result.links]
        if links:
            self._note(self._within_limits(links, adapter))
        self._add(counts)
        if results:
            self._write_plainly({"waits": 0, "reason": False})
        if stopped:
            raise stopped
        return False

    def _fetch_items(self, adapter, items):
        """Fetch what the time allows.

        :return: results by item, and the error that concerns them all or None
        """
        results, deadline = {}, time.monotonic() + BATCH_SECONDS
        for item in items:
            try:
                results[item] = adapter.fetch(item)
            except External as error:
                self._failed(item, error)
            except StewardError as error:
                if error.retryable:
                    return results, error
                self._failed(item, error)
            if time.monotonic() > deadline:
                break
        return results, None

    def _failed(self, item, error):
        """One page failed: later again, or not."""
        tries = item.tries + 1
        values = {"tries": tries, "reason": error.sentence}
        if error.retryable and tries < MAX_TRIES:
            wait = error.retry_after or TRY_AGAIN.full(tries, random)
            values["next_try"] = fields.Datetime.now() + timedelta(seconds=wait)
        else:
            values["state"] = "failed"
            self._add({"failed": 1})
        item._write_plainly(values)

    def _within_limits(self, links, adapter):
        """Of what pages led to: what is not too much, nor too much alike."""
        source = self.source_id
        links = list({link.key: link for link in links}.values())
        self.env.cr.execute(
            SQL(
                "SELECT key FROM steward_source_item WHERE source_id = %s"
                " AND harvest_id = %s AND key = ANY(%s)",
                source.id,
                self.id,
                [link.key for link in links],
            )
        )
        known = {key for (key,) in self.env.cr.fetchall()}
        links = [link for link in links if link.key not in known]
        self.env.cr.execute(
            SQL(
                "SELECT shape, count(*) FROM steward_source_item WHERE source_id = %s"
                " AND harvest_id = %s AND shape = ANY(%s) GROUP BY shape",
                source.id,
                self.id,
                list({link.shape for link in links}),
            )
        )
        alike = dict(self.env.cr.fetchall())
        room = source.page_limit - self.found
        kept = []
        for link in links:
            alike[link.shape] = alike.get(link.shape, 0) + 1
            if len(kept) >= room:
                adapter.memory["capped"] = "limit"
                break
            if alike[link.shape] > source.alike_limit:
                adapter.memory["capped"] = "alike"
                continue
            kept.append(link)
        return kept

    def _wait_for_the_rest(self, adapter):
        """Nothing is due now: wait for what failed, or finish."""
        later = self.env["steward.source.item"].search(
            [("harvest_id", "=", self.id), ("state", "=", "waiting")],
            order="next_try",
            limit=1,
        )
        if not later:
            return self._finish(adapter)
        self._enqueue(eta=later.next_try + timedelta(seconds=1))
        return True

    # -- the end -------------------------------------------------------------------

    def _finish(self, adapter):
        """All is fetched: retire what is gone, and plan the next harvest."""
        reasons = {
            "limit": self.env._("More was there than the source's limit allows."),
            "depth": self.env._("There was more behind the links it may follow."),
            "alike": self.env._("Pages of one pattern were too many."),
            "time": self.env._("The time for a harvest was over."),
            "truncated": self.env._("The listing was not complete."),
            "broken": self.env._("A part of the sitemap could not be read."),
        }
        reason = reasons.get(adapter.memory.get("capped"))
        if self.mode == "full":
            adapter.finish()
            if self._is_complete(adapter):
                reason = self._retire_missing(adapter) or reason
        done = self.new + self.changed + self.unchanged + self.skipped + self.gone
        if self.failed and not done:
            last = self.item_ids.filtered("reason")[:1].reason
            self._end("failed", last)
        else:
            self._end("done", reason)
        return True

    def _is_complete(self, adapter):
        """Whether what was not found is gone: never when the site failed."""
        if not adapter.is_complete():
            return False
        # a page that failed may have led to others
        return not (adapter.memory.get("crawls") and self.failed)

    def _retire_missing(self, adapter):
        """Retire documents of what was not found; a sentence when that waits."""
        if not (self.found or adapter.is_certain):
            return self.env._("Nothing was found; what is here already is kept.")
        missing = self.source_id._missing(self)
        there = self.source_id.document_count
        if not adapter.is_certain and len(missing) > max(MANY_GONE, there / 2):
            self._write_plainly({"gone_unasked": len(missing)})
            return self.env._(
                "%(count)s documents are no longer there, more than half. They are"
                " kept until you retire them.",
                count=len(missing),
            )
        self.source_id._retire(missing)
        self._add({"gone": len(missing)})
        return None

    def _end(self, state, reason=None):
        self._write_plainly(
            {
                "state": state,
                "reason": reason or False,
                "ended_at": fields.Datetime.now(),
                "started_at": self.started_at or fields.Datetime.now(),
                "next_at": False,
                "memory": False,
            }
        )
        self.env.cr.execute(
            SQL(
                "UPDATE steward_source_item SET payload = NULL"
                " WHERE harvest_id = %s AND payload IS NOT NULL",
                self.id,
            )
        )
        self.source_id._harvested(self)

    # -- helpers -------------------------------------------------------------------

    def _write_plainly(self, values):
        """Write what only our code writes."""
        # sudo: steward.harvest - nobody has the right to write it but our code
        self.sudo().write(values)

    def _add(self, counts):
        values = {name: self[name] + n for name, n in counts.items() if n}
        if values:
            self._write_plainly(values)

    def _tell(self):
        """Tell open screens that there is news."""
        for harvest in self.exists():
            news = {"id": harvest.id, "source_id": harvest.source_id.id}
            harvest.source_id._bus_send(CHANGED, news, subchannel=CHANGED)

    @api.model
    def _cron_revive(self):
        """Look after harvests whose job is gone: nobody may wait for ever."""
        silent = fields.Datetime.now() - timedelta(minutes=SILENT_MINUTES)
        harvests = self.search(
            [("state", "in", UNFINISHED), ("write_date", "<", silent)]
        )
        for harvest in harvests:
            # sudo: queue.job - who looks after harvests need not see jobs
            jobs = self.env["queue.job"].sudo()
            job = jobs.search([("uuid", "=", harvest.job_uuid)], limit=1)
            if job.state in ("wait_dependencies", "pending", "enqueued", "started"):
                continue
            if job.state == "failed":
                harvest._end("failed", job.exc_message)
            else:
                harvest._enqueue()

    # -- actions -------------------------------------------------------------------

    def action_cancel(self) -> None:
        """Stop these harvests; what is here already stays. Operators only."""
        self.source_id._check_operator()
        for harvest in self.filtered(lambda h: h.state in UNFINISHED):
            harvest._end(
                "cancelled",
                self.env._("%(user)s stopped it.", user=self.env.user.name),
            )
            harvest._tell()

    def action_retire(self) -> None:
        """Retire the documents of what the harvest did not find. Operators only."""
        self.ensure_one()
        self.source_id._check_operator()
        if self != self.source_id.last_harvest_id or not self.gone_unasked:
            raise AccessError(self.env._("Only the last harvest knows what is gone."))
        missing = self.source_id._missing(self)
        self.source_id._retire(missing)
        self._write_plainly(
            {"gone_unasked": 0, "gone": self.gone + len(missing), "reason": False}
        )

    def action_open_items(self) -> dict:
        """Show what the harvest found.

        :return: an action
        """
        return self.source_id.action_open_items()
