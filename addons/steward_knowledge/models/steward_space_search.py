import math

from odoo import api, models, tools
from odoo.addons.steward.exceptions import Invalid
from odoo.tools import SQL

from ..kernel import vector_copy
from .steward_space import Facts

EF_SEARCH = 80  # candidates that the index looks at
EF_FILTERED = 200  # the same, when some of them may not be shown
RESCORED = 300  # of a binary index, whose order is rough
# filtered passages that are all compared, so that none is missed: these in any case
LEAST_EXACT, MOST_EXACT = 3_000, 10_000
SEEN_COST = 10  # of a candidate that the index shows, beside comparing one vector
FACTOR_BINARY = 6  # candidates of a binary index for each passage that is wanted


class StewardSpace(models.Model):
    _inherit = "steward.space"

    def _nearest(self, query, limit, chunk_filter=None):
        """Find the passages whose vectors are nearest to a query's.

        :param query: a text, or a vector of this space's embedder
        :param SQL chunk_filter: a SELECT of the ids of passages that are allowed
        :return: list of (chunk id, cosine), the best first
        """
        facts = self._facts_of(self.id)
        vector = self._query_vector(query, facts)
        near = _Near(facts, vector_copy.literal(vector), int(limit))
        cr = self.env.cr
        if chunk_filter is None:
            cr.execute(near.all())
            return cr.fetchall()
        if not facts.has_index:
            cr.execute(near.filtered(chunk_filter))
            return cr.fetchall()
        # the planner would take the index even where comparing all is far quicker
        most = near.most_exact()
        cr.execute(near.exact(chunk_filter, most))
        rows = cr.fetchall()
        if rows[0][0] <= most:
            return [(chunk, score) for _n, chunk, score in rows if chunk is not None]
        cr.execute(near.all(chunk_filter))
        return cr.fetchall()

    def _nearness(self, query, chunk):
        """Return an expression: a passage's cosine with a query, or NULL.

        :param query: a vector of this space's embedder
        :param SQL chunk: the passage's id
        """
        facts = self._facts_of(self.id)
        vector = self._query_vector(query, facts)
        return _Near(facts, vector_copy.literal(vector), 1).of(chunk)

    def _understands(self, words):
        """Whether a question of words that stand nowhere here may mean something.

        An embedder that only adds up what it knows of words makes a vector of anything;
        of words that it never saw, it points anywhere.
        """
        model = self.model_id
        if not model or model.name not in model.provider_id._adapter().cheap:
            return True
        known = self.env["steward.term"]._language_words()
        return any(word in known for word in words)

    def _query_vector(self, query, facts):
        """A vector of length one that can be compared with those of the space."""
        import numpy as np

        if isinstance(query, str):
            # sudo: steward.model - whoever searches need not see models
            model = self.env["steward.model"].sudo().browse(facts.model_id)
            if not model:
                raise Invalid(
                    self.env._(
                        "These vectors were imported, and nobody said which embedder"
                        " made them: a question in words cannot be compared with them."
                    )
                )
            vector = model._embed([query], "query")[0]
        else:
            vector = np.asarray(query, np.float64)
            length = np.linalg.norm(vector)
            if vector.ndim != 1 or not np.isfinite(length) or not length:
                raise Invalid(self.env._("The query is no vector with a direction."))
            vector = vector / length
        if len(vector) != facts.dimensions:
            raise Invalid(self._another_length(len(vector), facts.dimensions))
        return vector

    @api.model
    def _another_length(self, found, expected):
        return self.env._(
            "The embedder answers with vectors of %(found)s dimensions now, and those"
            " kept have %(expected)s. They stay as they are. Set the embedder right, or"
            " make a new space.",
            found=found,
            expected=expected,
        )

    @api.model
    @tools.ormcache("space_id")
    def _facts_of(self, space_id) -> Facts:
        # sudo: steward.space - whoever searches need not see spaces
        return self.sudo().browse(space_id)._facts()


