"""What `make run` shows first: the demo data, loaded for real."""

from house import manifests
from house.settings import product_addons


def test_demo_data_loads(databases):
    """No line of WARNING in the log, and the story is there."""
    template = databases.foundation(product_addons())
    with databases.clone(template, "demo") as database:
        names = ",".join(product_addons())
        # an addon's demo data is loaded where those of what it depends on were
        databases.sql("UPDATE ir_module_module SET demo = true", database)
        databases.odoo(
            database,
            "-i",
            names,
            "--with-demo",
            log="demo",
            what="installing demo data",
        )
        states = databases.sql("SELECT state FROM steward_circuit", database)
        assert {state for (state,) in states} == {"open", "half_open", "closed"}
        people = databases.sql(
            "SELECT count(*) FROM res_users WHERE login = ANY(%s)",
            database,
            ["olivia", "rita", "victor"],
        )
        assert people == [(3,)]
    assert manifests.manifest("steward")["demo"]
