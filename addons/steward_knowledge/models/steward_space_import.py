import io
from contextlib import closing
from pathlib import Path

from odoo import fields, models
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.addons.steward.exceptions import Invalid
from odoo.tools import SQL

from ..kernel import foreign_vectors
from ..kernel.draft import Draft
from ..kernel.foreign_vectors import START, Bad, Place

PORTION = 500  # rows of one job
MOST_REPORTED = 100  # bad rows that are told one by one


class StewardSpace(models.Model):
    """Vectors that another database made, with their passages."""

    _inherit = "steward.space"

    import_report = fields.Text(readonly=True, copy=False)
    imported_count = fields.Integer("Rows taken", readonly=True, copy=False)
    rejected_count = fields.Integer("Rows refused", readonly=True, copy=False)

    def _import_later(self, attachment, kind, source, place=START):
        self.with_delay(
            channel=CHANNEL_HEAVY,
            description=self.env._("Import vectors into %(space)s", space=self.name),
            identity_key=f"steward.space/{self.id}/import/{place.position}",
            max_retries=0,
        )._job_import(attachment.id, kind, source.id, *place)

    def _job_import(self, attachment_id, kind, source_id, position=0, line=0):
        """Some hundred rows, and the next job; a killed one does its rows again."""
        attachment = self.env["ir.attachment"].browse(attachment_id).exists()
        source = self.env["steward.source"].browse(source_id).exists()
        if not (self.exists() and attachment and source):
            return  # dropped meanwhile
        with closing(_opened(attachment)) as file:
            place = self._import_rows(file, kind, source, Place(position, line))
        if place:
            self._import_later(attachment, kind, source, place)
        else:
            attachment.unlink()
            self._imported()

    def _import_rows(self, file, kind, source, start=START, most=PORTION):
        """Take so many rows of a file.

        :return: where to go on; None at the end
        """
        rows, bad, place, more = {}, [], start, False
        for item, after in foreign_vectors.read(file, kind, start):
            if len(rows) + len(bad) >= most and after != place:
                more = True
                break
            place = after
            if isinstance(item, Bad):
                bad.append(item)
            elif len(item.vector) != self.dimensions:
                found = len(item.vector)
                reason = f"{found} dimensions instead of {self.dimensions}"
                bad.append(Bad(item.line, reason))
            else:
                rows[item.external_id] = item
        self._take_rows(source, rows, bad)
        self._report(len(rows), bad)
        return place if more else None

    def _take_rows(self, source, rows, bad):
        """Make documents of rows, and keep the vector of each with its passages."""
        import numpy as np

        documents = self.env["steward.document"]
        drafts = [
            Draft(
                external_id=row.external_id,
                title=row.title or row.text.partition("\n")[0][:80],
                content=row.text,
                url=row.url if row.url.startswith(("http://", "https://")) else "",
            )
            for row in rows.values()
        ]
        taken = documents._take(source, drafts)
        lines = [row.line for row in rows.values()]
        for refused in taken["rejected"]:
            bad.append(Bad(lines[refused["index"]], refused["reason"]))
        taken["documents"]._process(["extract", "understand", "chunk"])
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "SELECT chunk.id, document.external_id FROM steward_chunk AS chunk"
                " JOIN steward_document AS document ON document.id = chunk.document_id"
                " WHERE document.source_id = %s AND document.external_id = ANY(%s)",
                *(source.id, list(rows)),
            )
        )
        # cut in two, each half stands for the whole
        found = [(chunk, rows[name].vector) for chunk, name in self.env.cr.fetchall()]
        if found:
            chunk_ids, vectors = zip(*found, strict=True)
            vectors = np.asarray(vectors, np.float64)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            self.env["steward.vector"]._store(self, chunk_ids, vectors)
        taken["documents"]._process()

    def _report(self, taken, bad):
        lines = (self.import_report or "").splitlines()
        room = max(0, MOST_REPORTED - len(lines))
        lines += [
            self.env._("Line %(line)s: %(reason)s.", line=item.line, reason=item.reason)
            for item in bad[:room]
        ]
        self._write_own(
            {
                "import_report": "\n".join(lines),
                "imported_count": self.imported_count + taken,
                "rejected_count": self.rejected_count + len(bad),
            }
        )

    def _imported(self):
        """Called when the last row was taken: what else there is, is embedded now."""
        if self.model_id:
            self._write_own({"is_paused": False})
            self._fill_later()

    def _probe(self, file, kind):
        """How many dimensions the first sound row has.

        :raises Invalid: when there is none in the beginning of the file
        """
        reason = self.env._("the file is empty")
        try:
            for number, (item, _place) in enumerate(foreign_vectors.read(file, kind)):
                if not isinstance(item, Bad):
                    return len(item.vector)
                reason = self.env._(
                    "line %(line)s: %(reason)s", line=item.line, reason=item.reason
                )
                if number > MOST_REPORTED:
                    break
        except ImportError as error:
            raise Invalid(
                self.env._(
                    "Parquet files are read by the Python package pyarrow, which is not"
                    " installed on this server: pip install pyarrow. Or export as JSON"
                    " lines."
                )
            ) from error
        except ValueError as error:  # pyarrow's own errors are such
            reason = str(error)
        raise Invalid(
            self.env._("No passage with a vector was found: %(reason)s.", reason=reason)
        )


def _opened(attachment):
    """The file of an attachment, without having all of it in memory."""
    if attachment.store_fname:
        return Path(attachment._full_path(attachment.store_fname)).open("rb")
    return io.BytesIO(attachment.raw or b"")
