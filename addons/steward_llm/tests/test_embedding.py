import itertools
import math
from datetime import timedelta
from unittest.mock import patch

import numpy as np

from odoo import fields
from odoo.addons.steward.exceptions import (
    BadAnswer,
    External,
    Invalid,
    Locked,
    Refused,
    RemoteError,
)
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user

from ..adapters import Adapter
from ..models import steward_embedding
from .common import ModelKit
from .embedding_common import forget_vectors
from .openai_server import (
    EMBEDDINGS,
    cut,
    embeds,
    garbage,
    page,
    refuse,
    says,
    vector,
)


class TestEmbedding(ModelKit):
    def setUp(self):
        super().setUp()
        self.cache = self.env["steward.embedding"]
        forget_vectors()
        self.addCleanup(forget_vectors)
        self.portions, self.seconds_left = [], 60

        def progress(_cron, processed=0, *, remaining=None):
            self.portions.append((processed, remaining))
            return self.seconds_left

        self.patch(self.registry["ir.cron"], "_commit_progress", progress)

    def embed(self, texts, purpose="document"):
        return self.embedder._embed(texts, purpose)

    def sent(self):
        return [
            text for asked in self.server.asked(EMBEDDINGS) for text in asked["input"]
        ]

    def today(self):
        return self.env.cr.now().date()  # the database's, also at midnight

    def rows(self):
        return self.cache.search_count([("model_id", "=", self.embedder.id)])

    def assertVectors(self, found, texts):  # noqa: N802 - as unittest's own
        expected = [vector(text, self.server.dimensions) for text in texts]
        np.testing.assert_allclose(found, expected, atol=1e-3)
        self.assertEqual(found.dtype, np.float32)

    # -- each text once ------------------------------------------------------------

    def test_order_is_kept_and_nothing_sent_twice(self):
        texts = ["b", "a", "b", "c", "a"]
        self.assertVectors(self.embed(texts), texts)
        self.assertEqual(self.sent(), ["b", "a", "c"])
        self.assertVectors(self.embed(["d", "c"]), ["d", "c"])
        self.assertEqual(self.sent(), ["b", "a", "c", "d"])
        self.assertEqual(self.rows(), 4)

    def test_another_worker_finds_it(self):
        first = self.embed(["a", "b"])
        forget_vectors()
        again = self.embed(["a", "b"])
        self.assertEqual(len(self.sent()), 2)
        np.testing.assert_array_equal(first, again)  # to the last bit

    def test_known_ones_cost_one_query_or_none(self):
        texts = [f"text {n}" for n in range(50)]
        self.embed(texts)
        forget_vectors()
        steward_embedding._TOLD[self.env.cr.dbname] = math.inf
        self.env.flush_all()
        self.embedder._cache_space(self.adapter(), "document")  # reads the records
        with self.assertQueryCount(1):
            self.embed(texts)
        with self.assertQueryCount(0):
            self.embed(texts)

    def test_index_is_used(self):
        self.embed([f"text {n}" for n in range(300)])
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute(
            "EXPLAIN SELECT vector FROM steward_embedding"
            " WHERE model_id = %s AND digest = ANY(%s)",
            [self.embedder.id, [b"x", b"y"]],
        )
        plan = "\n".join(row[0] for row in self.env.cr.fetchall())
        self.assertIn("steward_embedding_digest_uniq", plan)

    def test_no_text_is_kept(self):
        self.embed(["a very private sentence"])
        self.env.cr.execute("SELECT t::text FROM steward_embedding t")
        self.assertNotIn("private", str(self.env.cr.fetchall()))

    def test_batches(self):
        texts = [f"text {n}" for n in range(Adapter.batch * 2 + 1)]
        self.assertVectors(self.embed(texts), texts)
        sizes = [len(asked["input"]) for asked in self.server.asked(EMBEDDINGS)]
        self.assertEqual(sizes, [Adapter.batch, Adapter.batch, 1])

    def test_batches_by_length(self):
        texts = [f"{n} " + "x" * 90_000 for n in range(5)]
        self.embed(texts)
        sizes = [len(asked["input"]) for asked in self.server.asked(EMBEDDINGS)]
        self.assertEqual(sizes, [2, 2, 1])

    def test_no_texts(self):
        self.assertEqual(self.embed([]).shape, (0, self.server.dimensions))
        self.assertEqual(self.sent(), [])

    def test_purpose(self):
        """It makes another vector only where the adapter says so."""
        self.embed(["a"], "document")
        self.embed(["a"], "query")
        self.assertEqual(len(self.sent()), 1)
        with patch.object(type(self.adapter()), "knows_purpose", True):
            self.embed(["a"], "document")
            self.embed(["a"], "query")
        self.assertEqual(len(self.sent()), 3)

    def test_models_do_not_mix(self):
        other = self.env["steward.model"].create(
            {
                "name": "embed-other",
                "provider_id": self.provider.id,
                "can_embedding": True,
            }
        )
        self.server.models.append("embed-other")
        self.addCleanup(self.server.models.remove, "embed-other")
        self.embed(["a"])
        other._embed(["a"])
        self.assertEqual(self.sent(), ["a", "a"])

    def test_another_length_is_another_space(self):
        self.embed(["a"])
        self.embedder.dimensions = 0
        self.embed(["a"])
        self.assertEqual(len(self.sent()), 2)

    # -- faults --------------------------------------------------------------------

    def test_failures_come_out_and_keep_nothing(self):
        faults = {
            "429": (refuse(429), RemoteError),
            "500": (refuse(500), RemoteError),
            "401": (refuse(401), RemoteError),
            "garbage": (garbage, BadAnswer),
            "a page": (page, BadAnswer),
            "half": (cut, External),
            "no list": (says({"data": 7}), BadAnswer),
            "too few": (embeds(lambda a: {**a, "data": a["data"][:1]}), BadAnswer),
            "other dimensions": (
                lambda peer: peer.answer(
                    200, peer.server.owner.embedded(peer.received.json()["input"], 5)
                ),
                BadAnswer,
            ),
            "NaN": (embeds(lambda a: _with(a, math.nan)), BadAnswer),
            "zero": (embeds(lambda a: _with(a, 0)), BadAnswer),
        }
        for name, (fault, error) in faults.items():
            with self.subTest(name):
                self.server.clear()
                self.server.fail(EMBEDDINGS, fault, times=5)
                with self.assertRaises(error):
                    self.embed([f"{name} 1", f"{name} 2"])
                self.assertEqual(self.rows(), 0)
                self.env["steward.circuit"].search([]).unlink()
        self.server.clear()
        self.assertVectors(self.embed(["half 1"]), ["half 1"])

    def test_what_succeeded_stays(self):
        """Half of the batches fail: the next call asks only for those."""
        texts = [f"text {n}" for n in range(Adapter.batch * 2)]
        second = itertools.count()

        def once(peer):
            if next(second) == 0:
                return peer.server.owner._embeddings(peer)
            return refuse(400, "no more")(peer)

        self.server.fail(EMBEDDINGS, once, times=2)
        try:  # assertRaises would take back what was kept, too
            self.embed(texts)
            raised = None
        except RemoteError as error:
            raised = error
        self.assertTrue(raised)
        self.assertEqual(self.rows(), Adapter.batch)
        usage = self.env["steward.usage"].search([("model_id", "=", self.embedder.id)])
        self.assertEqual(usage.tokens_in, 2 * Adapter.batch)  # paid, though it failed
        self.server.clear()
        self.assertVectors(self.embed(texts), texts)
        self.assertEqual(self.sent(), texts[Adapter.batch :])

    def test_adapters_are_not_trusted(self):
        """Whatever an adapter lets through is looked at before it is kept."""
        nonsense = [
            [[1.0] * 8],
            [[1.0] * 8, [1.0] * 7],
            [["x"] * 8, [1.0] * 8],
            [[math.inf] * 8, [1.0] * 8],
            [[math.nan] * 8, [1.0] * 8],
            [[0.0] * 8, [1.0] * 8],
            [[1e999] * 8, [1.0] * 8],
            [[10**400] * 8, [1.0] * 8],
            [[], []],
            [None, None],
            None,
            np.ones((2, 9), np.float32),
            np.ones((2, 8, 1), np.float32),
        ]
        for vectors in nonsense:
            with self.subTest(str(vectors)[:40]):
                answer = self._answer(vectors)
                with answer, self.assertRaises(BadAnswer):
                    self.embed(["a", "b"])
                self.assertEqual(self.rows(), 0)
        with self._answer(np.full((2, 8), 3e38, np.float32)):  # large, but sound
            found = self.embed(["a", "b"])
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)

    def _answer(self, vectors):
        from ..adapters import Embedded
        from ..kernel.usage import Usage

        def embed(*_args):
            return Embedded(vectors, Usage())

        return patch.object(type(self.adapter()), "embed", embed)

    def test_unknown_length_is_that_of_the_first(self):
        self.embedder.dimensions = 0
        self.embed(["a"])
        with self._answer([[1.0] * 5]), self.assertRaises(BadAnswer) as caught:
            self.embed(["a", "b"])
        self.assertIn("5 dimensions instead of 8", str(caught.exception))

    def test_texts_that_cannot_be(self):
        limit = 100_000
        for texts, word in (
            ([""], "empty"),
            (["a", " \n"], "Text 2 is empty"),
            ([None], "empty"),
            (["x" * (limit + 1)], "Cut it into passages"),
        ):
            with self.subTest(word), self.assertRaises(Invalid) as caught:
                self.embed(texts)
            self.assertIn(word, caught.exception.sentence)
        with self.assertRaises(Invalid):
            self.embed(["a"], "poem")
        with self.assertRaises(Invalid):
            self.chat._embed(["a"])
        self.assertEqual(self.sent(), [])

    def test_odd_texts(self):
        texts = [
            "\x00",
            "\ud800 alone",
            "? alone",
            "<script>'; DROP TABLE x; --",
            "\U0001d518",
        ]
        self.assertEqual(len(self.embed(texts)), 5)
        forget_vectors()
        self.embed(texts)
        self.assertEqual(len(self.sent()), 4)  # half a character is a question mark

    def test_locked_rows_harm_nobody(self):
        self.embed(["old"])
        forget_vectors()
        with patch.object(
            type(self.cache), "_own_transaction", side_effect=Locked("x")
        ):
            found = self.embed(["old", "new"])
        self.assertVectors(found, ["old", "new"])
        self.assertEqual(self.rows(), 1)

    def test_cost_is_entered_even_so(self):
        """The caller changed the model itself: the entry goes with its transaction."""
        model = type(self.embedder)
        with patch.object(model, "_own_transaction", side_effect=Locked("x")):
            self.embed(["one two"])
        usage = self.env["steward.usage"].search([("model_id", "=", self.embedder.id)])
        self.assertEqual((usage.tokens_in, usage.operation), (2, "embedding"))

    # -- bounds --------------------------------------------------------------------

    def age(self, texts, days):
        keys = self.cache._keys(
            texts, self.embedder._cache_space(self.adapter(), "document")
        )
        self.env.cr.execute(
            "UPDATE steward_embedding SET used_on = used_on - %s"
            " WHERE digest = ANY(%s)",
            [days, keys],
        )

    def trim(self, rows):
        self.env["ir.config_parameter"].set_param("steward.embedding.max_rows", rows)
        self.cache._cron_trim()
        return self.portions

    def test_the_longest_unused_go_first(self):
        self.embed(["a", "b", "c", "d"])
        self.age(["b", "c"], days=3)
        self.age(["c"], days=3)
        forget_vectors()
        self.embed(["b"])  # used today
        self.trim(2)
        self.assertEqual(self.rows(), 2)
        self.trim(3)
        self.assertEqual(self.rows(), 2)
        forget_vectors()
        self.server.clear()
        self.embed(["a", "b", "c", "d"])
        self.assertIn("c", self.sent())

    def test_use_is_written_once_a_day(self):
        self.embed(["a"])
        self.age(["a"], days=1)
        forget_vectors()
        with patch.object(
            type(self.cache), "_note_use", autospec=True, side_effect=_note_use
        ) as noted:
            self.embed(["a"])
            forget_vectors()
            self.embed(["a"])
        self.assertEqual(noted.call_count, 1)
        self.assertEqual(
            self.cache.search([("model_id", "=", self.embedder.id)]).used_on,
            self.today(),
        )

    def test_trimmed_in_portions(self):
        self.embed([f"text {n}" for n in range(60)])
        with patch.object(steward_embedding, "TRIM_AT_ONCE", 20):
            self.assertEqual(self.trim(11), [(20, 29), (20, 9), (9, 0)])
        self.assertEqual(self.rows(), 11)

    def test_trimming_stops_when_told(self):
        self.embed([f"text {n}" for n in range(60)])
        self.seconds_left = 0
        with patch.object(steward_embedding, "TRIM_AT_ONCE", 20):
            self.trim(11)
        self.assertEqual(self.rows(), 40)

    def test_memory_is_bounded(self):
        with patch.object(steward_embedding, "MAX_LOCAL", 5):
            self.embed([f"text {n}" for n in range(20)])
            self.assertEqual(len(steward_embedding._LOCAL), 5)

    def test_setting(self):
        settings = self.env["res.config.settings"]
        settings.create({"steward_embedding_max_rows": 5}).execute()
        self.assertEqual(self.cache._max_rows(), 5)
        with self.assertRaises(ValidationError):
            settings.create({"steward_embedding_max_rows": 0})
        self.env["ir.config_parameter"].set_param("steward.embedding.max_rows", "x")
        self.assertEqual(self.cache._max_rows(), steward_embedding.MAX_ROWS)

    # -- how well it works ---------------------------------------------------------

    def report(self):
        self.env.invalidate_all()
        return self.env["steward.embedding.report"].browse(self.embedder.id)

    def test_hit_rate(self):
        self.assertFalse(self.report().rate)
        self.assertEqual(self.report().vectors, 0)
        self.embed(["a", "b", "a"])
        self.embed(["a", "c"])
        self.assertEqual((self.report().hits, self.report().misses), (1, 3))
        self.assertEqual(self.report().rate, 0.25)
        self.assertEqual(self.report().vectors, 3)
        self.assertAlmostEqual(self.report().megabytes, 3 * 16 / 1e6)
        day = self.env["steward.embedding.day"].search([])
        self.assertEqual((day.day, day.rate), (self.today(), 0.25))

    def test_hits_alone_are_written_after_a_minute(self):
        self.embed(["a"])
        self.embed(["a"])
        self.assertEqual(self.report().hits, 0)
        clock = steward_embedding.monotonic()
        later = clock + steward_embedding.TELL_EVERY + 1
        with patch.object(steward_embedding, "monotonic", lambda: later):
            self.embed(["a"])
        self.assertEqual((self.report().hits, self.report().misses), (2, 1))

    def test_quick_models_do_without(self):
        hashing = self.env.ref("steward_llm.model_hash")
        hashing._embed(["a", "b"])
        self.assertFalse(self.cache.search([("model_id", "=", hashing.id)]))
        self.assertFalse(
            self.env["steward.embedding.report"].search([("model_id", "=", hashing.id)])
        )

    def test_old_days_go(self):
        self.embed(["a"])
        day = self.env["steward.embedding.day"].search([])
        old = fields.Date.today() - timedelta(days=500)
        self.env.cr.execute("UPDATE steward_embedding_day SET day = %s", [old])
        self.env.invalidate_all()
        self.cache._cron_trim()
        self.assertFalse(day.exists())

    def test_empty(self):
        self.embed(["a"])
        self.report().action_empty()
        self.assertEqual(self.rows(), 0)
        self.embed(["a"])  # this worker had it in memory, and starts anew all the same
        self.assertEqual(len(self.sent()), 2)

    def test_days_of_a_model(self):
        self.embed(["a"])
        action = self.report().action_open_days()
        days = self.env[action["res_model"]].search(action["domain"])
        self.assertEqual(days.model_id, self.embedder)

    def test_deleted_models_take_theirs_along(self):
        self.embed(["a"])
        steward_embedding._COUNTS[self.env.cr.dbname][self.embedder.id][0] += 1
        self.embedder.unlink()
        self.assertFalse(self.cache.search([]))
        self.cache._count(self.env.ref("steward_llm.model_hash"), 1, 0)

    # -- who may -------------------------------------------------------------------

    def test_rights(self):
        self.embed(["a"])
        viewer = new_test_user(
            self.env, "cache_viewer", groups="base.group_user,steward.group_viewer"
        )
        report = self.report().with_user(viewer)
        self.assertEqual(report.vectors, 1)
        with self.assertRaises(AccessError):
            report.action_empty()
        with self.assertRaises(AccessError):
            self.cache.with_user(viewer).search([])
        self.assertEqual(self.rows(), 1)

    def test_vectors_are_nobodys_to_read(self):
        self.embed(["a"])
        administrator = new_test_user(
            self.env,
            "cache_administrator",
            groups="base.group_user,steward.group_administrator",
        )
        row = self.cache.with_user(administrator).search([])
        self.assertEqual(row.used_on, self.today())
        for name in ("digest", "vector"):
            with self.assertRaises(AccessError):
                row.read([name])
        with self.assertRaises(Refused):
            row.write({"used_on": "2020-01-01"})

    def test_other_companies(self):
        self.embed(["a"])
        other = self.env["res.company"].create({"name": "Other"})
        self.provider.company_id = other
        viewer = new_test_user(
            self.env, "cache_company", groups="base.group_user,steward.group_viewer"
        )
        self.env.flush_all()
        for model in ("steward.embedding.report", "steward.embedding.day"):
            found = self.env[model].with_user(viewer).search([])
            self.assertNotIn(self.embedder, found.sudo().model_id, model)


_note_use = steward_embedding.StewardEmbedding._note_use


def _with(answer, number):
    answer["data"][0]["embedding"] = [number] * len(answer["data"][0]["embedding"])
    return answer
