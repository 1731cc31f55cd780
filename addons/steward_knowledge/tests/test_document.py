from psycopg2 import IntegrityError

from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import KnowledgeCase


@tagged("post_install", "-at_install")
class TestReaders(KnowledgeCase):
    """A document is found only by who may read what it was made of."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader = new_test_user(cls.env, "reader", groups="base.group_user")

    def readable(self, documents, user=None):
        mine = documents.with_user(user or self.reader)
        return mine.env["steward.document"].search([("id", "in", documents.ids)])

    def test_readers_groups(self):
        group = self.env["res.groups"].create({"name": "Few"})
        page = self.make_document()
        self.assertEqual(self.readable(page), page)
        self.source.group_ids = group
        self.assertFalse(self.readable(page))
        self.reader.group_ids += group
        self.assertEqual(self.readable(page), page)

    def test_a_readers_group_stays(self):
        """Deleting it would open the source to everybody."""
        group = self.env["res.groups"].create({"name": "Few"})
        self.source.group_ids = group
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            group.unlink()

    def test_companies(self):
        page = self.make_document()
        self.source.company_id = self.env["res.company"].create({"name": "Other"})
        self.assertFalse(self.readable(page))

    def test_records(self):
        secret = self.env["ir.config_parameter"].search([], limit=1)
        page = self.make_document(res_model=secret._name, res_id=secret.id)
        self.assertFalse(self.readable(page))
        mine = self.make_document(
            res_model="res.users", res_id=self.reader.id, external_id="me"
        )
        self.assertEqual(self.readable(mine), mine)
        self.env["ir.rule"].create(
            {
                "name": "Nobody",
                "model_id": self.env.ref("base.model_res_users").id,
                "domain_force": "[(0, '=', 1)]",
            }
        )
        self.assertFalse(self.readable(mine))

    def test_a_record_that_is_gone(self):
        partner = self.env["res.partner"].create({"name": "Short"})
        page = self.make_document(res_model="res.partner", res_id=partner.id)
        partner.unlink()
        self.assertFalse(self.readable(page))
