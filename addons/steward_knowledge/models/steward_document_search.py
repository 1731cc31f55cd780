import logging
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from itertools import islice, zip_longest
from typing import Any

import psycopg2

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.fields import Domain
from odoo.tools import SQL

from ..kernel import question, ranking
from ..kernel.postings import as_sparsevec, phrase, quoted
from ..kernel.words import read, tokens
from . import steward_term as terms

_logger = logging.getLogger(__name__)

LIMIT = 50  # results at once, at most
POOL = 200  # passages by their words, and the depth of the list
NEAREST = 100  # passages by their vectors
CANDIDATES = 100  # pages that are compared as wholes: the best of both lists
PAGES = 30  # that are looked at closely
WIDER = 8  # times the pool, where too few of it may be read
HOLDING = 1_000  # passages that hold the rarest words: where the pool comes from
PASSAGES = 2_000  # of those pages, at most
NEAR = 0.3  # cosine under which a vector alone finds nothing
TIMEOUT = "2s"  # of each statement
EXACT = 1.0  # what it counts to hold a name or the whole question as it was written
FRESH, HALF_LIFE = 0.1, 365.0  # boost of what is new; days in which half of it goes
FILTERS = ("source", "topic", "version", "language", "since", "until", "tags")


class Search:
    """What is known of one search while it goes on."""

    def __init__(self, asked, filters):
        self.asked, self.filters = asked, filters
        self.began = time.perf_counter()
        self.corrections: dict[str, str] = {}
        self.idf: dict[int, float] = {}  # by number of the lexeme
        self.holding: list[tuple[int, str]] = []  # passages, lexeme: rarest first
        self.lexemes: dict[str, str] = {}  # lexeme -> the word it comes from
        self.stems: dict[str, Any] = {}
        self.known: dict[str, str | None] = {}  # word of a passage -> word asked
        self.exact: list[tuple[str, float]] = []  # tsquery, what it counts
        self.averages = (1.0, 1.0)
        self.passages = 0
        self.vector: Any = None
        self.space: Any = None
        self.degraded: list[str] = []
        self.truncated = False
        self.reason = ""

    @property
    def took(self):
        return round((time.perf_counter() - self.began) * 1000, 2)


