"""Storages and engines besides the folder: encrypted, in S3, in restic's repositories.

The S3 server is a real one, and so is restic. What goes wrong goes wrong on the wire.
"""

import json
import os
import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import repositories
from click.testing import CliRunner
from repositories import RestServer
from runners import World, end, tree
from s3_server import BUCKET, KEYS, S3Server

from steward_client.backup import s3
from steward_client.cli import cli
from steward_client.runner import checks, job, service
from steward_client.runner.service import Runner


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


@pytest.fixture(scope="module")
def server():
    made = S3Server()
    yield made
    made.stop()


@pytest.fixture
def bucket(server, world, monkeypatch):
    """A storage in the bucket, and a small size of pieces."""
    server.reset()
    monkeypatch.setattr(s3, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(s3, "LONGEST_WAIT", 0.05)
    return {
        "kind": "s3",
        "endpoint": server.endpoint,
        "bucket": BUCKET,
        "prefix": "odoo/nightly",
        "path_style": True,
        "access_key": world.secret("s3_access", KEYS[0]),
        "secret_key": world.secret("s3_secret", KEYS[1]),
    }


def a_key(world, name="key"):
    return world.secret(name, secrets.token_hex(32))


def same(world, target):
    """Is a restored copy what the source is?"""
    query = "SELECT * FROM res_partner ORDER BY id"
    assert world.sql(query, database=target) == world.sql(query)
    assert tree(world.filestore / target) == tree(world.files)


def quiet(monkeypatch):
    """Collect the runner's warnings: they are what a test wants."""
    told = []

    def note(text, *values):
        told.append(text % values)

    for module in (job, service):
        monkeypatch.setattr(module._logger, "warning", note)
    return told


# -- encryption ----------------------------------------------------------------------


def test_encrypted(world):
    """Nothing of the contents is readable, and with the key all is there again."""
    key = a_key(world)
    made = world.done("backup", encryption={"key": key})
    name = made["backup"]["path"]
    folder = world.storage / name
    for part in folder.rglob("*.tar.zst"):
        data = part.read_bytes()
        assert data.startswith(b"STEWARD1")
        assert subprocess.run(["zstd", "-t", "-q", part]).returncode
    written = (folder / "manifest.json").read_text()
    value = (world.secrets / "key").read_text().strip()
    assert json.loads(written)["encryption"]["key_id"] not in value
    for place in (folder, world.config.work):
        for path in place.rglob("*"):
            assert not path.is_file() or value.encode() not in path.read_bytes()
    result = world.done(
        "restore",
        path=name,
        target=f"{world.database}_copy",
        neutralize=False,
        encryption={"key": key},
    )
    assert all(check["ok"] for check in result["checks"])
    same(world, f"{world.database}_copy")


def test_sums_need_no_key_and_reading_does(world):
    name = world.backup(encryption={"key": a_key(world)})
    assert world.done("verify", path=name, level="checksummed")["ok"]
    row = world.do("verify", path=name, level="readback")
    assert (row["state"], row["detail"]) == ("failed", "key_missing")
    assert "not among those that are named" in row["error"]


@pytest.mark.parametrize("how", ["another", "none", "gone", "nonsense"])
def test_without_its_key(world, how):
    """Nothing is restored, nothing is half there, and a sentence says why."""
    key = a_key(world)
    name = world.backup(encryption={"key": key})
    before = world.listed()
    told = {"encryption": {"key": key}}
    if how == "another":
        told = {"encryption": {"key": a_key(world, "other")}}
    elif how == "none":
        told = {}
    elif how == "gone":
        (world.secrets / "key").unlink()
    else:
        world.secret("key", "open sesame")
    target = f"{world.database}_copy"
    row = world.do("restore", path=name, target=target, neutralize=False, **told)
    assert (row["state"], row["detail"]) == ("failed", "key_missing"), row
    assert "key" in row["error"]
    assert world.databases.comment(target) is None
    assert not (world.filestore / target).exists()
    assert world.listed() == before
    if how in ("gone", "nonsense"):  # and no backup is made without it
        row = world.do("backup", **told)
        assert (row["state"], row["detail"]) == ("failed", "key_missing")
        assert world.listed() == before


def test_a_new_key_leaves_old_backups(world):
    old = a_key(world, "old")
    first = world.backup(encryption={"key": old})
    new = {"key": a_key(world, "new"), "keys": [old]}
    second = world.backup(encryption=new)
    for name in (first, second):
        found = world.done("verify", path=name, level="readback", encryption=new)
        assert found["ok"]
    # an earlier key that is lost hinders only what it wrote
    (world.secrets / "old").unlink()
    assert world.done("verify", path=second, level="readback", encryption=new)["ok"]
    row = world.do("verify", path=first, level="readback", encryption=new)
    assert "There is no secret old" in row["error"]


def sign_anew(world, folder):
    """As somebody could who has the signing key: only the encryption is left."""
    from steward_client.backup.manifest import SigningKey, encode
    from steward_client.backup.packing import Part

    manifest = json.loads((folder / "manifest.json").read_text())
    import hashlib

    parts = []
    for part in manifest["parts"]:
        data = (folder / part["path"]).read_bytes()
        sums = hashlib.sha256(data).hexdigest()
        parts.append(Part(part["path"], len(data), sums).as_json())
    manifest["parts"] = parts
    data = encode(manifest)
    (folder / "manifest.json").write_bytes(data)
    key = SigningKey.load(world.config.signing_key_file)
    (folder / "manifest.sig").write_text(key.sign(data))


@pytest.mark.parametrize("how", ["cut at a chunk", "swapped", "reordered", "flipped"])
def test_encrypted_and_changed(world, monkeypatch, how):
    """Also where all sums are right, what was changed does not open."""
    from steward_client.backup import encryption, packing

    monkeypatch.setattr(encryption, "CHUNK", 4096)
    defaults = packing.Packer.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "part_size", 200_000)
    for number in range(6):
        world.attach(os.urandom(100_000) + bytes([number]))
    key = {"encryption": {"key": a_key(world)}}
    name = world.backup(**key)
    folder = world.storage / name
    parts = sorted(folder.glob("filestore/*"))
    assert len(parts) > 1
    head, chunk = 8 + 32, 4096 + 16
    data = parts[0].read_bytes()
    if how == "cut at a chunk":
        data = data[: head + 3 * chunk]
    elif how == "swapped":
        other = parts[1].read_bytes()
        parts[1].write_bytes(data)
        data = other
    elif how == "reordered":
        one, two = data[head : head + chunk], data[head + chunk : head + 2 * chunk]
        data = data[:head] + two + one + data[head + 2 * chunk :]
    else:
        data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    parts[0].write_bytes(data)
    sign_anew(world, folder)
    assert world.done("verify", path=name, level="checksummed")["ok"]
    found = world.done("verify", path=name, level="readback", **key)
    assert not found["ok"]
    assert "does not open" in found["findings"][0]