class _Near:
    """The ways of asking for the nearest vectors of a space.

    Vectors have length one: their inner product is the cosine, and quicker. The casts
    must be those of the space's index (`steward_space_index`), or it is not used.
    """

    def __init__(self, facts, query, limit):
        size = SQL(str(int(facts.dimensions)))
        self.space = SQL(str(int(facts.id)))  # as the index says it
        self.vector = SQL("embedding::halfvec(%s)", size)
        self.query = SQL("%s::halfvec(%s)", query, size)
        self.limit = limit
        self.rows = facts.rows
        self.bits = facts.quantization == "binary" and facts.has_index and size

    def all(self, chunk_filter=None):
        """By the index, if there is one; among those that a filter allows."""
        allowed, candidates = SQL(), EF_SEARCH
        if chunk_filter is not None:
            candidates = EF_FILTERED
            # OFFSET: looked at for each candidate, and never joined beforehand
            allowed = SQL(
                "AND EXISTS (SELECT FROM (%s) AS allowed(id)"
                " WHERE allowed.id = chunk_id OFFSET 0)",
                chunk_filter,
            )
        if self.bits:
            return self._rescored(allowed)
        return SQL(
            "%(settings)s SELECT chunk_id, GREATEST(-1, LEAST(1, -distance)) AS score"
            " FROM (SELECT chunk_id, %(vector)s <#> %(query)s AS distance"
            " FROM steward_vector WHERE space_id = %(space)s %(allowed)s"
            " ORDER BY distance LIMIT %(limit)s) AS near ORDER BY distance",
            settings=self._settings(max(candidates, self.limit)),
            vector=self.vector,
            query=self.query,
            space=self.space,
            allowed=allowed,
            limit=self.limit,
        )

    def _rescored(self, allowed):
        """Candidates by their bits, the best of them by their numbers."""
        count = min(max(RESCORED, FACTOR_BINARY * self.limit), 1_000)
        return SQL(
            "%(settings)s SELECT chunk_id, GREATEST(-1, LEAST(1, -distance)) AS score"
            " FROM (SELECT chunk_id, %(vector)s <#> %(query)s AS distance"
            " FROM (SELECT chunk_id, embedding FROM steward_vector"
            " WHERE space_id = %(space)s %(allowed)s"
            " ORDER BY binary_quantize(%(vector)s)::bit(%(size)s)"
            " <~> binary_quantize(%(query)s)::bit(%(size)s)"
            " LIMIT %(count)s) AS rough ORDER BY distance LIMIT %(limit)s) AS near"
            " ORDER BY distance",
            settings=self._settings(count),
            vector=self.vector,
            query=self.query,
            size=self.bits,
            space=self.space,
            allowed=allowed,
            count=count,
            limit=self.limit,
        )

    def filtered(self, chunk_filter):
        """All that a filter allows, one by one: for spaces without an index."""
        return SQL(
            "%(settings)s SELECT chunk_id, GREATEST(-1, LEAST(1, -distance)) AS score"
            " FROM (SELECT chunk_id, %(vector)s <#> %(query)s AS distance"
            " FROM steward_vector WHERE space_id = %(space)s"
            " AND chunk_id IN (%(filter)s)"
            " ORDER BY distance LIMIT %(limit)s) AS near ORDER BY distance",
            settings=self._settings(EF_SEARCH),
            vector=self.vector,
            query=self.query,
            space=self.space,
            filter=chunk_filter,
            limit=self.limit,
        )

    def of(self, chunk):
        """One passage's, as an expression."""
        return SQL(
            "(SELECT GREATEST(-1, LEAST(1, -(embedding <#> %s))) FROM steward_vector"
            " WHERE space_id = %s AND chunk_id = %s)",
            self.query,
            self.space,
            chunk,
        )

    def most_exact(self):
        """Up to how many filtered passages it is quicker to compare all of them.

        The index shows ``limit * rows / n`` candidates until enough of them are among
        the ``n`` that are allowed.
        """
        quicker = math.isqrt(SEEN_COST * self.limit * self.rows)
        return min(MOST_EXACT, max(LEAST_EXACT, quicker))

    def exact(self, chunk_filter, most):
        """The same, if they are few; each row says how many there are."""
        # without the cast to a dimension, so that no index comes into it
        return SQL(
            "%(settings)s WITH allowed AS MATERIALIZED ("
            "SELECT id FROM (%(filter)s) AS allowed(id) LIMIT %(most)s"
            "), counted AS MATERIALIZED (SELECT count(*) AS n FROM allowed)"
            " SELECT n, chunk_id, GREATEST(-1, LEAST(1, -distance))"
            " FROM counted LEFT JOIN LATERAL ("
            "SELECT chunk_id, embedding <#> %(query)s AS distance"
            " FROM steward_vector WHERE n < %(most)s AND space_id = %(space)s"
            " AND chunk_id IN (SELECT id FROM allowed)"
            " ORDER BY distance LIMIT %(limit)s) AS near ON true ORDER BY distance",
            settings=self._settings(EF_SEARCH),
            filter=chunk_filter,
            most=most + 1,
            query=self.query,
            space=self.space,
            limit=self.limit,
        )

    def _settings(self, candidates):
        """For the rest of the transaction; in one message, so that it costs none."""
        return SQL(
            "SELECT set_config('hnsw.ef_search', %s, true),"
            " set_config('hnsw.iterative_scan', 'relaxed_order', true),"
            " set_config('random_page_cost', '1.1', true),"
            " set_config('jit', 'off', true),"
            " set_config('max_parallel_workers_per_gather', '0', true);",
            str(min(max(candidates, 1), 1_000)),
        )
