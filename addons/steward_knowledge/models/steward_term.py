import random
from collections import Counter
from datetime import timedelta
from functools import cache
from time import monotonic

from odoo import fields, models
from odoo.addons.steward.exceptions import Locked
from odoo.addons.steward_llm.adapters import local
from odoo.addons.steward_llm.kernel.common_words import STOP_WORDS, business_words
from odoo.tools import SQL

from ..kernel import spelling, words

KINDS = [
    ("lexeme", "As it is looked up"),
    ("word", "As it is written"),
    ("total", "Of all passages"),
]
# names of totals
PASSAGES, LENGTHS = "passages", "length"
PAGES, PAGE_LENGTHS = "pages", "length of pages"
DICTIONARY = "dictionary "
GENERATION, RATED = "generation", "average when last rated"
DRIFT = 0.1  # by which the average length may change before all is rated anew
BATCH = 2_000  # passages
DOCUMENTS = 200
MOST_STEMS = 200_000  # words a process remembers; then it starts anew
_LOCK = 0x57455244  # of the vocabulary; any number that nobody else uses
_INDEXING = 0x57455245  # shared by who indexes, until its passages are there as well
AGAIN = timedelta(minutes=5)  # until all is counted that was being indexed
SIMPLE = "simple"
FRESH = 30  # seconds that a process goes on with the vocabulary it has


