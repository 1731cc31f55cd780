"""Backups: made, checked, restored, removed; and what happens when something breaks."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time

import psycopg2
import pytest
import runners
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from runners import PATIENCE, World, children, end, tree

from steward_client.backup.manifest import new_key


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


def rows_of(world, database, table="res_partner"):
    return world.sql(f"SELECT * FROM {table} ORDER BY id", database=database)


def folder_of(world, name):
    return world.storage / name


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
    world.sql(
        "CREATE TABLE orm_signaling_registry (id serial PRIMARY KEY);"
        "INSERT INTO orm_signaling_registry DEFAULT VALUES"
    )
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
    later = world.backup()

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
    # Odoo's servers must not go on with what they have in mind of the old one
    [(number,)] = world.sql("SELECT max(id) FROM orm_signaling_registry")
    assert number > 1000
    world.sql("INSERT INTO orm_signaling_registry DEFAULT VALUES")
    kept = row["result"]["kept_as"]
    assert (world.filestore / kept / lost).exists()
    assert row["result"]["safety"] in world.listed()
    assert row["result"]["safety_backup"]["level"] == "readback"
    # nobody gets into the old one, so none of its scheduled actions runs
    [(allowed,)] = world.databases.sql(
        "SELECT datallowconn FROM pg_database WHERE datname = %s", "postgres", kept
    )
    assert not allowed
    # Odoo is told of the backups of which this database knows nothing, and of that
    # from which it comes, whose end it never saw
    told = world.sql(
        "SELECT result->'backup'->>'path', applied FROM steward_operation"
        " WHERE verb = 'backup' AND state = 'done' ORDER BY id"
    )
    assert told == [(name, False), (later, False)]
    # it is the same database for Odoo and the runner, which goes on with it
    assert world.backup() in world.listed()
    world.expect_truth()


def test_names_that_are_no_ones(world):
    name = world.backup()
    for target in ("postgres", "steward_restoring_x", "../x", "template1", "-d"):
        row = world.do("restore", path=name, target=target, neutralize=False)
        assert "may be called" in row["error"], row


def test_kinds(world):
    for kind, files, dump in (("database", 0, True), ("filestore", 12, False)):
        result = world.done("backup", kind=kind)
        assert result["backup"]["filestore_files"] == files
        manifest = json.loads(
            (folder_of(world, result["backup"]["path"]) / "manifest.json").read_text()
        )
        assert bool(manifest["dump"]) == dump
    row = world.do(
        "restore", path=result["backup"]["path"], target="x_y", neutralize=False
    )
    assert "holds files only" in row["error"]
    world.expect_truth()


def test_unusual_contents(world):
    """Schemas, large objects, sequences, partitions, and names that are not ASCII."""
    world.sql(
        """
        CREATE SCHEMA "Übersicht";
        CREATE TABLE "Übersicht"."Größe ""x"" y" (id int PRIMARY KEY, "straße" text);
        INSERT INTO "Übersicht"."Größe ""x"" y" VALUES (1, 'ß'), (2, NULL);
        SELECT lo_from_bytea(0, 'a large object');
        CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
        CREATE TABLE parted_1 PARTITION OF parted
               FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        INSERT INTO parted SELECT n, '2026-05-05' FROM generate_series(1, 50) n;
        CREATE MATERIALIZED VIEW much AS SELECT count(*) FROM res_partner;
        CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
        ALTER TABLE res_partner ADD COLUMN gone int;
        ALTER TABLE res_partner DROP COLUMN gone;
        CREATE TABLE empty ();
        """
    )
    odd = world.files / "checklist" / "Straße und Wärme, ünïcode.txt"
    odd.parent.mkdir()
    odd.write_text("ü")
    bad = world.files / "checklist" / os.fsdecode(b"\xff\xfe latin")
    bad.write_text("no UTF-8")
    (world.files / "checklist" / "link").symlink_to("/etc/passwd")
    name, target = world.backup(label="Größe"), f"{world.database}_ü"
    result = world.done("restore", path=name, target=target, neutralize=False)
    assert all(check["ok"] for check in result["checks"])
    copied = world.filestore / target / "checklist"
    assert {p.name for p in copied.iterdir()} == {odd.name, bad.name}
    assert world.sql(
        'SELECT "straße" FROM "Übersicht"."Größe ""x"" y"', database=target
    )
    assert world.sql("SELECT count(*) FROM parted", database=target) == [(50,)]
    assert world.sql(
        "SELECT count(*) FROM pg_largeobject_metadata", database=target
    ) == [(1,)]
    world.expect_truth()


def test_another_locale(world):
    """A database whose collation is not that of the template."""
    odd = f"{world.database}_odd"
    world.databases.sql(
        f"CREATE DATABASE {odd} TEMPLATE template0 ENCODING 'UTF8'"
        " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    world.sql("CREATE TABLE t AS SELECT 'ä' AS x", database=odd)
    name = world.backup(database=odd)
    target = f"{odd}_copy"
    world.done("restore", path=name, target=target, neutralize=False)
    query = "SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = %s"
    [(provider, locale)] = world.databases.sql(query, "postgres", target)
    assert (provider, locale) == ("b", "C.UTF-8")


# -- the files -----------------------------------------------------------------------


def test_files_that_come_and_go(world):
    gone = world.attach(b"lost long ago")
    (world.files / gone).unlink()
    damaged = world.attach(b"as it was")
    (world.files / damaged).write_bytes(b"as it is")
    result = world.done("backup")
    findings = " ".join(result["backup"]["findings"])
    assert "1 attachments have no file" in findings
    assert gone in findings
    assert "1 files are not what their names say" in findings
    name = result["backup"]["path"]
    told = json.loads((folder_of(world, name) / "manifest.json").read_text())
    assert told["filestore"]["missing"] == [gone]
    # it is what there was: a copy of it is as good, and no better
    result = world.done(
        "restore", path=name, target=f"{world.database}_copy", neutralize=False
    )
    assert all(check["ok"] for check in result["checks"])
    world.expect_truth()


def test_files_that_appear_meanwhile(world, monkeypatch):
    """Between the links and the snapshot, and after it; and one that is cleaned up."""
    from steward_client.backup import making

    kept = sorted(world.files.rglob("*"))[-1]
    real = making.snapshot
    late = []

    @contextlib.contextmanager
    def slow(server, database):
        late.append(world.attach(b"between the links and the snapshot"))
        with real(server, database) as held:
            late.append(world.attach(b"after the snapshot"))
            kept.unlink()  # as Odoo's daily clean-up does
            yield held

    monkeypatch.setattr(making, "snapshot", slow)
    name = world.backup()
    target = f"{world.database}_copy"
    result = world.done("restore", path=name, target=target, neutralize=False)
    assert all(check["ok"] for check in result["checks"])
    assert (world.filestore / target / late[0]).exists()
    assert not (world.filestore / target / late[1]).exists()
    assert kept.name in {p.name for p in (world.filestore / target).rglob("*")}
    stored = world.sql("SELECT count(*) FROM ir_attachment", database=target)
    assert stored == [(13,)]


def test_another_file_system(world, monkeypatch):
    """Where there are no links, files are copied."""

    def no_link(*_arguments):
        raise OSError(18, "another device")

    monkeypatch.setattr("os.link", no_link)
    assert world.done("backup")["backup"]["filestore_files"] == 12
    world.expect_truth()


def test_a_sparse_file(world):
    """A large one with holes takes no space, no time, and is as it was."""
    path = world.files / "checklist" / "sparse"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(b"begin" * 1000)
        file.seek(300 * 2**20)
        file.write(b"end")
        file.truncate(600 * 2**20)
    result = world.done("backup")
    assert result["backup"]["bytes"] < 2**20
    target = f"{world.database}_copy"
    world.done(
        "restore", path=result["backup"]["path"], target=target, neutralize=False
    )
    copied = world.filestore / target / "checklist" / "sparse"
    assert copied.stat().st_size == 600 * 2**20
    assert copied.stat().st_blocks * 512 < 2**20
    assert subprocess.run(["cmp", path, copied]).returncode == 0


def test_with_the_usual_tools(world, tmp_path):
    """Nothing of ours is needed to read a backup."""
    if not shutil.which("zstd"):
        pytest.skip("there is no zstd here")
    name = world.backup()
    out = tmp_path / "out"
    out.mkdir()
    for part in sorted(folder_of(world, name).glob("filestore/*")):
        words = ["sh", "-ec", 'zstd -qdc "$1" | tar -x -C "$2"', "sh", part, out]
        subprocess.run(words, check=True)
    assert tree(out) == tree(world.files)


# -- what is wrong with a backup -----------------------------------------------------


def spoil(path, how):
    """Change one file as disks and people do."""
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "grown":
        data += b"more"
    elif how == "gone":
        path.unlink()
        return
    else:
        data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "flipped", "grown", "gone"])
def test_a_spoilt_backup(world, how):
    name, target = world.backup(), f"{world.database}_copy"
    parts = [p for p in sorted(folder_of(world, name).rglob("*")) if p.is_file()]
    assert len(parts) == 4
    for part in parts:
        whole = part.read_bytes()
        spoil(part, how)
        for level in ("checksummed", "readback"):
            row = world.do("verify", path=name, level=level)
            if row["state"] == "done":
                assert not row["result"]["ok"], (part.name, level)
                assert row["result"]["findings"]
        row = world.do("restore", path=name, target=target, neutralize=False)
        assert row["state"] == "failed", part.name
        assert world.databases.comment(target) is None
        assert not (world.filestore / target).exists()
        part.write_bytes(whole)
    world.expect_truth()


def test_wrong_and_foreign_keys(world):
    name, target = world.backup(), f"{world.database}_copy"
    own = world.config.signing_key_file.read_text()
    world.config.signing_key_file.write_text(new_key())
    found = world.done("verify", path=name, level="readback")
    assert not found["ok"]
    assert "another key" in found["findings"][0]
    row = world.do("restore", path=name, target=target, neutralize=False)
    assert (row["state"], row["detail"]) == ("failed", "foreign_key")
    # whoever says so may take it all the same
    world.done("restore", path=name, target=target, neutralize=False, foreign=True)
    world.config.signing_key_file.write_text("")
    row = world.do("backup")
    assert "signing key" in row["error"]
    world.config.signing_key_file.write_text(own)
    # a manifest that was changed by someone without the key
    manifest = folder_of(world, name) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"res_partner": 400', '"r": 400'))
    found = world.done("verify", path=name, level="checksummed")
    assert "signature is wrong" in found["findings"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "update the runner"),
        ({"database": {"postgresql": 99}}, "restore it to a server as new"),
        ({"parts": [{"path": "../x", "bytes": 1, "sha256": "x"}]}, "no name of a part"),
    ],
)
def test_other_versions(world, change, words):
    """Signed as it should be, but by a runner of another time."""
    from steward_client.backup.manifest import SigningKey, encode

    name, target = world.backup(), f"{world.database}_copy"
    folder = folder_of(world, name)
    manifest = json.loads((folder / "manifest.json").read_text())
    for key, value in change.items():
        if isinstance(value, dict):
            manifest[key] |= value
        else:
            manifest[key] = value
    data = encode(manifest)
    (folder / "manifest.json").write_bytes(data)
    key = SigningKey.load(world.config.signing_key_file)
    (folder / "manifest.sig").write_text(key.sign(data))
    row = world.do("restore", path=name, target=target, neutralize=False)
    assert row["state"] == "failed"
    assert words in row["error"]
    assert world.databases.comment(target) is None


# -- removing ------------------------------------------------------------------------


def test_prune(world):
    names = [world.backup() for _number in range(3)]
    row = world.do("prune", remove=names[:2], keep=[names[1]])
    assert "both kept and removed" in row["error"]
    assert world.listed() == sorted(names)
    result = world.done("prune", remove=names[:1], keep=names[1:])
    assert result == {"removed": names[:1], "kept": sorted(names[1:])}
    assert world.listed() == sorted(names[1:])
    # twice is once; and a link does not lead out of the storage
    world.done("prune", remove=names[:1], keep=names[1:])
    outside = world.folder / "outside" / names[0].split("/")[1]
    outside.mkdir(parents=True)
    (world.storage / "away").symlink_to(outside.parent)
    row = world.do("prune", remove=[f"away/{outside.name}"], keep=[])
    assert "leads out of the storage" in row["error"]
    assert outside.exists()


def test_probe(world):
    told = world.done("probe")
    assert told["ok"]
    assert 0 < told["free_bytes"] <= told["total_bytes"]
    assert list(world.storage.rglob("probe")) == []


# -- faults --------------------------------------------------------------------------


def test_pg_dump_is_killed(world):
    """Its exit code counts, whatever it has written by then."""
    server = world.databases.server
    connection = psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password or None,
        dbname=world.database,
    )
    # the counts go on, pg_dump waits: it locks every table first
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE late AS SELECT 1")
        connection.commit()
        cursor.execute("LOCK TABLE late IN ACCESS EXCLUSIVE MODE")
    uid = world.ask("backup")
    process = world.start(once=True)
    try:
        world.until(lambda: world.reached(uid, "dump"), process)
        found = world.until(lambda: children(process.pid, "pg_dump"), process)
        os.kill(found[0], signal.SIGKILL)
        connection.close()
        assert process.wait(PATIENCE) == 0
    finally:
        end(process)
    row = world.row(uid)
    assert row["state"] == "failed"
    assert "pg_dump ended with signal 9" in row["error"], row
    assert world.listed() == []
    world.expect_truth()


def test_postgresql_ends_the_session(world):
    """Of pg_dump: its connection is gone in the middle of the work."""
    server = world.databases.server
    with contextlib.closing(
        psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password or None,
            dbname=world.database,
        )
    ) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE late AS SELECT 1")
            connection.commit()
            cursor.execute("LOCK TABLE late IN ACCESS EXCLUSIVE MODE")
        uid = world.ask("backup")
        worker = threading.Thread(target=world.work_off)
        worker.start()
        world.until(
            lambda: world.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'pg_dump' AND datname = %s"
                " AND wait_event_type = 'Lock'",
                world.database,
            )
        )
    worker.join()
    row = world.row(uid)
    assert row["state"] == "failed"
    assert "pg_dump" in row["error"]
    world.expect_truth()


@pytest.fixture
def small_disk(tmp_path):
    with runners.small_disk(tmp_path / "small", "300k") as place:
        yield place


@pytest.mark.parametrize("full", ["storage", "work", "filestore"])
def test_the_disk_is_full(world, small_disk, full):
    for number in range(6):
        world.attach(os.urandom(100_000) + str(number).encode())
    world.sql(
        "CREATE TABLE much AS SELECT n, md5(n::text) || random() AS x"
        "  FROM generate_series(1, 20000) n"
    )
    config, arguments = world.config, {}
    if full == "storage":
        config = world.configured(storages=(small_disk,))
        arguments["storage"] = {"kind": "folder", "path": str(small_disk)}
    elif full == "work":
        config = world.configured(work=small_disk)
    if full == "filestore":
        name, target = world.backup(), f"{world.database}_copy"
        config = world.configured(filestore=small_disk)
        row = world.do("restore", config, path=name, target=target, neutralize=False)
        assert world.databases.comment(target) is None
    else:
        row = world.do("backup", config, **arguments)
    assert row["state"] == "failed", row
    assert "pace left" in row["error"] or "No space" in row["error"], row
    assert not list(small_disk.glob("*/*.part"))
    assert not [p for p in small_disk.iterdir() if p.name.startswith((".", "steward_"))]
    assert not list((small_disk / "scratch").glob("*"))
    world.expect_truth()


def test_a_file_that_must_not_grow(world):
    """Where no small disk may be made: the system refuses to write more."""
    uid = world.ask("backup")
    for number in range(6):
        world.attach(os.urandom(100_000) + str(number).encode())

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    process = world.start(once=True, preexec_fn=limit)
    assert process.wait(PATIENCE) == 0, world.log()
    row = world.row(uid)
    assert row["state"] == "failed"
    assert "no space left" in row["error"], row
    assert world.listed() == []
    world.expect_truth()


FAULTS = ("kill", "kill pg", "stop", "cancel", "nothing")


@hypothesis_settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(fault=st.sampled_from(FAULTS), delay=st.floats(0, 1.5), seed=st.integers(0, 99))
def test_the_listing_tells_the_truth(world, fault, delay, seed):
    """Whatever happens, and when: what is listed can be read, and all else is gone."""
    world.attach(os.urandom(200_000) + bytes([seed]))
    uid = world.ask("backup")
    process = world.start()
    try:
        world.until(lambda: world.reached(uid, "snapshot"), process)
        time.sleep(delay)
        if fault == "kill":
            end(process)
        elif fault == "kill pg":
            for found in children(process.pid, "pg_dump"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found, signal.SIGKILL)
        elif fault == "stop":
            end(process, signal.SIGTERM)
        elif fault == "cancel":
            world.sql("UPDATE steward_operation SET cancel_wanted = true")
        time.sleep(0.3)
    finally:
        end(process, signal.SIGTERM)
    world.work_off()
    row = world.row(uid)
    done = world.sql(
        "SELECT result->'backup'->>'path' FROM steward_operation"
        " WHERE verb = 'backup' AND state = 'done'"
    )
    assert sorted(name for (name,) in done) == world.listed(), row
    assert row["state"] in ("done", "failed", "cancelled")
    world.expect_truth()
