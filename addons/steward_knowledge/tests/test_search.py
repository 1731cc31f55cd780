import json
from datetime import timedelta
from unittest.mock import patch

import numpy as np

from odoo import fields
from odoo.addons.steward.exceptions import CircuitOpen, Invalid
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from ..kernel.question import MOST
from .search_common import SearchCase

SEARCH = "odoo.addons.steward_knowledge.models.steward_document_search"


@tagged("post_install", "-at_install")
class TestSearch(SearchCase):
    """What is found, in which order, and why."""

    def test_the_page_that_fits_comes_first(self):
        for query, title in (
            ("how do I confirm an order?", "Sales orders"),
            ("who reimburses my expense", "Expenses"),
            ("moving goods", "Warehouses"),
            ("discount", "Sales orders"),
        ):
            self.assertEqual(self.titles(query)[:1], [title], query)

    def test_find_answers_as_agreed(self):
        row = self.documents.find("confirm order")[0]
        self.assertEqual(
            set(row),
            {*("document_id", "chunk_id", "title", "url", "text", "score", "source")},
        )
        self.assertEqual(row["document_id"], self.pages["Sales orders"].id)
        self.assertEqual(row["source"], "Handbook")
        why = self.documents.find("confirm order", explain=True)[0]["why"]
        self.assertEqual(why["words"]["title"], ["order"])
        self.assertEqual(why["words"]["text"], ["confirm", "order"])
        self.assertGreater(why["word_score"], 0)

    def test_words_are_marked(self):
        row = self.find("confirming orders")["results"][0]
        marked = {row["text"][start:end] for start, end in row["highlights"]}
        self.assertLessEqual({"order", "confirmed", "Confirm"}, marked)
        self.assertNotIn("customer", marked)

    def test_spelling(self):
        page = self.make_document(
            "Words",
            "\n".join(f"# Part {n}\n" + "quotations wait. " * 70 for n in range(4)),
            language="en",
        )
        self.index(page)
        found = self.find("quotatoins wait")
        self.assertEqual(found["results"][0]["title"], "Words")
        self.assertEqual(found["corrected"], "quotations wait")
        self.assertNotIn("corrected", self.find("quotations wait"))
        self.assertNotIn("corrected", self.find("sael.ordre"), "no identifier")

    def test_identifiers_whole(self):
        other = self.make_document(
            "Order of sales", "Sale after sale, order after order: sale order. " * 9,
            language="en",
        )  # fmt: skip
        self.index(other)
        self.assertEqual(self.titles("sale.order")[0], "Sales orders")
        self.assertEqual(self.titles("action_confirm")[0], "Sales orders")
        self.assertEqual(self.titles("STEWARD-NO-JOURNAL")[0], "Invoices")
        why = self.find("sale.order", explain=True)["results"][0]["why"]
        self.assertGreater(why["exact"], 0)
        self.assertIn("sale.order", why["words"]["text"])

    def test_quoted_words(self):
        self.assertEqual(self.titles('"between two warehouses"'), ["Warehouses"])
        both = self.titles('goods "sales order"')
        self.assertEqual(sorted(both), ["Invoices", "Sales orders"])
        found = self.find('"two warehouses between"')
        self.assertIn("just so", found["reason"])
        self.assertEqual(found["results"][0]["title"], "Warehouses")

    def test_a_pasted_message_comes_first(self):
        noise = self.make_document(
            "Journals", "A journal for each company. Missing journals. " * 5,
            language="en",
        )  # fmt: skip
        self.index(noise)
        self.assertEqual(
            self.titles("a journal is missing for the company")[0], "Invoices"
        )

    def test_filters(self):
        other = self.env["steward.source"].create({"name": "Wiki"})
        page = self.make_document(
            "Wiki orders", "A sales order in the wiki.", source=other, language="en",
            version="18.0", tags="sales, howto", date="2024-05-01 10:00:00",
        )  # fmt: skip
        self.index(page)
        for filters in (
            {"source": "Wiki"},
            {"source": other.id},
            {"source": ["Wiki", "Nobody's"]},
            {"version": "18.0"},
            {"since": "2024-01-01", "until": "2024-12-31"},
            {"tags": "howto"},
            {"tags": ["howto", "sales"], "language": "en", "version": ""},
        ):
            found = self.find("sales order", filters=filters)
            self.assertEqual(
                [row["title"] for row in found["results"]], ["Wiki orders"], filters
            )
            self.assertEqual((found["total"], found["total_is"]), (1, "exact"))
        found = self.find("sales order", filters={"version": "99"})
        self.assertIn("filters", found["reason"])
        for bad in ({"colour": "red"}, {"since": "yesterday-ish"}):
            with self.assertRaises(Invalid):
                self.find("order", filters=bad)

    def test_facets_and_pages(self):
        found = self.find("order goods expenses", facets=True)
        self.assertEqual(found["total"], 4)
        self.assertEqual(found["facets"]["source"], [[self.source.id, "Handbook", 4]])
        self.assertEqual(found["facets"]["language"], [["en", "en", 4]])
        titles = self.titles("order goods expenses")
        parts = [self.titles("order goods expenses", limit=2, offset=n) for n in (0, 2)]
        self.assertEqual(parts[0] + parts[1], titles)

    def test_new_and_authoritative_documents_first(self):
        text = "Turnips grow in gardens."
        old, new = (
            self.make_document(f"T {n}", text, language="en", date=date)
            for n, date in enumerate(
                (fields.Datetime.now() - timedelta(days=4_000), fields.Datetime.now())
            )
        )
        self.index(old, new)
        self.assertEqual(self.titles("turnips"), ["T 1", "T 0"])
        self.env["ir.config_parameter"].set_param("steward.search.freshness", "0.0")
        rows = self.find("turnips", explain=True)["results"]
        self.assertEqual(rows[0]["score"], rows[1]["score"])
        other = self.env["steward.source"].create({"name": "Law", "authority": 2})
        law = self.make_document("T 2", text, source=other, language="en")
        self.index(law)
        self.assertEqual(self.titles("turnips")[0], "T 2")

    def test_related(self):
        related = self.pages["Sales orders"]._related(2)
        self.assertNotIn(
            self.pages["Sales orders"].id, [row["document_id"] for row in related]
        )
        self.assertEqual(related[0]["title"], "Invoices")

    # -- what cannot be searched ------------------------------------------------------

    def test_why_nothing_was_found(self):
        for query, said in (
            ("", "Nothing was asked"),
            ("  \x00 ", "Nothing was asked"),
            ("?!… 🎉 '&|", "no word"),
            ("how do i do it", "everywhere"),
            ("xylophone", "Nothing that you may read fits"),
        ):
            found = self.find(query)
            self.assertEqual(found["results"], [], query)
            self.assertIn(said, found["reason"], query)
            self.assertEqual(found["total"], 0)
        self.documents.search([]).unlink()
        self.assertIn("nothing yet", self.find("order")["reason"])

    def test_anything_may_be_asked(self):
        for query in (
            "order\x00s",
            "order' OR 1=1; --",
            "order & | ! ( ) :* <-> %s %(x)s \\",
            "\ud800 order",
            "ORDER 🎉",
            '"order',
        ):
            self.assertIn("Sales orders", self.titles(query), query)
        for query in ("订单", "طلب", "หา", "'", "\\", "%"):
            self.assertEqual(self.titles(query), [], query)
        for wrong in (None, 5, ["order"]):
            with self.assertRaises(Invalid):
                self.find(wrong)
        self.assertEqual(len(self.titles("order", limit=-5)), 1)

    def test_ten_megabytes(self):
        found = self.find("order " * 2_000_000)
        self.assertEqual(found["results"][0]["title"], "Sales orders")
        self.assertIn(f"first {MOST} characters", found["degraded"])
        log = self.env["steward.search.log"].browse(found["log_id"])
        self.assertLessEqual(len(log.query), 500)

    def test_a_search_that_takes_too_long(self):
        slow = patch(f"{SEARCH}.TIMEOUT", "1ms")
        wait = patch.object(
            type(self.documents),
            "_word_score",
            lambda *_args: SQL("length(pg_sleep(1)::text)"),
        )
        with slow, wait:
            found = self.find("order")
        self.assertIn("too long", found["reason"])
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone()[0], "0")
        self.assertTrue(self.titles("order"), "the transaction goes on")

    def test_settings_of_the_transaction_stay(self):
        settings = ("statement_timeout", "jit", "max_parallel_workers_per_gather")

        def now():
            self.env.cr.execute(
                "SELECT current_setting(s) FROM unnest(%s) s", [list(settings)]
            )
            return self.env.cr.fetchall()

        before = now()
        self.find("order")
        self.assertEqual(now(), before)


