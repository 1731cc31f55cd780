from odoo.tests import HttpCase, new_test_user, tagged

from ..kernel.draft import Draft
from .common import patient_search

PAGES = {
    "Refunds": "# Refunds\n\nA customer gets the money back by a credit note: open the"
    " invoice and press Credit Note.",
    "Stock": "# Stock\n\nGoods that come in are counted before they are put away.",
}


@tagged("post_install", "-at_install")
class TestSearchScreen(HttpCase):
    def test_tour(self):
        """A plain employee searches, says what was useful, and reads on."""
        user = new_test_user(
            self.env, "emma_e", password="emma_e", groups="base.group_user"
        )
        source = self.env["steward.source"].create({"name": "Handbook"})
        drafts = [
            Draft(name, name, text, "text/markdown") for name, text in PAGES.items()
        ]
        taken = self.env["steward.document"]._take(source, drafts)
        taken["documents"]._process()
        self.enterContext(patient_search())
        self.start_tour("/odoo", "steward_search", login="emma_e", timeout=180)
        page = taken["documents"].filtered(lambda document: document.name == "Refunds")
        log = self.env["steward.search.log"].search([("user_id", "=", user.id)])
        self.assertEqual(len(log), 1, "half-typed words are no question")
        self.assertEqual((log.document_id, log.verdict), (page, "useful"))
