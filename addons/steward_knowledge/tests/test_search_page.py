from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .answers_common import AnswersCase

SCRIPT = "<script>alert(1)</script>"


@tagged("post_install", "-at_install")
class TestSearchPage(AnswersCase):
    def setUp(self):
        super().setUp()
        self.page = self.make_document(
            "Refunds",
            f"# Refunds\n\nPay **back** {SCRIPT}\n\nThe end of it.",
            url="https://docs.example.com/refunds",
            language="en",
            version="19.0",
        )
        self.chunk = self.env["steward.chunk"].create(
            {
                "document_id": self.page.id,
                "sequence": 1,
                "path": "Refunds",
                "text": f"Pay **back** {SCRIPT}",
            }
        )

    def as_user(self, records, role="employee"):
        return records.with_user(self.users[role])

    def search(self, *args, **options):
        return self.as_user(self.env["steward.document"]).search_page(*args, **options)

    def test_results_say_where_their_original_is(self):
        partner = self.env["res.partner"].create({"name": "Pat"})
        record = self.make_document("Pat", res_model="res.partner", res_id=partner.id)
        evil = self.make_document("Evil", url="javascript:alert(1)")
        self.answers["pay"] = [self.page, record, evil]
        page, record, evil = self.search("pay")["results"]
        self.assertEqual(page["url"], "https://docs.example.com/refunds")
        self.assertEqual(
            (record["model"], record["record"]), ("res.partner", partner.id)
        )
        self.assertNotIn("url", record)
        self.assertNotIn("url", evil)

    def test_what_is_being_typed_is_not_kept(self):
        self.search("pa", live=True)
        self.search("pay", limit=1000, offset=-3, filters={"version": "19.0"})
        (_env, _q, _limit, typed), (_env, _q, limit, meant) = self.asked
        self.assertFalse(typed["log"])
        self.assertTrue(meant["log"])
        self.assertEqual((limit, meant["offset"]), (50, 0))
        self.assertEqual(meant["filters"], {"version": "19.0"})

    def test_search_goes_with_the_readers_rights(self):
        self.search("pay")
        env = self.asked[0][0]
        self.assertEqual((env.user, env.su), (self.users["employee"], False))

    def test_reading(self):
        told = self.as_user(self.page).reading(self.chunk.id)
        self.assertEqual(told["title"], "Refunds")
        self.assertEqual(told["source"], "Handbook")
        self.assertEqual((told["language"], told["version"]), ("en", "19.0"))
        kinds = [block["kind"] for block in told["blocks"]]
        self.assertEqual(kinds, ["text", "text"])  # the title is there already
        self.assertEqual(told["marked"], [0])
        # as it was written, and as words: it is the screen's text, not its markup
        words = told["blocks"][0]["spans"]
        self.assertEqual(words, [["Pay "], ["back", "bold", ""], [f" {SCRIPT}"]])

    def test_a_passage_of_another_document_marks_nothing(self):
        other = self.make_document("Other", f"Pay **back** {SCRIPT}")
        self.assertNotIn("marked", self.as_user(other).reading(self.chunk.id))
        self.assertNotIn("marked", self.as_user(self.page).reading(2**31 - 1))

    def test_a_document_that_is_gone_can_still_be_read(self):
        self.page._write_own({"active": False})
        self.assertTrue(self.as_user(self.page).reading()["archived"])

    def test_a_long_document_is_shown_around_the_passage(self):
        self.page._write_own({"text": "word " * 100_000 + "Pay back script alert"})
        self.chunk.text = "Pay back script alert"
        told = self.as_user(self.page).reading(self.chunk.id)
        self.assertEqual(len(told["marked"]), 1)
        self.assertGreater(told["left_out"], 200_000)

    def test_who_may_not_read_it_reads_nothing(self):
        self.source.group_ids = self.env.ref("base.group_system")
        page = self.as_user(self.page)
        for call in (page.reading, page.related, lambda: page.search_opened(1)):
            with self.assertRaises(AccessError):
                call()
        self.source.group_ids = False
        portal = new_test_user(self.env, "search_portal", groups="base.group_portal")
        with self.assertRaises(AccessError):
            self.page.with_user(portal).reading()

    def test_related(self):
        self.patch(
            self.registry["steward.document"],
            "_related",
            lambda page, limit: [self.result(self.page)][:limit],
        )
        other = self.make_document("Other")
        [told] = self.as_user(other).related()
        self.assertEqual(
            told,
            {
                "document_id": self.page.id,
                "title": "Refunds",
                "source": "Handbook",
                "url": "https://docs.example.com/refunds",
            },
        )

    def test_what_was_opened_is_kept_with_ones_own_search(self):
        mine, others = self.searched("pay"), self.searched("pay", "operator")
        page = self.as_user(self.page)
        self.assertTrue(page.search_opened(mine.id))
        self.assertEqual(mine.document_id, self.page)
        self.assertFalse(page.search_opened(others.id))
        self.assertFalse(others.document_id)
        self.assertFalse(page.search_opened(2**31 - 1))

    def test_doors(self):
        """An employee has no menu of ours, but may open both pages."""
        employee = self.users["employee"]
        for name in ("action_search", "action_read"):
            action = self.env.ref(f"steward_knowledge.{name}").with_user(employee)
            self.assertTrue(action._get_action_dict()["tag"])
        menus = self.env["ir.ui.menu"].with_user(employee)._visible_menu_ids()
        self.assertNotIn(self.env.ref("steward.menu_root").id, menus)
