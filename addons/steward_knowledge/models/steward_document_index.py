import re
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from odoo import models
from odoo.tools import SQL

from ..kernel import chunks, ranking
from ..kernel.postings import COUNTS, as_sparsevec, as_tsvector, counted, postings
from ..kernel.words import read
from . import steward_term as terms

BETWEEN = " > "  # of a path's titles
ROWS = 1_000  # in one statement


class Made(NamedTuple):
    """A passage as it is to be."""

    path: str
    start: int
    text: str
    dictionary: str
    postings: dict[str, Any]
    counts: Counter[str]
    written: frozenset[str]


class StewardDocument(models.Model):
    """The way of documents into the index, and out of it."""

    _inherit = "steward.document"

    def _make_chunks(self):
        """Cut into passages and enter their words: they can be searched by words.

        Passages that are there already, in the same words under the same headings, stay
        the same records, and so do their vectors.
        """
        self.flush_recordset()
        made = self._cut()
        before = self._indexed()
        counts, pages = self._changes(before, made)
        numbers, (of_passage, of_page) = self.env["steward.term"]._add(counts)
        self._write_chunks(before, made, numbers, of_passage)
        self._write_pages(pages, numbers, of_page)
        self.invalidate_recordset()
        self.env["steward.chunk"].invalidate_model()

    def _drop_chunks(self):
        """Take these out of the index; their text stays."""
        self.flush_recordset()
        before = self._indexed()
        counts, _pages = self._changes(before, {})
        self.env["steward.term"]._add(counts)
        self.env["steward.chunk"].browse(
            row[0] for rows in before.values() for row in rows
        )._forget()
        self._write_pages({number: Counter() for number in self.ids}, {}, 1)
        self.invalidate_recordset()

    def unlink(self):
        # sudo: steward.document - who may delete them need not see what is counted
        self.sudo()._drop_chunks()
        return super().unlink()

    # -- reading -------------------------------------------------------------------

    def _cut(self):
        """Return the passages that the documents consist of, by document."""
        term = self.env["steward.term"]
        cut = {}
        for document in self:
            text = document.text or ""
            cut[document.id] = [
                (passage, read(text[passage.start : passage.end]))
                for passage in chunks.cut(text)
            ]
        words = defaultdict(set)
        dictionary_of = {d.id: term._dictionary(d.language) for d in self}
        for document in self:
            found = words[dictionary_of[document.id]]
            found.update(_read_title(document.name), document._address_words())
            for passage, there in cut[document.id]:
                found.update(there)
                for title in passage.headings:
                    found.update(_read_title(title))
        stems = {
            name: term._stems({word for word, whole in found if not whole}, name)
            for name, found in words.items()
        }
        return {
            document.id: [
                document._made(passage, there, dictionary_of[document.id], stems)
                for passage, there in cut[document.id]
            ]
            for document in self
        }

    def _made(self, passage, there, dictionary, stems):
        headings = [title for title in passage.headings if title != self.name]
        titles = [_read_title(title) for title in headings]
        name, address = _read_title(self.name), self._address_words()
        fields = [
            (name, "A"),
            *((title, "B") for title in titles),
            (address, "C"),
            (there, "D"),
        ]
        found = postings(fields, stems[dictionary].get)
        # the address is found, but nobody's spelling is corrected by it
        written = {
            word for w in (name, *titles, there) for word, whole in w if not whole
        }
        return Made(
            path=BETWEEN.join([self.name, *headings]),
            start=passage.start,
            text=self.text[passage.start : passage.end],
            dictionary=dictionary,
            postings=found,
            counts=counted(found),
            written=frozenset(written),
        )

    def _address_words(self):
        """The words of its address below the host: they often say what it is about."""
        if self.res_model:
            return ()
        address = urlsplit(self.url or self.external_id or "")
        return _read_title(re.sub(r"[\W_\d]+", " ", unquote(address.path)))

    def _indexed(self):
        """Return what is in the index of these, as rows by document."""
        self.env.cr.execute(
            SQL(
                "SELECT id, document_id, path, text, dictionary, length,"
                " tsvector_to_array(tsv) FROM steward_chunk"
                " WHERE document_id = ANY(%s) ORDER BY document_id, sequence, id",
                list(self.ids),
            )
        )
        before = defaultdict(list)
        for number, document, *row in self.env.cr.fetchall():
            before[document].append((number, *row))
        return before

    def _changes(self, before, made):
        """Return what changes in the counts; and the words of each page."""
        counts = Counter()
        self.env.cr.execute(
            SQL(
                "SELECT count(*), coalesce(sum(lexical_length), 0)"
                " FROM steward_document WHERE id = ANY(%s) AND lexical_length > 0",
                list(self.ids),
            )
        )
        had, length = self.env.cr.fetchone()
        counts["total", terms.PAGES] -= had
        counts["total", terms.PAGE_LENGTHS] -= length
        for rows in before.values():
            for _id, path, text, dictionary, length, lexemes in rows:
                counts.subtract(("lexeme", lexeme) for lexeme in lexemes or ())
                if dictionary:
                    gone = terms.passage_counts(path, text, dictionary, length)
                    counts.subtract(gone)
        pages = {}
        for document, passages in made.items():
            for passage in passages:
                counts.update(("lexeme", lexeme) for lexeme in passage.counts)
                counts.update(("word", word) for word in passage.written)
                counts["total", terms.PASSAGES] += 1
                counts["total", terms.LENGTHS] += passage.counts.total()
                counts["total", terms.DICTIONARY + passage.dictionary] += 1
            page = pages[document] = _page_counts(passages)
            counts["total", terms.PAGES] += bool(page)
            counts["total", terms.PAGE_LENGTHS] += page.total()
        return counts, pages

    # -- writing -------------------------------------------------------------------

    def _write_chunks(self, before, made, numbers, average):
        """Write passages over those that are the same, add the others."""
        kept, new, gone = [], [], []
        for document, passages in made.items():
            there = defaultdict(list)
            for number, path, text, *_rest in reversed(before.get(document, ())):
                there[path, text].append(number)
            for sequence, passage in enumerate(passages):
                same = there[passage.path, passage.text]
                row = (
                    same.pop() if same else None,
                    document,
                    sequence,
                    passage.path,
                    passage.text,
                    passage.start,
                    passage.dictionary,
                    passage.counts.total(),
                    as_tsvector(passage.postings),
                    _rated(passage.counts, numbers, average),
                )
                (kept if row[0] else new).append(row)
            for numbers_left in there.values():
                gone += numbers_left
        chunk = self.env["steward.chunk"]
        chunk.browse(gone)._forget()
        names = "document_id, sequence, path, text, start, dictionary, length, tsv"
        casts = names + "::tsvector"
        sets = (
            "document_id = v.document_id, sequence = v.sequence, start = v.start,"
            " dictionary = v.dictionary, length = v.length, tsv = v.tsv::tsvector"
        )
        if chunk._has_lexical():
            names += ", lexical"
            casts += ", lexical::sparsevec"
            sets += ", lexical = v.lexical::sparsevec"
        names, casts, sets = SQL(names), SQL(casts), SQL(sets)
        insert = SQL("INSERT INTO steward_chunk (%s) SELECT %s FROM", names, casts)
        update = SQL("UPDATE steward_chunk c SET %s FROM", sets)
        for rows, statement, condition in (
            (new, insert, SQL()),
            (kept, update, SQL("WHERE c.id = v.id")),
        ):
            for first in range(0, len(rows), ROWS):
                part = _as_table(rows[first : first + ROWS])
                self.env.cr.execute(SQL("%s %s %s", statement, part, condition))

    def _write_pages(self, pages, numbers, average):
        """Write how long the pages are, and what their words count."""
        lexical = SQL()
        if self.env["steward.chunk"]._has_lexical():
            lexical = SQL(", lexical = v.lexical::sparsevec")
        rated = [
            _rated(page, numbers, average, ranking.PAGE_SATURATION) if page else None
            for page in pages.values()
        ]
        self.env.cr.execute(
            SQL(
                "UPDATE steward_document d SET lexical_length = v.length%s"
                " FROM unnest(%s::int[], %s::int[], %s::text[]) v (id, length, lexical)"
                " WHERE d.id = v.id",
                lexical,
                list(pages),
                [page.total() for page in pages.values()],
                rated,
            )
        )


def _as_table(rows):
    return SQL(
        "unnest(%s::int[], %s::int[], %s::int[], %s::text[], %s::text[], %s::int[],"
        " %s::text[], %s::int[], %s::text[], %s::text[]) v (id, document_id, sequence,"
        " path, text, start, dictionary, length, tsv, lexical)",
        *map(list, zip(*rows, strict=True)),
    )


def _page_counts(passages):
    """How often each lexeme counts in a page: title, address and headings once."""
    page, paths = Counter(), set()
    for passage in passages:
        repeated = set("AC") if paths else set()
        if passage.path in paths:
            repeated.add("B")
        paths.add(passage.path)
        for lexeme, places in passage.postings.items():
            for _place, letter in places:
                if letter not in repeated:
                    page[lexeme] += COUNTS[letter]
    return page


def _rated(counts, numbers, average, saturation=ranking.SATURATION):
    rate = ranking.rater(counts.total(), average, saturation)
    return as_sparsevec({numbers[lex]: rate(count) for lex, count in counts.items()})


@lru_cache(maxsize=20_000)
def _read_title(title: str) -> tuple[tuple[str, bool], ...]:
    """The words of titles, which many passages share."""
    return tuple(read(title))