@tagged("post_install", "-at_install")
class TestVectors(SearchCase):
    """What vectors add, and that words go on without them."""

    def space(self, vectors, error=None):
        """A space whose passages have these cosines, by title."""
        chunks = {
            chunk.id: score
            for title, score in vectors.items()
            for chunk in self.pages[title].chunk_ids
        }

        class Model:
            @staticmethod
            def _embed(_texts, _purpose):
                if error:
                    raise error
                return np.ones((1, 2))

        class Space:
            name, model_id = "Made up", Model
            weight_lexical, weight_vector = 0.5, 0.5

            @staticmethod
            def _understands(_words):
                return True

            def sudo(self):
                return self

            @staticmethod
            def _nearest(_vector, limit, chunk_filter=None):
                found = chunks
                if chunk_filter is not None:
                    self.env.cr.execute(chunk_filter)
                    allowed = {row[0] for row in self.env.cr.fetchall()}
                    found = {c: s for c, s in chunks.items() if c in allowed}
                return sorted(found.items(), key=lambda item: -item[1])[:limit]

            @staticmethod
            def _nearness(_vector, chunk):
                near = json.dumps(chunks)
                return SQL("(%s::json ->> %s::text)::float", near, chunk)

        spaces = type(self.env["steward.space"])
        self.enterContext(patch.object(spaces, "_active", lambda _self: Space()))
        self.enterContext(patch.object(spaces, "sudo", lambda s, *_a: s))

    def test_meaning_finds_what_words_do_not(self):
        self.assertEqual(self.titles("cashback"), [])
        self.space({"Expenses": 0.7, "Warehouses": 0.1})
        found = self.find("cashback", explain=True)["results"]
        self.assertEqual([row["title"] for row in found], ["Expenses"])
        self.assertEqual(found[0]["why"]["similarity"], 0.7)
        self.assertEqual(found[0]["why"]["space"], "Made up")

    def test_words_and_meaning_together(self):
        self.space({"Sales orders": 0.2, "Invoices": 0.9})
        self.assertEqual(self.titles("sales order")[0], "Invoices")

    def test_an_embedder_that_fails(self):
        self.space({}, error=CircuitOpen("It failed too often."))
        found = self.find("confirm order")
        self.assertEqual(found["results"][0]["title"], "Sales orders")
        self.assertIn("It failed too often.", found["degraded"])
        log = self.env["steward.search.log"].browse(found["log_id"])
        self.assertEqual(log.degraded, found["degraded"])