# -- S3 ------------------------------------------------------------------------------


def test_s3(server, world, bucket):
    """Backed up, listed, checked, restored, removed."""
    made = world.done("backup", storage=bucket, encryption={"key": a_key(world)})
    assert made["level"] == "readback"
    name = made["backup"]["path"]
    keys = server.objects()
    assert f"odoo/nightly/{name}/manifest.json" in keys
    assert server.uploads() == []
    target = f"{world.database}_copy"
    told = {"storage": bucket, "path": name, "encryption": {"key": "file:key"}}
    world.done("restore", target=target, neutralize=False, **told)
    same(world, target)
    second = world.backup(storage=bucket)
    result = world.done("prune", storage=bucket, remove=[name], keep=[second])
    assert result == {"removed": [name], "kept": [second]}
    assert all(second in key for key in server.objects())
    world.done("prune", storage=bucket, remove=[name], keep=[second])


def test_s3_probe(server, world, bucket):
    world.backup(storage=bucket)
    told = world.done("probe", storage=bucket)
    assert told == {"ok": True, "used_bytes": sum(server.objects().values())}
    assert not [key for key in server.objects() if "probe" in key]
    server.clock = 320  # and a little less by when we read it
    assert "differ by 5 minutes" in world.done("probe", storage=bucket)["sentence"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bucket": "none-such"}, "has no bucket none-such"),
        ({"access_key": "file:nothing"}, "There is no secret nothing"),
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        ({"prefix": "../other"}, "no folder in a bucket"),
    ],
)
def test_s3_settings(world, bucket, change, words, monkeypatch):
    quiet(monkeypatch)
    told = world.do("probe", storage=bucket | change)
    said = (told["result"] or {}).get("sentence") or told["error"]
    assert words in said


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ((403, "RequestTimeTooSkewed"), "clock of the runner's machine is 17 minutes"),
        ((403, "AccessDenied"), "The key needs s3:ListBucket"),
        ((403, "SignatureDoesNotMatch"), "does not know these keys"),
        ((400, "MalformedXML"), "refuses (MalformedXML)"),
    ],
)
def test_s3_refuses(server, world, bucket, how, words):
    """What does not pass is not tried again, and is told in words."""
    server.clock = 1040  # and a little less by when we read it
    fault = server.fail(how, lambda r: r.verb == "PUT", times=99)
    row = world.do("backup", storage=bucket)
    assert row["state"] == "failed"
    assert words in row["error"]
    assert fault.happened == 1
    assert server.objects() == {}


@pytest.fixture
def seven(world, monkeypatch):
    """A backup whose files go up in seven pieces."""
    monkeypatch.setattr(s3, "PIECE", 5 * 2**20)
    for number in range(4):
        world.attach(os.urandom(8 * 2**20) + bytes([number]))


def pieces(server):
    return [r.piece for r in server.requests if r.piece and "filestore" in r.key]


