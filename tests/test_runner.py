"""The runner: enrolment, claims, the journal, progress, cancelling, dying."""

import doctest
import hashlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import replace

import psycopg2
import pytest
from click.testing import CliRunner
from runners import CLIENT, PATIENCE, Problem, Runner, World, end, locked

from steward_client.cli import cli
from steward_client.runner import config as configs
from steward_client.runner.checks import check
from steward_client.runner.enrol import enrol
from steward_client.runner.journal import Journal
from steward_client.runner.problems import Refused


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


PARAMETER = "UPDATE ir_config_parameter SET"
NEUTRAL = (
    f"{PARAMETER} key = 'database.is_neutralized', value = 'true'"
    " WHERE key = 'web.base.url'"
)
LIVES = "SELECT 1 FROM steward_runner WHERE facts <> '{}'"


def state_of(world, uid):
    return world.row(uid)["state"]


def test_a_backup_from_end_to_end(world):
    row = world.do("backup", label="first")
    assert row["state"] == "done", row
    assert row["progress"] == 100
    told = row["result"]["backup"]
    assert row["result"]["level"] == "readback"
    assert told["filestore_files"] == 12
    assert told["modules_count"] == 1
    assert told["findings"] == []
    assert [s["name"] for s in row["steps"]] == [
        *("snapshot", "dump", "filestore", "checksum", "readback")
    ]
    assert all(s["ended_at"] >= s["started_at"] for s in row["steps"])
    assert world.listed() == [told["path"]]
    # Odoo is woken to take it over
    assert world.sql("SELECT cron_id FROM ir_cron_trigger") == [(77,)]
    assert row["applied"] is False
    world.expect_truth()


def test_examples():
    """The examples in the client's documentation are true."""
    import steward_client

    for module in pkgutil.walk_packages(steward_client.__path__, "steward_client."):
        if not module.name.endswith("__main__"):
            found = doctest.testmod(importlib.import_module(module.name))
            assert found.failed == 0, module.name
    assert doctest.testmod(steward_client).failed == 0


# -- enrolment -----------------------------------------------------------------------


def test_enrolment_by_code(world):
    code = "a code that was shown once"
    world.sql(
        "INSERT INTO steward_runner (name, active, code_hash, code_until) VALUES"
        " ('second', true, %s, now() AT TIME ZONE 'UTC' + interval '15 minutes')",
        hashlib.sha256(code.encode()).hexdigest(),
    )
    second = world.configured("second")
    with pytest.raises(Refused, match="not enrolled"):
        world.work_off(second)
    with pytest.raises(Refused, match="code is wrong"):
        enrol(second, "another code")
    identity = enrol(second, code)
    with pytest.raises(Refused, match="code is wrong"):
        enrol(second, code)  # it works once
    uid = world.ask("backup")
    assert world.work_off(second) == 1
    assert world.row(uid)["runner_id"] == identity.runner
    [(key_hash, left)] = world.sql(
        "SELECT key_hash, code_hash FROM steward_runner WHERE id = %s", identity.runner
    )
    assert left is None
    key = second.key_file.read_text().strip()
    assert key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert second.key_file.stat().st_mode & 0o077 == 0
    assert key not in json.dumps(world.row(uid)["result"])


def test_a_code_that_is_too_old(world):
    world.sql(
        "INSERT INTO steward_runner (name, active, code_hash, code_until) VALUES"
        " ('late', true, %s, now() AT TIME ZONE 'UTC' - interval '1 second')",
        hashlib.sha256(b"late").hexdigest(),
    )
    with pytest.raises(Refused, match="older than 15 minutes"):
        enrol(world.configured("late"), "late")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE steward_runner SET active = false", "switched off"),
        ("UPDATE steward_runner SET key_hash = NULL", "not enrolled"),
        ("UPDATE steward_runner SET database_name = 'x'", "another database"),
        ("UPDATE steward_runner SET system_identifier = '1'", "another database"),
        (f"{PARAMETER} value = 'x' WHERE key = 'database.uuid'", "another database"),
        (NEUTRAL, "neutralized"),
    ],
)
def test_a_database_it_does_not_work_for(world, change, words):
    uid = world.ask("backup")
    world.sql(change)
    with pytest.raises(Refused, match=words):
        world.work_off()
    assert state_of(world, uid) == "queued"
    assert world.listed() == []


def test_it_notices_when_it_is_switched_off(world, monkeypatch):
    """Not only when it starts."""
    monkeypatch.setattr("steward_client.runner.service.SEEN", 0)
    runner = Runner(world.config)
    world.ask("backup")

    def switch_off(_self, _held):
        world.sql("UPDATE steward_runner SET active = false")
        return 1

    monkeypatch.setattr(Runner, "_do", switch_off)
    with pytest.raises(Refused, match="switched off"):
        runner.run(once=True)


