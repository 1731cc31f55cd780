"""The journal: what this runner did, on its own disk.

The row in the database is only a mirror: a restore swaps the very database that holds
it. Each line is on the disk before what it tells of is done.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEPT = 90 * 24 * 3600.0  # seconds for which the journal keeps all of it


@dataclass
class Entry:
    """What the journal knows of one operation."""

    uuid: str
    verb: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    claims: int = 0  # that did not end in order
    open: bool = False  # claimed, and nothing said of it since
    at: float = 0.0
    ended: float = 0.0
    steps: list[str] = field(default_factory=list)
    scratch: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None  # state, result, error, detail
    told: bool = False  # the row has the outcome
    compact: bool = False

    def brief(self) -> Iterator[dict[str, Any]]:
        """The lines that are kept of it: how it ended, without the evidence."""
        outcome: dict[str, Any] = {**(self.outcome or {}), "steps": []}
        if isinstance(outcome.get("result"), dict):
            outcome["result"] = {
                k: v for k, v in outcome["result"].items() if k != "evidence_files"
            }
        line = {"at": self.ended, "event": "finished", "uuid": self.uuid}
        yield {**line, "outcome": outcome, "compact": True}
        yield {**line, "event": "told"}


class Journal:
    """Append-only lines of JSON, and what they add up to."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.entries: dict[str, Entry] = {}
        torn = self._read()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if torn:  # a line was being written when the machine stopped
            os.write(self._file, b"\n")
        sync_folder(path.parent)

    def _read(self) -> bool:
        if not self.path.exists():
            return False
        line = b""
        with self.path.open("rb") as file:
            for line in file:
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue  # torn, and so never acted upon
        return not line.endswith(b"\n") and bool(line)

    def write(self, event: str, uuid: str, **facts: Any) -> None:
        """Add a line; it is on the disk when this returns."""
        line = {"at": round(time.time(), 3), "event": event, "uuid": uuid, **facts}
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(_encoded(line))
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError:  # half a line would spoil the next one too
            os.ftruncate(self._file, before)
            raise
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        uuid = line["uuid"]
        entry = self.entries.setdefault(uuid, Entry(uuid))
        match line["event"]:
            case "claimed":
                entry.claims += 1
                entry.verb, entry.arguments = line["verb"], line["arguments"]
                entry.steps, entry.open, entry.at = [], True, line["at"]
            case "step":
                entry.steps.append(line["name"])
            case "making":
                entry.scratch[line["key"]] = line["what"]
            case "gone":
                entry.scratch.pop(line["key"], None)
            case "intent":
                entry.intents[line["name"]] = line["facts"]
            case "handed_back":
                entry.open = False
                entry.claims -= bool(line["in_order"])
            case "lost":
                entry.open = False
            case "finished":
                entry.outcome, entry.open = line["outcome"], False
                entry.ended = line["at"]
                entry.compact = bool(line.get("compact"))
            case "told":
                entry.told = True

    def entry(self, uuid: str) -> Entry:
        """What is known of an operation, if only that it is not known."""
        return self.entries.get(uuid) or Entry(uuid)

    @property
    def left(self) -> bool:
        """Is there something that was made on the way, and nobody took away?"""
        return any(entry.scratch for entry in self.entries.values())

    def finished(self, uuid: str) -> bool:
        """Was it brought to an end? Then it is never begun again."""
        return self.entry(uuid).outcome is not None

    @property
    def leftovers(self) -> bool:
        """Is there something that could not be taken away, or not be found out?"""
        return any(e.scratch or e.open for e in self.entries.values())

    def compact(self, now: float | None = None) -> bool:
        """Keep of what ended long ago only how: that it is never begun again.

        The file is replaced as a whole, or not at all.

        :return: whether there was something
        """
        before = (now or time.time()) - KEPT
        old = {
            uuid: entry
            for uuid, entry in self.entries.items()
            if entry.outcome and entry.told and not (entry.open or entry.scratch)
            if entry.ended < before
        }
        pending = {uuid for uuid, entry in old.items() if not entry.compact}
        if not pending:
            return False
        fresh = self.path.with_name(self.path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file, self.path.open("rb") as lines:
            for entry in old.values():
                for line in entry.brief():
                    file.write(_encoded(line))
            for data in lines:
                try:
                    kept = json.loads(data)["uuid"] not in old
                except (ValueError, KeyError, TypeError):
                    continue  # torn
                if kept:
                    file.write(data if data.endswith(b"\n") else data + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.path)
        sync_folder(self.path.parent)
        self.close()
        self.entries = {}
        self._read()
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        return True

    def close(self) -> None:
        """Give the file up."""
        os.close(self._file)


def _encoded(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def sync_folder(path: Path) -> None:
    """Bring a folder's names to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
