"""Text out of what was fetched: pages, files, tables; as Markdown.

What a file is, is decided by its content first and by what is said of it second. No
file is executed, no reference in it followed. Whatever is wrong with it comes out as
`Unreadable`.
"""

import re
from typing import Final

from .base import Extracted, LIMITS, Limits, Unreadable, clean, line
from .charset import decoded
from .html import html
from .office import docx, pdf
from .plain import comma_separated, markdown, plain
from .rst import rst

DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
KINDS: Final = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/x-rst": "rst",
    "text/prs.fallenstein.rst": "rst",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/pdf": "pdf",
    DOCX: "docx",
}
ENDINGS: Final = {
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "md": "markdown",
    "markdown": "markdown",
    "rst": "rst",
    "csv": "csv",
    "tsv": "csv",
    "pdf": "pdf",
    "docx": "docx",
}
# what begins like this holds no text that we could read
_FOREIGN: Final = (
    *(b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"\x7fELF", b"MZ\x90", b"\x1f\x8b"),
    *(b"BZh", b"7z\xbc\xaf", b"\xd0\xcf\x11\xe0", b"RIFF", b"OggS", b"ID3", b"Rar!"),
    *(b"\x00\x00\x01\x00", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"SQLite format 3"),
)
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_ENDING = re.compile(r"\.(\w+)(?:[?#].*)?$")


def extract(
    content: bytes | str,
    content_type: str = "",
    url: str = "",
    limits: Limits = LIMITS,
) -> Extracted:
    """Return the text of a document.

    :param content: as fetched; a text is Markdown, or what its type says
    :param content_type: what its server says it is
    :param url: where it comes from, or its file's name
    :raises Unreadable: whatever is wrong with it; nothing else
    """
    if not content:
        raise Unreadable("empty")
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
        content_type = content_type.partition(";")[0] or "text/markdown"
    if len(content) > limits.size:
        raise Unreadable("too_large", f"{len(content)} bytes")
    kind = kind_of(content, content_type, url)
    try:
        found = _extracted(kind, content, content_type, url, limits)
    except Unreadable:
        raise
    except Exception as error:  # a foreign file may break any library
        raise Unreadable("broken", f"{kind}: {error!r:.500}") from error
    text = clean(found.text)
    meta = {"kind": kind, **found.meta}
    if len(text) > limits.characters:
        text, meta["truncated"] = text[: limits.characters], True
    if not text.strip():
        raise Unreadable("empty", kind)
    return Extracted(text, line(found.title), found.language, found.date, meta)


def kind_of(content: bytes, content_type: str = "", url: str = "") -> str:
    r"""Return what a content is: html, markdown, rst, text, csv, pdf or docx.

    >>> kind_of(b"%PDF-1.7 ...", "text/html")
    'pdf'
    >>> kind_of(b"<!DOCTYPE html><p>Hello", "application/pdf")
    'html'
    >>> kind_of(b"a,b", "application/octet-stream", "prices.csv")
    'csv'

    :raises Unreadable: for kinds that hold no text we could read
    """
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith(b"PK\x03\x04"):
        if b"word/" in content[:4096] or b"word/document.xml" in content:
            return "docx"
        raise Unreadable("unsupported", "archive")
    if content.startswith(_FOREIGN):
        raise Unreadable("unsupported", "image or program")
    if _PAGE.match(content[:4096].removeprefix(b"\xef\xbb\xbf")):
        return "html"
    declared = content_type.partition(";")[0].strip().lower()
    ending = _ENDING.search(url.lower())
    kind = KINDS.get(declared) or ENDINGS.get(ending[1] if ending else "")
    if kind in ("pdf", "docx"):
        raise Unreadable("broken", f"declared as {kind}")
    major = declared.partition("/")[0]
    if not kind and major in ("image", "audio", "video", "font"):
        raise Unreadable("unsupported", declared)
    if not kind and _is_binary(decoded(content[:4096])):
        raise Unreadable("unsupported", "binary")
    return kind or "text"


def _is_binary(text: str) -> bool:
    """Tell what a decoder took for text, by its control characters."""
    control = sum(each < " " and each not in "\t\n\r\f" for each in text)
    return control > len(text) / 10


def _extracted(
    kind: str, content: bytes, content_type: str, url: str, limits: Limits
) -> Extracted:
    if kind == "pdf":
        return pdf(content, limits)
    if kind == "docx":
        return docx(content, limits)
    text = clean(decoded(content, content_type))
    if kind == "html":
        return html(text, url, limits)
    if kind == "csv":
        return comma_separated(text, limits)
    reader = {"markdown": markdown, "rst": rst}.get(kind, plain)
    return reader(text)
