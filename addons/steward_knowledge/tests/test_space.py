from unittest.mock import patch

import numpy as np
from psycopg2 import IntegrityError

from odoo import fields
from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    Refused,
    Retryable,
    Unreachable,
)
from odoo.addons.steward.kernel import health
from odoo.addons.steward_llm.exceptions import BudgetExhausted
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from ..models import steward_space_fill, steward_space_index, steward_space_search
from .space_common import SpaceCase


def cosines(vectors, query):
    return vectors @ (query / np.linalg.norm(query))


@tagged("post_install", "-at_install")
class TestNearest(SpaceCase):
    """Which passages are nearest, and by which way they are found."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.narrow = cls.make_model("narrow", 16)

    def indexed(self, count=3_000, **values):
        space = self.make_space(model_id=self.narrow.id, **values)
        chunk_ids, vectors = self.many(space, count)
        self.build(space)
        return space, np.array(chunk_ids), vectors

    def build(self, space):
        self.env.cr.execute(SQL("CREATE INDEX %s", space._index_definition()))
        self.env.cr.execute("ANALYZE steward_vector; ANALYZE steward_chunk")
        space._write_own({"has_index": True})

    def plan_of(self, work):
        """What PostgreSQL did for the last query of some work."""
        cr, queries = self.env.cr, []
        execute = type(cr).execute

        def spy(cursor, query, *args, **kwargs):
            queries.append(query)
            return execute(cursor, query, *args, **kwargs)

        with patch.object(type(cr), "execute", spy):
            result = work()
        settings, _semicolon, query = queries[-1].code.partition(";")
        self.assertIn("hnsw.ef_search", settings)
        cr.execute("EXPLAIN " + query, queries[-1].params[1:])
        return result, "\n".join(row[0] for row in cr.fetchall())

    def recall(self, space, chunk_ids, vectors, chunk_filter=None, allowed=None):
        draw, found = np.random.default_rng(5), []
        for _ in range(20):
            query = draw.normal(size=16)
            scores = cosines(vectors, query)
            if allowed is not None:
                scores = np.where(np.isin(chunk_ids, allowed), scores, -2)
            best = {int(c) for c in chunk_ids[np.argsort(-scores)[:10]]}
            ours = space._nearest(query, 10, chunk_filter)
            found.append(len(best & {chunk for chunk, _score in ours}) / 10)
        return sum(found) / len(found)

    def test_default(self):
        """The first passages get a space, with nothing to configure."""
        self.assertFalse(self.spaces._active())
        passages = self.make_passages("sale order", "weather report", "stock move")
        self.assertEqual(passages.document_id._make_vectors(), 3)
        space = self.spaces._active()
        self.assertEqual((space.model_id, space.state), (self.hash, "active"))
        found = space._nearest("order of a sale", 2)
        self.assertEqual(found[0][0], passages[0].id)
        self.assertEqual(len(found), 2)
        self.assertGreater(found[0][1], found[1][1])
        self.assertEqual(passages.document_id._make_vectors(), 0)

    def test_scores_are_cosines(self):
        space = self.make_space(model_id=self.narrow.id)
        _chunks, vectors = self.many(space, 50)
        query = np.ones(16) * 7
        scores = [score for _chunk, score in space._nearest(query, 50)]
        expected = np.sort(cosines(vectors, query))[::-1]
        np.testing.assert_allclose(scores, expected, atol=2e-3)
        self.assertLessEqual(space._nearest(vectors[3], 1)[0][1], 1)

    def test_the_index_is_used(self):
        space, chunk_ids, vectors = self.indexed()
        _found, plan = self.plan_of(lambda: space._nearest(np.ones(16), 5))
        self.assertIn(f"Index Scan using {space._index_name()}", plan)
        self.assertGreaterEqual(self.recall(space, chunk_ids, vectors), 0.97)

    def test_the_binary_index_is_used(self):
        space, chunk_ids, vectors = self.indexed(quantization="binary")
        _found, plan = self.plan_of(lambda: space._nearest(np.ones(16), 5))
        self.assertIn(f"Index Scan using {space._index_name()}", plan)
        # sixteen bits tell little; real vectors have hundreds
        self.assertGreaterEqual(self.recall(space, chunk_ids, vectors), 0.7)

    def test_another_spaces_index_is_not(self):
        space, _ids, _vectors = self.indexed()
        other = self.make_space(model_id=self.narrow.id, name="Other")
        self.many(other, 100, seed=2)
        _found, plan = self.plan_of(lambda: other._nearest(np.ones(16), 5))
        self.assertNotIn(space._index_name(), plan)

    def test_few_allowed_are_all_compared(self):
        space, chunk_ids, vectors = self.indexed()
        allowed = chunk_ids[::60].tolist()
        chosen = SQL("SELECT id FROM steward_chunk WHERE id = ANY(%s)", allowed)
        found, plan = self.plan_of(lambda: space._nearest(np.ones(16), 10, chosen))
        self.assertNotIn(space._index_name(), plan)
        self.assertLessEqual({chunk for chunk, _score in found}, set(allowed))
        recall = self.recall(space, chunk_ids, vectors, chosen, allowed)
        self.assertGreaterEqual(recall, 0.99)  # half precision may swap the last two

    def test_many_allowed_go_by_the_index(self):
        space, chunk_ids, vectors = self.indexed()
        allowed = chunk_ids[::2].tolist()
        chosen = SQL("SELECT id FROM steward_chunk WHERE id %% 2 = %s", allowed[0] % 2)
        self.enterContext(patch.object(steward_space_search, "LEAST_EXACT", 100))
        found, plan = self.plan_of(lambda: space._nearest(np.ones(16), 10, chosen))
        self.assertIn(f"Index Scan using {space._index_name()}", plan)
        self.assertIn("SubPlan", plan)
        self.assertLessEqual({chunk for chunk, _score in found}, set(allowed))
        recall = self.recall(space, chunk_ids, vectors, chosen, allowed)
        self.assertGreaterEqual(recall, 0.97)

    def test_filters_of_small_spaces(self):
        passages = self.make_passages("one", "two", "three")
        passages.document_id._make_vectors()
        space = self.spaces._active()
        chosen = SQL("SELECT id FROM steward_chunk WHERE id = %s", passages[1].id)
        found = space._nearest("one", 5, chosen)
        self.assertEqual([chunk for chunk, _score in found], passages[1].ids)
        nobody = SQL("SELECT id FROM steward_chunk WHERE false")
        self.assertEqual(space._nearest("one", 5, nobody), [])

    def test_no_filtered_passage_in_an_indexed_space(self):
        space, _ids, _vectors = self.indexed()
        nobody = SQL("SELECT id FROM steward_chunk WHERE false")
        self.assertEqual(space._nearest(np.ones(16), 5, nobody), [])

    def test_queries_that_cannot_be(self):
        space = self.make_space(model_id=self.narrow.id)
        for query in (np.zeros(16), np.full(16, np.nan), np.ones((2, 16)), np.ones(8)):
            with self.subTest(query), self.assertRaises(Invalid):
                space._nearest(query, 5)

    def test_one_query(self):
        space, _ids, _vectors = self.indexed()
        query = np.ones(16)
        space._nearest(query, 5)
        with self.assertQueryCount(1):
            space._nearest(query, 5)

    def test_employees_search(self):
        """Who searches sees no spaces, and finds by them all the same."""
        self.make_passages("sale order").document_id._make_vectors()
        user = new_test_user(self.env, "searcher", groups="base.group_user")
        space = self.spaces.with_user(user)._active()
        self.assertEqual(len(space.with_user(user)._nearest("order", 3)), 1)
        with self.assertRaises(AccessError):
            self.spaces.with_user(user).search([])
        with self.assertRaises(AccessError):
            self.env["steward.vector"].with_user(user).search([])


@tagged("post_install", "-at_install")
class TestFilling(SpaceCase):
    """How passages get into spaces, and what stands in the way."""

    def setUp(self):
        super().setUp()
        self.jobs = []
        self.patch(
            type(self.spaces),
            "_fill_later",
            lambda spaces, after=0: self.jobs.append((spaces, after)),
        )

    def test_every_space_is_fed(self):
        active = self.make_space(state="active")
        other = self.make_space(name="Other", state="ready")
        paused = self.make_space(name="Paused", is_paused=True)
        passages = self.make_passages("one", "two")
        self.assertEqual(passages.document_id._make_vectors(), 4)
        counts = self.spaces._vector_counts()
        self.assertEqual(counts, {active.id: 2, other.id: 2})
        self.assertEqual(paused.missing_count, paused.passage_count)

    def test_only_what_is_missing(self):
        space = self.make_space(state="active")
        passages = self.make_passages("one", "two")
        passages.document_id._make_vectors()
        more = self.make_passages("three", document=passages.document_id)
        with patch.object(type(self.hash), "_embed", autospec=True) as embed:
            embed.return_value = np.ones((1, 512)) / np.sqrt(512)
            passages.document_id._make_vectors()
        [(_model, texts, purpose)] = [call.args for call in embed.call_args_list]
        self.assertEqual((texts, purpose), (["\nthree"], "document"))
        more.unlink()
        self.assertEqual(space.vector_count, 2)  # gone with its passage

    def test_what_is_there_stays(self):
        """Two jobs at the same passages: each is there once, as the first had it."""
        space = self.make_space(state="active")
        passages = self.make_passages("one", "two")
        passages.document_id._make_vectors()
        vectors = np.eye(512)[:2]
        stored = self.env["steward.vector"]._store(space, passages.ids, vectors)
        self.assertEqual(stored, 0)
        self.assertLess(space._nearest(vectors[0], 1)[0][1], 0.9)

    def test_passages_that_went_are_left_out(self):
        space = self.make_space(state="active")
        passages = self.make_passages("one", "two")
        ids = passages.ids
        passages[0].unlink()
        stored = self.env["steward.vector"]._store(space, ids, np.eye(512)[:2])
        self.assertEqual(stored, 1)

    def test_an_embedder_that_is_down_keeps_nobody_waiting(self):
        space = self.make_space(state="active")
        other = self.make_space(name="Sound", model_id=self.make_model("h", 512).id)
        passages = self.make_passages("one")
        embed = type(self.hash)._embed

        def down(model, *args):
            if model == space.model_id:
                raise Unreachable("The service cannot be reached.")
            return embed(self.hash, *args)

        with patch.object(type(self.hash), "_embed", down):
            self.assertEqual(passages.document_id._make_vectors(), 1)
        self.assertEqual(space.last_error, "The service cannot be reached.")
        self.assertEqual(self.jobs, [(space, 0)])
        self.assertFalse(other.last_error)
        space._job_fill()
        self.assertEqual((space.vector_count, space.last_error), (1, False))

    def failing(self, error):
        return patch.object(type(self.hash), "_embed", side_effect=error)

    def test_a_job_is_tried_again(self):
        space = self.make_space(state="active")
        self.make_passages("one")
        with self.failing(Retryable("Not now.")):
            try:  # assertRaises would take back what was told
                space._job_fill()
                raised = False
            except Retryable:
                raised = True
        self.assertTrue(raised)
        self.assertEqual(space.last_error, "Not now.")

    def test_a_used_up_budget_is_told(self):
        space = self.make_space(state="active")
        self.make_passages("one")
        error = BudgetExhausted("The budget is used up.")
        with self.failing(error):
            space._job_fill()
        self.assertEqual(space.last_error, "The budget is used up.")
        self.assertFalse(space.is_paused)
        self.spaces._cron_tend()  # the next hour
        self.assertEqual(self.jobs, [(space, 0)])

    def test_another_length_is_refused(self):
        """An embedder that changed: what is kept stays, and the space says so."""
        space = self.make_space(state="active")
        first = self.make_passages("one")
        first.document_id._make_vectors()
        second = self.make_passages("two", document=first.document_id)
        short = np.ones((1, 3)) / np.sqrt(3)
        with patch.object(type(self.hash), "_embed", return_value=short):
            self.assertEqual(second.document_id._make_vectors(), 0)
            space._job_fill()
            with self.assertRaises(Invalid):
                space._nearest("one", 3)
        self.assertIn("3 dimensions", space.last_error)
        self.assertTrue(space.is_paused)
        self.assertEqual(space.vector_count, 1)
        space.action_build()
        space._job_fill()
        self.assertEqual((space.vector_count, space.last_error), (2, False))

    def test_portions(self):
        space = self.make_space()
        self.make_passages(*"abcde")
        with patch.object(steward_space_fill, "PORTION", 2):
            space._job_fill()
            while self.jobs and self.jobs[-1][1]:
                before = len(self.jobs)
                space._job_fill(self.jobs[-1][1])
                if len(self.jobs) == before:
                    break
        self.assertEqual(space.vector_count, space.passage_count)
        self.assertEqual(space.state, "ready")

    def test_a_paused_job_does_nothing(self):
        space = self.make_space(is_paused=True)
        self.make_passages("one")
        space._job_fill()
        self.assertEqual(space.vector_count, 0)
        space.unlink()
        space._job_fill()  # deleted meanwhile

    def test_vectors_of_the_same_embedder_are_taken_over(self):
        self.make_space(state="active")
        passages = self.make_passages("one", "two")
        passages.document_id._make_vectors()
        binary = self.make_space(name="Binary", quantization="binary")
        with patch.object(type(self.hash), "_embed") as embed:
            binary._job_fill()
        embed.assert_not_called()
        self.assertEqual((binary.vector_count, binary.state), (2, "ready"))

    def test_texts_of_all_kinds(self):
        space = self.make_space(state="active")
        self.make_passages(" ", "x" * 150_000, "\x01", "ב")
        space._job_fill()
        self.assertEqual(space.vector_count, 4)
        self.assertFalse(space.last_error)

    # -- indexes -----------------------------------------------------------------

    def test_indexes_are_built_when_worth_it(self):
        space = self.make_space(state="active")
        self.make_passages("one", "two", "three")
        asked = []
        delayed = patch.object(
            type(self.spaces),
            "with_delay",
            lambda space, **values: asked.append(values["identity_key"]) or space,
        )
        job = patch.object(type(self.spaces), "_job_index", lambda _space: None)
        with delayed, job:
            space._job_fill()
            self.assertEqual(asked, [])
            with patch.object(steward_space_index, "INDEX_FROM", 3):
                self.spaces._cron_tend()
                self.assertEqual(asked, [f"steward.space/{space.id}/index"])
                definition = space._index_definition()
                self.env.cr.execute(SQL("CREATE INDEX %s", definition))
                self.spaces._cron_tend()
        self.assertEqual(len(asked), 1)
        self.assertTrue(space.has_index)
        self.assertEqual((space.index_state, space.index_progress), ("ready", 100))

    def test_a_large_load_goes_without_an_index(self):
        space = self.make_space()
        self.many(space, 40)
        self.env.cr.execute(SQL("CREATE INDEX %s", space._index_definition()))
        space._write_own({"has_index": True})
        self.make_passages(*map(str, range(9)))
        self.assertFalse(space._is_better_rebuilt())
        self.make_passages(*map(str, range(9)))
        self.assertTrue(space._is_better_rebuilt())
        with patch.object(steward_space_fill, "KEEP_INDEX", 30):
            self.assertTrue(space._is_better_rebuilt())
            space._write_own({"state": "active"})
            self.assertFalse(space._is_better_rebuilt())  # too slow without

    def test_the_index_goes_with_its_space(self):
        space = self.make_space()
        self.env.cr.execute(SQL("CREATE INDEX %s", space._index_definition()))
        self.assertTrue(space._indexes())
        space.unlink()
        self.assertFalse(self.spaces._indexes())


@tagged("post_install", "-at_install")
class TestSpaces(SpaceCase):
    """Making spaces, moving between them, and who may."""

    def setUp(self):
        super().setUp()
        self.patch(type(self.spaces), "_fill_later", lambda *_args: None)
        self.passages = self.make_passages("one", "two")
        self.passages.document_id._make_vectors()
        self.old = self.spaces._active()

    def other(self, **values):
        values = {"name": "Other", "is_paused": True} | values
        if "model_id" not in values:
            values["model_id"] = self.make_model(values["name"], 32).id
        return self.make_space(**values)

    def filled(self, **values):
        space = self.other(**values)
        vectors = np.eye(32)[: len(self.passages)]
        self.env["steward.vector"]._store(space, self.passages.ids, vectors)
        space._write_own({"is_paused": False})
        space._filled()
        return space

    def test_moving_and_going_back(self):
        new = self.filled()
        self.assertEqual(self.spaces._active(), self.old)
        new.action_activate()
        self.assertEqual(self.spaces._active(), new)
        self.assertEqual((self.old.state, new.state), ("ready", "active"))
        self.assertTrue(new.has_previous)
        self.assertEqual(self.old.vector_count, 2)  # nothing is lost
        new.action_go_back()
        self.assertEqual(self.spaces._active(), self.old)
        self.old.action_go_back()  # and forth
        self.assertEqual(self.spaces._active(), new)
        with self.assertRaises(Refused):
            new.action_drop()
        self.old.action_drop()
        self.assertFalse(self.old.exists())
        with self.assertRaises(Invalid):
            new.action_go_back()

    def test_what_arrives_meanwhile(self):
        """While another space is built, new passages go to both: nothing is missing."""
        binary = self.make_space(name="Binary", quantization="binary")
        late = self.make_passages("late")
        late.document_id._make_vectors()
        self.assertEqual((self.old.vector_count, binary.vector_count), (3, 1))
        binary._job_fill()
        binary.action_activate()
        later = self.make_passages("later")
        later.document_id._make_vectors()
        binary.action_go_back()
        found = self.old._nearest("later", 1)
        self.assertEqual([chunk for chunk, _score in found], later.ids)

    def test_unfinished_ones_do_not_serve(self):
        space = self.other()
        for is_paused in (True, False):
            space._write_own({"is_paused": is_paused})
            with self.assertRaises(Refused) as caught:
                space.action_activate()
            self.assertIn("2 of 2", caught.exception.sentence)
        late = self.filled(name="Late")
        self.make_passages("three")
        with self.assertRaises(Refused):
            late.action_activate()
        self.assertEqual(self.spaces._active(), self.old)

    def test_one_in_use(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self.make_space(state="active")

    def test_dimensions_come_from_the_embedder(self):
        self.assertEqual(self.make_space().dimensions, 512)
        unknown = self.make_model("unknown", 0)
        with patch.object(type(self.hash), "_embed", return_value=np.ones((1, 7))):
            self.assertEqual(self.make_space(model_id=unknown.id).dimensions, 7)

    def test_weights(self):
        static = self.env.ref("steward_llm.model_static")
        minilm = self.env.ref("steward_llm.model_minilm")
        for model, lexical in ((static, 0.5), (minilm, 0.35), (self.hash, 0.8)):
            space = self.make_space(model_id=model.id)
            self.assertEqual(space.weight_lexical, lexical)
            self.assertAlmostEqual(space.weight_vector, 1 - lexical)

    def test_words_that_mean_nothing(self):
        """A table of words knows none of them; other embedders are asked."""
        space = self.make_space()
        self.assertFalse(space._understands(["qwxzvk", "blorptang"]))
        self.assertTrue(space._understands(["qwxzvk", "invoice"]))
        self.assertFalse(space._understands([]))
        minilm = self.env.ref("steward_llm.model_minilm")
        space = self.make_space(name="MiniLM", model_id=minilm.id)
        self.assertTrue(space._understands(["qwxzvk", "blorptang"]))

    def test_made_on_its_form(self):
        with Form(self.spaces) as form:
            form.name = "By hand"
            form.model_id = self.env.ref("steward_llm.model_static")
            self.assertEqual(form.weight_lexical, 0.5)
        space = form.record
        self.assertEqual((space.dimensions, space.weight_vector), (256, 0.5))
        self.assertEqual((space.state, space.is_paused), ("building", True))

    def test_what_is_fixed(self):
        for values in (
            {"quantization": "binary"},
            {"model_id": self.env.ref("steward_llm.model_static").id},
            {"dimensions": 7},
        ):
            with self.subTest(values), self.assertRaises(Invalid):
                self.old.write(values)
        self.old.write({"name": "Else", "weight_vector": 0.3})

    def test_bounds(self):
        chat = self.env["steward.model"].create(
            {
                "name": "chat",
                "provider_id": self.hash.provider_id.id,
                "can_chat": True,
                "dimensions": 3,
            }
        )
        for error, values in (
            (IntegrityError, {"dimensions": 5_000, "model_id": False}),
            (IntegrityError, {"dimensions": 0, "model_id": False}),
            (IntegrityError, {"weight_lexical": -1}),
            (IntegrityError, {"weight_lexical": 0, "weight_vector": 0}),
            (ValidationError, {"model_id": chat.id}),
            (ValidationError, {"dimensions": 3}),
        ):
            with (
                self.subTest(values),
                mute_logger("odoo.sql_db"),
                self.assertRaises(error),
            ):
                self.make_space(**values)

    def test_imported_ones_without_embedder(self):
        space = self.make_space(model_id=False, dimensions=32)
        for action in (space.action_build, space.action_activate, space.action_compare):
            with self.assertRaises(Invalid):
                action()
        with self.assertRaises(Invalid) as caught:
            space._nearest("words", 3)
        self.assertIn("which embedder", caught.exception.sentence)
        self.assertEqual(space._nearest(np.ones(32), 3), [])
        with self.assertRaises(ValidationError):
            space.model_id = self.hash  # of 512
        space.model_id = self.make_model("fits", 32)

    # -- who may -----------------------------------------------------------------

    def test_administrators_alone(self):
        viewer = new_test_user(self.env, "looks_on", groups="steward.group_viewer")
        space = self.filled().with_user(viewer)
        self.assertEqual(space.progress, 100)
        for action in (
            *("action_build", "action_pause", "action_activate", "action_go_back"),
            *("action_drop", "action_compare", "action_enable"),
        ):
            with self.subTest(action), self.assertRaises(AccessError):
                getattr(space, action)()

    def test_nothing_forged(self):
        administrator = new_test_user(
            self.env, "administers", groups="steward.group_administrator"
        )
        space = self.old.with_user(administrator)
        for values in (
            {"state": "ready"},
            {"has_index": True},
            {"last_error": "x"},
            {"served_until": fields.Datetime.now()},
        ):
            with self.subTest(values), self.assertRaises(Refused):
                space.write(values)

    def test_pause_and_go_on(self):
        space = self.other()
        space.action_build()
        self.assertFalse(space.is_paused)
        space.action_pause()
        self.assertTrue(space.is_paused)
        with self.assertRaises(Refused):
            self.old.action_pause()

    # -- what one sees -----------------------------------------------------------

    def test_counts(self):
        space = self.other()
        self.assertEqual(
            (space.passage_count, space.vector_count, space.missing_count), (2, 0, 2)
        )
        self.assertEqual((space.progress, space.index_state), (0, "unneeded"))
        self.assertEqual((self.old.progress, self.old.missing_count), (100, 0))

    def test_counts_of_many_spaces(self):
        spaces = self.old + self.other() + self.make_space(name="Third")
        spaces.invalidate_recordset()
        with self.assertQueryCount(3):
            spaces.mapped("progress")

    def test_estimate(self):
        remote = self.env["steward.provider"].create({"name": "Far", "code": "far"})
        model = self.env["steward.model"].create(
            {
                "name": "embed-far",
                "provider_id": remote.id,
                "can_embedding": True,
                "dimensions": 32,
            }
        )
        space = self.other(model_id=model.id)
        self.assertIn("nobody knows the price", space.estimate)
        self.env["steward.price"].create(
            {"model_name": "embed-far", "rate_input": 10**6}
        )
        space.invalidate_recordset()
        self.assertIn("some $", space.estimate)
        self.assertIn("free of charge", self.other(name="Free").estimate)

    def test_comparing(self):
        new = self.make_space(name="Twin")
        new._job_fill()
        questions = patch.object(
            type(self.spaces), "_recent_questions", lambda _self: ["one", "two"]
        )
        with questions:
            new.action_compare()
        self.assertIn("2 recent questions, 100 % are the same", new.comparison)
        nobody = patch.object(type(self.spaces), "_recent_questions", lambda _self: [])
        with nobody:
            new.action_compare()
        self.assertIn("Nobody has searched yet", new.comparison)
        with self.assertRaises(Invalid):
            self.old.action_compare()

    # -- without the extension ---------------------------------------------------

    def test_without_the_extension(self):
        self.passages.document_id.chunk_ids.invalidate_recordset()
        with (
            patch.object(type(self.spaces), "_available", lambda _self: False),
            patch.object(type(self.spaces), "_ensure_extension", lambda _self: False),
        ):
            self.env.registry.clear_cache()
            self.assertFalse(self.spaces._active())
            self.assertFalse(self.spaces._fed())
            self.assertEqual(self.passages.document_id._make_vectors(), 0)
            self.env["steward.vector"].init()
            self.old.invalidate_recordset()
            self.assertFalse(self.old.is_available)
            self.assertEqual(self.old.index_state, "unneeded")
            with self.assertRaises(Refused) as caught:
                self.old.action_enable()
            self.assertIn("pgvector", caught.exception.sentence)
            status, reason = self.env["steward.status"]._health_vectors()
            self.assertEqual(status, health.DEGRADED)
            self.assertIn("words alone", reason)
        self.env.registry.clear_cache()
        self.assertEqual(self.env["steward.status"]._health_vectors()[0], health.OK)

    def test_the_extension_comes_later(self):
        """A server gets pgvector: one button, and passages are embedded."""
        cr = self.env.cr
        cr.execute("ALTER TABLE steward_vector DROP COLUMN embedding")
        self.env.registry.clear_cache()
        self.assertFalse(self.spaces._available())
        self.assertEqual(self.passages.document_id._make_vectors(), 0)
        self.old.action_enable()
        self.assertTrue(self.spaces._available())
        self.assertEqual(self.passages.document_id._make_vectors(), 2)
        cr.execute(
            "SELECT attstorage FROM pg_attribute WHERE attname = 'embedding'"
            " AND attrelid = 'steward_vector'::regclass"
        )
        self.assertEqual(cr.fetchone()[0], "p")

    def test_health(self):
        look = self.env["steward.status"]._health_vectors
        self.old._note(BadAnswer("It answers nonsense."))
        self.assertEqual(look()[0], health.DEGRADED)
        self.old._note(None)
        self.assertEqual(look()[0], health.OK)
        self.old._write_own({"state": "ready"})
        self.assertEqual(look()[0], health.DEGRADED)

    def test_the_test_questions_have_a_say(self):
        new = self.make_space(name="Worse")
        new._job_fill()
        check = type(self.env["steward.search.case"])._check_change
        asked = []

        def refuse(_cases, space, reason=None):
            asked.append((space, reason))
            if not reason:
                raise Refused("It finds worse.")
            return {"sentence": "It finds worse."}

        with patch.object(
            type(self.env["steward.search.case"]), check.__name__, refuse
        ):
            with self.assertRaises(Refused):
                new.action_activate()
            new.override_reason = "Cheaper by far"
            new.action_activate()
            new.action_go_back()  # nobody is asked
        self.assertEqual(asked, [(new, False), (new, "Cheaper by far")])
        self.assertEqual(self.spaces._active(), self.old)