# -- what is refused -----------------------------------------------------------------


REFUSED = [
    ("shell", {"text": "rm -rf /"}, "does not know"),
    ("backup", {"surprise": 1}, "arguments"),
    ("backup", {"jobs": "; ls"}, "jobs"),
    ("backup", {"storage": {"kind": "folder", "path": "/etc"}}, "may write to"),
    ("backup", {"storage": {"kind": "folder", "path": "x/../.."}}, "absolute"),
    ("backup", {"filestore": "/etc"}, "filestore that the runner may read"),
    ("backup", {"database": "no_such_database"}, "does not exist"),
    ("backup", {"database": "../etc"}, "name of a database"),
    ("verify", {"path": "../../etc/passwd", "level": "readback"}, "no name"),
    ("verify", {"path": "x/20260101-000000-00000000", "level": "readback"}, "no b"),
    ("prune", {"remove": ["../x"], "keep": []}, "no name of a backup"),
    ("export", {"path": "x", "to": "x.zip"}, "no name of a backup"),
]


def test_refused(world):
    uids = [world.ask(verb, **arguments) for verb, arguments, _words in REFUSED]
    world.work_off()
    for uid, (verb, arguments, words) in zip(uids, REFUSED, strict=True):
        row = world.row(uid)
        assert row["state"] == "failed", (verb, arguments)
        assert words in row["error"], (verb, arguments, row["error"])
    assert world.listed() == []
    world.expect_truth()


def test_settings(tmp_path):
    path = tmp_path / "runner.toml"
    for text, words in (
        ("dsn = ", "no TOML"),
        ("surprise = 1", "no setting surprise"),
        ("dsn = 'x'", "does not say"),
        ("work = 'here'", "absolute"),
        ("storages = 'here'", "list"),
        ("nice = true", "number"),
        ("dsn = 3", "text"),
    ):
        path.write_text(text)
        with pytest.raises(Problem, match=words):
            configs.load(path)
    with pytest.raises(Problem, match="cannot be read"):
        configs.load(tmp_path / "none")


def test_check(world):
    whole = world.configured(odoo=(str(world.settings.odoo),))
    found = list(check(whole))
    assert all(one.ok for one in found), found
    broken = replace(world.config, odoo=("/bin/false",), filestore=world.folder / "no")
    bad = [one for one in check(broken) if not one.ok]
    assert {one.name for one in bad} == {"odoo", "filestore"}
    assert not any(one.away for one in bad)


def test_command(world):
    whole = world.configured(odoo=(str(world.settings.odoo),))
    path = str(world.write(whole))
    run = CliRunner().invoke
    done = run(cli, ["runner", "--config", path, "check"])
    assert done.exit_code == 0, done.output
    assert "may create databases" in done.output
    done = run(cli, ["runner", "enrol", "--config", path, "--auto"])
    assert done.exit_code == 0, done.output
    assert "Keep a copy" in done.output
    done = run(cli, ["runner", "enrol", "--config", path])
    assert done.exit_code == 2
    done = run(cli, ["runner", "enrol", "--config", path, "--code", "x"])
    assert (done.exit_code, "code is wrong" in done.output) == (1, True)
    done = run(cli, ["runner", "--config", str(world.folder / "none"), "check"])
    assert done.exit_code == 1
    # another time it may answer, and then all may be well
    away = replace(whole, dsn=whole.dsn.replace(world.database, "no_such_database"))
    path = str(world.write(away))
    done = run(cli, ["runner", "--config", path, "--once"])
    assert (done.exit_code, "does not let us in" in done.output) == (3, True)
    path = str(world.write(whole))
    uid = world.ask("probe")
    process = world.start(once=True)
    assert process.wait(PATIENCE) == 0, world.log()
    assert world.row(uid)["result"]["ok"]


def test_without_its_packages(world):
    """Who only talks to Odoo needs none of them, and is told if they are missing."""
    hide = "import sys; sys.modules['zstandard'] = None; "
    words = "from steward_client.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide + words, "runner", "check"],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "steward-client[runner]" in done.stderr


# -- claims --------------------------------------------------------------------------


def test_two_runners_share_the_work(world):
    second = world.configured("second")
    world.enrol(second)
    uids = [world.ask("probe") for _number in range(12)]
    workers = [
        threading.Thread(target=world.work_off, args=(config,))
        for config in (world.config, second)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rows = [world.row(uid) for uid in uids]
    assert {row["state"] for row in rows} == {"done"}
    assert {row["fence"] for row in rows} == {1}  # each was begun once


def test_two_backups_at_once(world):
    second = world.configured("second")
    world.enrol(second)
    uids = [world.ask("backup"), world.ask("backup")]
    processes = [world.start(config, once=True) for config in (world.config, second)]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0], world.log()
    rows = [world.row(uid) for uid in uids]
    assert {row["state"] for row in rows} == {"done"}, rows
    assert len(world.listed()) == 2
    world.expect_truth()


