"""PDF and Word files."""

import io
import re
import time
import zipfile
from datetime import UTC, datetime
from typing import Any

from .base import LIMITS, Extracted, Limits, Unreadable, clean, line, quiet, table

_HEADING = re.compile(r"Heading ([1-6])$", re.IGNORECASE)
ENTRIES = 5_000  # files in a Word file


def pdf(content: bytes, limits: Limits = LIMITS) -> Extracted:
    """Return the text of a PDF, a heading for each page.

    :raises Unreadable: for one that is locked, or that only has pictures of text
    """
    import pypdf

    quiet("pypdf")
    began, meta = time.monotonic(), {}
    reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("encrypted")
    pages, size = [], 0
    count = len(reader.pages)
    for number, page in enumerate(reader.pages, 1):
        is_late = time.monotonic() - began > limits.seconds
        if number > limits.pages or is_late or size > limits.characters:
            meta["truncated"] = True
            break
        text = clean(page.extract_text() or "")
        if text.strip():
            size += len(text)
            pages.append(f"## Page {number}\n\n{text}")
    if not pages:
        raise Unreadable("scanned" if count else "empty")
    about = reader.metadata
    return Extracted(
        "\n\n".join(pages),
        line(str(about.title or "")) if about else "",
        date=_utc(about.modification_date if about else None),
        meta={"pages": count, **meta},
    )


def docx(content: bytes, limits: Limits = LIMITS) -> Extracted:
    """Return the text of a Word file with its headings, lists and tables."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        if len(parts) > ENTRIES or sum(p.file_size for p in parts) > 4 * limits.size:
            raise Unreadable("too_large", "unpacked")
    import docx as python_docx
    from docx.table import Table

    document = python_docx.Document(io.BytesIO(content))
    blocks = []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            blocks.append(
                table(
                    [
                        [cell.text for cell in row.cells]
                        for row in block.rows[: limits.rows]
                    ]
                )
            )
        else:
            blocks.append(_paragraph(block))
    about = document.core_properties
    text = re.sub(r"(?m)^(- .*)\n\n(?=- )", r"\1\n", "\n\n".join(filter(None, blocks)))
    return Extracted(text, line(about.title), date=_utc(about.modified))


def _paragraph(block: Any) -> str:
    text = clean(block.text).strip()
    style = (block.style.name if block.style is not None else "") or ""
    if not text:
        return ""
    if style == "Title":
        return f"# {line(text)}"
    if found := _HEADING.match(style):
        return f"{'#' * int(found[1])} {line(text)}"
    return f"- {text}" if style.startswith("List") else text


def _utc(when: datetime | None) -> datetime | None:
    return when.astimezone(UTC).replace(tzinfo=None) if when and when.tzinfo else when
