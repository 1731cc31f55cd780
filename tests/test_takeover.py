"""What the runner did arrives in Odoo: at once, after a restart, and on a terminal."""

import contextlib
import json
import signal
import time

import pytest
from click.testing import CliRunner
from conftest import Odoo
from runners import World, end, locked

from house.settings import product_addons
from steward_client import backups
from steward_client.backup.opening import told_of
from steward_client.cli import cli
from steward_client.runner import rows
from steward_client.runner.postgres import Server


@pytest.fixture(scope="module")
def server(settings, databases):
    """A server of this file's own, which may be killed."""
    template = databases.template(product_addons())
    with databases.clone(template, "takeover") as database:
        made = Odoo(settings, databases, database, "--max-cron-threads=1").start()
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def world(server, settings, databases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("takeover")
    made = World(settings, databases, folder, server.database, databases.filestore)
    made.adopt()
    process = made.start()
    try:
        made.until(lambda: made.sql("SELECT 1 FROM steward_runner WHERE facts <> '{}'"))
        yield made
    finally:
        end(process, signal.SIGTERM)
        made.gone()


@pytest.fixture(scope="module")
def key(server):
    return server.make_key()


@pytest.fixture
def steward(server, key, monkeypatch):
    """The command line, as an Administrator uses it."""
    monkeypatch.setattr(backups, "PACE", 0.1)
    env = {"STEWARD_URL": server.url, "STEWARD_API_KEY": key}
    env |= {"STEWARD_DATABASE": server.database, "STEWARD_TIMEOUT": "300"}
    return lambda *words, **more: CliRunner().invoke(cli, words, env={**env, **more})


def told(done, code=0):
    """What a command printed as JSON."""
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def applied(world, job):
    [(state, applied)] = world.sql(
        "SELECT state, applied FROM steward_operation WHERE uuid = %s", job
    )
    return applied and state


def test_odoo_takes_over_at_once(world, steward):
    """Woken by the runner, not by its clock, which strikes tomorrow."""
    world.sql(
        """UPDATE ir_cron SET nextcall = nextcall + interval '1 day'
            WHERE id = (SELECT res_id FROM ir_model_data
                         WHERE module = %s AND name = %s)""",
        *rows.APPLYING_CRON,
    )
    for _time in range(3):
        job = told(steward("backup", "run", "Every night", "--json"))["job"]
        assert world.until(lambda job=job: applied(world, job)) == "done"


def finished(world, job):
    """Has the runner said how it ended?"""
    return world.row(job)["state"] not in ("queued", "running")


def test_odoo_is_killed_meanwhile(world, server, steward):
    """The work goes on; its outcome is there soon after Odoo is."""
    world.sql("CREATE TABLE IF NOT EXISTS held AS SELECT 1")
    with locked(world, "held"):
        job = told(steward("backup", "run", "Every night", "--json"))["job"]
        world.until(lambda: world.reached(job, "dump"))
        server.kill()
        # the command line says so, and is not the one that fails
        assert steward("backup", "list").exit_code == 3
    world.until(lambda: finished(world, job))
    assert world.row(job)["state"] == "done"
    assert not applied(world, job)
    server.start()
    assert world.until(lambda: applied(world, job)) == "done"
    [newest, *_older] = told(steward("backup", "list", "--json"))
    assert (newest["state"], newest["level"]) == ("done", "readback")


def test_two_at_once(world, steward):
    """Of one plan: both are made, one after the other, and both are listed."""
    before = len(told(steward("backup", "list", "--json")))
    jobs = [told(steward("backup", "run", "1", "--json"))["job"] for _time in range(2)]
    assert len(set(jobs)) == 2
    for job in jobs:
        assert world.until(lambda job=job: applied(world, job)) == "done"
    found = told(steward("backup", "list", "--json"))
    assert len(found) == before + 2
    assert {backup["state"] for backup in found[:2]} == {"done"}
    assert len(world.listed()) >= 2


# -- on a terminal ------------------------------------------------------------


def test_a_round_on_the_terminal(world, server, steward):
    done = steward("backup", "run", "Every night", "--wait")
    assert done.exit_code == 0, done.output
    assert "done" in done.stdout
    assert "%" in done.stderr  # how far it is
    [newest, *_older] = told(steward("backup", "list", "--limit", "1", "--json"))
    assert not _older
    number = str(newest["id"])
    assert number in steward("backup", "list").stdout
    verified = told(steward("backup", "verify", number, "--wait", "--json"))
    assert verified["operations"][0]["state"] == "done"

    target = f"{server.database}_copy"
    restored = steward("restore", number, target, "--wait")
    assert restored.exit_code == 0, restored.output
    neutral = (
        "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"
    )
    assert world.sql(neutral, database=target) == [("true",)]
    # what is there is not replaced from here
    again = steward("restore", number, target)
    assert again.exit_code == 1
    assert "Choose another name" in again.stderr

    began = time.time()
    drilled = steward("drill", "run", number, "--wait", "--json")
    assert drilled.exit_code == 0, drilled.output
    [drill] = told(steward("drill", "list", "--json"))
    assert (drill["state"], drill["ok"]) == ("done", True)
    assert 0 < drill["rto_seconds"] <= time.time() - began


def test_what_is_refused(steward, server):
    for words in (
        ("backup", "run", "no such plan"),
        ("backup", "verify", "999999"),
        ("restore", "999999", "copy"),
        ("drill", "run", "999999"),
    ):
        done = steward(*words)
        assert (done.exit_code, done.stdout) == (1, ""), words
        assert "STEWARD-INVALID" in done.stderr
        assert "Traceback" not in done.stderr
    wrong = steward("backup", "list", STEWARD_API_KEY="x" * 40)
    assert wrong.exit_code == 1
    for words in (("backup", "verify", "x"), ("restore", "1"), ("backup", "surprise")):
        assert steward(*words).exit_code == 2, words
    assert steward("backup", "list", STEWARD_URL="").exit_code == 2
    assert steward("drill", "list", STEWARD_URL="http://127.0.0.1:9").exit_code == 3


def test_a_backup_that_fails(world, steward):
    """Exit 1, with the sentence that people see in Odoo."""
    [(storage, path)] = world.sql("SELECT id, path FROM steward_storage")
    world.sql("UPDATE steward_storage SET path = '/etc' WHERE id = %s", storage)
    try:
        done = steward("backup", "run", "Every night", "--wait", "--json")
    finally:
        world.sql("UPDATE steward_storage SET path = %s WHERE id = %s", path, storage)
    [operation] = told(done, 1)["operations"]
    assert operation["state"] == "failed"
    assert "no folder that the runner may write to" in operation["error"]


# -- storages, as both sides know them ----------------------------------------


def test_the_runner_knows_the_storages(world, server, key, steward):
    """The same as Odoo names in an operation; and it looks at each."""

    def create(model, **values):
        return server.json2(key, model, "create", vals_list=[values])[0]

    names = ("access", "secret", "password")
    access, secret, password = (
        create("steward.secret", name=name, reference=world.secret(name, name * 4))
        for name in names
    )
    made = [
        create(
            "steward.storage",
            name="Far away",
            kind="s3",
            endpoint="http://127.0.0.1:9",
            bucket="b",
            prefix="nightly",
            path_style=True,
            access_key_id=access,
            secret_key_id=secret,
        ),
        create(
            "steward.storage",
            name="Deep down",
            kind="restic",
            repository=str(world.storage / "deep"),
            password_id=password,
        ),
    ]
    try:
        jobs = []
        for storage in made:
            server.json2(key, "steward.storage", "action_test", ids=[storage])
            query = "SELECT uuid, arguments FROM steward_operation"
            query += " WHERE res_model = 'steward.storage' AND res_id = %s"
            [(job, arguments)] = world.sql(query, storage)
            jobs.append((job, arguments["storage"]))
        with contextlib.closing(Server(world.config.dsn).connect()) as connection:
            known = [told_of(row) for row in rows.storages(connection)]
        for _job, asked in jobs:
            assert asked in known
        for job, _asked in jobs:
            world.until(lambda job=job: applied(world, job))
        done = steward("runner", "--config", str(world.config.path), "check", "--json")
        found = {one["name"]: one for one in told(done, 3)}
        assert not found["storage Far away"]["ok"]
        assert "does not answer" in found["storage Far away"]["sentence"]
        assert "opens it" in found["storage Deep down"]["sentence"]
        assert "removed" in found["storage The runner's folder"]["sentence"]
    finally:
        server.json2(key, "steward.storage", "unlink", ids=made)