@pytest.mark.parametrize(
    "how", ["cut", "mute", (503, "SlowDown"), (500, "InternalError")]
)
def test_s3_piece_three_of_seven(server, world, bucket, seven, how):
    """It is sent again, and only it."""
    fault = server.fail(how, lambda r: r.piece == 3 and "filestore" in r.key, times=2)
    made = world.done("backup", storage=bucket)
    assert fault.happened == 2
    assert pieces(server) == [1, 2, 3, 3, 3, 4, 5, 6, 7]
    assert made["level"] == "readback"
    assert server.uploads() == []


def test_s3_never_comes_back(server, world, bucket, seven):
    """Then there is no backup, and no piece of one."""
    server.fail("cut", lambda r: r.piece >= 3, times=10**6)
    row = world.do("backup", storage=bucket)
    assert row["state"] == "failed"
    assert "does not answer" in row["error"]
    assert server.objects() == {}
    assert server.uploads() == []


@pytest.mark.parametrize("part", ["dump/", "filestore/"])
def test_s3_truncates(server, world, bucket, seven, part):
    """It says that it took all, and has half: of an object, or of one piece."""
    server.fail(
        "truncate",
        lambda r: r.verb == "PUT" and part in r.key and r.piece in (0, 3),
    )
    row = world.do("backup", storage=bucket)
    assert row["state"] == "failed"
    assert "instead of" in row["error"] or "EntityTooSmall" in row["error"], row
    assert server.objects() == {}


def test_s3_answers_short(server, world, bucket, seven):
    """A download that ends too early goes on from there."""
    fault = server.fail(
        "short", lambda r: r.verb == "GET" and "filestore" in r.key, times=3
    )
    assert world.done("backup", storage=bucket)["level"] == "readback"
    assert fault.happened == 3


