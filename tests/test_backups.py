"""Backups: made, checked, restored, drilled, exported, removed; with everything real."""

import json
import shutil
import zipfile

import psycopg2
import pytest
from runners import World, tree


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


def rows_of(world, database, table="res_partner"):
    return world.sql(f"SELECT * FROM {table} ORDER BY id", database=database)


# -- restoring -----------------------------------------------------------------------


def test_restore_to_a_new_database(world):
    name, target = world.backup(), f"{world.database}_copy"
    result = world.done("restore", path=name, target=target, neutralize=False)
    assert result["database"] == target
    assert result["level"] == "restored"
    assert all(check["ok"] for check in result["checks"])
    assert rows_of(world, target) == rows_of(world, world.database)
    assert tree(world.filestore / target) == tree(world.files)
    assert world.sql("SELECT count(*) FROM partner_names", database=target) == [(400,)]
    # a copy is no second one of the same
    query = (
        "SELECT key, value FROM ir_config_parameter"
        " WHERE key IN ('database.uuid', 'database.secret', 'web.base.url')"
    )
    ours, theirs = dict(world.sql(query)), dict(world.sql(query, database=target))
    assert len(theirs) == 3
    assert not set(ours.values()) & set(theirs.values())
    [(template, allowed)] = world.databases.sql(
        "SELECT datistemplate, datallowconn FROM pg_database WHERE datname = %s",
        "postgres",
        target,
    )
    assert (template, allowed) == (False, True)
    world.expect_truth()


def test_restore_in_place(world):
    name = world.backup()
    before = rows_of(world, world.database)
    lost = world.attach(b"made after the backup")
    world.sql("DELETE FROM res_partner WHERE id > 100")
    place = {"kind": "folder", "path": str(world.storage)}
    wish = {"path": name, "target": world.database, "neutralize": False}
    refused = world.do("restore", **wish)
    assert refused["state"] == "failed"
    assert "not replaced" in refused["error"]
    refused = world.do("restore", **wish, replace=True, confirmed_name="another")
    assert "must be typed" in refused["error"]
    assert len(rows_of(world, world.database)) == 100

    row = world.do(
        "restore",
        **wish,
        replace=True,
        confirmed_name=world.database,
        safety=place,
    )
    # the row is in the database that replaced the one in which it was asked for
    assert row["state"] == "done", row
    assert rows_of(world, world.database) == before
    assert not (world.files / lost).exists()
    kept = row["result"]["kept_as"]
    assert (world.filestore / kept / lost).exists()
    assert row["result"]["safety"] in world.listed()
    # nobody gets into the old one, so none of its scheduled actions runs
    [(allowed,)] = world.databases.sql(
        "SELECT datallowconn FROM pg_database WHERE datname = %s", "postgres", kept
    )
    assert not allowed
    # it is the same database for Odoo and the runner, which goes on with it
    assert world.backup() in world.listed()
    world.expect_truth()
