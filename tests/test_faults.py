"""What breaks while the runner works: nothing is lost, and nothing is claimed.

`tests/test_runner.py` and `tests/test_backups.py` have what breaks in a backup and in
a restore; here are drills, PostgreSQL itself, disks, and databases of unusual shape.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import psycopg2
import pytest
import runners
import zstandard
from runners import PATIENCE, Runner, World, children, end, tree

from house.cluster import ROLE, TEMPLATE, Cluster
from house.databases import Databases
from steward_client.backup.source import Source
from steward_client.runner import postgres
from steward_client.runner.job import Job
from steward_client.runner.journal import Journal
from steward_client.runner.postgres import HIDDEN, Server

# an Odoo that starts at once, and speaks what a drill asks of the real one, with which
# tests/test_drill.py works
ODOO = """
import http.server, json, sys
if "shell" in sys.argv:
    asked = sys.stdin.read()
    print("\\nsteward:" + json.dumps({"missing": [], "queries": [
        "INSERT INTO ir_config_parameter (key, value)"
        " VALUES ('database.is_neutralized', 'true')"
    ]}))
    sys.exit()
if "--version" in sys.argv:
    sys.exit()
port = next(int(w.split("=")[1]) for w in sys.argv if w.startswith("--http-port="))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say({"uid": 2} if "authenticate" in self.path else 1)

    def say(self, result):
        body = json.dumps({"result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
USERS = """
    CREATE TABLE res_users (
        id serial PRIMARY KEY, login varchar, password varchar, active boolean
    );
    INSERT INTO res_users (login, active) VALUES ('__system__', false), ('admin', true);
"""
# in the copy, and only there, this index is never finished
ENDLESS = """
    CREATE FUNCTION endless(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
        IF current_database() LIKE 'steward_restoring_%' THEN PERFORM pg_sleep(600);
        END IF;
        RETURN $1;
    END $$;
    CREATE TABLE slow AS SELECT 1 AS x;
    CREATE INDEX ON slow (public.endless(x));
"""


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


def stored(world, database=None):
    """The files that attachments name."""
    query = "SELECT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL"
    return {name for (name,) in world.sql(query, database=database)}


# -- the runner is killed in a drill -------------------------------------------------


@pytest.fixture(scope="module")
def drilled(settings, databases, tmp_path_factory):
    """A backup that is drilled with an Odoo that starts at once."""
    folder = tmp_path_factory.mktemp("drills")
    made = World(settings, databases, folder)
    program = folder / "odoo.py"
    program.write_text(ODOO)
    made.odoo = (sys.executable, str(program))
    made.config = made.configured()
    try:
        made.make()
        made.sql(USERS)
        made.name = made.backup()
        yield made
    finally:
        made.gone()


RARELY = ["fetch", "filestore", "compare", "neutralize", "boot", "cleanup"]


def rarely(*values):
    return pytest.param(*values, marks=pytest.mark.thorough)


def test_a_drill_that_nothing_disturbs(drilled):
    result = drilled.done("drill", path=drilled.name, keep=False)
    assert result["ok"], result["checks"]
    assert [check["name"] for check in result["checks"]][-4:] == [
        *("boot", "login", "read", "log")
    ]
    drilled.expect_truth()


@pytest.mark.parametrize(
    "step",
    ["restore", "login", *map(rarely, RARELY)],
)
def test_killed_during_a_drill(drilled, step):
    uid = drilled.ask("drill", path=drilled.name, keep=False)
    process = drilled.start(held=step)
    drilled.until(lambda: drilled.reached(uid, step), process)
    end(process)
    hidden = f"steward_restoring_{uid.replace('-', '')[:8]}"
    drilled.until(lambda: not processes(hidden))  # what it had started went with it
    assert drilled.row(uid)["state"] == "running"  # and nothing was claimed
    again = step == "login"
    if not again:  # the next runner comes late: Odoo has given it up
        drilled.sql("UPDATE steward_operation SET state = 'lost' WHERE uuid = %s", uid)
    drilled.work_off()
    row = drilled.row(uid)
    if again:
        assert (row["state"], row["result"]["ok"]) == ("done", True), row
    else:
        assert row["state"] == "failed", row
        assert f"at {step}" in row["error"]
    drilled.expect_truth()


def test_a_drill_of_a_flipped_bit(drilled):
    part = next((drilled.storage / drilled.name).glob("dump/*"))
    whole = part.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    try:
        result = drilled.done("drill", path=drilled.name, keep=True)
    finally:
        part.write_bytes(whole)
    assert not result["ok"]
    assert "kept" not in result  # nobody builds on it
    assert [c["name"] for c in result["checks"] if not c["ok"]] == ["fetch"]
    drilled.expect_truth()


def processes(word):
    """The programs in whose command line a word is."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,args="], capture_output=True, text=True
    ).stdout
    return [line for line in listed.splitlines() if word in line]


# -- its programs are killed ---------------------------------------------------------


def test_pg_restore_is_killed(world):
    world.sql(ENDLESS)
    name, target = world.backup(), f"{world.database}_copy"
    uid = world.ask("restore", path=name, target=target, neutralize=False)
    process = world.start(once=True)
    try:
        world.until(lambda: building(world), process)
        found = children(process.pid, "pg_restore")
        os.kill(found[0], signal.SIGKILL)
        assert process.wait(PATIENCE) == 0
    finally:
        end(process)
    row = world.row(uid)
    assert row["state"] == "failed"
    assert "pg_restore ended with signal 9" in row["error"], row
    assert world.databases.comment(target) is None
    assert not (world.filestore / target).exists()
    world.expect_truth()


def building(world):
    """Is the endless index being made?"""
    return world.databases.sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname LIKE 'steward_restoring_%'"
        " AND query LIKE 'CREATE INDEX%endless%' AND state = 'active'"
    )


# -- PostgreSQL is killed ------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(settings):
    """A PostgreSQL that only this file works with."""
    own = Cluster(settings, "faults", durable=True)
    with own.running():
        yield own


@pytest.fixture
def said(monkeypatch):
    """What the runner warns of; here it has reason to."""
    logger, lines = logging.getLogger("steward_client"), []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "propagate", False)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def fragile(settings, cluster, tmp_path, monkeypatch, said):
    """A world whose PostgreSQL may be killed."""
    monkeypatch.setattr("steward_client.runner.service.LOOK_AGAIN", 0.2)
    with cluster.running() as server:
        made = World(settings, Databases(settings, server, "faults"), tmp_path)
        made.config = made.configured(pg_bin=cluster.binaries)
        try:
            yield made.make()
        finally:
            made.gone()


def crash(cluster):
    """`kill -9` of the postmaster; its children follow it."""
    pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while any(
        here(process, cluster.folder) for process in Path("/proc").glob("[0-9]*")
    ):
        assert time.monotonic() < deadline, "PostgreSQL's processes did not follow"
        time.sleep(0.02)


def here(process, folder):
    with contextlib.suppress(OSError):
        # a dead one that nobody has buried has no folder any more
        return (process / "cwd").readlink() == folder.resolve()
    return False


@contextlib.contextmanager
def working(world):
    """A runner at work in this process, told to end at the end."""
    runner = Runner(world.config)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.end()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def ended(world, uid):
    """The row of an operation that has ended; none while nobody can tell."""
    row = None
    with contextlib.suppress(Exception):
        row = world.row(uid)
    return row and row["state"] not in ("queued", "running") and row


def test_postgresql_is_killed_during_a_dump(fragile, cluster):
    fragile.sql("CREATE TABLE late AS SELECT 1")
    server = fragile.databases.server
    holder = psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname=fragile.database,
    )
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE late IN ACCESS EXCLUSIVE MODE")
    uid = fragile.ask("backup")
    with working(fragile):
        fragile.until(lambda: fragile.reached(uid, "dump"))
        fragile.until(lambda: children(os.getpid(), "pg_dump"))
        crash(cluster)
        assert fragile.listed() == []
        with cluster.running():
            row = fragile.until(lambda: ended(fragile, uid))
            assert row["state"] == "failed", row
            # and the same runner goes on
            uid = fragile.ask("backup")
            row = fragile.until(lambda: ended(fragile, uid))
            assert row["state"] == "done", row
    fragile.expect_truth()


def test_postgresql_is_killed_during_a_restore(fragile, cluster):
    fragile.sql(ENDLESS)
    name, target = fragile.backup(), f"{fragile.database}_copy"
    uid = fragile.ask("restore", path=name, target=target, neutralize=False)
    with working(fragile):
        fragile.until(lambda: building(fragile))
        crash(cluster)
        with cluster.running():
            row = fragile.until(lambda: ended(fragile, uid))
            # what could not be taken away without PostgreSQL is now
            uid = fragile.ask("probe")
            fragile.until(lambda: ended(fragile, uid))
    assert row["state"] == "failed", row
    assert fragile.databases.comment(target) is None
    assert not (fragile.filestore / target).exists()
    fragile.expect_truth()


@pytest.mark.parametrize("moment", ["between", "after"])
def test_postgresql_is_killed_during_a_swap(fragile, cluster, monkeypatch, moment):
    """Nobody may enter the old database by then, and the new one has no name yet."""
    monkeypatch.setattr("steward_client.backup.restoring.AGAIN", 0.2)
    name, target = fragile.backup(), fragile.database
    before = fragile.sql("SELECT * FROM res_partner ORDER BY id")
    fragile.sql("UPDATE res_partner SET name = 'changed since'")
    lost = fragile.attach(b"made after the backup")
    crashed = []

    if moment == "between":
        altered = alter_then(postgres._alter, cluster, crashed)
        monkeypatch.setattr(postgres, "_alter", altered)
    else:
        real = postgres.Server.show

        def show(*arguments):
            real(*arguments)
            if not crashed:  # it is done, and nobody could tell
                crashed.append(crash(cluster))
                raise postgres.Away("gone")

        monkeypatch.setattr(postgres.Server, "show", show)
    wish = {"replace": True, "confirmed_name": target, "neutralize": False}
    uid = fragile.ask("restore", path=name, target=target, **wish)
    with working(fragile):
        fragile.until(lambda: crashed)
        with cluster.running():
            row = fragile.until(lambda: ended(fragile, uid))
    assert row["state"] == "done", row
    assert fragile.sql("SELECT * FROM res_partner ORDER BY id") == before
    assert not (fragile.files / lost).exists()
    kept = row["result"]["kept_as"]
    assert (fragile.filestore / kept / lost).exists()
    allowed = dict(
        fragile.databases.sql("SELECT datname, datallowconn FROM pg_database")
    )
    assert (allowed[target], allowed[kept]) == (True, False)
    fragile.expect_truth()


def alter_then(real, cluster, crashed):
    """Dies when the new database has its name, in a transaction that is not ended."""

    def act(cursor, database, change):
        real(cursor, database, change)
        if change == "IS_TEMPLATE false" and not crashed:
            crashed.append(crash(cluster))

    return act


@pytest.fixture
def eager(cluster):
    """Autovacuum comes at once."""
    reload = "SELECT pg_reload_conf()"
    cluster.administer("ALTER SYSTEM SET autovacuum_naptime = '1s'", reload)
    yield
    cluster.administer("ALTER SYSTEM RESET autovacuum_naptime", reload)


@pytest.mark.parametrize("what", ["drop", "show", "rename"])
def test_autovacuum_is_in_the_copy(fragile, eager, what):
    """As it is wherever much was just written; it is a superuser's, and makes way."""
    server = Server(fragile.config.dsn, fragile.config.pg_bin)
    hidden, target = f"{HIDDEN}{fragile.database}", f"{fragile.database}_{what}"
    with contextlib.closing(server.connect()) as connection:
        locale = Source(connection).identity()["locale"]
    server.create_hidden(hidden, fragile.config.template, locale)
    try:
        fragile.sql(
            "CREATE TABLE much WITH (autovacuum_vacuum_cost_delay = 100,"
            "                        autovacuum_vacuum_cost_limit = 1)"
            " AS SELECT repeat(md5(n::text), 20) AS x FROM generate_series(1, 20000) n",
            database=hidden,
        )
        fragile.until(
            lambda: fragile.databases.sql(
                "SELECT 1 FROM pg_stat_activity WHERE datname = %s"
                " AND backend_type IS NULL",  # of a superuser, and hidden from us
                "postgres",
                hidden,
            ),
        )
        if what == "drop":
            server.drop(hidden)
        elif what == "show":
            server.show(hidden, target)
        else:
            server.rename_hidden(hidden, target)
        assert not server.exists(hidden)
        assert server.exists(target) == (what != "drop")
    finally:
        server.drop(hidden)


# -- a disk is full ------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    with runners.small_disk(tmp_path / "small", "64m") as place:
        yield place


def fill(place):
    """Take all the room that is left."""
    with (place / "full").open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(65536)):
                pass
        with contextlib.suppress(OSError):
            while file.write(b"x"):
                pass


@pytest.mark.parametrize(
    ("verb", "full", "step"),
    [
        rarely("backup", "storage", "dump"),
        ("backup", "storage", "filestore"),
        rarely("backup", "storage", "checksum"),  # the manifest
        rarely("backup", "work", "snapshot"),  # the journal
        ("backup", "work", "dump"),
        rarely("backup", "work", "readback"),
        rarely("restore", "work", "fetch"),
        ("restore", "filestore", "filestore"),
        ("restore", "work", "swap"),  # the intent
        rarely("drill", "work", "fetch"),
    ],
)
def test_the_disk_fills_up(drilled, small_disk, monkeypatch, verb, full, step):
    """In any phase, the journal's disk too; when there is room again, it goes on."""
    settings = {
        "storage": {"storages": (drilled.storage, small_disk)},
        "work": {"work": small_disk / "work"},
        "filestore": {"filestore": small_disk},
    }[full]
    config = drilled.configured("small", **settings)
    drilled.enrol(config)
    wish = {
        "backup": {"kind": "full"},
        "restore": {"path": drilled.name, "target": f"{drilled.database}_copy"},
        "drill": {"path": drilled.name, "keep": False},
    }[verb]
    if full == "storage":
        wish["storage"] = {"kind": "folder", "path": str(small_disk)}
    if verb == "restore":
        wish["neutralize"] = False
    real, filled = Job.step, []

    def begin(job, name):
        real(job, name)
        if name == step and not filled:
            filled.append(fill(small_disk))

    monkeypatch.setattr(Job, "step", begin)
    listed = drilled.listed()
    uid = drilled.ask(verb, **wish)
    # the journal itself cannot always be written: then the runner is not there
    with contextlib.suppress(OSError):
        drilled.work_off(config)
    assert filled
    row = drilled.row(uid)
    assert row["state"] != "done" or row["result"].get("ok") is False, row
    (small_disk / "full").unlink()
    if row["state"] == "running":  # nobody could tell how it ended
        drilled.work_off(config)
        row = drilled.row(uid)
        # a backup that could not be read back is gone, and is not made twice
        assert row["state"] == ("failed" if step == "readback" else "done"), row
    else:
        words = row["error"] or [c["sentence"] for c in row["result"]["checks"]][-1]
        assert "pace left" in words, row
        assert drilled.listed() == listed
        assert drilled.databases.comment(f"{drilled.database}_copy") is None
        assert not list(small_disk.glob("*/*.part"))
    drilled.databases.drop(f"{drilled.database}_copy")
    drilled.sql("DELETE FROM steward_runner WHERE name = 'small'")
    drilled.expect_truth()
    assert not list((small_disk / "work" / "scratch").glob("*"))


def test_half_a_line_of_the_journal(small_disk):
    """What did not fit is taken back, and does not spoil the line that comes next."""
    path, uid = small_disk / "journal.jsonl", "0a1b2c3d-0000-4000-8000-000000000000"
    journal = Journal(path)
    journal.write("claimed", uid, verb="backup", arguments={})
    fill(small_disk)
    with pytest.raises(OSError, match="No space"):
        journal.write("finished", uid, outcome={"state": "done", "text": "x" * 9000})
    assert not journal.finished(uid)
    (small_disk / "full").unlink()
    journal.write("finished", uid, outcome={"state": "failed"})
    journal.close()
    with contextlib.closing(Journal(path)) as journal:
        assert journal.entry(uid).outcome == {"state": "failed"}
    assert len(path.read_bytes().splitlines()) == 2


def test_what_cannot_be_taken_away(world, monkeypatch, said):
    """It does not keep the runner from its work, and goes when it can."""
    left = world.config.scratch / "left"
    left.mkdir(parents=True)
    journal = Journal(world.config.journal)
    uid = "0a1b2c3d-0000-4000-8000-000000000000"
    journal.write("claimed", uid, verb="backup", arguments={})
    what = {"kind": "folder", "path": str(left)}
    journal.write("making", uid, key="left", what=what)
    journal.write("finished", uid, outcome={"state": "failed"})
    journal.write("told", uid)
    journal.close()

    def refuse(_path):
        raise PermissionError(13, "not yours")

    with monkeypatch.context() as patch:
        patch.setattr("steward_client.runner.job.remove", refuse)
        assert world.done("probe")["ok"] is False  # it leaves something behind too
    assert any("cannot be taken away" in line for line in said)
    assert world.done("probe")["ok"]
    assert not left.exists()


def test_postgresqls_disk_is_full(fragile, cluster, small_disk):
    fragile.sql(
        "CREATE TABLE much AS SELECT n, repeat(md5(random()::text), 20) AS x"
        "  FROM generate_series(1, 90000) n"
    )
    name, target = fragile.backup(), f"{fragile.database}_copy"
    space, template = "small", f"{fragile.database}_small"
    place = small_disk / "postgres"
    place.mkdir()
    for folder in (small_disk, *small_disk.parents):
        if folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    if cluster.user:
        shutil.chown(place, cluster.user, cluster.user)
    made = f"CREATE DATABASE {template} TEMPLATE {TEMPLATE} TABLESPACE {space}"
    cluster.administer(f"CREATE TABLESPACE {space} LOCATION '{place}'")
    try:
        cluster.administer(made, f"ALTER DATABASE {template} OWNER TO {ROLE}")
        config = fragile.configured(pg_bin=cluster.binaries, template=template)
        wish = {"path": name, "target": target, "neutralize": False}
        row = fragile.do("restore", config, **wish)
        assert row["state"] == "failed", row
        assert "No space left" in row["error"], row
        assert fragile.databases.comment(target) is None
        fragile.expect_truth()
        # elsewhere there is room
        fragile.done("restore", **wish)
    finally:
        fragile.databases.drop(template)
        cluster.administer(f"DROP TABLESPACE {space}")


# -- what is in a backup ------------------------------------------------------------


def test_files_come_and_go_all_the_time(world):
    """A backup of a database that people work with holds what it names."""
    over = threading.Event()

    def people():
        number = 0
        while not over.is_set():
            number += 1
            name = world.attach(f"written meanwhile {number}".encode() * 100)
            if number % 3 == 0:  # as Odoo does: first the row, then the file
                world.sql("DELETE FROM ir_attachment WHERE store_fname = %s", name)
                (world.files / name).unlink()

    busy = threading.Thread(target=people)
    busy.start()
    try:
        world.until(lambda: len(stored(world)) > 12)
        results = [world.done("backup")["backup"] for _time in range(2)]
    finally:
        over.set()
        busy.join()
    for number, result in enumerate(results):
        target = f"{world.database}_copy{number}"
        world.done("restore", path=result["path"], target=target, neutralize=False)
        names = stored(world, target)
        assert len(names) >= 12
        for name in names - set(missing(world, result["path"])):
            data = (world.filestore / target / name).read_bytes()
            assert hashlib.sha1(data).hexdigest() == name.split("/")[1]
        # only what was taken away between the snapshot and the second look at the files
        assert len(missing(world, result["path"])) <= 2
    world.expect_truth()


def missing(world, name):
    """The files that a backup says were not there."""
    manifest = json.loads((world.storage / name / "manifest.json").read_text())
    return manifest["filestore"]["missing"]


def rewritten(world, name, members, **more):
    """A backup that somebody else made: its files, and a manifest that fits them."""
    folder = world.storage / name
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    [part] = folder.glob("filestore/*")
    data = zstandard.compress(packed.getvalue())
    part.write_bytes(data)
    told = json.loads((folder / "manifest.json").read_text())
    for one in told["parts"]:
        if one["path"].startswith("filestore/"):
            one |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    told |= {"key_id": "another", **more}
    (folder / "manifest.json").write_text(json.dumps(told))


def a_file(name):
    return tarfile.TarInfo(name)


def a_link(name, to):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([(a_file("../../../outside"), b"x")], "no name of a part"),
        ([(a_file("/tmp/outside"), b"x")], "no name of a part"),
        ([(a_file("aa/../../../outside"), b"x")], "no name of a part"),
        ([(a_link("aa", "/tmp"), b""), (a_file("aa/outside"), b"x")], "is no file"),
        ([(a_file("aa/one"), b"x"), (a_file("aa/one"), b"y")], "File exists"),
    ],
)
def test_files_that_lead_out(world, members, words):
    """Of a backup that is no one's of ours, and that somebody wants all the same."""
    name, target = world.backup(), f"{world.database}_copy"
    rewritten(world, name, members)
    before = tree(world.folder / "filestore")
    wish = {"path": name, "target": target, "neutralize": False}
    assert world.do("restore", **wish)["detail"] == "foreign_key"
    row = world.do("restore", **wish, foreign=True)
    assert row["state"] == "failed"
    assert words in row["error"], row
    assert tree(world.folder / "filestore") == before
    assert not list(world.folder.rglob("outside"))
    assert not Path("/tmp/outside").exists()
    assert world.databases.comment(target) is None


