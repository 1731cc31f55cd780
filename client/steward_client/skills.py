"""The commands ``steward skills``: folders in and out, and what waits for a review."""

from __future__ import annotations

import base64
import binascii
import io
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import click

from .client import Client
from .errors import Misused, Refused

DOCUMENT = "SKILL.md"
SIGNS = {"passed": "+", "warned": "!", "failed": "x"}
UNIX = 3  # the system of an archive whose files say who may execute them
LARGEST = 50 * 2**20  # bytes of an archive that is unpacked here


def packed(source: Path) -> bytes:
    """What is imported: a zip as it is, a document, or a folder of skills as a zip.

    Hidden files stay where they are, and links are not followed.
    """
    try:
        if source.is_file():
            return source.read_bytes()
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(source.rglob("*")):
                inside = path.relative_to(source)
                hidden = any(part.startswith(".") for part in inside.parts)
                if path.is_file() and not path.is_symlink() and not hidden:
                    name = f"{source.resolve().name}/{inside.as_posix()}"
                    archive.writestr(_entry(name, path), path.read_bytes())
    except OSError as error:
        raise Misused(f"{source} cannot be read: {error}") from error
    return content.getvalue()


def _entry(name: str, path: Path) -> zipfile.ZipInfo:
    """What an archive says of a file; whether it may be executed, but not its age."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = UNIX
    entry.compress_type = zipfile.ZIP_DEFLATED
    mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
    entry.external_attr = (stat.S_IFREG | mode) << 16
    return entry


def bring(client: Client, source: Path) -> dict[str, Any]:
    """Import what a file or folder holds."""
    answer: dict[str, Any] = client.call(
        "steward.skill",
        "import_folder",
        content=base64.b64encode(packed(source)).decode(),
        file=source.name,
    )
    return answer


def fetch(client: Client, names: tuple[str, ...], target: Path) -> list[str]:
    """Write skills into a folder, or into a file that ends in .zip.

    :return: what was written
    """
    answer = client.call("steward.skill", "export", names=list(names))
    try:
        content = base64.b64decode(answer["content"], validate=True)
        if target.suffix == ".zip":
            target.write_bytes(content)
            return [str(target)]
        return _unpacked(content, target)
    except (OSError, zipfile.BadZipFile, binascii.Error) as error:
        raise Refused(f"{target} cannot be written: {error}") from error


def _unpacked(content: bytes, target: Path) -> list[str]:
    written = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise Refused("the archive is larger than any skill may be")
        for entry in archive.infolist():
            inside = PurePosixPath(entry.filename)
            if inside.is_absolute() or ".." in inside.parts or "\\" in entry.filename:
                raise Refused(f"{entry.filename!r} leads out of the folder")
            path = target.joinpath(*inside.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))
            if entry.create_system == UNIX and entry.external_attr >> 16 & stat.S_IXUSR:
                path.chmod(path.stat().st_mode | 0o111)
            written.append(str(path))
    return written


def show_found(found: list[dict[str, Any]]) -> None:
    """Skills that fit a task."""
    for number, row in enumerate(found, 1):
        click.echo(
            f"{number}. {row['name']}@{row['version']}  {row['title']}"
            f"  [{row['score']:.2f}]"
        )
        click.echo(f"   {' '.join(row['description'].split())}")
    if not found:
        click.echo("No skill fits.")


def show_pending(waiting: list[dict[str, Any]]) -> None:
    """Skills that wait for a review."""
    for row in waiting:
        click.echo(f"{row['name']}@{row['version']}  {row['title']}")
        click.echo(f"   by {row['author']}, since {row['since']}")
        for check in row["checks"]:
            sign = SIGNS.get(check["state"], "?")
            click.echo(f"   {sign} {check['title']}: {check['sentence']}")
    if not waiting:
        click.echo("Nothing waits for a review.")
