from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.addons.steward_llm.kernel.usage import CHARACTERS, Usage
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..exceptions import SourceInvalid
from .steward_harvest import CHANGED, UNFINISHED
from .steward_source_pipeline import NEWS

INTERVALS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
INTERVALS["weekly"] = timedelta(weeks=1)
TYPICAL_CHARACTERS = 4000  # of a page, when nothing of the source is known
FAILURES_LISTED = 1000


class StewardSource(models.Model):
    _inherit = "steward.source"

    interval = fields.Selection(
        [
            ("manual", "By hand"),
            ("hourly", "Every hour"),
            ("daily", "Every day"),
            ("weekly", "Every week"),
        ],
        string="Harvested",
        default="manual",
        required=True,
        tracking=True,
    )
    next_harvest_at = fields.Datetime(
        string="Next harvest", copy=False, index="btree_not_null"
    )
    harvest_ids = fields.One2many("steward.harvest", "source_id", string="Harvests")
    last_harvest_id = fields.Many2one(
        "steward.harvest", readonly=True, copy=False, ondelete="set null"
    )
    state = fields.Selection(
        [
            ("new", "Never harvested"),
            ("harvesting", "Being harvested"),
            ("ok", "Up to date"),
            ("partial", "With failures"),
            ("failed", "Failed"),
        ],
        compute="_compute_state",
        store=True,
    )
    last_at = fields.Datetime(related="last_harvest_id.ended_at", string="Last harvest")
    last_reason = fields.Char(related="last_harvest_id.reason", string="Remark")
    last_found = fields.Integer(related="last_harvest_id.found", string="Found")
    last_new = fields.Integer(related="last_harvest_id.new", string="New")
    last_changed = fields.Integer(related="last_harvest_id.changed", string="Changed")
    last_unchanged = fields.Integer(
        related="last_harvest_id.unchanged", string="Unchanged"
    )
    last_failed = fields.Integer(related="last_harvest_id.failed", string="Failures")
    last_skipped = fields.Integer(related="last_harvest_id.skipped", string="Left out")
    last_gone = fields.Integer(related="last_harvest_id.gone", string="Gone")
    last_missing = fields.Integer(related="last_harvest_id.gone_unasked")
    progress = fields.Float(related="last_harvest_id.progress")
    item_count = fields.Integer(compute="_compute_item_count")
    failure_count = fields.Integer(compute="_compute_item_count")

    @api.depends("last_harvest_id.state", "last_harvest_id.failed")
    def _compute_state(self):
        for source in self:
            last = source.last_harvest_id
            if not last:
                source.state = "new"
            elif last.state in UNFINISHED:
                source.state = "harvesting"
            elif last.state == "failed":
                source.state = "failed"
            else:
                source.state = "partial" if last.failed else "ok"

    def _compute_item_count(self):
        counts = self.env["steward.source.item"]._read_group(
            [("source_id", "in", self.ids)], ["source_id", "state"], ["__count"]
        )
        found = {}
        for source, state, count in counts:
            found.setdefault(source.id, {})[state] = count
        for source in self:
            mine = found.get(source.id, {})
            source.item_count = sum(mine.values())
            source.failure_count = mine.get("failed", 0)

    # -- CRUD ----------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        sources = super().create(vals_list)
        sources.filtered(lambda s: s.interval != "manual")._plan()
        return sources

    def write(self, vals):
        done = super().write(vals)
        if "interval" in vals and "next_harvest_at" not in vals:
            self._plan()
        return done

    def _plan(self):
        """Say when each is due next."""
        now = fields.Datetime.now()
        for source in self:
            wait = INTERVALS.get(source.interval)
            last = source.last_harvest_id.ended_at
            source.next_harvest_at = wait and (last + wait if last else now)

    # -- harvests ------------------------------------------------------------------

    def _check_operator(self):
        self.check_access("read")
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators harvest sources."))

    @api.model
    def harvest(self, source: int | str) -> dict:
        """Harvest a source now, in the background. Operators only.

        One that is being harvested already goes on.

        :param source: its id or its name
        :return: ``job``, the job's uuid
        """
        found = self._named(source)
        found._check_operator()
        return {"job": found._start().job_uuid or ""}

    @api.model
    def _named(self, source):
        """The source of an id or a name.

        :raises SourceInvalid: when there is none, or more than one of that name
        """
        self.check_access("read")
        if isinstance(source, int) and not isinstance(source, bool):
            found = self.browse(source).exists()
        else:
            found = self.search([("name", "=", str(source))], limit=2)
        found = found._filtered_access("read") if found else found
        if len(found) != 1:
            raise SourceInvalid(
                self.env._("There is no source %(name)s.", name=source)
                if not found
                else self.env._("Several sources are called %(name)s.", name=source)
            )
        return found

    def _start(self, mode="full"):
        """Begin a harvest, or return the one that goes on."""
        self.ensure_one()
        # sudo: steward.harvest - written by our code alone, for an Operator or a cron
        harvests = self.env["steward.harvest"].sudo()
        running = harvests.search(
            [("source_id", "=", self.id), ("state", "in", UNFINISHED)], limit=1
        )
        if running:
            return running
        if not self.active:
            raise Invalid(self.env._("%(name)s is archived.", name=self.name))
        # sudo: steward.source - its settings name what the caller may not read
        self.sudo()._adapter().check()
        harvest = harvests.create(
            {"source_id": self.id, "user_id": self.env.uid, "mode": mode}
        )
        # sudo: steward.source - as above
        self.sudo()._write_own({"last_harvest_id": harvest.id})
        harvest._enqueue()
        harvest._tell()
        return harvest

    def _retry(self, items):
        """Try items again, and nothing else."""
        running = self.last_harvest_id.filtered(lambda h: h.state in UNFINISHED)
        harvest = running or self._start(mode="retry")
        items._write_plainly(
            {
                "state": "waiting",
                "harvest_id": harvest.id,
                "tries": 0,
                "next_try": False,
                "reason": False,
            }
        )
        harvest._add({"found": len(items)})

    def _harvested(self, harvest):
        """A harvest is over. Called by it."""
        if harvest == self.last_harvest_id:
            # sudo: steward.source - the plan is written by whoever ends a harvest
            self.sudo()._plan()

    @api.model
    def _cron_harvest(self):
        """Enqueue the harvests that are due; one that cannot start stops no other."""
        due = self.search(
            [
                ("interval", "!=", "manual"),
                ("next_harvest_at", "<=", fields.Datetime.now()),
            ]
        )
        for source in due:
            try:
                source._start()
            except StewardError as error:
                source._plan_after(error)
        self.env["steward.harvest"]._cron_revive()

    def _plan_after(self, error):
        """A harvest did not even start: say so, and wait for the next time."""
        self.next_harvest_at = fields.Datetime.now() + INTERVALS[self.interval]
        self.message_post(body=error.sentence, subtype_xmlid="mail.mt_note")

    # -- what comes in -------------------------------------------------------------

    def _settle(self, results, harvest=None):
        """Take documents in, and write down how each item went.

        :param dict results: `Fetched` by item
        :return: counts for the harvest
        """
        self.ensure_one()
        documents = self.env["steward.document"]
        drafts = [result.draft for result in results.values() if result.draft]
        counts = dict.fromkeys(("new", "changed", "unchanged", "failed"), 0)
        fresh, refused = set(), {}
        if drafts:
            taken = documents._take(self, drafts, harvest=harvest)
            refused = {
                drafts[told["index"]].external_id: told["reason"]
                for told in taken["rejected"]
            }
            fresh = set(taken["documents"].mapped("external_id"))
            counts |= {name: taken[name] for name in ("new", "changed", "unchanged")}
            counts["failed"] = len(refused)
            taken["documents"]._enqueue()
        gone = []
        for item, result in results.items():
            item._write_plainly(self._item_values(item, result, fresh, refused))
            if result.state == "unchanged":
                counts["unchanged"] += 1
            elif result.state in ("gone", "skipped"):
                counts[result.state] = counts.get(result.state, 0) + 1
                gone.append(item.key)
        if gone:
            documents._retire(self, gone)
        counts["size"] = sum(result.size for result in results.values())
        return counts

    def _item_values(self, item, result, fresh, refused):
        values = {
            "state": result.state,
            "reason": result.reason or False,
            "same_as": result.same_as or False,
            "tries": 0,
            "next_try": False,
            "payload": False,
            "size": result.size or item.size,
            "revision": item.revision_found,
        }
        if item.key in refused:
            return values | {"state": "failed", "reason": refused[item.key]}
        if result.state == "unchanged":
            return values | {"fetched_at": fields.Datetime.now()}
        kept = result.state == "done"
        if kept and item.key not in fresh:
            values["state"] = "unchanged"
        return values | {
            "fetched_at": kept and fields.Datetime.now(),
            "etag": kept and result.etag,
            "last_modified": kept and result.last_modified,
            "links": kept and [link.key for link in result.links],
        }

    def _missing(self, harvest):
        """The keys of documents that a complete harvest did not find."""
        self.env.cr.execute(
            SQL(
                """
                SELECT document.external_id
                  FROM steward_document AS document
             LEFT JOIN steward_source_item AS item
                    ON item.source_id = document.source_id
                   AND item.key = document.external_id
                   AND item.harvest_id = %s
                 WHERE document.source_id = %s AND document.active AND item.id IS NULL
                """,
                harvest.id,
                self.id,
            )
        )
        return [key for (key,) in self.env.cr.fetchall()]

    def _retire(self, keys):
        if not keys:
            return
        self.env["steward.document"]._retire(self, keys)
        items = self.env["steward.source.item"].search(
            [("source_id", "=", self.id), ("key", "in", keys)]
        )
        items._write_plainly(
            {
                "state": "gone",
                "reason": self.env._("The source has it no longer."),
                "fetched_at": False,
                "etag": False,
                "last_modified": False,
                "revision": False,
            }
        )

    def _has_item(self, key, **values):
        """Whether there is such an item."""
        found = self.env["steward.source.item"].search(
            [("source_id", "=", self.id), ("key", "=", key)], limit=1
        )
        return bool(found) and all(found[name] == v for name, v in values.items())

    # -- estimates -----------------------------------------------------------------

    @api.model
    def estimate(self, source: int | str) -> dict:
        """Say what a harvest would take. Operators only.

        :param source: its id or its name
        :return: ``pages`` and ``minutes`` where they are known, ``cost`` of embedding
            all of it (in US dollars) where its price is known, and ``sentence``
        """
        found = self._named(source)
        found._check_operator()
        # sudo: steward.source - its settings name what the caller may not read
        return found.sudo()._estimate()

    def _estimate(self):
        self.ensure_one()
        adapter = self._adapter()
        adapter.check()
        pages = adapter.estimate()
        told = {}
        if pages is None and self.last_found:
            pages = self.last_found
        if pages is not None:
            if adapter.is_limited:
                pages = min(pages, self.page_limit)
            told["pages"] = pages
            if adapter.is_outside:
                told["minutes"] = round(pages / self.requests_per_minute, 1)
            cost = self._embedding_cost(pages)
            if cost is not None:
                told["cost"] = float(cost)
        return {**told, "sentence": self._estimate_sentence(told)}

    def _estimate_sentence(self, told):
        if "pages" not in told:
            return self.env._(
                "How much there is shows only while its links are followed; at most"
                " %(limit)s pages, %(minutes)s minutes at %(rate)s requests a minute.",
                limit=self.page_limit,
                minutes=round(self.page_limit / self.requests_per_minute),
                rate=self.requests_per_minute,
            )
        parts = [self.env._("About %(pages)s items", pages=told["pages"])]
        if "minutes" in told:
            parts.append(
                self.env._(
                    "%(minutes)s minutes at %(rate)s requests a minute",
                    minutes=told["minutes"],
                    rate=self.requests_per_minute,
                )
            )
        if "cost" not in told:
            parts.append(self.env._("the price of embedding is unknown"))
        elif told["cost"]:
            parts.append(self.env._("embedding costs $ %.4f", told["cost"]))
        else:
            parts.append(self.env._("embedding costs nothing"))
        return f"{', '.join(parts)}."

    def _embedding_cost(self, pages):
        """What embedding so many documents costs in US dollars; None: unknown."""
        space = self.env["steward.space"]._active()
        if not space:
            return None
        self.env.cr.execute(
            SQL(
                "SELECT avg(length(text)) FROM (SELECT text FROM steward_document"
                " WHERE source_id = %s AND text IS NOT NULL LIMIT 200) AS sample",
                self.id,
            )
        )
        (characters,) = self.env.cr.fetchone()
        tokens = pages * float(characters or TYPICAL_CHARACTERS) / CHARACTERS
        model = space.model_id
        usage = Usage(tokens_in=int(tokens), estimated=True)
        cost = self.env["steward.price"]._cost(
            model.name, model.provider_id.code, usage, fields.Datetime.now()
        )
        return cost.amount

    # -- actions -------------------------------------------------------------------

    def action_harvest(self) -> dict:
        """Harvest these sources now. Operators only.

        :return: a notification
        """
        self._check_operator()
        for source in self:
            source._start()
        return self._notification(
            self.env._("It is harvested in the background; you may go on.")
        )

    def action_estimate(self) -> dict:
        """Say what a harvest would take. Operators only.

        :return: a notification
        """
        self.ensure_one()
        self._check_operator()
        try:
            # sudo: steward.source - its settings name what the caller may not read
            sentence = self.sudo()._estimate()["sentence"]
        except StewardError as error:
            return self._notification(error.sentence, "danger")
        return self._notification(sentence, "info", sticky=True)

    def action_cancel(self) -> None:
        """Stop the harvest that goes on. Operators only."""
        self.last_harvest_id.action_cancel()

    def action_retry_failures(self) -> dict:
        """Try again what failed. Operators only.

        :return: a notification
        """
        self.ensure_one()
        items = self.env["steward.source.item"].search(
            [("source_id", "=", self.id), ("state", "=", "failed")]
        )
        return items.action_retry()

    def action_retire_missing(self) -> None:
        """Retire what the last harvest did not find. Operators only."""
        self.last_harvest_id.action_retire()

    def action_open_items(self) -> dict:
        """Show what there is at the source.

        :return: an action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_source_item"
        )
        return {**action, "domain": [("source_id", "in", self.ids)]}

    def action_open_failures(self) -> dict:
        """Show what failed.

        :return: an action
        """
        return {**self.action_open_items(), "context": {"search_default_failed": 1}}

    def action_open_documents(self) -> dict:
        """Show the documents.

        :return: an action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_document"
        )
        return {**action, "domain": [("source_id", "in", self.ids)]}

    def action_open_harvests(self) -> dict:
        """Show the harvests.

        :return: an action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_harvest"
        )
        return {**action, "domain": [("source_id", "in", self.ids)]}

    @api.model
    def _notification(self, message, kind="success", sticky=False):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": kind,
                "message": message,
                "sticky": sticky,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # -- live ----------------------------------------------------------------------

    @api.model
    def _get_channels(self, ids):
        """The bus's channels of sources, for who may see them."""
        if not self.has_access("read"):
            return []
        sources = self.browse(ids).exists()._filtered_access("read")
        return [(source, news) for source in sources for news in (CHANGED, NEWS)]
