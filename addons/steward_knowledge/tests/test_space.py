from odoo.tests import tagged

from .space_common import SpaceCase


@tagged("post_install", "-at_install")
class TestNearest(SpaceCase):
    def test_default(self):
        self.assertFalse(self.spaces._active())
        passages = self.make_passages("sale order", "weather report", "stock move")
        self.assertEqual(passages.document_id._make_vectors(), 3)
        space = self.spaces._active()
        self.assertEqual(space.model_id, self.hash)
        found = space._nearest("order of a sale", 2)
        self.assertEqual(found[0][0], passages[0].id)
        self.assertEqual(len(found), 2)
        self.assertEqual(passages.document_id._make_vectors(), 0)
