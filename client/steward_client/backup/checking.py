"""Checking a backup where it is: its sums, and that all of it can be read."""

from __future__ import annotations

from typing import Any

from ..runner.job import Job
from ..runner.problems import Corrupt, Foreign, Refused
from .engine import Engine
from .filestore import expected_sum


def verify(job: Job, engine: Engine) -> dict[str, Any]:
    """Check a backup as far as was asked for; what is wrong is a finding."""
    name, level = job.arguments["path"], job.arguments["level"]
    job.plan(checksum=1, readback=3 if level == "readback" else 0)
    findings: list[str] = []
    try:
        job.step("checksum")
        manifest = engine.manifest(name, foreign=bool(job.arguments.get("foreign")))
        if level == "written":
            pass
        elif level == "checksummed":
            engine.checksum(name, manifest, ticker(job, manifest))
        else:
            job.step("readback")
            findings = read_back(job, engine, name, manifest)
    except (Corrupt, Refused) as problem:
        if isinstance(problem, Refused) and not isinstance(problem, Foreign):
            raise
        findings = [problem.sentence]
    return {"level": level, "ok": not findings, "findings": findings}


def ticker(job: Job, manifest: dict[str, Any], scale: float = 1.0) -> Any:
    """Progress by the bytes of the parts that were read."""
    total = max(1, sum(part["bytes"] for part in manifest["parts"]))
    done = 0

    def tick(size: int) -> None:
        nonlocal done
        done += size
        job.advance(scale * done / total, done)

    return tick


def read_back(
    job: Job, engine: Engine, name: str, manifest: dict[str, Any]
) -> list[str]:
    """Read every byte as a restore would: sums, formats, and each file's own sum."""
    tick = ticker(job, manifest)
    findings: list[str] = []
    if manifest["dump"]:
        with job.folder("readback") as folder:
            found = engine.unpack_dump(name, manifest, folder, tick, only="toc.dat")
            if found != manifest["dump"]["bytes"]:
                findings.append(
                    f"The dump has {found} bytes, the manifest says"
                    f" {manifest['dump']['bytes']}."
                )
            command = [job.server.program("pg_restore"), "--list", str(folder)]
            with job.program(command, job.server.env) as program:
                program.finish("The dump's table of contents cannot be read")
    count = FileCount(manifest)
    if manifest["filestore"]:
        engine.unpack_files(name, manifest, None, tick, count.take)
        findings += count.findings()
    return findings


class FileCount:
    """Compares the files of a backup with its manifest and with their own names."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.told = manifest["filestore"] or {}
        self.files = self.bytes = self.changed = 0
        self.example = ""

    def take(self, name: str, size: int, sha1: str) -> None:
        """One file as it was read."""
        self.files += 1
        self.bytes += size
        wanted = expected_sum(name)
        if wanted and wanted != sha1:
            self.changed += 1
            self.example = name

    def findings(self) -> list[str]:
        """Where they differ."""
        found = []
        for word, ours in (("files", self.files), ("bytes", self.bytes)):
            if ours != self.told[word]:
                found.append(
                    f"The filestore has {ours} {word}, the manifest says"
                    f" {self.told[word]}."
                )
        if self.changed > self.told["changed_count"]:
            found.append(f"{self.changed} files are damaged, {self.example} for one.")
        return found
