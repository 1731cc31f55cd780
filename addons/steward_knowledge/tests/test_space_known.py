from unittest.mock import patch

from odoo.addons.steward.exceptions import Unreachable
from odoo.tests import tagged

from ..models import steward_space_known
from .space_common import SpaceCase


@tagged("post_install", "-at_install")
class TestKnown(SpaceCase):
    """Questions that were asked before are suggested."""

    def setUp(self):
        super().setUp()
        self.space = self.make_space(state="active")
        self.enterContext(patch.object(steward_space_known, "_KNOWN", {}))
        self.questions = [
            (7, "How do I confirm a quotation?"),
            (8, "Where is the stock of a product?"),
            (9, " "),
        ]
        self.patch(type(self.spaces), "_known_questions", lambda _space: self.questions)

    def test_alike(self):
        found = self.space._known("how do I confirm a quotation")
        self.assertEqual(found[0][0], 7)
        self.assertGreater(found[0][1], 0.8)
        self.assertEqual(self.space._known("a goat on the roof"), [])
        everything = self.space._known("stock", least=-1)
        self.assertEqual({number for number, _score in everything}, {7, 8})

    def test_remembered(self):
        self.space._known("x")
        self.questions = []
        self.assertEqual(len(self.space._known("stock", least=-1)), 2)
        clock = steward_space_known.monotonic() + steward_space_known.FRESH + 1
        with patch.object(steward_space_known, "monotonic", lambda: clock):
            self.assertEqual(self.space._known("stock", least=-1), [])

    def test_an_embedder_that_is_down(self):
        vector = self.hash._embed(["stock"])[0]
        with patch.object(type(self.hash), "_embed", side_effect=Unreachable("x")):
            self.assertEqual(self.space._known(vector, least=-1), [])
