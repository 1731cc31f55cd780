"""What the runner does besides: secrets, its journal through the years, its facts."""

import json
import os

import pytest
from runners import World

from steward_client.runner import journal as journals
from steward_client.runner import secret
from steward_client.runner.journal import Journal
from steward_client.runner.problems import KeyMissing


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


# -- secrets -------------------------------------------------------------------------


def reading(tmp_path, reference, roots=None):
    class Config:
        secrets = (tmp_path / "secrets",) if roots is None else roots

    return secret.read(reference, Config)


def test_a_secret_is_read(tmp_path, monkeypatch):
    folder = tmp_path / "secrets"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "key").write_text("value\n")
    assert reading(tmp_path, "file:inner/key") == "value"
    assert reading(tmp_path, f"file:{folder}/inner/key") == "value"
    monkeypatch.setenv("SOME_KEY", "from outside")
    assert reading(tmp_path, "env:SOME_KEY") == "from outside"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:NOT_THERE", "no environment variable NOT_THERE"),
        ("file:nothing", "There is no secret nothing"),
        ("file:../outside", "no secret that a runner can read"),
        ("file:/etc/hostname", "There is no secret /etc/hostname"),
        ("file:link", "There is no secret link"),
        ("file:empty", "is empty"),
        ("file:folder", "Is a directory"),
        ("file:pipe", "is no file"),
        ("vault:a/b#c", "no secret that a runner can read"),
    ],
)
def test_a_secret_is_not_read(tmp_path, reference, words):
    folder = tmp_path / "secrets"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside").write_text("outside")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "empty").write_text("\n")
    os.mkfifo(folder / "pipe")
    with pytest.raises(KeyMissing, match=words):
        reading(tmp_path, reference)
    with pytest.raises(KeyMissing):
        reading(tmp_path, reference, roots=())


# -- the journal ---------------------------------------------------------------------


def test_old_entries_are_kept_in_brief(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    now = journals.time.time()
    old = now - journals.KEPT - 10

    def make(uuid, at, told=True, leaves=False):
        monkeypatch.setattr(journals.time, "time", lambda: at)
        journal.write("claimed", uuid, verb="drill", arguments={})
        journal.write("step", uuid, name="restore")
        if leaves:
            journal.write("making", uuid, key="k", what={"kind": "folder"})
        result = {"ok": True, "evidence_files": {"log": "x" * 10_000}}
        outcome = {"state": "done", "result": result, "steps": [1], "error": ""}
        journal.write("finished", uuid, outcome=outcome)
        if told:
            journal.write("told", uuid)
        monkeypatch.undo()

    make("old", old)
    make("untold", old, told=False)
    make("leaves", old, leaves=True)
    make("new", now)
    before = path.stat().st_size
    assert journal.compact()
    assert path.stat().st_size < before - 9000
    assert not journal.compact(), "there is nothing left to do"
    journal.write("claimed", "later", verb="backup", arguments={})
    journal.close()
    again = Journal(path)
    for one in (journal, again):
        assert one.finished("old")
        assert one.entry("old").outcome["result"] == {"ok": True}
        assert one.entry("old").told
        for uuid in ("untold", "leaves", "new"):
            kept = one.entry(uuid).outcome["result"]
            assert "evidence_files" in kept, uuid
        assert one.entry("later").open
    assert again.entry("leaves").scratch
    assert again.leftovers
    again.close()


def test_a_torn_compaction_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    monkeypatch.setattr(journals.time, "time", lambda: 1000.0)
    journal.write("finished", "old", outcome={"state": "done"})
    journal.write("told", "old")
    monkeypatch.undo()
    before = path.read_bytes()

    def dies(_handle):
        raise OSError("the disk is gone")

    monkeypatch.setattr(journals.os, "fsync", dies)
    with pytest.raises(OSError, match="gone"):
        journal.compact()
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert journal.compact()
    assert Journal(path).finished("old")


# -- facts ---------------------------------------------------------------------------


def facts(world):
    world.work_off()
    [(found,)] = world.sql("SELECT facts FROM steward_runner")
    return found if isinstance(found, dict) else json.loads(found)


def test_facts(world, monkeypatch):
    """Which programs there are; and who keeps the log, but not with which words."""
    from steward_client.runner.postgres import Server

    found = facts(world)
    assert found["restic"]
    assert found["s3"] is True
    assert found["pitr"] == {}
    real = Server.query

    def query(self, text, *values, **more):
        rows = real(self, text, *values, **more)
        if "archive_command" in text:
            words = "pgbackrest --stanza=main --repo1-s3-key=hidden archive-push %p"
            rows = [("on", words, "", "2026-03-04 02:00:00", False)]
        return rows

    monkeypatch.setattr(Server, "query", query)
    found = facts(world)
    assert found["pitr"] == {
        "tool": "pgBackRest",
        "archived_at": "2026-03-04 02:00:00",
        "failing": False,
    }
    assert "hidden" not in json.dumps(found)