def test_one_runner_for_each_work_folder(world, monkeypatch):
    monkeypatch.setattr("steward_client.runner.service.ALONE", 0.5)
    process = world.start()
    try:
        world.until(
            lambda: world.sql("SELECT 1 FROM steward_runner WHERE facts <> '{}'")
        )
        with pytest.raises(Refused, match="Another runner"):
            world.work_off()
    finally:
        end(process, signal.SIGTERM)
    assert process.returncode == 0


def test_facts(world):
    world.work_off(world.configured(odoo=(str(world.settings.odoo),)))
    [(facts, seen)] = world.sql(
        "SELECT facts, now() AT TIME ZONE 'UTC' - seen_at < interval '1 minute'"
        "  FROM steward_runner"
    )
    assert seen
    assert facts["odoo_ok"]
    assert facts["signing_key_ok"]
    assert "backup" in facts["verbs"]
    assert facts["roots"][0]["path"] == str(world.storage)
    assert 0 < facts["roots"][0]["free_bytes"] <= facts["roots"][0]["total_bytes"]
    assert facts["pg"]["pg_dump"]


# -- at work -------------------------------------------------------------------------


def test_progress_and_cancelling(world):
    uid = world.ask("backup")
    process = world.start()
    try:
        with locked(world):
            world.until(lambda: world.row(uid)["step"] == "dump", process)
            row = world.row(uid)
            assert row["state"] == "running"
            assert 0 < row["progress"] < 100
            world.sql("UPDATE steward_operation SET cancel_wanted = true")
            world.sql("SELECT pg_notify('steward_operation', %s)", uid)
            world.until(lambda: state_of(world, uid) == "cancelled", process)
    finally:
        end(process, signal.SIGTERM)
    assert world.listed() == []
    world.expect_truth()


def test_it_lives_while_it_works(world, monkeypatch):
    """Odoo would say that it is silent, and that no backup is made."""
    monkeypatch.setattr("steward_client.runner.service.SEEN", 1.0)
    monkeypatch.setattr("steward_client.runner.service.BEAT", 1.0)
    seen = "SELECT seen_at, facts->>'clock', facts ? 'verbs' FROM steward_runner"
    uid = world.ask("backup")
    worker = threading.Thread(target=world.work_off)
    with locked(world):
        worker.start()
        world.until(lambda: world.reached(uid, "dump"))
        [(before, clock, _knows)] = world.sql(seen)
        world.until(lambda: world.sql(seen)[0][0] > before)
        world.until(lambda: world.sql(seen)[0][1] > clock)
    worker.join()
    assert world.sql(seen)[0][2]
    assert state_of(world, uid) == "done"


def test_it_goes_on_at_once(world):
    """Odoo says that something waits: it is not polled for."""
    patient = replace(world.config, poll=24 * 3600.0)
    process = world.start(patient)
    try:
        # it has looked, and found nothing
        world.until(
            lambda: world.sql(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'steward-runner' AND state = 'idle'"
                " AND query LIKE '%SKIP LOCKED%'"
            ),
            process,
        )
        uid = world.ask("probe")
        world.sql("SELECT pg_notify('steward_operation', '')")
        world.until(lambda: state_of(world, uid) == "done", process)
    finally:
        end(process, signal.SIGTERM)


def test_sigterm_hands_back(world):
    uid = world.ask("backup")
    process = world.start()
    with locked(world):
        world.until(lambda: world.reached(uid, "dump"), process)
        assert end(process, signal.SIGTERM) == 0
    row = world.row(uid)
    assert (row["state"], row["runner_id"]) == ("queued", None)
    assert world.listed() == []
    assert not list(world.config.scratch.glob("*"))
    world.work_off()
    row = world.row(uid)
    assert (row["state"], row["fence"]) == ("done", 2)
    world.expect_truth()


def test_a_lost_fence(world):
    """Somebody else has the operation: nothing is written to its row any more."""
    uid = world.ask("backup")
    process = world.start()
    try:
        with locked(world):
            world.until(lambda: world.reached(uid, "dump"), process)
            world.sql("UPDATE steward_operation SET fence = 9, step = 'theirs'")
            world.until(
                lambda: any(e["event"] == "lost" for e in world.events()), process
            )
    finally:
        end(process, signal.SIGTERM)
    row = world.row(uid)
    assert (row["state"], row["fence"], row["step"]) == ("running", 9, "theirs")
    assert world.listed() == []


# -- the journal ---------------------------------------------------------------------


