from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel import netguard
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import catalog
from ..kernel.catalog import describe


class TestCatalog(BaseCase):
    def test_presets(self):
        for name, preset in catalog.PRESETS.items():
            with self.subTest(preset=name):
                self.assertTrue(preset.needs.endswith("."))
                if preset.base_url:
                    target = netguard.check_url(preset.base_url)
                    self.assertEqual(target.scheme == "http", "private" in preset.needs)

    def test_capabilities(self):
        plain = {"chat", "streaming"}
        able = plain | {"tools", "vision", "json"}
        for name, expected in {
            "gpt-4o-mini": able,
            "o3": able,
            "o4-mini": able,
            "anthropic/claude-sonnet-4-5": able,
            "models/gemini-2.5-flash": able,
            "llama3.2:3b": plain,
            "gpt-3.5-turbo": plain,
            "text-embedding-3-large": {"embedding"},
            "nomic-embed-text:latest": {"embedding"},
            "BAAI/bge-m3": {"embedding"},
            "all-minilm": {"embedding"},
            "whisper-1": set(),
            "gpt-4o-realtime-preview": set(),
            "omni-moderation-latest": set(),
        }.items():
            with self.subTest(name=name):
                self.assertEqual(describe({"id": name}).capabilities, expected)

    def test_sizes(self):
        self.assertEqual(describe({"id": "text-embedding-3-large"}).dimensions, 3072)
        told = {"id": "x-embed", "meta": {"n_ctx_train": 512, "n_embd": 384}}
        self.assertEqual(describe(told)[2:4], (512, 384))
        self.assertIsNone(describe({"id": "gpt", "meta": {"n_embd": 384}}).dimensions)
        for size in (0, -1, "many", 2**31, None, 1.5):
            told = {"id": "gpt", "context_length": size}
            self.assertIsNone(describe(told).context_size)
        self.assertEqual(describe({"id": "a", "max_output_tokens": 9}).max_output, 9)

    def test_names(self):
        for told in ("", "  ", "models/", "a\nb", "x" * 257, None, 7, ["gpt"]):
            self.assertIsNone(describe({"id": told}), told)
        self.assertEqual(describe({"id": " gpt "}).name, "gpt")

    @given(st.dictionaries(st.text(), st.none() | st.integers() | st.text()))
    def test_nonsense(self, told):
        self.assertTrue(describe(told) is None or describe(told).name)
