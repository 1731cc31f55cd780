"""Drills, neutral copies and the standard zip: with an Odoo that really starts."""

import json
import shutil
import subprocess
import time
import zipfile

import pytest
from runners import Problem, World, end, tree

from house import odoo


@pytest.fixture(scope="module")
def world(settings, databases, tmp_path_factory):
    """A database with Odoo and Steward, and one backup of it."""
    folder = tmp_path_factory.mktemp("drill")
    template = databases.template(["steward"])
    with databases.clone(template, "drill") as database:
        made = World(settings, databases, folder, database, databases.filestore)
        made.adopt()
        made.sql(
            "INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_pass, active,"
            " smtp_authentication, smtp_encryption)"
            " VALUES ('ours', 'mail.example.com', 25, 'hush', true, 'login', 'none')"
        )
        made.name = made.backup()
        try:
            yield made
        finally:
            made.gone()


def test_drill(world):
    began = time.time()
    result = world.done("drill", path=world.name, keep=False)
    checks = {check["name"]: check for check in result["checks"]}
    assert result["ok"], [c["sentence"] for c in checks.values() if not c["ok"]]
    assert set(checks) == {
        *("files", "rows", "objects", "samples", "modules", "attachments", "neutral"),
        *("boot", "login", "read", "log"),
    }
    assert 0 < result["rto_seconds"] <= result["seconds"] <= time.time() - began
    assert result["rpo_seconds"] > 0
    evidence = result["evidence_files"]
    assert "Modules loaded." in evidence["odoo.log"]
    assert json.loads(evidence["manifest.json"])["name"] == world.name
    world.expect_truth()


def test_a_drill_that_finds_something(world):
    """What is wrong in the copy is a check that says so, and no error."""
    bare = world.configured("bare", odoo=("/bin/false",))
    world.enrol(bare)
    row = world.do("drill", bare, path=world.name, keep=False)
    assert row["state"] == "done", row
    assert not row["result"]["ok"]
    bad = [check["name"] for check in row["result"]["checks"] if not check["ok"]]
    assert bad == ["neutralize"]
    assert "rto_seconds" not in row["result"]
    world.expect_truth()


def test_a_drill_leaves_a_copy(world):
    result = world.done("drill", path=world.name, keep=True)
    assert result["ok"]
    kept = result["kept"]
    [(hidden,)] = world.databases.sql(
        "SELECT datistemplate FROM pg_database WHERE datname = %s", "postgres", kept
    )
    assert hidden
    assert world.sql(
        "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'",
        database=kept,
    ) == [("true",)]
    assert (world.filestore / kept).is_dir()
    shutil.rmtree(world.filestore / kept)


def test_restore_neutral(world):
    target, began = f"{world.database}_test", time.time()
    result = world.done(
        "restore", path=world.name, target=target, replace=False, neutralize=True
    )
    assert 0 < result["seconds"] <= time.time() - began
    query = "SELECT active, smtp_pass FROM ir_mail_server WHERE name = 'ours'"
    assert world.sql(query) == [(True, "hush")]
    assert world.sql(query, database=target) == [(False, None)]
    counts = {
        table: world.sql(f"SELECT count(*) FROM {table}", database=target)[0][0]
        for table in ("steward_runner", "res_users_apikeys")
    }
    assert set(counts.values()) == {0}
    # and a runner that comes upon it refuses
    wrong = world.configured(dsn=world.config.dsn.replace(world.database, target))
    with pytest.raises(Problem, match="neutralized"):
        world.work_off(wrong)


def test_a_module_that_cannot_be_found(world):
    """Odoo's own command would say nothing, and leave it as it is."""
    world.sql(
        "INSERT INTO ir_module_module (name, state) VALUES ('ours_alone', 'installed')"
    )
    try:
        name = world.backup()
    finally:
        world.sql("DELETE FROM ir_module_module WHERE name = 'ours_alone'")
    target = f"{world.database}_alone"
    row = world.do("restore", path=name, target=target, replace=False, neutralize=True)
    assert row["state"] == "failed"
    assert "ours_alone" in row["error"]
    assert world.databases.comment(target) is None
    world.expect_truth()


def test_export_for_odoo(world, databases, settings):
    """Odoo's own command restores it."""
    result = world.done("export", path=world.name, to="exports/ours.zip")
    path = world.storage / "exports" / "ours.zip"
    assert result == {"path": str(path), "bytes": path.stat().st_size}
    with zipfile.ZipFile(path) as zipped:
        assert json.loads(zipped.read("manifest.json"))["version"] == "19.0"
        assert zipped.testzip() is None
    target = f"{world.database}_zip"
    pg_path = ["--pg_path", world.config.pg_bin] if world.config.pg_bin else []
    done = subprocess.run(
        [settings.odoo, "db", "-c", databases.conf, *pg_path, "load", target, path],
        env=odoo.environment(settings),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    count = "SELECT count(*) FROM ir_model_fields"
    assert world.sql(count, database=target) == world.sql(count)
    assert set(tree(world.filestore / target)) >= set(tree(world.files))
    row = world.do("export", path=world.name, to="../ours.zip")
    assert "no folder that the runner may write to" in row["error"]


def test_an_export_goes(world):
    """Not while somebody reads it, and nothing else than an export."""
    path = world.storage / "exports" / "shop.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"zip")
    with path.open("rb"):
        assert world.done("discard", path=str(path)) == {
            "removed": False,
            "sentence": "shop.zip is being read.",
        }
    assert path.exists()
    for _time in range(2):  # twice is once
        assert world.done("discard", path=str(path)) == {"removed": True}
    assert not path.exists()
    kept = world.storage / world.name / "manifest.json"
    away = world.storage / "exports" / "away.zip"
    away.symlink_to(kept)
    for told in (
        kept,
        away,
        "/etc/passwd",
        f"{world.storage}/exports/../shop.zip",
        f"{world.storage}/{world.name}.zip",
    ):
        row = world.do("discard", path=str(told))
        assert (row["state"], row["detail"]) == ("failed", "refused"), told
    away.unlink()


def test_an_export_whose_runner_dies(world):
    """After it was written, and before anybody was told: it was made."""
    uid = world.ask("export", path=world.name, to="exports/late.zip")
    process = world.start(held="pack")
    path = world.storage / "exports" / "late.zip"
    world.until(path.exists, process)
    end(process)
    world.work_off()
    row = world.row(uid)
    assert row["state"] == "done", row
    assert row["result"] == {"path": str(path), "bytes": path.stat().st_size}
    assert sorted(path.parent.glob(".*")) == []
    path.unlink()
