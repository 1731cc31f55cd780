"""Evidence packs: what was found, sealed so that a change would show.

>>> from datetime import datetime
>>> when, files = datetime(2026, 3, 4, 10, 5), {"files/log.txt": b"all well"}
>>> data = pack(files, "Drill", when, "drill")
>>> [entry.path for entry in contents(data)]
['SUMMARY.md', 'files/log.txt']
>>> problems(data)
[]

The same files give the same bytes, whoever packs them and when:

>>> data == pack(files, "Drill", when, "drill")
True
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "MANIFEST.sha256"
SUMMARY = "SUMMARY.md"
VERIFICATION = "verification.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of zip files; the moment stands in the folder's name


class Entry(NamedTuple):
    """One file of a pack."""

    path: str
    sha256: str
    bytes: int


def check_path(path: str) -> str:
    """A path inside the pack, as it is.

    >>> check_path("files/log.txt")
    'files/log.txt'
    >>> check_path("../etc/passwd")
    Traceback (most recent call last):
    ...
    ValueError: no path inside a pack: '../etc/passwd'
    """
    parts = path.split("/")
    if not path.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"no path inside a pack: {path!r}")
    if path in (MANIFEST, SUMMARY) or "\\" in path:
        raise ValueError(f"no path inside a pack: {path!r}")
    return path


def folder(when: datetime, scope: str) -> str:
    """The folder that a pack unfolds to.

    >>> folder(datetime(2026, 3, 4, 10, 5), "Restore drill: shop")
    'evidence/20260304-1005/restore-drill-shop'
    """
    name = re.sub(r"[^a-z0-9_.]+", "-", scope.lower()).strip("-.") or "pack"
    return f"evidence/{when:%Y%m%d-%H%M}/{name}"


def as_json(value: Any) -> bytes:
    r"""JSON as people compare it.

    >>> as_json({"b": 1, "a": None})
    b'{\n  "a": null,\n  "b": 1\n}\n'
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return f"{text}\n".encode()


def entries(files: Mapping[str, bytes]) -> list[Entry]:
    """The files in order, each with its checksum."""
    return [
        Entry(path, hashlib.sha256(data).hexdigest(), len(data))
        for path, data in sorted(files.items())
    ]


def manifest(found: list[Entry]) -> str:
    """What ``sha256sum -c`` reads.

    >>> print(manifest([Entry("a.txt", "00ff", 3)]), end="")
    00ff  a.txt
    """
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in found)


def summary(title: str, when: datetime, files: Mapping[str, bytes]) -> str:
    """The first page: what it is about, what was checked, what is inside.

    >>> files = {"verification.json": b'{"ok": false, "rto_seconds": 12.5, "checks":'
    ...          b' [{"name": "rows", "ok": false, "sentence": "2 are missing"}]}'}
    >>> print(summary("Drill", datetime(2026, 3, 4, 10, 5), files))
    # Drill
    <BLANKLINE>
    Closed 2026-03-04 10:05 UTC. Outcome: **not passed**.
    <BLANKLINE>
    - rto_seconds: 12.5
    <BLANKLINE>
    | check | passed | |
    |---|---|---|
    | rows | no | 2 are missing |
    <BLANKLINE>
    ## Files
    <BLANKLINE>
    - `verification.json` (106 bytes)
    <BLANKLINE>
    `sha256sum -c MANIFEST.sha256` in this folder tells whether they are unchanged.
    <BLANKLINE>
    """
    verified = json.loads(files.get(VERIFICATION, b"{}"))
    outcome = {True: "passed", False: "not passed"}.get(
        verified.get("ok"), "not judged"
    )
    facts = [
        f"- {name}: {value}"
        for name, value in verified.items()
        if name != "ok" and isinstance(value, str | int | float)
    ]
    checks = [
        f"| {_cell(check.get('name'))} | {'yes' if check.get('ok') else 'no'}"
        f" | {_cell(check.get('sentence'))} |"
        for check in verified.get("checks") or []
    ]
    lines = [
        f"# {title}",
        "",
        f"Closed {when:%Y-%m-%d %H:%M} UTC. Outcome: **{outcome}**.",
    ]
    lines += ["", *facts] if facts else []
    lines += ["", "| check | passed | |", "|---|---|---|", *checks] if checks else []
    lines += ["", "## Files", ""]
    lines += [f"- `{path}` ({len(data)} bytes)" for path, data in sorted(files.items())]
    lines += [
        "",
        f"`sha256sum -c {MANIFEST}` in this folder tells whether they are unchanged.",
        "",
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def pack(files: Mapping[str, bytes], title: str, when: datetime, scope: str) -> bytes:
    """All of it as a zip, with summary and manifest."""
    files = {check_path(path): data for path, data in files.items()}
    files[SUMMARY] = summary(title, when, files).encode()
    told = manifest(entries(files)).encode()
    root, buffer = folder(when, scope), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in [*sorted(files.items()), (MANIFEST, told)]:
            entry = zipfile.ZipInfo(f"{root}/{path}", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def contents(data: bytes) -> list[Entry]:
    """The files of a pack as its manifest names them."""
    return entries(_files(data)[0])


def problems(data: bytes) -> list[str]:
    """What is not as it was when the pack was closed; [] when nothing is.

    >>> problems(b"no zip")
    ['The pack cannot be read.']
    """
    try:
        files, told = _files(data)
    except (zipfile.BadZipFile, KeyError, StopIteration, UnicodeDecodeError):
        return ["The pack cannot be read."]
    now = {entry.path: entry.sha256 for entry in entries(files)}
    return [
        f"{path} is missing."
        if path not in now
        else f"{path} was added."
        if path not in told
        else f"{path} was changed."
        for path in sorted(told.keys() | now.keys())
        if told.get(path) != now.get(path)
    ]


def _files(data: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        root = next(n for n in names if n.endswith(f"/{MANIFEST}"))[: -len(MANIFEST)]
        files = {name.removeprefix(root): archive.read(name) for name in names}
    lines = files.pop(MANIFEST).decode().splitlines()
    return files, {path: sha for sha, _gap, path in (x.partition("  ") for x in lines)}


def git_state(start: Path) -> dict[str, str] | None:
    """Which commit a folder is checked out at; None outside of any repository.

    Read from git's own files: no command is needed, and none is run.
    """
    for place in (start, *start.parents):
        if (place / ".git").exists():
            return _git_head(place)
    return None


def _git_head(place: Path) -> dict[str, str] | None:
    git = place / ".git"
    if git.is_file():  # a worktree or submodule: "gitdir: <path>"
        git = place / git.read_text("utf-8").partition(":")[2].strip()
    try:
        head = (git / "HEAD").read_text("utf-8").strip()
    except OSError:
        return None
    if not head.startswith("ref: "):
        return {"commit": head}
    ref = head.removeprefix("ref: ")
    common = git / "commondir"
    shared = git / common.read_text("utf-8").strip() if common.exists() else git
    for store in (git, shared):
        if (store / ref).is_file():
            return {"branch": ref.removeprefix("refs/heads/")} | {
                "commit": (store / ref).read_text("utf-8").strip()
            }
    packed = shared / "packed-refs"
    lines = packed.read_text("utf-8").splitlines() if packed.exists() else []
    for line in lines:
        commit, _gap, name = line.partition(" ")
        if name == ref:
            return {"branch": ref.removeprefix("refs/heads/"), "commit": commit}
    return None