def test_s3_one_byte(server, world, bucket):
    """An object that was changed, with the right size and an ETag that fits."""
    name = world.backup(storage=bucket)
    for key in list(server.objects()):
        whole = server.data(key)
        data = bytearray(whole)
        data[len(data) // 2] ^= 1
        server.put(key, bytes(data))
        found = world.do("verify", storage=bucket, path=name, level="checksummed")
        assert found["state"] == "failed" or not found["result"]["ok"], key
        target = f"{world.database}_copy"
        row = world.do(
            "restore", storage=bucket, path=name, target=target, neutralize=False
        )
        assert row["state"] == "failed", key
        assert world.databases.comment(target) is None
        server.put(key, whole)
    assert world.done("verify", storage=bucket, path=name, level="readback")["ok"]


def test_s3_the_manifest_is_last(server, world, bucket):
    """Its answer is lost: it is there, or it is not, but never half."""
    server.fail("mute", lambda r: r.verb == "PUT" and r.key.endswith("manifest.json"))
    name = world.backup(storage=bucket)
    last = [r.key for r in server.requests if r.verb == "PUT"][-1]
    assert last == f"odoo/nightly/{name}/manifest.json"


def test_s3_runner_dies(server, world, bucket, monkeypatch):
    """What it had sent is given up by the next one."""
    for number in range(4):
        world.attach(os.urandom(8 * 2**20) + bytes([number]))
    server.fail("cut", lambda r: r.piece == 2, times=10**6)
    uid = world.ask("backup", storage=bucket)
    process = world.start()
    try:
        world.until(lambda: [r for r in server.requests if r.piece == 2], process)
        assert server.uploads()
    finally:
        end(process)
    server.heal()
    world.work_off()
    row = world.row(uid)
    # begun anew, and then it is there once
    assert row["state"] == "done", row
    names = {key.split("/")[3] for key in server.objects()}
    assert names == {row["result"]["backup"]["path"].split("/")[1]}
    assert server.uploads() == []


def test_s3_is_away_when_it_has_to_go(server, world, bucket, monkeypatch):
    """Neither can it be taken away then; it is when the storage is there again."""
    told = quiet(monkeypatch)

    def later(request):
        return bool([r for r in server.requests if "filestore" in r.key])

    server.fail("cut", later, times=10**6)
    row = world.do("backup", storage=bucket)
    assert row["state"] == "failed"
    assert server.objects()  # the dump
    # another one is made meanwhile, elsewhere: the runner is not stuck
    world.backup()
    server.heal()
    Runner(world.config).run(once=True)
    assert server.objects() == {}
    assert world.listed()
    assert any("waits to be taken away" in line for line in told)


# -- restic --------------------------------------------------------------------------


@pytest.fixture
def no_repository(world):
    """A storage where there is none yet."""
    return {
        "kind": "restic",
        "repository": str(world.storage / "repository"),
        "password": world.secret("restic", repositories.PASSWORD),
    }


@pytest.fixture
def repository(settings, no_repository):
    """An empty one, which opens at once."""
    repositories.made(settings, Path(no_repository["repository"]))
    return no_repository


def restic(world, told, *words, **env):
    """What restic itself says of a repository."""
    assert world.config.restic, "restic could not be fetched: see the set-up's words"
    return subprocess.run(
        [world.config.restic, *words],
        env={
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME")},
            "RESTIC_REPOSITORY": told["repository"],
            "RESTIC_PASSWORD": (world.secrets / "restic").read_text().strip(),
            **env,
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def snapshots(world, told, **env):
    found = json.loads(restic(world, told, "snapshots", "--json", **env))
    return [dict(t.split("=", 1) for t in s["tags"]) for s in found]


def test_restic(world, repository):
    """Backed up twice, checked, restored, drilled, removed."""
    world.attach("müller's file".encode())
    (world.files / "checklist").mkdir()
    (world.files / "checklist" / "ünusual, näme").write_text("x")
    made = world.done("backup", storage=repository, engine="restic")
    assert made["level"] == "written"
    first = made["backup"]["path"]
    second = world.done("backup", storage=repository)["backup"]
    assert second["added_bytes"] < made["backup"]["added_bytes"] / 2
    for level in ("checksummed", "readback"):
        found = world.done("verify", storage=repository, path=first, level=level)
        assert found["ok"], found
    target = f"{world.database}_copy"
    result = world.done(
        "restore", storage=repository, path=first, target=target, neutralize=False
    )
    assert all(check["ok"] for check in result["checks"])
    same(world, target)
    result = world.done(
        "prune", storage=repository, remove=[first], keep=[second["path"]]
    )
    assert result == {"removed": [first], "kept": [second["path"]]}
    assert {s["part"] for s in snapshots(world, repository)} == {
        *("dump", "filestore", "manifest")
    }
    assert world.done(
        "verify", storage=repository, path=second["path"], level="readback"
    )["ok"]
    assert not list(world.config.scratch.iterdir())


@pytest.mark.thorough
def test_restic_knows_what_it_has(world, repository):
    """What did not change is not read again; what was damaged is told each time."""
    damaged = world.attach(b"this is what it was")
    (world.files / damaged).write_bytes(b"this is what it is!")
    told = [world.done("backup", storage=repository)["backup"] for _number in range(2)]
    for backup in told:
        assert "1 files are not what their names say" in " ".join(backup["findings"])
    late = world.attach(b"and this one comes later")
    (world.files / late).write_bytes(b"and it was damaged at once")
    other = next(
        path
        for path in world.files.rglob("*")
        if path.is_file() and path.name not in (damaged[3:], late[3:])
    )
    other.write_bytes(other.read_bytes()[:-1] + b"!")
    result = world.done("backup", storage=repository)["backup"]
    assert "3 files are not what their names say" in " ".join(result["findings"])
    found = world.done(
        "verify", storage=repository, path=result["path"], level="readback"
    )
    assert found["ok"], found


def counted(world):
    """restic, and the verbs that it was called with since it was last asked."""
    log = world.folder / "calls"
    config = wrapped(world, f'echo "$1" >> "{log}"; exec "$real" "$@"')

    def calls():
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(verb for verb in found if verb != "version")

    return config, calls


def test_restic_is_called_rarely(world, repository):
    """Each call derives a key, which takes half a second."""
    world.config, calls = counted(world)
    few = ["backup"] * 3 + ["check"] + ["snapshots"] * 2
    for _number in range(3):
        world.backup(storage=repository)
        assert calls() == few


@pytest.mark.parametrize("how", ["gone", "forged", "cut", "of another"])
def test_restic_without_its_notes(world, repository, how):
    """Then the repository is asked what it has, as in backups made before."""
    damaged = world.attach(b"this is what it was")
    (world.files / damaged).write_bytes(b"this is what it is!")
    world.config, calls = counted(world)
    world.backup(storage=repository)
    [notes] = (world.config.work / "restic-notes").iterdir()
    written = notes.read_bytes()
    if how == "forged":  # believed, the damaged file would not be told of
        notes.write_bytes(written.replace(damaged.encode(), b"00/none", 1))
    elif how == "cut":
        notes.write_bytes(written[: len(written) // 2])
    elif how == "of another":
        world.backup(storage=repository)
        notes.write_bytes(written)
    else:
        notes.unlink()
    calls()
    result = world.done("backup", storage=repository)["backup"]
    made = calls()
    assert (made.count("ls"), made.count("dump")) == (1, 2)
    assert "1 files are not what their names say" in " ".join(result["findings"])
    # and what it told is noted
    result = world.done("backup", storage=repository)["backup"]
    assert "ls" not in calls()
    assert "1 files are not what their names say" in " ".join(result["findings"])
    found = world.done(
        "verify", storage=repository, path=result["path"], level="readback"
    )
    assert found["ok"], found


def test_restic_one_part_fails(world, repository):
    """The other does not go on, and neither of them stays."""
    held = 'case "$*" in *part=filestore*) exec sleep 3600;; *part=dump*) exit 1;; esac'
    config = wrapped(world, held + '; exec "$real" "$@"')
    row = world.do("backup", config, storage=repository)
    assert "restic backup ended with code 1" in row["error"]
    assert snapshots(world, repository) == []


@pytest.mark.thorough
def test_restic_only_the_files(world, repository):
    name = world.backup(storage=repository, kind="filestore")
    found = world.done("verify", storage=repository, path=name, level="readback")
    assert found["ok"]
    row = world.do("restore", storage=repository, path=name, target="x_y")
    assert "holds files only" in row["error"]


@pytest.mark.thorough
def test_restic_export(world, repository):
    name = world.backup(storage=repository)
    result = world.done("export", storage=repository, path=name, to="shop.zip")
    assert (world.storage / "shop.zip").stat().st_size == result["bytes"]


@pytest.mark.thorough
def test_restic_probe(world, no_repository):
    told = world.done("probe", storage=no_repository)
    assert told["ok"], told
    assert told["free_bytes"] > 0
    assert snapshots(world, no_repository) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repository": "/etc/restic"}, "in no folder that the runner may write to"),
        ({"repository": "sftp:host:/x"}, "must be an absolute path"),
        ({"repository": "rest:https://me:pw@host/"}, "must be an absolute path"),
        ({"password": "file:none"}, "There is no secret none"),
    ],
)
def test_restic_settings(world, repository, change, words):
    row = world.do("probe", storage=repository | change)
    assert words in ((row["result"] or {}).get("sentence") or row["error"])


def test_restic_is_not_there(world, repository, monkeypatch):
    config = world.configured(restic=world.folder / "no-restic")
    row = world.do("backup", config, storage=repository)
    assert (row["state"], row["detail"]) == ("failed", "refused")
    assert "The runner finds no restic" in row["error"]


@pytest.mark.thorough
def test_restic_with_another_password(world, repository):
    name = world.backup(storage=repository)
    world.secret("restic", "not the password")
    for verb, arguments in (
        ("verify", {"path": name, "level": "readback"}),
        ("restore", {"path": name, "target": f"{world.database}_copy"}),
        ("backup", {}),
    ):
        row = world.do(verb, storage=repository, **arguments)
        assert (row["state"], row["detail"]) == ("failed", "key_missing"), row
        assert "does not open the repository" in row["error"]
        assert "not the password" not in json.dumps(row, default=str)
    assert world.databases.comment(f"{world.database}_copy") is None


def wrapped(world, script):
    """restic, with something before or after it."""
    path = world.folder / "restic"
    path.write_text(f'#!/bin/sh\nreal="{world.config.restic}"\n{script}\n')
    path.chmod(0o700)
    return world.configured(restic=path)


@pytest.mark.thorough
def test_restic_says_incomplete(world, repository):
    """It made a snapshot all the same, without a file: that is no backup."""
    config = wrapped(world, '"$real" "$@" || exit; [ "$1" != backup ] || exit 3')
    row = world.do("backup", config, storage=repository)
    assert row["state"] == "failed"
    assert "could not read everything" in row["error"]
    assert snapshots(world, repository) == []


def test_restic_locked_is_not_damaged(world, repository):
    """Somebody else is at work in it: that says nothing of the backup."""
    name = world.backup(storage=repository)
    busy = 'echo "unable to create lock in backend: repository is already locked"'
    config = wrapped(
        world, f'[ "$1" != check ] || {{ {busy}; exit 11; }}\nexec "$real" "$@"'
    )
    row = world.do("verify", config, storage=repository, path=name, level="checksummed")
    assert row["state"] == "failed"
    assert "locked by somebody else" in row["error"]
    assert "damaged" not in row["error"]


def test_restic_damaged(world, repository):
    """One byte of the largest pack."""
    for number in range(3):
        world.attach(os.urandom(300_000) + bytes([number]))
    name = world.backup(storage=repository)
    packs = (world.storage / "repository" / "data").glob("*/*")
    pack = max(packs, key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    for level in ("checksummed", "readback"):
        found = world.done("verify", storage=repository, path=name, level=level)
        assert not found["ok"], level
    target = f"{world.database}_copy"
    row = world.do(
        "restore", storage=repository, path=name, target=target, neutralize=False
    )
    assert row["state"] == "failed"
    assert world.databases.comment(target) is None


@pytest.mark.thorough
def test_restic_swapped_snapshot(world, repository):
    """A snapshot that somebody else put in its place is not what was signed."""
    name = world.backup(storage=repository)
    restic(world, repository, "tag", "--set", "part=manifest", "--tag", "part=dump")
    found = world.do("verify", storage=repository, path=name, level="readback")
    assert found["state"] == "failed" or not found["result"]["ok"]


def test_restic_runner_dies(world, repository):
    """In the middle of it: the next one begins anew, and there is one backup."""
    slow = 'slow=; [ "$1" != backup ] || slow="--limit-upload 1"'  # KiB a second
    config = wrapped(world, f'{slow}; exec "$real" "$@" $slow')
    locks = world.storage / "repository" / "locks"
    uid = world.ask("backup", storage=repository)
    process = world.start(config)
    try:
        world.until(lambda: world.reached(uid, "upload", config), process)
        # restic is at work, and has more to send than it can by then
        world.until(lambda: list(locks.glob("*")), process)
    finally:
        end(process)
    world.work_off()
    row = world.row(uid)
    assert row["state"] == "done", row
    names = {s["name"] for s in snapshots(world, repository)}
    assert names == {row["result"]["backup"]["path"]}
    assert world.done("verify", storage=repository, path=names.pop(), level="readback")[
        "ok"
    ]


@pytest.mark.thorough
def test_restic_in_s3(server, world, bucket, no_repository):
    """A repository in the bucket; a lost connection is restic's to bear."""
    told = {
        **no_repository,
        "repository": f"s3:{server.endpoint}/{BUCKET}/restic",
        "access_key": bucket["access_key"],
        "secret_key": bucket["secret_key"],
    }
    server.fail("cut", lambda r: r.verb == "PUT" and "/data/" in f"/{r.key}", times=2)
    name = world.backup(storage=told)
    found = world.done("verify", storage=told, path=name, level="readback")
    assert found["ok"], found
    assert any(key.startswith("restic/data/") for key in server.objects())


@pytest.fixture
def rest(settings, world):
    made = RestServer(settings, world.folder / "rest")
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def over_http(settings, rest, world, no_repository):
    """A storage on the REST server, with an empty repository."""
    rest.data.mkdir()
    repositories.made(settings, rest.data / "shop")
    return {
        **no_repository,
        "repository": rest.address,
        "access_key": world.secret("rest_name", rest.USER),
        "secret_key": world.secret("rest_password", rest.PASSWORD),
    }


def test_restic_over_http(rest, world, over_http):
    """Tested, backed up twice, verified, restored, removed: as in a folder."""
    assert world.done("probe", storage=over_http)["ok"]
    first, second = (world.backup(storage=over_http) for _number in range(2))
    found = world.done("verify", storage=over_http, path=first, level="readback")
    assert found["ok"], found
    target = f"{world.database}_copy"
    world.done(
        "restore", storage=over_http, path=second, target=target, neutralize=False
    )
    same(world, target)
    result = world.done("prune", storage=over_http, remove=[first], keep=[second])
    assert result == {"removed": [first], "kept": [second]}
    assert len(rest.snapshots()) == 3


@pytest.mark.parametrize("which", ["rest_name", "rest_password"])
def test_restic_over_http_denied(rest, world, over_http, which):
    """With another name or password nothing is read, and nothing is claimed."""
    name = world.backup(storage=over_http)
    before = tree(rest.data)
    world.secret(which, "not" + "this" * 3)
    target = f"{world.database}_copy"
    for verb, arguments in (
        ("verify", {"path": name, "level": "checksummed"}),
        ("restore", {"path": name, "target": target}),
        ("backup", {}),
    ):
        row = world.do(verb, storage=over_http, **arguments)
        assert (row["state"], row["detail"]) == ("failed", "key_missing"), row
        assert "does not know this name and password" in row["error"]
        assert "notthis" not in json.dumps(row, default=str)
    told = world.done("probe", storage=over_http)
    assert not told["ok"]
    assert "does not know this name and password" in told["sentence"]
    assert world.databases.comment(target) is None
    assert tree(rest.data) == before


def test_restic_over_http_none_yet(rest, world, over_http):
    """The test in Odoo makes the repository, but not in another's place."""
    there = over_http | {"repository": rest.address.replace("shop", "other")}
    assert world.done("probe", storage=there)["ok"]
    assert (rest.data / "other" / "config").exists()
    anothers = rest.address.replace(f"/{rest.USER}/", "/another/")
    told = world.done("probe", storage=over_http | {"repository": anothers})
    assert not told["ok"]
    assert "does not" in told["sentence"]
    assert not (rest.folder / "another").exists()


@pytest.fixture
def slowly(world):
    """Files that take their time to go up, in several packs."""
    for number in range(4):
        world.attach(os.urandom(8 * 2**20) + bytes([number]))
    slow = '[ "$1" != backup ] || set -- "$@" --limit-upload 8000'
    return wrapped(world, slow + '; exec "$real" "$@"')


def meanwhile(world, happens, then):
    """In another thread: wait for something, then do something."""

    def work():
        world.until(happens)
        then()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.thorough
def test_restic_over_http_dies_and_comes_back(rest, world, over_http, slowly):
    """In the middle of a backup; restic goes on where it was, or says why not."""

    def restart():
        rest.end()
        time.sleep(1)
        rest.start()

    thread = meanwhile(world, rest.packs, restart)
    row = world.do("backup", slowly, storage=over_http)
    thread.join()
    if row["state"] == "failed":  # it had a file whole, but its answer was lost
        assert row["result"] is None, row
        assert "403" in row["error"], row
        row = world.do("backup", storage=over_http)
    assert row["state"] == "done", row
    name = row["result"]["backup"]["path"]
    found = world.done("verify", storage=over_http, path=name, level="readback")
    assert found["ok"], found


def test_restic_over_http_dies(rest, world, over_http, slowly, monkeypatch):
    """And stays away: who cancels is obeyed; what had gone up goes another time."""
    from steward_client.backup import restic as engine

    told = quiet(monkeypatch)
    monkeypatch.setattr(engine, "PATIENCE", 2)

    def cancel():
        rest.end()
        time.sleep(1)
        world.sql("UPDATE steward_operation SET cancel_wanted = true")

    # the dump is there as a whole, of the files a part
    thread = meanwhile(world, rest.snapshots, cancel)
    row = world.do("backup", slowly, storage=over_http)
    thread.join()
    assert (row["state"], row["result"]) == ("cancelled", None), row
    assert any("waits to be taken away" in line for line in told)
    monkeypatch.setattr(engine, "PATIENCE", 60)
    rest.start()
    Runner(world.config).run(once=True)
    assert rest.snapshots() == [], told
    world.sql("UPDATE steward_operation SET cancel_wanted = false")
    name = world.backup(storage=over_http)
    found = world.done("verify", storage=over_http, path=name, level="readback")
    assert found["ok"], found


# -- looked at before they are needed --------------------------------------------------


@pytest.fixture
def known(world):
    """Storages that Odoo has: of its tables what the runner reads."""
    world.sql(
        "CREATE TABLE steward_secret (id serial PRIMARY KEY, reference varchar);"
        "CREATE TABLE steward_storage (id serial PRIMARY KEY, name varchar,"
        " kind varchar, sequence int, active boolean, path varchar, endpoint varchar,"
        " region varchar, bucket varchar, prefix varchar, path_style boolean,"
        " repository varchar, access_key_id int, secret_key_id int, password_id int)"
    )

    def know(name, active=True, **told):
        for word in {"access_key", "secret_key", "password"} & set(told):
            [(told[f"{word}_id"],)] = world.sql(
                "INSERT INTO steward_secret (reference) VALUES (%s) RETURNING id",
                told.pop(word),
            )
        told |= {"name": name, "active": active}
        marks = ", ".join(["%s"] * len(told))
        world.sql(
            f"INSERT INTO steward_storage ({', '.join(told)}) VALUES ({marks})",
            *told.values(),
        )

    return know


def looked_at(world, config=None):
    """What `steward runner check` says of the storages, and how it ends."""
    path = str(world.write(config or world.config))
    done = CliRunner().invoke(cli, ["runner", "--config", path, "check", "--json"])
    found = json.loads(done.stdout)
    told = {
        one["name"].removeprefix("storage "): (one["ok"], one["sentence"])
        for one in found
        if one["name"].startswith("storage ")
    }
    others = [one for one in found if not one["ok"] and one["name"] not in ("odoo",)]
    return told, done.exit_code, {one["name"] for one in others}


def test_check_of_storages(server, world, bucket, no_repository, known, monkeypatch):
    """S3 and a folder keep something for a moment; a repository opens."""
    monkeypatch.setattr(checks, "odoo_works", lambda _config: True)
    known("Folder", kind="folder", path=str(world.storage))
    known("Bucket", **bucket)
    known("Restic", **no_repository)
    known("Unused", active=False, kind="folder", path="/etc")
    told, code, _bad = looked_at(world)
    assert set(told) == {"Folder", "Bucket", "Restic"}
    assert told["Folder"] == told["Bucket"]
    assert told["Bucket"][0]
    assert (code, told["Restic"][0]) == (1, False)
    assert "which makes it" in told["Restic"][1]
    world.backup(storage=no_repository)
    server.clock = 320  # and a little less by when we read it
    told, code, _bad = looked_at(world)
    assert code == 0
    assert "opens it" in told["Restic"][1]
    assert "differ by 5 minutes" in told["Bucket"][1]
    # nothing of it stays
    assert server.objects() == {}
    assert not [name for name in world.listed() if ".probe" in name]
    assert {s["part"] for s in snapshots(world, no_repository)} == {
        *("dump", "filestore", "manifest")
    }


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"bucket": "none-such"}, "has no bucket none-such", 1),
        ({"access_key": "vault:x#y"}, "no secret that a runner can read", 1),
        ({"secret_key": "file:nothing"}, "There is no secret nothing", 1),
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer", 3),
    ],
)
def test_check_of_a_storage_that_does_not_work(
    world, bucket, known, monkeypatch, change, words, code
):
    monkeypatch.setattr(checks, "odoo_works", lambda _config: True)
    known("Bucket", **bucket | change)
    told, ended, bad = looked_at(world)
    assert (told["Bucket"][0], ended, bad) == (False, code, {"storage Bucket"})
    assert words in told["Bucket"][1]


