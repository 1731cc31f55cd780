import psycopg2

from odoo import api, models
from odoo.addons.steward.exceptions import Retryable
from odoo.addons.steward.kernel.context import Item, tokens_of
from odoo.fields import Domain
from odoo.tools import SQL

from ..kernel import question
from .steward_document_search import Search

MOST = 12  # passages that are told
LEAST = 0.3  # of the best one's score; what fits worse says nothing about the task
AGAIN = 0.8  # what a further passage of the same page counts: other pages know more


class StewardContext(models.AbstractModel):
    _inherit = "steward.context"

    @api.model
    def _get_providers(self):
        return {**super()._get_providers(), "passages": self._passages}

    @api.model
    def _passages(self, task, _tokens):
        """What documents say about it that the user may read; best first."""
        for row in self.env["steward.document"]._telling(task):
            about = {
                name: row[name]
                for name in ("document_id", "chunk_id", "source", "version")
                if row[name]
            }
            yield Item(
                row["text"],
                row["path"] or row["title"],
                row["url"] or "",
                row["score"],
                about,
            )

    @api.model
    def _saved_tokens(self, context):
        """The documents of the passages would be told as a whole without us."""
        passages = context["passages"]
        ids = {row["document_id"] for row in passages if row.get("document_id")}
        if not ids:
            return super()._saved_tokens(context)
        # their lengths and not their texts: those may be long
        [[characters]] = self.env.execute_query(
            SQL(
                "SELECT sum(length(text)) FROM steward_document WHERE id = ANY(%s)",
                list(ids),
            )
        )
        told = "".join(row["text"] for row in passages)
        whole = (characters or 0) * tokens_of(told) / max(len(told), 1)
        saved = round(whole) - context["tokens"]
        return max(0, saved) + (super()._saved_tokens(context) or 0)


class StewardDocument(models.Model):
    _inherit = "steward.document"

    def _telling(self, task, most=MOST):
        """Return the passages that tell most about a task, the best first.

        A search shows one passage of each page; here a page that fits well is told in
        several, before others that fit less.
        """
        self.check_access("read")
        self.env.flush_all()
        search = Search(question.parse(task), Domain.TRUE)
        try:
            pages = self._ranked(search, most)
        except psycopg2.errors.QueryCanceled as error:
            raise Retryable(self.env._("The search for it took too long.")) from error
        scores = {}
        for page in pages.values():
            fits = sorted(page["fits"], reverse=True)
            best = fits[0][0] or 1.0
            for number, (fit, chunk) in enumerate(fits):
                scores[chunk] = page["score"] * AGAIN**number * max(fit, 0.0) / best
        ranked = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:most]
        chosen = [c for c in ranked if scores[c] >= LEAST * scores[ranked[0]]]
        rows = self._query(
            SQL(
                """
                SELECT c.id, c.document_id, c.path, c.text, d.name, d.url, s.name,
                    d.version
                FROM steward_chunk c JOIN steward_document d ON d.id = c.document_id
                JOIN steward_source s ON s.id = d.source_id WHERE c.id = ANY(%s)
                """,
                chosen,
            )
        )
        names = (
            *("chunk_id", "document_id", "path", "text", "title", "url", "source"),
            "version",
        )
        told = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
        return [
            {**told[chunk], "score": scores[chunk]} for chunk in chosen if chunk in told
        ]