def test_what_was_done_is_not_done_again(world):
    """The database was restored, and has forgotten."""
    uid = world.ask("backup")
    world.work_off()
    result = world.row(uid)["result"]
    for forgotten in ("queued", "running", "lost"):
        world.sql(
            "UPDATE steward_operation SET state = %s, result = NULL, applied = true",
            forgotten,
        )
        world.work_off()
        if forgotten == "lost":
            continue  # nobody asks for it any more, and nothing is known to be amiss
        row = world.row(uid)
        assert (row["state"], row["result"]) == ("done", result)
        assert row["applied"] is False
    assert len(world.listed()) == 1


def test_a_row_that_could_not_be_written(world, monkeypatch):
    uid = world.ask("backup")
    with monkeypatch.context() as patch:
        patch.setattr("steward_client.runner.rows.tell", _no_database)
        with pytest.raises(psycopg2.OperationalError):
            world.work_off()
    assert state_of(world, uid) == "running"
    world.sql("UPDATE steward_operation SET state = 'lost', fence = fence + 1")
    world.work_off()
    assert state_of(world, uid) == "done"
    assert len(world.listed()) == 1


def _no_database(*_arguments):
    raise psycopg2.OperationalError("gone")


def test_a_torn_journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal, uid = Journal(path), str(uuid.uuid4())
    journal.write("claimed", uid, verb="backup", arguments={})
    journal.write("finished", uid, outcome={"state": "done"})
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"event": "claimed", "uu')
    journal = Journal(path)
    assert journal.finished(uid)
    journal.write("told", uid)
    journal.close()
    assert Journal(path).entry(uid).told
    assert len(path.read_bytes().splitlines()) == 4


# -- dying ---------------------------------------------------------------------------


def rarely(step):
    return pytest.param(step, marks=pytest.mark.thorough)


@pytest.mark.parametrize(
    "step",
    ["dump", "readback", *map(rarely, ["snapshot", "filestore", "checksum"])],
)
def test_killed_during_a_backup(world, step):
    for number in range(300):
        world.attach(os.urandom(3000) + str(number).encode(), row=False)
    uid = world.ask("backup")
    process = world.start()
    world.until(lambda: world.reached(uid, step), process)
    end(process)
    assert all(
        (world.storage / name / "manifest.sig").exists() for name in world.listed()
    )
    world.work_off()
    row = world.row(uid)
    assert row["state"] == "done", row
    assert len(world.listed()) == 1
    world.expect_truth()


def test_an_operation_that_kills_its_runner(world):
    """It is not begun again for ever."""
    uid = world.ask("backup")
    with locked(world):
        for _time in range(2):
            before = len(world.events())
            process = world.start()
            world.until(
                lambda seen=before: any(
                    e.get("name") == "dump" for e in world.events()[seen:]
                ),
                process,
            )
            end(process)
    world.work_off()
    row = world.row(uid)
    assert row["state"] == "failed"
    assert "at dump" in row["error"]
    world.expect_truth()


@pytest.mark.parametrize(
    "step", ["restore", "swap", *map(rarely, ["fetch", "filestore", "compare"])]
)
def test_killed_during_a_restore(world, step):
    name, target = world.backup(), world.database
    before = world.sql("SELECT * FROM res_partner ORDER BY id")
    world.sql("UPDATE res_partner SET name = 'changed since'")
    after = world.sql("SELECT * FROM res_partner ORDER BY id")
    wish = {"replace": True, "confirmed_name": target, "neutralize": False}
    uid = world.ask("restore", path=name, target=target, **wish)
    process = world.start()
    world.until(lambda: world.reached(uid, step), process)
    end(process)
    with_old = world.databases.sql(
        "SELECT datallowconn FROM pg_database WHERE datname = %s", "postgres", target
    )
    assert len(with_old) == 1  # there is one database of this name at all times
    world.work_off()
    assert world.row(uid)["state"] == "done", world.row(uid)
    now = world.sql("SELECT * FROM res_partner ORDER BY id")
    assert now in (before, after)
    assert now == before
    assert world.files.is_dir()
    world.expect_truth()


def test_killed_in_the_middle_of_a_swap(world, monkeypatch):
    """Between the database and its files: the next one brings it to its end."""
    name, target = world.backup(), world.database
    lost = world.attach(b"made after the backup")
    wish = {"replace": True, "confirmed_name": target, "neutralize": False}
    uid = world.ask("restore", path=name, target=target, **wish)
    with monkeypatch.context() as patch:
        patch.setattr("steward_client.backup.restoring._give", _die)
        with pytest.raises(SystemExit):
            world.work_off()
    assert (world.filestore / target).is_dir() is False
    # what a real death leaves: nothing was taken away, and the journal is open
    lines = [e for e in world.events() if e["event"] not in ("gone",)]
    assert lines[-1]["event"] == "intent"
    world.work_off()
    row = world.row(uid)
    assert row["state"] == "done", row
    assert not (world.files / lost).exists()
    world.expect_truth()


def _die(*_arguments):
    raise SystemExit
