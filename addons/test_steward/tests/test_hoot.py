from pathlib import Path

from odoo.addons.web.tests.test_js import unit_test_error_checker
from odoo.tests import HttpCase, tagged

ADDONS = Path(__file__).resolve().parents[2]


def identity(suite):
    """What Hoot calls a suite: a 32-bit hash of its name."""
    number = 0
    for character in suite:
        number = ((number << 5) - number + ord(character)) & 0xFFFFFFFF
    return f"{number:08x}"


@tagged("post_install", "-at_install")
class TestHoot(HttpCase):
    def test_unit_tests_of_our_screens(self):
        """Every addon's JavaScript unit tests, in one run."""
        suites = sorted(
            {path.relative_to(ADDONS).parts[0] for path in ADDONS.rglob("*.test.js")}
        )
        self.assertTrue(suites)
        chosen = "".join(f"&id={identity('@' + suite)}" for suite in suites)
        self.browser_js(
            f"/web/tests?headless&loglevel=2&preset=desktop&timeout=60000{chosen}",
            "",
            "",
            login="admin",
            timeout=1200,
            success_signal="[HOOT] Test suite succeeded",
            error_checker=unit_test_error_checker,
        )
