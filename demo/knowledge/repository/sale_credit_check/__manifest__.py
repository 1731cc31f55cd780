{
    "name": "Credit Check on Sales Orders",
    "summary": "No order above a customer's credit limit without a credit manager",
    "version": "19.0.1.2.0",
    "category": "Sales",
    "author": "Harbour Consulting",
    "license": "LGPL-3",
    "depends": ["sale_management", "account"],
    "description": """
Adds a credit limit to customers and looks at it when a sales order is confirmed.
See docs/credit-limits.md.
""",
    "data": [],
}