@tagged("post_install", "-at_install")
class TestRights(SearchCase):
    """Nobody finds, counts or guesses what he may not read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader = new_test_user(cls.env, "reader", groups="base.group_user")

    def secret(self, number=0, **values):
        page = self.make_document(
            f"Secret {number}", "Turnips are a secret order of turnipology. " * 3,
            language="en", **values,
        )  # fmt: skip
        self.index(page)
        return page

    def test_an_employee_finds(self):
        self.assertEqual(self.titles("order", self.reader)[0], "Sales orders")
        row = self.documents.with_user(self.reader).find("order")[0]
        self.assertEqual(row["source"], "Handbook", "though he may not read sources")

    def test_who_may_not_search(self):
        portal = new_test_user(self.env, "portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.documents.with_user(portal).find("order")

    def test_readers_groups(self):
        other = self.env["steward.source"].create({"name": "Board"})
        other.group_ids = self.env["res.groups"].create({"name": "Board"})
        page = self.secret(source=other)
        self.assertEqual(self.titles("turnips", self.reader), [])
        found = self.find("turnips order", self.reader, facets=True)
        self.assertNotIn("Board", str(found["facets"]))
        self.assertEqual(found["total"], 2)
        self.reader.group_ids += other.group_ids
        self.assertEqual(self.titles("turnips", self.reader), [page.name])
        other.company_id = self.env["res.company"].create({"name": "Other"})
        self.assertEqual(self.titles("turnips", self.reader), [])

    def test_records_whose_access_changes(self):
        partner = self.env["res.partner"].create({"name": "P"})
        self.secret(res_model="res.partner", res_id=partner.id)
        self.assertEqual(self.titles("turnips", self.reader), ["Secret 0"])
        self.env["ir.rule"].create(
            {
                "name": "Not this one",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": f"[('id', '!=', {partner.id})]",
            }
        )
        self.assertEqual(self.titles("turnips", self.reader), [])
        self.assertEqual(self.find("turnips", self.reader)["total"], 0)

    def test_models_that_refuse_in_python(self):
        partner = self.env["res.partner"].create({"name": "P"})
        secret = self.env["ir.attachment"].create(
            {"name": "a", "raw": b"x", "res_model": "ir.cron", "res_id": 1}
        )
        page = self.secret(res_model="ir.attachment", res_id=secret.id)
        self.assertEqual(self.titles("turnips", self.reader), [])
        secret.write({"res_model": "res.partner", "res_id": partner.id})
        self.assertEqual(self.titles("turnips", self.reader), [page.name])
        model = self.registry["res.partner"]
        refused = self.secret(1, res_model="res.partner", res_id=partner.id)
        self.assertIn(refused.name, self.titles("turnips", self.reader))

        def check(records, operation):
            return records, lambda: AccessError("no")

        with patch.object(model, "_check_access", check):
            self.assertNotIn(refused.name, self.titles("turnips", self.reader))

    def test_records_that_are_gone(self):
        partner = self.env["res.partner"].create({"name": "P"})
        self.secret(res_model="res.partner", res_id=partner.id)
        partner.unlink()
        self.assertEqual(self.titles("turnips", self.reader), [])

    def test_chunks_are_read_as_their_document(self):
        page = self.secret(
            res_model="ir.config_parameter",
            res_id=self.env["ir.config_parameter"].search([], limit=1).id,
        )
        chunks = page.chunk_ids.with_user(self.reader)
        with self.assertRaises(AccessError):
            chunks.read(["text"])
        with self.assertRaises(AccessError):
            page.with_user(self.reader).read(["text"])
        self.assertFalse(chunks.search([("id", "in", chunks.ids)]))
        with self.assertRaises(AccessError):
            self.env["steward.term"].with_user(self.reader).search([])

    def test_the_page_is_filled_from_below(self):
        other = self.env["steward.source"].create({"name": "Board"})
        other.group_ids = self.env["res.groups"].create({"name": "Board"})
        for number in range(12):
            self.secret(number, source=other)
        self.index(self.make_document("Open", "A turnip once.", language="en"))
        with patch(f"{SEARCH}.POOL", 5):
            self.assertEqual(self.titles("turnips", self.reader), ["Open"])

    def test_corrections_tell_nothing(self):
        other = self.env["steward.source"].create({"name": "Board"})
        other.group_ids = self.env["res.groups"].create({"name": "Board"})
        for number in range(4):
            self.secret(number, source=other)
        found = self.find("turnipolgy order", self.reader)
        self.assertTrue(found["results"])
        self.assertNotIn("corrected", found)
        self.assertEqual(
            self.find("turnipolgy order")["corrected"], "turnipology order"
        )
        self.assertNotIn("turnipology", str(self.find("turnipolgy", self.reader)))


@tagged("post_install", "-at_install")
class TestSearchLog(SearchCase):
    def test_searches_are_noted(self):
        secret = "sk-" + "a1B2" * 12
        found = self.find(f"order {secret}")
        log = self.env["steward.search.log"].browse(found["log_id"])
        self.assertNotIn(secret, log.query)
        self.assertIn("order", log.query)
        self.assertEqual(log.results, found["total"])
        self.assertFalse(log.empty)
        self.assertEqual(log.user_id, self.env.user)
        self.assertGreater(log.took_ms, 0)
        nothing = self.env["steward.search.log"].browse(
            self.find("xylophone")["log_id"]
        )
        self.assertTrue(nothing.empty)
        self.assertNotIn("log_id", self.find("order", log=False))

    def test_verdicts(self):
        reader = new_test_user(self.env, "reader", groups="base.group_user")
        documents = self.documents.with_user(reader)
        found = documents._find("order")
        page = found["results"][0]["document_id"]
        self.assertTrue(documents.judge(found["log_id"], page, True))
        log = self.env["steward.search.log"].browse(found["log_id"])
        self.assertEqual((log.verdict, log.document_id.id), ("useful", page))
        documents.judge(found["log_id"], page, False)
        self.assertEqual(log.verdict, "useless")
        others = self.find("order")["log_id"]
        self.assertFalse(documents.judge(others, page, True), "not his own")
        self.assertFalse(documents.judge(2**31 - 2, page, True))
        with self.assertRaises(AccessError):
            log.with_user(reader).read(["query"])

    def test_latencies_and_pruning(self):
        now = fields.Datetime.now()
        self.env.cr.execute("DELETE FROM steward_search_log")
        self.env.cr.execute(
            "INSERT INTO steward_search_log (date, query, took_ms, empty)"
            " SELECT %s, 'q', n, n > 90 FROM generate_series(1, 100) n",
            [now - timedelta(days=100)],
        )
        logs = self.env["steward.search.log"]
        told = logs._latencies(now - timedelta(days=101))
        self.assertEqual(
            told,
            {
                "searches": 100,
                "p50_ms": 50.5,
                "p95_ms": 95.05,
                "empty_share": 0.1,
            },
        )
        self.env["ir.config_parameter"].set_param("steward.search.keep_days", "101")
        self.patch(self.registry["ir.cron"], "_commit_progress", lambda *_a: 60)
        logs._cron_prune()
        self.assertEqual(logs.search_count([]), 100)
        self.env["ir.config_parameter"].set_param("steward.search.keep_days", "90")
        logs._cron_prune()
        self.assertEqual(logs.search_count([]), 0)