def test_check_of_a_repository(world, no_repository, known, monkeypatch):
    """With the password, by a program that is there and not too old."""
    monkeypatch.setattr(checks, "odoo_works", lambda _config: True)
    known("Restic", **no_repository)
    world.done("probe", storage=no_repository)
    old = wrapped(
        world,
        'if [ "$1" = version ]; then echo restic 0.16.4; else exec "$real" "$@"; fi',
    )
    told, code, _bad = looked_at(world, old)
    assert (code, "older than 0.17" in told["Restic"][1]) == (0, True)
    told = world.do("probe", old, storage=no_repository)["result"]
    assert (told["ok"], "older than 0.17" in told["sentence"]) == (True, True)
    none = world.configured(restic=world.folder / "no-restic")
    told, code, _bad = looked_at(world, none)
    assert (code, "finds no restic" in told["Restic"][1]) == (1, True)
    world.secret("restic", "another " + "pass" * 4)
    told, code, _bad = looked_at(world)
    assert (code, "does not open the repository" in told["Restic"][1]) == (1, True)


# -- the truth -----------------------------------------------------------------------

CASES = [
    *(
        ("kill", place, phase)
        for place in ("encrypted", "s3", "restic")
        for phase in ("snapshot", "dump", "filestore", "checksum", "readback")
    ),
    *(
        ("cancel", place, phase)
        for place in ("s3", "restic")
        for phase in ("dump", "checksum", "readback")
    ),
    *(("away", "s3", phase) for phase in ("dump", "filestore", "checksum", "readback")),
]


