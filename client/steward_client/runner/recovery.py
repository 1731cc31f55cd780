"""What became of an operation whose runner died: learnt from what it left."""

from __future__ import annotations

import time
from typing import Any

from ..backup import exporting, making, restoring
from .config import Config
from .job import Job
from .journal import Entry, Journal
from .postgres import Server
from .problems import Problem, Unreachable
from .rows import Claim


def go_on(entry: Entry, config: Config, server: Server, journal: Journal) -> None:
    """Finish what must not be left half-done, before anything is taken away."""
    if facts := entry.intents.get("swap"):
        restoring.swap(_job(entry, config, server, journal), facts)


def _job(entry: Entry, config: Config, server: Server, journal: Journal) -> Job:
    claim = Claim(entry.uuid, entry.verb, entry.arguments, 0)
    job = Job(claim, config, server, journal)
    job.began = entry.at or time.time()
    return job


def recover(
    entry: Entry, config: Config, server: Server, journal: Journal
) -> dict[str, Any]:
    """Bring an operation to the end that it had nearly reached, or say that it failed.

    Called when nothing that it made on the way is there any more.
    """
    from .service import outcome_of

    job = _job(entry, config, server, journal)
    try:
        facts = entry.intents.get("backup")
        if facts and entry.verb == "backup":
            result = _backup(job, facts)
            if result:
                return outcome_of(job, "done", result)
        facts = entry.intents.get("export")
        if facts and (result := exporting.finished(facts)):
            return outcome_of(job, "done", result)
        if facts := entry.intents.get("swap"):
            return outcome_of(job, "done", restoring.finish_swap(job, facts))
    except Unreachable:
        raise
    except (Problem, OSError) as problem:
        return outcome_of(job, "failed", None, str(problem), "after a restart")
    step = entry.steps[-1] if entry.steps else "its beginning"
    return outcome_of(
        job,
        "failed",
        None,
        f"The runner was ended in the middle of it (at {step}). What it had made on the"
        " way was removed; begin it again.",
    )


def _backup(job: Job, facts: dict[str, Any]) -> dict[str, Any] | None:
    """A backup that is there was made, though nobody has read it back."""
    from .verbs import engine_of

    engine = engine_of(job)
    if not engine.has(facts["path"]):
        return None
    manifest = engine.manifest(facts["path"])
    return making.result(engine, facts["path"], manifest, "written", job.began)
