"""The journal: what this runner did, on its own disk.

The row in the database is only a mirror: a restore swaps the very database that holds
it. Each line is on the disk before what it tells of is done.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """What the journal knows of one operation."""

    uuid: str
    verb: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    claims: int = 0  # that did not end in order
    open: bool = False  # claimed, and nothing said of it since
    at: float = 0.0
    steps: list[str] = field(default_factory=list)
    scratch: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcome: dict[str, Any] | None = None  # state, result, error, detail
    told: bool = False  # the row has the outcome


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
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogateescape")
        before = os.fstat(self._file).st_size
        try:
            view = memoryview(data + b"\n")
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

    def close(self) -> None:
        """Give the file up."""
        os.close(self._file)


def sync_folder(path: Path) -> None:
    """Bring a folder's names to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