def test_a_backup_of_an_older_odoo(world):
    """It is restored, and whoever asked for it is told."""
    [(ours,)] = world.sql(
        "SELECT latest_version FROM ir_module_module WHERE name = 'base'"
    )
    world.sql(
        "UPDATE ir_module_module SET latest_version = '17.0.1.3' WHERE name = 'base'"
    )
    name = world.backup()
    world.sql(
        "UPDATE ir_module_module SET latest_version = %s WHERE name = 'base'", ours
    )
    target = f"{world.database}_copy"
    result = world.done("restore", path=name, target=target, neutralize=False)
    [finding] = result["findings"]
    assert "Odoo 17.0" in finding
    assert "19.0" in finding


@pytest.mark.thorough
def test_many_tables(world):
    """5,000 tables, as a database has after years of modules."""
    world.sql(
        """
        DO $$ BEGIN
            FOR n IN 1..5000 LOOP
                EXECUTE format('CREATE TABLE "täble %s" (x int)', n);
            END LOOP;
        END $$
        """
    )
    result = world.done("backup")
    assert result["level"] == "readback"
    name, target = result["backup"]["path"], f"{world.database}_copy"
    result = world.done("restore", path=name, target=target, neutralize=False)
    rows = next(c for c in result["checks"] if c["name"] == "rows")
    assert rows["ok"]
    assert rows["found"] > 5000


def test_a_large_attachment(world):
    """64 MB that do not shrink; the bench has larger ones."""
    name = world.attach(os.urandom(2**26))
    result = world.done("backup")["backup"]
    assert result["bytes"] > 2**26
    target = f"{world.database}_copy"
    world.done("restore", path=result["path"], target=target, neutralize=False)
    copied = (world.filestore / target / name).read_bytes()
    assert hashlib.sha1(copied).hexdigest() == name.split("/")[1]
