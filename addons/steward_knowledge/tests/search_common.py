"""A kit for tests of search: a small handbook, searched by words alone unless told."""

from unittest.mock import patch

from .common import KnowledgeCase

PAGES = {
    "Sales orders": """# Sales orders
A sales order is confirmed with the button Confirm. The model is `sale.order` and the
method `action_confirm`. Quotations wait for the customer's answer.

## Discounts
A pricelist gives discounts to good customers.
""",
    "Invoices": """# Invoices
An invoice is created from the delivered quantities of a sales order.
It is posted in the model account.move. The error STEWARD-NO-JOURNAL says that a
journal is missing for the company.
""",
    "Warehouses": """# Warehouses
Goods are kept in locations. A transfer moves goods between two warehouses.
Version 17.0 brought wave transfers.
""",
    "Expenses": """# Expenses
Employees hand in their expenses with a receipt. A manager approves the expenses,
then accounting reimburses them. Reimbursement follows the payroll.
""",
}


class SearchCase(KnowledgeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.documents = cls.env["steward.document"]
        # by words alone: what vectors add is told by tests of their own
        spaces = type(cls.env["steward.space"])
        cls.startClassPatcher(
            patch.object(spaces, "_active", lambda self: self.browse())
        )
        cls.pages = {
            title: cls.make_document(
                title, text, language="en", url=f"https://example.com/{n}"
            )
            for n, (title, text) in enumerate(PAGES.items())
        }
        cls.index(*cls.pages.values())

    def setUp(self):
        super().setUp()
        self.env["steward.term"]._forget_known()
        self.addCleanup(self.env["steward.term"]._forget_known)

    @classmethod
    def index(cls, *documents):
        cls.documents.union(*documents)._make_chunks()

    def find(self, query, user=None, **arguments):
        documents = self.documents.with_user(user) if user else self.documents
        return documents._find(query, **arguments)

    def titles(self, query, user=None, **arguments):
        found = self.find(query, user, **arguments)
        return [row["title"] for row in found["results"]]
