from . import test_access
from . import test_hoot
from . import test_neutralize
from . import test_odoo_lint
