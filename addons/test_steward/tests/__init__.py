from . import test_neutralize, test_odoo_lint