class StewardTerm(models.Model):
    """The vocabulary of all passages: which word is in how many of them."""

    _name = "steward.term"
    _inherit = "steward"
    _description = "Word of the Index"
    _log_access = False

    kind = fields.Selection(KINDS, required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    passages = fields.Integer(readonly=True, help="How many of them hold it.")

    _name_uniq = models.UniqueIndex("(kind, name)")

    def init(self):
        """Leave room beside each row: counts change with each document."""
        done = super().init()
        self.env.cr.execute("ALTER TABLE steward_term SET (fillfactor = 70)")
        return done

    # -- words into lexemes --------------------------------------------------------

    def _dictionary(self, language):
        """Return the name of the dictionary for a language: ``simple`` has no rules."""
        name = words.DICTIONARIES.get((language or "")[:2].lower(), SIMPLE)
        return name if name in self._dictionaries_there() else SIMPLE

    def _dictionaries_there(self):
        known = _DICTIONARIES.get(self.env.cr.dbname)
        if known is None:
            self.env.cr.execute("SELECT dictname FROM pg_ts_dict")
            known = {name.removesuffix("_stem") for (name,) in self.env.cr.fetchall()}
            _DICTIONARIES[self.env.cr.dbname] = known
        return known

    def _stems(self, found, dictionary):
        """Return a mapping that has the lexemes of these words; none for stop words."""
        if dictionary == SIMPLE:
            return {}
        # what the server's dictionaries say is the same for all its databases
        known = _STEMS.setdefault(dictionary, {})
        missing = [word for word in set(found) if word not in known]
        if missing:
            if len(known) > MOST_STEMS:
                known.clear()
                missing = list(set(found))
            self.env.cr.execute(
                SQL(
                    "SELECT word, ts_lexize(%s::regdictionary, word)"
                    " FROM unnest(%s::text[]) AS word",
                    f"{dictionary}_stem",
                    missing,
                )
            )
            known.update(
                (word, (word,) if stems is None else tuple(stems))
                for word, stems in self.env.cr.fetchall()
            )
        return known

    # -- counting ------------------------------------------------------------------

    def _add(self, counts):
        """Count passages in or out; never in the way of who does the same.

        What is counted here stays when the caller rolls back; the next refresh sets
        it right.

        :param counts: (kind, name) -> how many passages more
        :return: the numbers of the lexemes among them; how long a passage and a page
            now are on average (the caller's own snapshot may be older)
        """
        self.env.cr.execute(SQL("SELECT pg_advisory_xact_lock_shared(%s)", _INDEXING))
        with self._own_transaction() as cr:
            self._lock(cr)
            numbers = self._upsert(cr, counts, SQL("t.passages + d.passages"))
            return numbers, self._averages(self._totals(cr))

    def _lock(self, cr, what=_LOCK):
        cr.execute(SQL("SELECT pg_advisory_xact_lock(%s)", what), log_exceptions=False)

    def _upsert(self, cr, counts, passages):
        counts = {**counts, ("total", GENERATION): 0}
        kinds, names = zip(*counts, strict=True)
        cr.execute(
            SQL(
                """
                WITH d AS (
                    SELECT * FROM unnest(%s::text[], %s::text[], %s::int[])
                        AS d(kind, name, passages)
                ), old AS (
                    UPDATE steward_term t SET passages = greatest(0, %s)
                    FROM d WHERE t.kind = d.kind AND t.name = d.name
                    RETURNING t.id, t.kind, t.name
                ), new AS (
                    INSERT INTO steward_term (kind, name, passages)
                    SELECT kind, name, greatest(0, passages) FROM d
                    WHERE NOT EXISTS (
                        SELECT FROM steward_term t
                        WHERE t.kind = d.kind AND t.name = d.name
                    )
                    RETURNING id, kind, name
                ), told AS (SELECT * FROM old UNION ALL SELECT * FROM new)
                SELECT name, id FROM told WHERE kind = 'lexeme'
                """,
                list(kinds),
                list(names),
                list(counts.values()),
                passages,
            )
        )
        numbers = dict(cr.fetchall())
        # another number each time: processes that hold the vocabulary look at it
        cr.execute(
            SQL(
                "UPDATE steward_term SET passages = %s"
                " WHERE kind = 'total' AND name = %s",
                random.randrange(1, 2**31),
                GENERATION,
            )
        )
        return numbers

    def _totals(self, cr=None):
        """Return the totals by name."""
        cr = cr or self.env.cr
        cr.execute("SELECT name, passages FROM steward_term WHERE kind = 'total'")
        return dict(cr.fetchall())

    def _averages(self, totals):
        """Return how long a passage and a page are on average."""
        totals = Counter({("total", name): value for name, value in totals.items()})
        return (
            _average(totals, PASSAGES, LENGTHS),
            _average(totals, PAGES, PAGE_LENGTHS),
        )

    # -- asking --------------------------------------------------------------------

    def _lookup(self, lexemes):
        """Return the number of each lexeme, and how many passages hold it."""
        self.env.cr.execute(
            SQL(
                "SELECT name, id, passages FROM steward_term"
                " WHERE kind = 'lexeme' AND name = ANY(%s)",
                list(lexemes),
            )
        )
        return {name: (number, held) for name, number, held in self.env.cr.fetchall()}

    def _speller(self, generation):
        """Return the speller of this vocabulary; a process makes it once."""
        name = self.env.cr.dbname
        made, at, speller = _SPELLERS.get(name, (None, 0.0, None))
        # while documents stream in, the words of some seconds ago will do
        if speller is None or (made != generation and monotonic() - at > FRESH):
            self.env.cr.execute(
                "SELECT name, passages FROM steward_term"
                " WHERE kind = 'word' AND passages > 0"
            )
            counts = dict(self.env.cr.fetchall())
            speller = spelling.Speller(counts, self._language_words())
            _SPELLERS[name] = generation, monotonic(), speller
        return speller

    def _language_words(self):
        """Return the words of the language that are right, in whatever text."""
        return frozenset(business_words()) | STOP_WORDS | _pieces()

    def _forget_known(self):
        """Forget what this process knows of the vocabulary."""
        _SPELLERS.pop(self.env.cr.dbname, None)

    # -- setting right -------------------------------------------------------------

    def _refresh_terms(self):
        """Count everything anew; rate anew when passages are longer or shorter now.

        Nobody indexes meanwhile: what is counted and not there yet would be lost.
        """
        try:
            with self._own_transaction() as cr:
                self._lock(cr, _INDEXING)
                far = self._recount(cr)
        except Locked:
            cron = self.env.ref("steward_knowledge.cron_refresh_terms")
            # sudo: ir.cron - it is the one that calls this
            cron.sudo()._trigger(fields.Datetime.now() + AGAIN)
            return
        if far:
            documents = self.env["steward.document"].with_context(active_test=False)
            found = documents.search([("chunk_ids", "!=", False)])
            for first in range(0, len(found), DOCUMENTS):
                found[first : first + DOCUMENTS]._make_chunks()

    def _recount(self, cr):
        """Count everything; answer whether passages have another length now."""
        counts = self._counted_anew(cr)
        rated = self._totals(cr).get(RATED, 0)
        average = _average(counts, PASSAGES, LENGTHS)
        far = abs(average - rated) > DRIFT * max(rated, 1)
        counts["total", RATED] = round(average if far else rated)
        self._lock(cr)
        cr.execute("UPDATE steward_term SET passages = 0 WHERE passages <> 0")
        self._upsert(cr, counts, SQL("d.passages"))
        cr.execute("DELETE FROM steward_term WHERE passages = 0 AND kind = 'word'")
        return far

    def _counted_anew(self, cr):
        counts, last = Counter(), 0
        cr.execute("SELECT word, ndoc FROM ts_stat('SELECT tsv FROM steward_chunk')")
        counts.update({("lexeme", word): n for word, n in cr.fetchall()})
        while True:
            cr.execute(
                SQL(
                    "SELECT id, path, text, dictionary, length FROM steward_chunk"
                    " WHERE id > %s AND dictionary IS NOT NULL ORDER BY id LIMIT %s",
                    last,
                    BATCH,
                )
            )
            rows = cr.fetchall()
            if not rows:
                break
            last = rows[-1][0]
            for _id, *passage in rows:
                counts.update(passage_counts(*passage))
        cr.execute(
            "SELECT count(*), coalesce(sum(lexical_length), 0) FROM steward_document"
            " WHERE lexical_length > 0"
        )
        pages, lengths = cr.fetchone()
        counts["total", PAGES], counts["total", PAGE_LENGTHS] = pages, int(lengths)
        return counts


def passage_counts(path, text, dictionary, length):
    """What a passage adds to the counts, beside its lexemes."""
    found = {*words.read(path or ""), *words.read(text)}
    counts = {("word", word): 1 for word, whole in found if not whole}
    counts["total", PASSAGES] = 1
    counts["total", LENGTHS] = length
    counts["total", DICTIONARY + dictionary] = 1
    return counts


def _average(counts, texts, lengths):
    return counts["total", lengths] / max(counts["total", texts], 1)


@cache
def _pieces():
    """Whole words that the built-in models know, where their weights are installed."""
    folder = local.weights()
    if folder is None:
        return frozenset()
    with (folder / "vocab.txt").open(encoding="utf-8") as lines:
        return frozenset(word for word in map(str.strip, lines) if word.isalpha())


# per process
_DICTIONARIES: dict[str, set[str]] = {}
_STEMS: dict[str, dict[str, tuple[str, ...]]] = {}
_SPELLERS: dict[str, tuple[int, float, spelling.Speller]] = {}