OFTEN = {  # the others with `make test all=1`
    ("kill", "encrypted", "checksum"),
    ("kill", "s3", "dump"),
    ("cancel", "s3", "readback"),
    ("away", "s3", "filestore"),
}


@pytest.mark.parametrize(
    ("fault", "place", "phase"),
    [
        pytest.param(*case, marks=() if case in OFTEN else pytest.mark.thorough)
        for case in CASES
    ],
)
def test_one_fault_and_the_list_tells_the_truth(
    server, world, bucket, request, place, phase, fault
):
    """What is told as done can be read to its end; of all else nothing is left."""
    folder = {"kind": "folder", "path": str(world.storage)}
    told = bucket if place == "s3" else folder
    if place == "restic":
        told = request.getfixturevalue("repository")
    more = {"encryption": {"key": a_key(world)}} if place != "restic" else {}
    uid = world.ask("backup", storage=told, **more)
    process = world.start()
    try:
        step = "upload" if (place, phase) == ("restic", "checksum") else phase
        world.until(lambda: world.reached(uid, step), process)
        if fault == "kill":
            end(process)
        elif fault == "away":  # for as long as the runner lives
            server.fail("cut", times=10**6)
            end(process, signal.SIGTERM)
        else:
            world.sql("UPDATE steward_operation SET cancel_wanted = true")
            world.until(lambda: world.row(uid)["state"] not in ("queued", "running"))
    finally:
        end(process, signal.SIGTERM)
    server.heal()
    world.sql("UPDATE steward_operation SET cancel_wanted = false")
    world.work_off()
    row = world.row(uid)
    assert row["state"] in ("done", "cancelled", "failed"), row
    done = [row["result"]["backup"]["path"]] if row["state"] == "done" else []
    assert sorted(there(server, world, told)) == done, row
    for name in done:
        found = world.done("verify", storage=told, path=name, level="readback", **more)
        assert found["ok"], found
    assert server.uploads() == []
    scratch = world.config.scratch
    assert not scratch.exists() or not list(scratch.iterdir())


