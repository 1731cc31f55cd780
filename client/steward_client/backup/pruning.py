"""Removing what Odoo says is to go, and nothing else; asking how a storage is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Protocol

from ..runner.job import Job
from ..runner.problems import Problem, Refused
from .engine import Engine
from .storage import PROBE, Echoing, backup_name, checked_name, expect_echo


def prune(job: Job, engine: Engine) -> dict[str, Any]:
    """Remove backups by name; which ones is decided by Odoo.

    A name that is to be kept as well, or is none, refuses the whole of it: whoever
    asks for that does not know what they ask for.
    """
    remove = [checked_name(name) for name in job.arguments["remove"]]
    keep = {checked_name(name) for name in job.arguments["keep"]}
    if both := keep & set(remove):
        raise Refused(f"{min(both)} cannot be both kept and removed.")
    job.plan(prune=1)
    job.step("prune")
    removed = []
    for number, name in enumerate(remove, 1):
        with ExitStack() as stack:
            if scratch := engine.scratch(name):
                stack.enter_context(job.making(**scratch))
            engine.remove(name)
        removed.append(name)
        job.advance(0.9 * number / len(remove))
    engine.compact(lambda _bytes: job.check())
    return {"removed": removed, "kept": sorted(n for n in keep if engine.has(n))}


class Place(Echoing, Protocol):
    """What can be tried out."""

    def scratch(self, name: str) -> dict[str, Any] | None:
        """See `Storage.scratch`."""

    def space(self) -> tuple[int, int] | None:
        """See `Storage.space`."""

    def used(self) -> int:
        """See `Storage.used`."""

    def remark(self) -> str:
        """See `Storage.remark`."""


def probe(job: Job, place: Place) -> dict[str, Any]:
    """Write, read back and remove something small; tell what space there is."""
    job.plan(upload=1)
    job.step("upload")
    name = backup_name(PROBE, "20000101-000000", job.short)
    try:
        with ExitStack() as stack:
            if scratch := place.scratch(name):
                stack.enter_context(job.making(**scratch, doomed=True))
            expect_echo(place, name)
        told: dict[str, Any] = {"ok": True, "used_bytes": place.used()}
        if remark := place.remark():
            told["sentence"] = remark
    except (Problem, OSError) as error:
        told = {"ok": False, "sentence": getattr(error, "sentence", str(error))}
    if space := place.space():
        told["free_bytes"], told["total_bytes"] = space
    return told
