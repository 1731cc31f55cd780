"""Storages and engines besides the folder: encrypted, in S3, in restic's repositories.

The S3 server is a real one, and so is restic. What goes wrong goes wrong on the wire.
"""

import json
import os
import secrets
import signal
import subprocess
import time

import pytest
from runners import World, end, tree
from s3_server import BUCKET, KEYS, S3Server

from steward_client.backup import s3
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
    monkeypatch.setattr(s3, "READ_TIMEOUT", 10)
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
    """Nothing is restored, nothing is half there, and a sentence says what is missing."""
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
    server.clock = 300
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
def test_s3_settings(world, bucket, change, words):
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
    server.clock = 1000
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
    monkeypatch.setattr(s3, "TRIES", 2)

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
