from odoo.tests import tagged

from ..kernel.draft import Draft
from .pipeline_common import PipelineCase


@tagged("post_install", "-at_install")
class TestPipeline(PipelineCase):
    def test_from_a_page_to_a_searchable_document(self):
        told = self.take(
            Draft("/sales", content="# Sales orders\n\nConfirm a quotation.", url="u")
        )
        page = told["documents"]
        self.assertEqual((told["new"], told["changed"], told["unchanged"]), (1, 0, 0))
        page._process()
        self.assertEqual(page.state, "ready", page.error)
        self.assertEqual(page.name, "Sales orders")
