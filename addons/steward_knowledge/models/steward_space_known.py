import threading
from time import monotonic

from odoo import models
from odoo.addons.steward.exceptions import StewardError

from ..kernel.signatures import MOST, Signatures

FRESH = 10 * 60  # seconds after which a worker looks for new questions
ALIKE = 0.8  # cosine from which a question counts as known


class StewardSpace(models.Model):
    """Questions that were asked before: suggested, and never answered from."""

    _inherit = "steward.space"

    def _known(self, query_vector, limit=3, least=ALIKE):
        """Find known questions that are like this one; in memory, in microseconds.

        Suggest them (“people also asked”), or show what they led to. Do not take their
        answer for this one's: questions in the same words may mean something else.

        :param query_vector: of this space's embedder
        :return: list of (id of a known question, about their cosine), the best first;
            ids are those that `_known_questions` gave
        """
        facts = self._facts_of(self.id)
        known = self._signatures(facts)
        vector = self._query_vector(query_vector, facts)
        return known.nearest(vector, limit, least)

    def _known_questions(self):
        """The questions worth knowing, as (id, text); hook for who keeps some.

        Called every few minutes in each worker. At most 4,000 of them count.
        """
        # sudo: steward.search.case - compared, and shown by whoever may read them
        cases = self.env["steward.search.case"].sudo().search([], limit=MOST)
        return [(case.id, case.query) for case in cases]

    def _signatures(self, facts):
        place = (self.env.cr.dbname, facts.id)
        with _LOCK:
            until, known = _KNOWN.get(place, (0.0, None))
            if known is not None and monotonic() < until:
                return known
            # others go on with what is known meanwhile
            _KNOWN[place] = (monotonic() + FRESH, known or Signatures(facts.dimensions))
        fresh = Signatures(facts.dimensions)
        questions = [(n, text) for n, text in self._known_questions() if text.strip()]
        if questions:
            ids, texts = zip(*questions[:MOST], strict=True)
            # sudo: steward.model - whoever searches need not see models
            model = self.env["steward.model"].sudo().browse(facts.model_id)
            try:
                fresh.replace(ids, model._embed(texts, "query"))
            except StewardError:
                return _KNOWN[place][1]  # suggestions are worth no failure
        _KNOWN[place] = (monotonic() + FRESH, fresh)
        return fresh


_LOCK = threading.Lock()
# (database, space) -> until when it is fresh, and what is known
_KNOWN: dict[tuple[str, int], tuple[float, Signatures]] = {}
