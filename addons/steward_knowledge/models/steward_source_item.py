from collections import Counter

from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.tools import SQL

from ..const import FRESH_DAYS

STATES = [
    ("waiting", "Waiting"),
    ("done", "Fetched"),
    ("unchanged", "Unchanged"),
    ("skipped", "Left out"),
    ("failed", "Failed"),
    ("gone", "Gone"),
]
BULK = 1000  # rows in one statement


class StewardSourceItem(models.Model):
    """One address, path, issue, record or file at a source, and how it went."""

    _name = "steward.source.item"
    _inherit = "steward"
    _description = "Harvested Item"
    _order = "id"
    _rec_name = "key"
    _log_access = False

    source_id = fields.Many2one(
        "steward.source", required=True, ondelete="cascade", index=True, readonly=True
    )
    company_id = fields.Many2one(related="source_id.company_id")
    harvest_id = fields.Many2one(
        "steward.harvest",
        string="Last found by",
        ondelete="set null",
        index="btree_not_null",
        readonly=True,
    )
    key = fields.Char(string="What", required=True, readonly=True)
    url = fields.Char(string="Address", readonly=True)
    state = fields.Selection(STATES, required=True, default="waiting", readonly=True)
    reason = fields.Char(string="Why", readonly=True)
    same_as = fields.Char(readonly=True, help="What holds the same.")
    depth = fields.Integer(string="Links deep", readonly=True)
    tries = fields.Integer(readonly=True)
    next_try = fields.Datetime(readonly=True)
    fetched_at = fields.Datetime(
        string="Fetched", readonly=True, help="Empty: there is no document of it."
    )
    size = fields.Integer(string="Bytes", readonly=True)
    etag = fields.Char(readonly=True)
    last_modified = fields.Char(readonly=True)
    revision = fields.Char(readonly=True, help="The state that we have.")
    revision_found = fields.Char(readonly=True, help="The state that it has.")
    shape = fields.Char(readonly=True, help="The address without its numbers.")
    links = fields.Json(groups=fields.NO_ACCESS, readonly=True)
    payload = fields.Json(groups=fields.NO_ACCESS, readonly=True)
    # an uploaded file is kept here: nobody reads it but the harvest
    file = fields.Binary(attachment=True, groups=fields.NO_ACCESS, readonly=True)
    file_hash = fields.Char(readonly=True)
    file_date = fields.Datetime(string="Uploaded", readonly=True)

    _key_uniq = models.UniqueIndex("(source_id, key)")
    _shape_idx = models.Index("(source_id, shape) WHERE shape IS NOT NULL")
    _waiting_idx = models.Index("(harvest_id, depth, id) WHERE state = 'waiting'")

    def _is_kept(self):
        """Whether there is a document of it, so that "unchanged" is an answer."""
        return bool(self.fetched_at)

    def _links(self):
        return self.links or []

    # -- what is found -------------------------------------------------------------

    @api.model
    def _note(self, source, harvest, found, again=False):
        """Write down what was discovered, each item once in a harvest.

        What a listing says to be as we have it is unchanged without a request, unless
        that was long ago: listings are not always right.

        :param again: also what this harvest has written down already
        :return: how many this harvest found, and how many of them need no look
        :rtype: collections.Counter
        """
        counts = Counter()
        known = list({item.key: item for item in found}.values())
        for start in range(0, len(known), BULK):
            rows = SQL(", ").join(
                SQL(
                    "(%s, %s, %s, %s, 'waiting', %s, 0, %s, %s, %s::jsonb)",
                    *(
                        source.id,
                        harvest.id or None,
                        item.key,
                        item.url or None,
                        item.depth,
                    ),
                    *(item.revision or None, item.shape or None),
                    Json(item.payload) if item.payload else None,
                )
                for item in known[start : start + BULK]
            )
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO steward_source_item AS item (
                        source_id, harvest_id, key, url, state, depth, tries,
                        revision_found, shape, payload
                    ) VALUES %(rows)s
                    ON CONFLICT (source_id, key) DO UPDATE
                       SET harvest_id = excluded.harvest_id, url = excluded.url,
                           depth = excluded.depth, tries = 0, next_try = NULL,
                           revision_found = excluded.revision_found,
                           shape = excluded.shape, payload = excluded.payload,
                           state = CASE
                               WHEN excluded.revision_found = item.revision
                                AND item.state IN ('done', 'unchanged')
                                AND item.fetched_at > %(fresh)s THEN 'unchanged'
                               WHEN excluded.revision_found = item.revision
                                AND item.state = 'skipped' THEN 'skipped'
                               ELSE 'waiting' END
                     WHERE %(again)s
                        OR item.harvest_id IS DISTINCT FROM excluded.harvest_id
                    RETURNING state
                    """,
                    again=again,
                    rows=rows,
                    fresh=fields.Datetime.subtract(
                        fields.Datetime.now(), days=FRESH_DAYS
                    ),
                )
            )
            states = [state for (state,) in self.env.cr.fetchall()]
            counts.update(state for state in states if state != "waiting")
            counts["found"] += len(states)
        self.invalidate_model()
        return counts

    def _write_plainly(self, values):
        """Write what only our code writes."""
        # sudo: steward.source.item - nobody has the right to write it but our code
        self.sudo().write(values)

    # -- actions -------------------------------------------------------------------

    def action_retry(self) -> dict:
        """Try these items again, as Operator.

        :return: a notification
        """
        sources = self.source_id
        sources._check_operator()
        for source in sources:
            mine = self.filtered(lambda item, source=source: item.source_id == source)
            source._retry(mine)
        return sources._notification(
            self.env._("%(count)s are tried again.", count=len(self))
        )

    def action_open(self) -> dict:
        """Open the address."""
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": self.url, "target": "new"}

    def action_remove_file(self) -> None:
        """Remove uploaded files, as Operator; their documents are retired."""
        sources = self.source_id
        sources._check_operator()
        for source in sources:
            mine = self.filtered(lambda item, source=source: item.source_id == source)
            self.env["steward.document"]._retire(source, mine.mapped("key"))
        files = self.filtered("file_hash")
        files.sudo().unlink()  # sudo: steward.source.item - written by our code alone
