import hashlib
import threading
from collections import OrderedDict, defaultdict
from contextlib import suppress
from time import monotonic

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Locked
from odoo.tools import SQL

MAX_ROWS = 200_000  # unless a setting says otherwise; some 200 MB at 384 dimensions
MAX_LOCAL = 4_096  # vectors that a process remembers
KEYS_AT_ONCE = 1_000  # in one query
TRIM_AT_ONCE = 10_000
KEEP_DAYS = 400  # of counts
TELL_EVERY = 60  # seconds between two writes of a process that only found hits
TODAY = SQL("(now() at time zone 'UTC')::date")


class StewardEmbedding(models.Model):
    """Vectors of texts that were embedded before; rows hold no text, only its hash.

    Vectors are kept in half precision, and so is what a caller gets the first time:
    a text's vector is the same whether it was computed or found.
    """

    _name = "steward.embedding"
    _inherit = "steward"
    _description = "Embedding Cache"
    _log_access = False
    _rec_name = "model_id"
    _steward_own_fields = ("model_id", "digest", "vector", "used_on")

    model_id = fields.Many2one("steward.model", required=True, ondelete="cascade")
    # raw bytes, written and read in SQL: Odoo would make them base64
    digest = fields.Binary(attachment=False, required=True, groups=fields.NO_ACCESS)
    vector = fields.Binary(attachment=False, required=True, groups=fields.NO_ACCESS)
    used_on = fields.Date(string="Last used", required=True, index=True)

    _digest_uniq = models.UniqueIndex("(model_id, digest)")

    def init(self):
        # they do not get smaller; above 2 kB PostgreSQL would try each time
        self.env.cr.execute(
            "ALTER TABLE steward_embedding ALTER COLUMN vector SET STORAGE EXTERNAL"
        )

    @api.model
    def _keys(self, texts, space):
        """The keys of texts in a space.

        :param str space: all that decides about the vectors, beside the text
        """
        seed = hashlib.sha256(space.encode() + b"\0")
        keys = []
        for text in texts:
            key = seed.copy()
            key.update(text.encode())
            keys.append(key.digest())
        return keys

    @api.model
    def _find(self, model, keys):
        """Return the vectors that are known, as bytes, by key."""
        found = {}
        place = (self.env.cr.dbname, model.id)
        with _LOCK:
            for key in keys:
                if (vector := _LOCAL.get((*place, key))) is not None:
                    _LOCAL.move_to_end((*place, key))
                    found[key] = vector
        rest = [key for key in keys if key not in found]
        unused = []
        for first in range(0, len(rest), KEYS_AT_ONCE):
            self.env.cr.execute(
                SQL(
                    "SELECT digest, vector, id, used_on < %s"
                    " FROM steward_embedding WHERE model_id = %s AND digest = ANY(%s)",
                    *(TODAY, model.id),
                    rest[first : first + KEYS_AT_ONCE],
                )
            )
            for key, vector, row, is_first_today in self.env.cr.fetchall():
                found[bytes(key)] = bytes(vector)
                if is_first_today:
                    unused.append(row)
        self._remember(place, {key: found[key] for key in rest if key in found})
        self._count(model, hits=len(found), misses=len(keys) - len(found))
        if unused:
            self._note_use(unused)
        return found

    @api.model
    def _keep(self, model, vectors):
        """Keep vectors, whatever becomes of the caller's transaction.

        :param dict vectors: bytes by key
        """
        self._remember((self.env.cr.dbname, model.id), vectors)
        # they are computed again one day
        with suppress(Locked), self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "INSERT INTO steward_embedding"
                    " (model_id, digest, vector, used_on)"
                    " SELECT model.id, digest, vector, %s"
                    " FROM unnest(%s, %s) AS made(digest, vector)"
                    # unless the caller made the model a moment ago: nobody else sees it
                    " JOIN steward_model AS model ON model.id = %s"
                    " ON CONFLICT DO NOTHING",
                    *(TODAY, list(vectors), list(vectors.values()), model.id),
                ),
                log_exceptions=False,
            )
            self._tell_counts(cr)

    def _note_use(self, rows):
        """Once a day, so that a hit costs no write."""
        # used tomorrow, too, or not worth keeping
        with suppress(Locked), self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "UPDATE steward_embedding SET used_on = %s"
                    " WHERE id IN (SELECT id FROM steward_embedding WHERE id = ANY"
                    "(%s) ORDER BY id FOR UPDATE SKIP LOCKED)",
                    *(TODAY, rows),
                ),
                log_exceptions=False,
            )

    @api.model
    def _remember(self, place, vectors):
        with _LOCK:
            for key, vector in vectors.items():
                _LOCAL[(*place, key)] = vector
            while len(_LOCAL) > MAX_LOCAL:
                _LOCAL.popitem(last=False)

    # -- how well it works ---------------------------------------------------------

    @api.model
    def _count(self, model, hits, misses):
        """Count in memory; written with the next misses, or after a minute."""
        with _LOCK:
            counts = _COUNTS[self.env.cr.dbname][model.id]
            counts[0] += hits
            counts[1] += misses
            is_due = not misses and monotonic() > _TOLD.get(self.env.cr.dbname, 0)
        if is_due:
            # with the next ones
            with suppress(Locked), self._own_transaction() as cr:
                self._tell_counts(cr)

    @api.model
    def _tell_counts(self, cr):
        with _LOCK:
            counts = _COUNTS.pop(self.env.cr.dbname, {})
            _TOLD[self.env.cr.dbname] = monotonic() + TELL_EVERY
        # in the order of ids: whoever locks several rows does it in this order
        for model_id, (hits, misses) in sorted(counts.items()):
            cr.execute(
                SQL(
                    "INSERT INTO steward_embedding_day AS day"
                    " (model_id, day, hits, misses)"
                    " SELECT id, %s, %s, %s"
                    " FROM steward_model WHERE id = %s"
                    " ON CONFLICT (model_id, day) DO UPDATE"
                    " SET hits = day.hits + %s, misses = day.misses + %s",
                    *(TODAY, hits, misses, model_id, hits, misses),
                ),
                log_exceptions=False,
            )

    # -- bounds --------------------------------------------------------------------

    @api.model
    def _max_rows(self):
        # sudo: ir.config_parameter - the limit holds for everybody, who reads none
        get = self.env["ir.config_parameter"].sudo().get_param
        told = get("steward.embedding.max_rows") or ""
        return int(told) if told.isdigit() else MAX_ROWS

    @api.model
    def _cron_trim(self):
        """Forget what was not used for the longest time."""
        self.env.cr.execute(
            SQL(
                "DELETE FROM steward_embedding_day WHERE day < %s - %s",
                *(TODAY, KEEP_DAYS),
            )
        )
        self.env.cr.execute("SELECT count(*) FROM steward_embedding")
        left = self.env.cr.fetchone()[0] - self._max_rows()
        while left > 0:
            self.env.cr.execute(
                SQL(
                    "DELETE FROM steward_embedding WHERE id IN (SELECT id"
                    " FROM steward_embedding ORDER BY used_on, id LIMIT %s"
                    " FOR UPDATE SKIP LOCKED)",
                    min(left, TRIM_AT_ONCE),
                )
            )
            gone = self.env.cr.rowcount
            left -= gone
            if not gone or not self.env["ir.cron"]._commit_progress(
                gone, remaining=max(left, 0)
            ):
                break


_LOCK = threading.Lock()
# (database, model, key) -> vector
_LOCAL: OrderedDict[tuple[str, int, bytes], bytes] = OrderedDict()
# database -> model -> hits and misses that are not written yet
_COUNTS: dict[str, dict[int, list[int]]] = defaultdict(
    lambda: defaultdict(lambda: [0, 0])
)
_TOLD: dict[str, float] = {}  # database -> when counts are due again
