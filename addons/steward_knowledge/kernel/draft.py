"""What a source hands over."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as its source hands it over."""

    external_id: str
    title: str = ""
    # as fetched; str = Markdown or plain text already
    content: bytes | str = b""
    # text/html, text/markdown, text/x-rst, application/pdf, …docx, text/csv, text/plain
    content_type: str = "text/plain"
    url: str = ""
    language: str = ""  # when the source knows it
    version: str = ""
    date: datetime | None = None
    tags: tuple[str, ...] = ()
    res_model: str = ""
    res_id: int = 0
