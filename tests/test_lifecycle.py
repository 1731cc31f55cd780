"""Each addon alone and all together: install, update, uninstall, without a trace."""

import pytest

from house import manifests, odoo
from house.settings import ADDONS, product_addons
from house.testing import export_pots

SETS = [pytest.param([name], marks=pytest.mark.thorough) for name in product_addons()]
SETS.append(pytest.param(product_addons()))

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
"""


def traces(databases, database) -> dict[str, set]:
    """What an addon may leave behind."""
    return {
        "tables": {row[0] for row in databases.sql(TABLES, database)},
        "parameters": {
            row[0]
            for row in databases.sql("SELECT key FROM ir_config_parameter", database)
        },
        "crons": {
            row[0] for row in databases.sql("SELECT cron_name FROM ir_cron", database)
        },
        "functions": {
            row[0]
            for row in databases.sql(
                "SELECT proname FROM pg_proc WHERE pronamespace ="
                " 'public'::regnamespace",
                database,
            )
        },
    }


@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_lifecycle(databases, names):
    """No part's log holds a line of WARNING or worse: Databases.odoo sees to that."""
    inner = manifests.ours(names)
    with databases.clone(databases.foundation(names), "life") as database:
        before = traces(databases, database)
        databases.odoo(database, "-i", ",".join(names), log="life-i", what="install")
        databases.odoo(database, "-u", ",".join(inner), log="life-u", what="update")
        installed = databases.sql(
            "SELECT name FROM ir_module_module WHERE state = 'installed'"
            " AND name = ANY(%s)",
            database,
            inner,
        )
        assert {name for (name,) in installed} == set(inner)
        # what only the screen writes has to go as well
        databases.sql(
            "INSERT INTO ir_config_parameter (key, value)"
            " VALUES ('steward.contact_id', '1')",
            database,
        )
        uninstall(databases, database, inner)
        left = traces(databases, database)
    for kind in left:
        assert left[kind] - before[kind] == set(), kind


def uninstall(databases, database, names):
    odoo.call(
        databases.settings,
        databases.conf,
        *("module", "uninstall", "-d", database, *names),
        log=databases.settings.data / "log" / f"uninstall-{database}.log",
        what=f"uninstalling {', '.join(names)}",
    )


@pytest.fixture(scope="module")
def terms(databases):
    """Each addon's terms as they are now."""
    with databases.clone(databases.template(product_addons()), "pot") as database:
        return export_pots(databases, database)


@pytest.mark.parametrize("name", product_addons())
def test_terms_are_current(terms, name):
    """``make pot`` was run after the last change of a text."""
    kept = (ADDONS / name / "i18n" / f"{name}.pot").read_text("utf-8")
    assert kept == terms[name], "run `make pot`"
