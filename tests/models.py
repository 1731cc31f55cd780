"""The addons' own server that speaks as models do, for the tests from outside."""

import importlib.util
import sys
from pathlib import Path

ADDONS = Path(__file__).resolve().parents[1] / "addons"


def _loaded(addon, name):
    """A module of an addon's tests that needs no Odoo."""
    full = f"odoo.addons.{addon}.tests.{name}"
    if full not in sys.modules:
        path = ADDONS / addon / "tests" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(full, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


_loaded("steward", "server")
openai_server = _loaded("steward_llm", "openai_server")