class StewardDocument(models.Model):
    """Finding: by words and by meaning, never more than the reader may read."""

    _inherit = "steward.document"

    # -- public --------------------------------------------------------------------

    @api.model
    def find(
        self,
        query: str,
        limit: int = 8,
        filters: dict | None = None,
        explain: bool = False,
    ) -> list[dict]:
        """Find the passages that answer a question, the best first, one of a page.

        :param query: words, a question, an error message; "quoted" words are found
            just so
        :param limit: how many, at most 50
        :param filters: ``source``, ``topic``, ``version``, ``language``, ``tags``: a
            value or a list of them; ``since``, ``until``: dates
        :param explain: say with each result why it was found
        :return: ``document_id``, ``chunk_id``, ``title``, ``url``, ``text``, ``score``
            (0 to 1 before boosts), ``source``; ``why`` if asked for
        """
        found = self._find(query, limit, filters=filters, explain=explain)
        keys = ("document_id", "chunk_id", "title", "url", "text", "score", "source")
        keys += ("why",) if explain else ()
        return [{key: row[key] for key in keys} for row in found["results"]]

    def _find(
        self,
        query,
        limit=8,
        offset=0,
        filters=None,
        explain=False,
        facets=False,
        log=True,
    ):
        """Find, and tell all about it; see docs/search.md for the answer's keys."""
        self.check_access("read")
        if not isinstance(query, str):
            raise Invalid(self.env._("What is looked for must be text."))
        limit, offset = min(max(int(limit), 1), LIMIT), max(int(offset), 0)
        self.env.flush_all()
        search = Search(question.parse(query), self._filter_domain(filters))
        if search.asked.cut:
            search.degraded.append(
                self.env._(
                    "Only the first %(number)s characters were looked for.",
                    number=question.MOST,
                )
            )
        answer = {"results": [], "total": 0, "total_is": "exact"}
        try:
            pages = self._ranked(search, offset + limit)
        except psycopg2.errors.QueryCanceled:
            pages = {}
            search.reason = self.env._(
                "The search took too long and was stopped. Rarer words or a filter make"
                " it quicker."
            )
        order = sorted(pages, key=lambda page: (-pages[page]["score"], page))
        chosen = order[offset : offset + limit]
        answer["results"] = self._shown(search, chosen, pages, explain)
        answer["total"] = len(order)
        if search.truncated:
            answer["total_is"] = "at least"
        if facets:
            answer["facets"] = self._facets(order)
        if search.corrections and self._bears_out(search, answer["results"]):
            answer["corrected"] = search.asked.replaced(search.corrections)
        if not order:
            answer["reason"] = search.reason or self._why_nothing(search)
        elif search.reason:
            answer["reason"] = search.reason
        if search.degraded:
            answer["degraded"] = " ".join(search.degraded)
        answer["took_ms"] = search.took
        if log:
            answer["log_id"] = self.env["steward.search.log"]._note(
                search.asked.text,
                len(order),
                answer["took_ms"],
                answer.get("corrected", ""),
                answer.get("degraded", ""),
            )
        return answer

    @api.model
    def judge(self, log_id: int, document_id: int, useful: bool) -> bool:
        """Say whether a document that a search of one's own found was useful.

        :param log_id: the search's number
        :param document_id: the document
        :param useful: whether it was
        :return: whether the search is known
        """
        return self._judge(log_id, document_id, useful)

    def _judge(self, log_id, document_id, useful):
        self.check_access("read")
        document = self.browse(int(document_id)).exists()
        document.check_access("read")
        # sudo: steward.search.log - everybody judges what he himself looked for
        log = self.env["steward.search.log"].sudo().browse(int(log_id)).exists()
        if not document or log.user_id != self.env.user:
            return False
        log._write_own(
            {
                "document_id": document.id,
                "verdict": "useful" if useful else "useless",
            }
        )
        return True

    def _related(self, limit=5):
        """Return the documents that are most like this one, as results of `_find`."""
        self.ensure_one()
        first = self.env["steward.chunk"].search(
            [("document_id", "=", self.id)], limit=1
        )
        words = f"{self.name} {first.text or ''}"[: question.MOST]
        found = self._find(words.replace('"', " "), limit + 1, log=False)["results"]
        return [row for row in found if row["document_id"] != self.id][:limit]

    # -- what is asked for ------------------------------------------------------------

    def _filter_domain(self, filters):
        """Return what filters mean.

        :raises Invalid: for one that nobody knows
        """
        domain = Domain.TRUE
        for name, value in (filters or {}).items():
            if name not in FILTERS or (name == "topic" and not self._has_topics()):
                raise Invalid(
                    self.env._(
                        "There is no filter %(name)s; there are: %(names)s.",
                        name=name,
                        names=", ".join(FILTERS),
                    )
                )
            if value is None or value in ("", [], False):
                continue
            domain &= self._filter(name, value)
        return domain

    def _filter(self, name, value):
        values = list(value) if isinstance(value, list | tuple | set) else [value]
        if name in ("source", "topic"):
            field = f"{name}_id"
            numbers = [v for v in values if isinstance(v, int)]
            names = [str(v) for v in values if not isinstance(v, int)]
            # sudo: steward.source - by which name it goes; documents keep their rule
            known = self.env[self._fields[field].comodel_name].sudo()
            numbers += known.search([("name", "in", names)]).ids if names else []
            return Domain(field, "in", numbers)
        if name in ("since", "until"):
            try:
                moment = fields.Datetime.to_datetime(value)
            except (TypeError, ValueError) as error:
                raise Invalid(
                    self.env._("%(value)s is no date.", value=value)
                ) from error
            return Domain("date", ">=" if name == "since" else "<=", moment)
        if name == "tags":
            if "tags" not in self._fields:
                return Domain.FALSE
            return Domain.AND(Domain("tags", "ilike", str(tag)) for tag in values)
        return Domain(name, "in", [str(v) for v in values])

    def _has_topics(self):
        return "topic_id" in self._fields

    def _understand(self, search):
        """Look the words up: how rare they are, how they are written."""
        term = self.env["steward.term"]
        totals = term._totals()
        search.passages = totals.get(terms.PASSAGES, 0)
        search.averages = term._averages(totals)
        dictionaries = sorted(
            (name.removeprefix(terms.DICTIONARY) for name, n in totals.items()
             if name.startswith(terms.DICTIONARY) and n),
            key=lambda name: -totals[terms.DICTIONARY + name],
        )  # fmt: skip
        words = {t.word for t in search.asked.tokens if not t.whole}
        stems = {name: term._stems(words, name) for name in dictionaries}
        spoken = _spoken(words, stems, dictionaries)
        found = self._lexemes_of(search.asked.tokens, stems, spoken)
        counts = term._lookup(found)
        unknown = {
            word
            for word in words
            if not any(w == word and counts.get(lex) for lex, w in found.items())
            and not _is_stop(word, stems, spoken)
        }
        doubtful = search.asked.doubtful(unknown)
        if doubtful and search.passages:
            speller = term._speller(totals.get(terms.GENERATION, 0))
            fixes = {word: speller.correct(word) for word in doubtful}
            search.corrections = {w: fix for w, fix in fixes.items() if fix}
            if search.corrections:
                more = " ".join(search.corrections.values())
                right = tuple(tokens(more))
                for name in dictionaries:
                    stems[name] = term._stems([t.word for t in right], name)
                found |= self._lexemes_of(right, stems, spoken)
                counts = term._lookup(found)
        search.lexemes, search.stems = found, stems
        for lexeme, (number, holding) in counts.items():
            if holding:
                search.idf[number] = ranking.rarity(holding, search.passages)
                search.holding.append((holding, lexeme))
        search.holding.sort()
        self._look_for_exact(search, counts, stems, spoken)

    def _lexemes_of(self, found, stems, spoken):
        """Return lexemes as any of the languages forms them, with their words."""
        lexemes = {}
        for token in found:
            if token.whole:
                lexemes[token.word] = token.word
            elif not _is_stop(token.word, stems, spoken):
                for known in stems.values():
                    for lexeme in known.get(token.word, (token.word,)):
                        lexemes[lexeme] = token.word
        return lexemes

    def _look_for_exact(self, search, counts, stems, spoken):
        """Names and codes as they were written; a whole message as it was pasted."""
        rarest = ranking.rarity(1, search.passages)
        for name in search.asked.exact:
            _number, holding = counts.get(name, (0, 0))
            if holding:
                rarity = ranking.rarity(holding, search.passages)
                search.exact.append((quoted(name), EXACT * rarity / rarest))
        stem = stems.get(spoken, {}).get
        whole = phrase(search.asked.replaced(search.corrections), stem)
        if whole.count("<") >= 2:  # three words
            search.exact.append((whole, EXACT))

    # -- candidates ------------------------------------------------------------------

    def _ranked(self, search, wanted):
        """Return the pages that fit and may be read, with all that is known of them."""
        if not search.asked.tokens:
            search.reason = (
                self.env._("There is no word in it to look for.")
                if search.asked.text
                else self.env._("Nothing was asked for.")
            )
            return {}
        self._understand(search)
        if not search.passages:
            return {}
        if not search.lexemes:
            search.reason = self.env._(
                "“%(words)s” are words that stand everywhere. Add one that says what it"
                " is about.",
                words=" ".join(search.asked.words[:10]),
            )
            return {}
        self._embed_question(search)
        with self._bounded():
            # who may read nearly all is served quickest without asking beforehand
            narrow = not search.filters.is_true()
            ways = dict.fromkeys(((1, narrow), (1, True), (WIDER, True)))
            for wider, among in ways:
                pages = self._pages(search, POOL * wider, NEAREST * wider, among)
                if len(pages) >= wanted or not search.truncated:
                    break
            pages = self._with_phrases(search, pages)
            return self._scored(search, pages)

    @contextmanager
    def _bounded(self):
        """Bound the statements of a search, and no others of this transaction."""
        cr = self.env.cr
        cr.execute("SAVEPOINT steward_search")
        try:
            cr.execute(
                SQL(
                    "SELECT set_config('statement_timeout', %s, true),"
                    " set_config('jit', 'off', true),"
                    " set_config('max_parallel_workers_per_gather', '0', true)",
                    TIMEOUT,
                )
            )
            yield
        finally:
            # nothing was written: going back brings the settings back, too
            cr.execute("ROLLBACK TO SAVEPOINT steward_search; RELEASE steward_search")

    def _query(self, query):
        self.env.cr.execute(query, log_exceptions=False)
        return self.env.cr.fetchall()

    def _embed_question(self, search):
        # sudo: steward.space - whoever may search uses it, and need not see it
        space = self.env["steward.space"].sudo()._active()
        if not space or not (search.idf or space._understands(search.asked.words)):
            return
        try:
            text = search.asked.replaced(search.corrections)
            search.vector = space.model_id._embed([text], "query")[0]
            search.space = space
        except StewardError as error:
            search.degraded.append(
                self.env._(
                    "Only words were compared, not meaning: %(error)s",
                    error=error.sentence,
                )
            )

    def _pages(self, search, pool, nearest, restricted):
        """Return the best pages by words and by vectors that the user may read.

        :param restricted: whether to look only among those; otherwise they are
            left out afterwards, which is cheaper as long as they are few
        """
        search.truncated = False
        readable = self._search(search.filters)
        among = (
            SQL(" AND c.document_id IN %s", readable.subselect())
            if restricted
            else SQL()
        )
        found = {}
        if search.idf:
            rows = self._holding(search, pool, among)
            search.truncated |= len(rows) >= pool
            for _chunk, page, score in rows:
                found[page] = max(score, found.get(page, 0.0))
        near = {}
        if search.vector is not None:
            chunks = SQL("SELECT c.id FROM steward_chunk c WHERE TRUE%s", among)
            rows = search.space._nearest(
                search.vector, nearest, chunks if restricted else None
            )
            search.truncated |= len(rows) >= nearest
            rows = [row for row in rows if search.idf or row[1] >= NEAR]
            owner = dict(
                self._query(
                    SQL(
                        "SELECT id, document_id FROM steward_chunk WHERE id = ANY(%s)",
                        [number for number, _score in rows],
                    )
                )
            )
            for number, score in rows:
                if number in owner:
                    near.setdefault(owner[number], score)
        pages = self._candidates(found, near)
        search.truncated |= len(pages) < len(found.keys() | near.keys())
        return self._readable_pages(search, pages, found, near, readable)

    def _candidates(self, *lists):
        """Return the best pages of each list, so many together."""
        ranked = [sorted(pages, key=lambda p, of=pages: (-of[p], p)) for pages in lists]
        chosen = (page for row in zip_longest(*ranked) for page in row if page)
        return list(islice(dict.fromkeys(chosen), CANDIDATES))

    def _holding(self, search, pool, among):
        """Return the passages that hold the rarest words, the best first."""
        rare, held = [], 0
        for holding, lexeme in search.holding:
            if rare and held + holding > HOLDING:
                break
            rare.append(quoted(lexeme))
            held += holding
        query = " | ".join(rare)
        if held > HOLDING and len(search.holding) > 1:
            # even the rarest is frequent: with another one it is not
            others = " | ".join(quoted(lex) for _n, lex in search.holding[1:])
            query = f"{query} & ({others})"
        return self._query(
            SQL(
                """
                WITH held AS MATERIALIZED (
                    SELECT c.id, c.document_id, %s AS score FROM steward_chunk c
                    WHERE c.tsv @@ %s::tsquery%s LIMIT %s
                )
                SELECT id, document_id, score FROM held ORDER BY score DESC, id LIMIT %s
                """,
                self._word_score(search),
                query,
                among,
                HOLDING * 2,
                pool,
            )
        )

    def _word_score(self, search):
        """Return the expression of how well a passage fits by its words."""
        if self.env["steward.chunk"]._has_lexical():
            return SQL("-(c.lexical <#> %s::sparsevec)", as_sparsevec(search.idf))
        return self._word_score_plain(search)

    def _word_score_plain(self, search):
        """The same without pgvector: from the words themselves."""
        weights = {
            lexeme: ranking.rarity(holding, search.passages)
            for holding, lexeme in search.holding
        }
        k1, b = ranking.SATURATION, ranking.LENGTH
        return SQL(
            """
            (SELECT coalesce(
                sum(w.idf * n * %s / (n + %s * (%s + %s * c.length / %s))), 0)
            FROM unnest(c.tsv) t JOIN unnest(%s::text[], %s::float[]) w(lexeme, idf)
                USING (lexeme),
            LATERAL (
                SELECT sum(CASE l WHEN 'A' THEN %s WHEN 'B' THEN %s ELSE 1 END) AS n
                FROM unnest(t.weights) l
            ) counted)
            """,
            k1 + 1,
            k1,
            1 - b,
            b,
            max(search.averages[0], 1.0),
            list(weights),
            list(weights.values()),
            ranking.TITLE,
            ranking.HEADING,
        )

    # -- rights --------------------------------------------------------------------

    def _readable_pages(self, search, pages, found, near, readable):
        """Leave only what the user may read, and learn what counts beside the words.

        The record rule is part of the query; where the document was made of a record,
        the record itself is asked, too: its model may refuse in Python.
        """
        if self.env["steward.chunk"]._has_lexical():
            score = SQL(
                "-(d.lexical <#> %s::sparsevec)", as_sparsevec(search.idf or {1: 0})
            )
        else:
            score = SQL("0")
        rows = self._query(
            SQL(
                """
                SELECT d.id, %s, d.date, s.authority, d.res_model, d.res_id
                FROM steward_document d JOIN steward_source s ON s.id = d.source_id
                WHERE d.id = ANY(%s) AND d.id IN %s
                """,
                score,
                list(pages),
                readable.subselect(),
            )
        )
        rows = self._without_refused(rows)
        kept = {
            number: {
                "page_words": score or 0.0,
                "date": date,
                "authority": authority or 1.0,
                "found": found.get(number, 0.0),
                "near": near.get(number, 0.0),
            }
            for number, score, date, authority, _model, _id in rows
        }
        search.truncated |= len(kept) > PAGES
        return kept

    def _without_refused(self, rows):
        records = defaultdict(set)
        for *_rest, model, number in rows:
            if model:
                records[model].add(number)
        allowed = {
            model: set(
                self.env[model].browse(numbers).exists()._filtered_access("read").ids
            )
            for model, numbers in records.items()
            if model in self.env
        }
        return [row for row in rows if not row[4] or row[5] in allowed.get(row[4], ())]

    # -- scores --------------------------------------------------------------------

    def _closest(self, pages):
        """Return the pages worth a closer look: the best of each list."""
        lists = ("found", "page_words", "near")
        if len(pages) <= PAGES:
            return list(pages)
        ranks = [
            sorted(pages, key=lambda p, name=name: (-pages[p][name], p))[:PAGES]
            for name in lists
        ]
        chosen = dict.fromkeys(page for row in zip(*ranks, strict=True) for page in row)
        return list(chosen)[:PAGES]

    def _passages_of(self, search, pages):
        """Return each page with its passages and, of each: how well it fits by its
        words, what is exact in it, and how near its vector is (None without one).
        """
        exact = [
            SQL("CASE WHEN c.tsv @@ %s::tsquery THEN %s ELSE 0 END", query, counts)
            for query, counts in search.exact
        ]
        near = SQL("NULL::float")
        if search.vector is not None:
            near = search.space._nearness(search.vector, SQL("c.id"))
        return self._query(
            SQL(
                """
                SELECT document_id, array_agg(id), array_agg(score), array_agg(exact),
                    array_agg(near)
                FROM (
                    SELECT c.id, c.document_id, (%s)::float AS score,
                        (%s)::float AS exact, %s AS near
                    FROM steward_chunk c WHERE c.document_id = ANY(%s)
                    ORDER BY c.document_id, c.sequence LIMIT %s
                ) passages GROUP BY document_id
                """,
                self._word_score(search) if search.idf else SQL("0"),
                SQL(" + ").join(exact) if exact else SQL("0"),
                near,
                pages,
                PASSAGES,
            )
        )

    def _scored(self, search, pages):
        """Give each page its score, and the passage to show."""
        chosen = self._closest(pages)
        if not chosen:
            return {}
        weights = self._weights(search)
        passages = self._passages_of(search, chosen)
        most = max((max(row[2]) for row in passages), default=0) or 1
        scores, best, fitting = {}, {}, {}
        for page, chunks, words, exact, near in passages:
            fits = [
                weights[0] * word / most + weights[1] * (cosine or 0.0) + extra
                for word, extra, cosine in zip(words, exact, near, strict=True)
            ]
            place = fits.index(max(fits))
            fitting[page] = list(zip(fits, chunks, strict=True))
            best[page] = chunks[place], words[place], max(exact), near[place]
            page_words = pages[page]["page_words"] or ranking.pooled(words)
            known = [cosine for cosine in near if cosine is not None]
            scores[page] = ranking.Scores(max(words), page_words, known)
        fused = ranking.fuse(scores, *weights)
        boost, half_life = self._freshness()
        now = fields.Datetime.now()
        ranked = {}
        for page, score in fused.items():
            known = pages[page]
            fresh = 1.0
            if known["date"]:
                days = (now - known["date"]).total_seconds() / 86_400
                fresh = ranking.freshness(days, boost, half_life)
            ranked[page] = {
                "score": (score + best[page][2]) * fresh * known["authority"],
                "chunk": best[page][0],
                "fits": fitting[page],
                "words": best[page][1],
                "page_words": scores[page].page_words,
                "cosine": best[page][3],
                "exact": best[page][2],
                "freshness": fresh,
                "authority": known["authority"],
            }
        return {page: row for page, row in ranked.items() if row["score"] > 0}

    def _weights(self, search):
        """Return what words and vectors count: as the space has it."""
        if search.space is None:
            return 1.0, 0.0
        return search.space.weight_lexical, search.space.weight_vector

    def _freshness(self):
        # sudo: ir.config_parameter - two numbers
        params = self.env["ir.config_parameter"].sudo()
        boost = params.get_param("steward.search.freshness")
        half_life = params.get_param("steward.search.half_life")
        return float(boost or FRESH), max(float(half_life or HALF_LIFE), 1.0)

    def _with_phrases(self, search, pages):
        """Keep the pages that hold what was quoted; if none does, say so."""
        stem = next(iter(search.stems.values()), {}).get
        kept = pages
        for quote in search.asked.phrases:
            query = phrase(quote, stem)
            if not query or not kept:
                continue
            rows = self._query(
                SQL(
                    "SELECT document_id, text, path FROM steward_chunk"
                    " WHERE tsv @@ %s::tsquery AND document_id = ANY(%s)",
                    query,
                    list(kept),
                )
            )
            wanted = _plain(quote)
            holding = {
                page for page, text, path in rows if wanted in _plain(f"{path} {text}")
            }
            kept = {page: row for page, row in kept.items() if page in holding}
        if pages and not kept:
            search.reason = self.env._(
                "No passage holds “%(phrase)s” just so; these come near.",
                phrase="”, “".join(search.asked.phrases),
            )
            return pages
        return kept

    # -- what is shown -----------------------------------------------------------------

    def _shown(self, search, chosen, pages, explain):
        """Return pages as results."""
        topic = SQL("d.topic_id") if self._has_topics() else SQL("NULL::int")
        rows = self._query(
            SQL(
                """
                SELECT c.id, c.document_id, c.path, c.text, d.name, d.url, d.source_id,
                    s.name, d.version, d.language, d.date, %s
                FROM steward_chunk c JOIN steward_document d ON d.id = c.document_id
                JOIN steward_source s ON s.id = d.source_id WHERE c.id = ANY(%s)
                """,
                topic,
                [pages[page]["chunk"] for page in chosen],
            )
        )
        words = {row[0]: list(tokens(row[3])) for row in rows}
        self._learn_stems(search, words.values(), (row[2] for row in rows))
        topics = self._topic_names([row[-1] for row in rows if row[-1]])
        results = {}
        for row in rows:
            chunk, page, path, text, title, url, source_id, source, *more, topic = row
            result = {
                "document_id": page,
                "chunk_id": chunk,
                "title": title,
                "path": path,
                "url": url or "",
                "text": text,
                "highlights": self._highlights(search, words[chunk]),
                "score": round(float(pages[page]["score"]), 4),
                "source": source,
                "source_id": source_id,
            }
            version, language, date = more
            result |= {
                key: value
                for key, value in (
                    ("version", version),
                    ("language", language),
                    ("date", date and fields.Datetime.to_string(date)),
                    ("topic", topics.get(topic)),
                )
                if value
            }
            if explain:
                result["why"] = self._why(search, pages[page], title, path, text)
            results[page] = result
        return [results[page] for page in chosen if page in results]

    def _topic_names(self, numbers):
        if not numbers:
            return {}
        # sudo: steward.topic - the names of topics of documents that may be read
        topics = self.env[self._fields["topic_id"].comodel_name].sudo()
        return {topic.id: topic.display_name for topic in topics.browse(set(numbers))}

    def _matches(self, search, found):
        """Yield the tokens that were looked for, each with the word asked."""
        known = search.known
        for token in found:
            if token.word not in known:
                known[token.word] = self._asked(search, token)
            if asked := known[token.word]:
                yield token, asked

    def _asked(self, search, token):
        """Return the word of the question that a word is a form of."""
        forms = {token.word}
        if not token.whole:
            for stems in search.stems.values():
                forms.update(stems.get(token.word, ()))
        return next((search.lexemes[f] for f in forms if f in search.lexemes), None)

    def _learn_stems(self, search, texts, paths):
        words = {t.word for text in texts for t in text if not t.whole}
        words.update(w for path in paths for w, whole in read(path or "") if not whole)
        for name in search.stems:
            self.env["steward.term"]._stems(words, name)

    def _highlights(self, search, found):
        """Return where in a text the words stand: [[start, end], …]."""
        return ranking.merged(
            (token.start, token.end) for token, _word in self._matches(search, found)
        )

    def _why(self, search, page, title, path, text):
        """Return why a result was found, in numbers and words."""
        headings = (path or "").removeprefix(title)
        parts = (("title", title), ("headings", headings), ("text", text))
        words = {
            part: sorted({word for _t, word in self._matches(search, tokens(where))})
            for part, where in parts
        }
        why = {
            "words": {part: found for part, found in words.items() if found},
            "word_score": round(float(page["words"]), 4),
            "page_score": round(float(page["page_words"]), 4),
            "exact": round(page["exact"], 4),
            "freshness": round(page["freshness"], 4),
            "authority": round(page["authority"], 4),
        }
        if page["cosine"] is not None:
            why["similarity"] = round(float(page["cosine"]), 4)
            why["space"] = search.space.name
        return why

    def _facets(self, pages):
        """Count the documents found, by what they can be filtered by."""
        # sudo: steward.document - of those that may be read; the rest is names
        found = self.sudo().with_context(active_test=False)
        domain = [("id", "in", pages)]
        facets = {}
        names = {"source": "source_id", "version": "version", "language": "language"}
        if self._has_topics():
            names["topic"] = "topic_id"
        for name, field in names.items():
            facets[name] = [
                [value.id, value.display_name, count]
                if field.endswith("_id")
                else [value, value, count]
                for value, count in found._read_group(
                    domain, [field], ["__count"], order="__count desc"
                )
                if value
            ]
        return facets

    def _bears_out(self, search, results):
        """Whether a correction is in what is shown.

        The vocabulary is of all documents: a word that only stands where the user may
        not read is not told.
        """
        shown = {
            word
            for row in results
            for word, _whole in read(f"{row['path']} {row['text']}")
        }
        return shown.issuperset(search.corrections.values())

    def _why_nothing(self, search):
        """Say why nothing was found, and nothing of what others may read."""
        if not search.filters.is_true():
            left = Search(search.asked, Domain.TRUE)
            with suppress(psycopg2.errors.QueryCanceled):
                if self._ranked(left, 1):
                    return self.env._(
                        "The filters leave nothing of what was found without them."
                    )
        if not self.search_count([], limit=1):
            return self.env._("There is nothing yet that you may read.")
        return self.env._("Nothing that you may read fits. Try other words, or fewer.")


def _spoken(words, stems, dictionaries):
    """The language of a question: whose stop words it uses most."""

    def stop_words(name):
        return sum(1 for word in words if stems[name].get(word) == ())

    return max(dictionaries, key=stop_words, default="")


def _is_stop(word, stems, spoken):
    return stems.get(spoken, {}).get(word) == ()


def _plain(text):
    """A text as phrases are compared: its words, with a blank between them."""
    return " " + " ".join(word for word, whole in read(text) if not whole) + " "
