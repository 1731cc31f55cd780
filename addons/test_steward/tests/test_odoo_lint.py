"""Odoo's own lint (its addon ``test_lint``), run on the suite's addons alone.

Its pylint run is left out: it walks through all of Odoo, and `make lint` runs
pylint-odoo, which knows the same rules.
"""

from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from odoo.addons.test_lint.tests import (
    test_docstring,
    test_dunderinit,
    test_i18n,
    test_index,
    test_jstranslate,
    test_manifests,
    test_markers,
    test_naming,
    test_onchange_domains,
    test_orm_import,
    test_override_signatures,
    test_pofile,
    test_routes,
    test_test_holes,
)
from odoo.modules import Manifest
from odoo.modules.registry import Registry
from odoo.tests import tagged
from odoo.tests.common import get_db_name

HERE = Path(__file__).resolve().parents[2]
OUR_CODE = ("odoo.addons.steward", "odoo.addons.test_steward")


def our_manifests():
    return [m for m in Manifest.all_addon_manifests() if Path(m.path).parent == HERE]


def our_models(database):
    """The registry's models that the suite defines or extends."""
    return {
        name: model
        for name, model in Registry(database).items()
        if any(
            part.__module__.startswith(OUR_CODE) and part._name == name
            for part in model.mro()
        )
    }


class OursOnly:
    """Lets a lint test of Odoo see no other addons than the suite's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ours = our_manifests()
        patcher = patch.object(Manifest, "all_addon_manifests", lambda: ours)
        patcher.start()
        cls.addClassCleanup(patcher.stop)
        for module in (test_docstring, test_naming, test_override_signatures):
            patcher = patch.object(module, "Registry", our_models)
            patcher.start()
            cls.addClassCleanup(patcher.stop)
        cls.ours = {Path(manifest.path).name for manifest in ours}

    @contextmanager
    def subTest(self, msg=None, **params):  # noqa: N802 - unittest's name
        """Some walk the registry instead: what others wrote is not ours to judge."""
        model = params.get("model", "steward") or ""  # None: a method of BaseModel
        whose = params.get("module") or model.split(".")[0]
        if whose in self.ours:
            with super().subTest(msg, **params):
                yield
        else:
            with suppress(Exception):
                yield


@tagged("post_install", "-at_install")
class TestDocstring(OursOnly, test_docstring.TestDocstring):
    pass


@tagged("post_install", "-at_install")
class TestDunderinit(OursOnly, test_dunderinit.TestDunderinit):
    pass


@tagged("post_install", "-at_install")
class TestI18n(OursOnly, test_i18n.TestI18n):
    pass


@tagged("post_install", "-at_install")
class TestIndex(OursOnly, test_index.TestIndex):
    def test_enforce_index_on_one2many_inverse(self):
        others = {name for name in self.env.registry if not name.startswith("steward.")}
        with patch.object(test_index, "BTREE_INDEX_IGNORE_MODELS", others):
            return super().test_enforce_index_on_one2many_inverse()


@tagged("post_install", "-at_install")
class TestJsTranslations(OursOnly, test_jstranslate.TestJsTranslations):
    pass


@tagged("post_install", "-at_install")
class TestManifests(OursOnly, test_manifests.ManifestLinter):
    pass


@tagged("post_install", "-at_install")
class TestConflictMarkers(OursOnly, test_markers.TestConflictMarkers):
    pass


@tagged("post_install", "-at_install")
class TestNaming(OursOnly, test_naming.TestNaming):
    pass


@tagged("post_install", "-at_install")
class TestOnchangeDomains(OursOnly, test_onchange_domains.TestOnchangeDomains):
    pass


@tagged("post_install", "-at_install")
class TestOrmImport(OursOnly, test_orm_import.TestDunderinit):
    pass


@tagged("post_install", "-at_install")
class TestSignatures(OursOnly, test_override_signatures.TestLintOverrideSignatures):
    pass


@tagged("post_install", "-at_install")
class TestPo(OursOnly, test_pofile.PotLinter):
    pass


@tagged("post_install", "-at_install")
class TestRoutes(OursOnly, test_routes.RoutesLinter):
    pass


@tagged("post_install", "-at_install")
class TestHoles(OursOnly, test_test_holes.TestTestHoles):
    pass


@tagged("post_install", "-at_install")
class TestTheLintSeesUs(OursOnly, test_dunderinit.TestDunderinit):
    def test_our_addons_are_looked_at(self):
        """A lint that looks at nothing finds nothing."""
        names = {Path(m.path).name for m in Manifest.all_addon_manifests()}
        self.assertLessEqual({"steward", "test_steward"}, names)
        self.assertNotIn("web", names)
        models = our_models(get_db_name())
        self.assertLessEqual({"steward.run", "res.users"}, set(models))
        self.assertNotIn("ir.module.module", models)

    test_dunderinit = None