def there(server, world, told):
    """The backups of which anything is left in a storage, whole or not."""
    if told["kind"] == "s3":
        return {"/".join(key.split("/")[2:4]) for key in server.objects()}
    if told["kind"] == "restic":
        if not (world.storage / "repository" / "config").exists():
            return set()
        return {s["name"] for s in snapshots(world, told)}
    return {str(p.relative_to(world.storage)) for p in world.storage.glob("*/*")}


# -- room ----------------------------------------------------------------------------


def test_no_room(world, monkeypatch):
    """Neither begun nor half-done: what is needed is known before."""
    from steward_client.backup import storage

    monkeypatch.setattr(storage, "space_of", lambda _folder: (1000, 10**9))
    row = world.do("backup")
    assert row["state"] == "failed"
    assert "no space left in the storage: 0.1 MB are free" in row["error"]
    monkeypatch.undo()
    size = world.done("backup")["backup"]["bytes"]
    # from the second on the last one tells, which is smaller than the database
    monkeypatch.setattr(storage, "space_of", lambda _folder: (size + 1, 10**9))
    assert world.do("backup")["state"] == "done"
    monkeypatch.setattr(storage, "space_of", lambda _folder: (size // 2, 10**9))
    assert "no space left" in world.do("backup")["error"]
    assert len(world.listed()) == 2
