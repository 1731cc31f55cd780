from time import monotonic

from odoo import models

from .steward_document_pipeline import PENDING

NEWS = "steward.source/documents"
NEWS_EVERY = 1  # seconds between two messages to the screens about one source
TRUSTED = ("structure",)  # kinds of sources whose words are this Odoo's own
_TOLD = {}  # by database and source, when this worker last told


class StewardSource(models.Model):
    _name = "steward.source"
    _inherit = ["steward.source", "bus.listener.mixin"]

    def write(self, vals):
        readers = {"group_ids", "company_id", "active"} & vals.keys()
        done = super().write(vals)
        if readers:
            self._reconsider_duplicates()
        return done

    def unlink(self):
        documents = self._documents()
        followers = documents._followers() - documents
        done = super().unlink()
        followers.exists()._reconsider()
        return done

    def _documents(self):
        # sudo: steward.document - links between them, no contents
        documents = self.env["steward.document"].sudo()
        return documents.with_context(active_test=False).search(
            [("source_id", "in", self.ids)]
        )

    def _reconsider_duplicates(self):
        """Hide nothing behind a document that by now others may read."""
        # sudo: steward.document - links between them, no contents
        linked = self.env["steward.document"].sudo()
        linked.search(
            [
                "&",
                ("duplicate_of_id", "!=", False),
                "|",
                ("source_id", "in", self.ids),
                ("duplicate_of_id.source_id", "in", self.ids),
            ]
        )._reconsider()

    def _is_untrusted(self):
        """Return whether people outside may have written what comes from here."""
        return self.kind not in TRUSTED

    def _pipeline_counts(self):
        """Return how many documents are where: ``{source_id: {state: count}}``."""
        # sudo: steward.document - numbers, no contents
        documents = self.env["steward.document"].sudo()
        found = {source.id: {} for source in self}
        for source, state, count in documents._read_group(
            [("source_id", "in", self.ids)], ["source_id", "state"], ["__count"]
        ):
            found[source.id][state] = count
        return found

    def _tell_progress(self):
        """Tell who looks at these sources how far their documents are.

        Once a second at most, and at the end.
        """
        now, database = monotonic(), self.env.cr.dbname
        # sudo: steward.source - who reports need not see sources
        for source, counts in self.sudo()._pipeline_counts().items():
            is_over = not any(counts.get(state) for state in PENDING)
            due = now - _TOLD.get((database, source), 0) >= NEWS_EVERY
            if is_over or due:
                _TOLD[database, source] = now
                self.browse(source)._bus_send(
                    NEWS, {"id": source, "counts": counts}, subchannel=NEWS
                )
