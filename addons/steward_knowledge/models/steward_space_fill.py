from odoo import api, models
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    StewardError,
)
from odoo.addons.steward_llm.models.steward_model_embedding import MAX_CHARACTERS
from odoo.tools import SQL

PORTION = 2_000  # passages of one job
AT_ONCE = 256  # passages whose texts and vectors are in memory
REBUILD_SHARE = 0.25  # of a space that comes at once: quicker without an index
KEEP_INDEX = 100_000  # vectors in use; without an index, their search would be too slow


class StewardSpace(models.Model):
    """How spaces are filled: in portions, each a job, so that any may be killed."""

    _inherit = "steward.space"

    # -- a portion ---------------------------------------------------------------

    def _embed_missing(self, documents=None, after=0, limit=None):
        """Embed passages that have no vector in this space yet.

        :param documents: only passages of these; None: of all
        :param after: only passages with a greater id
        :return: how many vectors were made
        """
        self.ensure_one()
        chunk_ids = self._missing(documents, after, limit)
        made = 0
        # sudo: steward.chunk - embedded whoever brings it; its readers alone see it
        chunks = self.env["steward.chunk"].sudo().browse(chunk_ids)
        for first in range(0, len(chunks), AT_ONCE):
            portion = chunks[first : first + AT_ONCE]
            texts = [_sound(text) for text in portion._embedding_texts()]
            # sudo: steward.model - as above
            vectors = self.model_id.sudo()._embed(texts, "document")
            if vectors.shape[1] != self.dimensions:
                raise BadAnswer(self._another_length(vectors.shape[1], self.dimensions))
            made += self.env["steward.vector"]._store(self, portion.ids, vectors)
            portion.invalidate_recordset()  # their texts are not needed any more
        return made

    def _missing(self, documents=None, after=0, limit=None):
        """The ids of passages without a vector, in their order."""
        self.env.flush_all()
        where = SQL()
        if documents is not None:
            where = SQL("AND chunk.document_id = ANY(%s)", list(documents.ids))
        self.env.cr.execute(
            SQL(
                "SELECT chunk.id FROM steward_chunk AS chunk"
                " WHERE chunk.id > %s %s AND NOT EXISTS (SELECT FROM steward_vector"
                " WHERE space_id = %s AND chunk_id = chunk.id)"
                " ORDER BY chunk.id LIMIT %s",
                *(after, where, self.id, limit),
            )
        )
        return [chunk for (chunk,) in self.env.cr.fetchall()]

    def _copy_vectors(self):
        """Take the vectors that another space of the same embedder has already."""
        twins = self.search(
            [
                ("id", "!=", self.id),
                ("model_id", "=", self.model_id.id),
                ("dimensions", "=", self.dimensions),
            ]
        )
        if not twins or not self.model_id:
            return
        self.env.cr.execute(
            SQL(
                "INSERT INTO steward_vector (space_id, chunk_id, embedding)"
                " SELECT DISTINCT ON (chunk_id) %s, chunk_id, embedding"
                " FROM steward_vector WHERE space_id = ANY(%s)"
                " ORDER BY chunk_id, space_id ON CONFLICT DO NOTHING",
                *(self.id, list(twins.ids)),
            )
        )

    # -- jobs --------------------------------------------------------------------

    def _fill_later(self, after=0):
        """Have a job embed what is missing, portion by portion."""
        for space in self:
            space.with_delay(
                channel=CHANNEL_HEAVY,
                description=self.env._(
                    "Embed passages for %(space)s", space=space.name
                ),
                identity_key=f"steward.space/{space.id}/fill/{after}",
                max_retries=0,
            )._job_fill(after)

    def _job_fill(self, after=0):
        """One portion, and the next job; a killed one does its portion again.

        An embedder that is down is tried again by the queue, less and less often. What
        a person has to set right is told on the space; then the hourly action, or who
        set it right, goes on.
        """
        self.ensure_one()
        if not self.exists() or self.is_paused or not self.model_id:
            return
        if not after and self._is_better_rebuilt():
            self._drop_concurrently()
            self._fill_later()
            return
        if not after:
            self._copy_vectors()
        try:
            chunk_ids = self._missing(after=after, limit=PORTION)
            self._embed_missing(after=after, limit=PORTION)
        except StewardError as error:
            self._note(error)
            if error.retryable:
                raise
            if isinstance(error, BadAnswer | Invalid):
                self._write_own({"is_paused": True})
            return
        self._note(None)
        if len(chunk_ids) == PORTION:
            self._fill_later(chunk_ids[-1])
        else:
            self._filled()

    def _is_better_rebuilt(self):
        """Whether so much is missing that the index is in the way of loading it."""
        if not self.has_index:
            return False
        rows = self._vector_counts().get(self.id, 0)
        if self.state == "active" and rows > KEEP_INDEX:
            return False
        return len(self._missing(limit=int(rows * REBUILD_SHARE) + 1)) > (
            rows * REBUILD_SHARE
        )

    def _filled(self):
        """Called when no passage is missing any more."""
        if self.state == "building":
            self._write_own({"state": "ready"})
        self._index_later()

    @api.model
    def _cron_tend(self):
        """Go on with what a killed worker, or a used up budget, left behind."""
        for space in self._fed():
            if space._missing(limit=1):
                space._fill_later()
            else:
                space._filled()


def _sound(text):
    """What can be embedded: an empty passage has a vector like all others."""
    return text[:MAX_CHARACTERS] if text.strip() else "-"
