from unittest.mock import patch

from odoo.tests import tagged

from ..kernel.chunks import MOST, size
from .search_common import PAGES, SearchCase


@tagged("post_install", "-at_install")
class TestIndex(SearchCase):
    """Documents into passages and words, and out again."""

    def vocabulary(self, kind="lexeme"):
        terms = self.env["steward.term"].search([("kind", "=", kind)])
        terms.invalidate_recordset()
        return {term.name: term.passages for term in terms if term.passages}

    def test_passages(self):
        page = self.make_document("Long", "# Long\n" + "Many words here. " * 500)
        self.index(page)
        self.assertGreater(len(page.chunk_ids), 5)
        for number, chunk in enumerate(page.chunk_ids):
            self.assertEqual(chunk.sequence, number)
            self.assertEqual(chunk.path, "Long")
            self.assertLessEqual(size(chunk.text), MOST)
            end = chunk.start + len(chunk.text)
            self.assertEqual(page.text[chunk.start : end], chunk.text)

    def test_path_is_kept_apart(self):
        page = self.make_document("Guide", "# Start\n## Login\n" + "Go in. " * 90)
        self.index(page)
        self.assertEqual(page.chunk_ids[0].path, "Guide > Start > Login")
        text = page.chunk_ids[0]._embedding_texts()[0]
        self.assertTrue(text.startswith("Guide > Start > Login\nGo in."))

    def test_unchanged_passages_stay_the_same_records(self):
        long = "\n".join(f"## Part {n}\n" + f"word{n} is here. " * 60 for n in range(4))
        page = self.make_document("Parts", long, language="en")
        self.index(page)
        before = page.chunk_ids
        page._write_own({"text": long.replace("word2 is here", "other is there")})
        self.index(page)
        self.assertEqual(len(page.chunk_ids), len(before))
        self.assertEqual(len(before.exists()), len(before) - len(before) // 4)
        self.assertEqual(self.titles("word3"), ["Parts"])
        self.assertEqual(self.titles("word2"), [])
        once = self.vocabulary(), self.vocabulary("total")
        self.index(page)
        self.assertEqual(page.chunk_ids.exists(), page.chunk_ids)
        again = self.vocabulary(), self.vocabulary("total")
        once[1].pop("generation"), again[1].pop("generation")
        self.assertEqual(again, once, "what is indexed twice counts once")

    def test_counts_are_kept_and_can_be_made_anew(self):
        kept = [self.vocabulary(kind) for kind in ("lexeme", "word", "total")]
        self.assertEqual(kept[0]["sale.order"], 1)
        self.assertEqual(kept[0]["order"], 2)
        self.assertEqual(kept[1]["orders"], 1)
        self.assertEqual(kept[2]["pages"], len(PAGES))
        self.env.cr.execute("UPDATE steward_term SET passages = 77")
        self.env["steward.term"]._refresh_terms()
        for kind, before in zip(("lexeme", "word", "total"), kept, strict=True):
            after = self.vocabulary(kind)
            for counts in (before, after):
                counts.pop("generation", None)
                counts.pop("average when last rated", None)
            self.assertEqual(after, before, kind)

    def test_lengths_that_drift_are_rated_anew(self):
        chunk = self.pages["Invoices"].chunk_ids[0]
        if not chunk._has_lexical():
            self.skipTest("this database has no pgvector")
        sql = "SELECT lexical::text FROM steward_chunk WHERE id = %s"
        self.env["steward.term"]._refresh_terms()
        self.env.cr.execute(sql, [chunk.id])
        before = self.env.cr.fetchone()
        self.index(self.make_document("Short", "Tiny.", language="en"))
        for number in range(20):
            self.index(self.make_document(f"S{number}", "Tiny.", language="en"))
        self.env["steward.term"]._refresh_terms()
        self.env.cr.execute(sql, [chunk.id])
        self.assertNotEqual(self.env.cr.fetchone(), before)

    def test_dropped_and_deleted_documents_are_out(self):
        self.assertEqual(self.titles("reimburses"), ["Expenses"])
        page = self.pages["Expenses"]
        page._drop_chunks()
        self.assertFalse(page.chunk_ids)
        self.assertTrue(page.text)
        self.assertEqual(self.titles("reimburses"), [])
        self.assertNotIn("reimburs", self.vocabulary())
        self.index(page)
        self.assertEqual(self.titles("reimburses"), ["Expenses"])
        page.unlink()
        self.assertNotIn("reimburs", self.vocabulary())
        self.assertEqual(self.vocabulary("total")["pages"], len(PAGES) - 1)

    def test_languages(self):
        texts = {
            "fr": ("Les commandes confirmées", "commande confirmée"),
            "de": ("Die Rechnungen der Häuser", "Rechnung"),
            "ar": ("الفواتير والمبيعات", "فواتير"),
            "zh": ("销售订单确认后生成发票", "订单"),
            "ja": ("販売注文を確認します", "販売"),
            "xx": ("Qwertz vocabulum", "vocabulum"),
        }
        for language, (text, query) in texts.items():
            page = self.make_document(language, text, language=language)
            self.index(page)
            self.assertEqual(self.titles(query)[:1], [language], query)

    def test_strange_texts(self):
        strange = "it's a \\ 'quote' :* & | ! <-> (\n\n# '\n" + "🎉" * 9 + " \u200d ﷺ"
        page = self.make_document("O'Neil \\ Co: A&B", strange, language="en")
        self.index(page)
        self.assertEqual(self.titles("quote")[:1], [page.name])
        empty = self.make_document("Empty", "", language="en")
        self.index(empty)
        self.assertFalse(empty.chunk_ids)

    def test_without_pgvector(self):
        chunk = type(self.env["steward.chunk"])
        before = self.titles("confirm a sales order")
        with patch.object(chunk, "_has_lexical", lambda _self: False):
            page = self.make_document("Plain", "Turnips are vegetables.", language="en")
            self.index(page)
            self.assertEqual(self.titles("turnip"), ["Plain"])
            self.assertEqual(self.titles("confirm a sales order"), before)
            self.env["steward.term"]._refresh_terms()
            self.assertEqual(self.titles("turnip"), ["Plain"])

    def test_many_at_once_take_few_queries(self):
        texts = [
            f"# Page {n}\n" + f"word{n} and other things. " * 50 for n in range(30)
        ]
        pages = self.documents.union(
            *(self.make_document(f"P{n}", text) for n, text in enumerate(texts))
        )
        self.env.flush_all()
        with self.assertQueryCount(30):
            pages._make_chunks()
