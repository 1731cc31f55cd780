from odoo import api, models
from odoo.addons.steward.kernel.plain import plain

from ..kernel import reading

PAGE = 10  # results that are shown at once
MOST = 50  # that may be asked for at once
RELATED = 5  # documents beside one


class StewardDocument(models.Model):
    """What the search page and the reading page ask."""

    _inherit = "steward.document"

    @api.model
    def search_page(
        self,
        query: str,
        limit: int = PAGE,
        offset: int = 0,
        filters: dict | None = None,
        live: bool = False,
    ) -> dict:
        """Search, with all that a screen shows beside the results.

        :param query: words, in any order
        :param limit: how many results, at most 50
        :param offset: how many to leave out, for the next page
        :param filters: as of ``find``
        :param live: while somebody types: half a word is no question to keep
        :return: ``{"results", "total", "total_is", "facets", "took_ms"}``, and where
            there is something to say ``corrected``, ``reason``, ``degraded``,
            ``log_id``; a result made from a record has its ``model`` and ``record``
        """
        answer = self._find(
            query,
            limit=max(1, min(limit, MOST)),
            offset=max(0, offset),
            filters=filters or None,
            explain=True,
            facets=True,
            log=not live,
        )
        found = self.browse(result["document_id"] for result in answer["results"])
        by_id = {document.id: document for document in found}
        for result in answer["results"]:
            result.pop("url", None)
            result.update(by_id[result["document_id"]]._screen_address())
        return plain(answer)

    def related(self, limit: int = RELATED) -> list[dict]:
        """Tell of documents about the same, which the reader may read.

        :param limit: how many at most
        :return: ``[{"document_id", "title", "source", "url"?, "model"?, "record"?}]``
        """
        self.ensure_one()
        self.check_access("read")
        found = self._related(max(1, min(limit, MOST)))
        return plain(
            [
                {
                    "document_id": result["document_id"],
                    "title": result["title"],
                    "source": result["source"],
                    **self.browse(result["document_id"])._screen_address(),
                }
                for result in found
            ]
        )

    def search_opened(self, log_id: int) -> bool:
        """Note that this document was opened from a search of one's own.

        :param log_id: the search's number
        :return: whether the search is known
        """
        self.ensure_one()
        self.check_access("read")
        # sudo: steward.search.log - everybody says what he opened of what he found
        log = self.env["steward.search.log"].sudo().browse(log_id).exists()
        if log.user_id != self.env.user or log.document_id:
            return False
        log._write_own({"document_id": self.id})
        return True

    def reading(self, passage: int | None = None) -> dict:
        """Tell all that the reading page shows.

        The text comes as blocks of words, never as markup: whoever wrote it has no say
        in what a screen does.

        :param passage: id of a chunk, to be marked
        :return: ``{"title", "blocks": [{"kind", "start", "spans"…}], "source"…}``;
            ``marked`` is ``[first, last]`` of the blocks where the passage stands
        """
        self.ensure_one()
        self.check_access("read")
        text = self.text or ""
        place = reading.locate(text, self._passage_text(passage))
        part = reading.window(len(text), place)
        blocks = reading.blocks(text[part])
        if blocks and blocks[0].kind == "heading" and blocks[0].words == self.name:
            del blocks[0]  # the screen has the title already
        told = {
            "document_id": self.id,
            "title": self.name,
            "blocks": [block.plain() for block in blocks],
            "left_out": len(text) - (part.stop - part.start),
            "archived": not self.active,
            "language": self.language,
            "version": self.version,
            "date": self.date,
            "tags": self._screen_tags(),
            "topic": self._screen_topic(),
            "untrusted": self.untrusted,
            **self._screen_source(),
            **self._screen_address(),
        }
        if place:
            start, end = place[0] - part.start, place[1] - part.start
            told["marked"] = [
                index
                for index, block in enumerate(blocks)
                if block.start < end and block.end > start
            ]
        return plain({name: value for name, value in told.items() if value})

    # -- what a screen shows of a document ---------------------------------------------

    def _passage_text(self, passage):
        chunk = self.env["steward.chunk"].browse(passage or [])
        chunk = chunk.exists() & self.chunk_ids
        return chunk.text or ""

    def _screen_source(self):
        # sudo: steward.source - its name, for who may read what came from it
        source = self.sudo().source_id
        return {"source": source.name, "source_id": source.id}

    def _screen_topic(self):
        # sudo: steward.topic - its name, for who may read what is about it
        return self.sudo().topic_id.name

    def _screen_address(self):
        """Where the original is: a record here, or a page of the web."""
        if self.res_model:
            return {"model": self.res_model, "record": self.res_id}
        return {"url": self.url} if reading.is_web(self.url or "") else {}

    def _screen_tags(self):
        return [tag.strip() for tag in (self.tags or "").split(",") if tag.strip()]
