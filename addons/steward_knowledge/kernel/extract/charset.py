"""Bytes to text, whatever encoding they claim to be in."""

import codecs
import re
from contextlib import suppress
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IN_TYPE = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_IN_PAGE = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|"
    rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)",
    re.IGNORECASE,
)
_SAMPLE: Final = 64 * 1024
FEW: Final = 100  # bytes


def decoded(content: bytes, content_type: str = "") -> str:
    r"""Return the text in bytes; what they are counts more than what is said.

    >>> decoded("Über".encode(), "text/plain; charset=iso-8859-1")
    'Über'
    >>> decoded("Über uns".encode("latin-1"), "text/plain; charset=utf-8")
    'Über uns'
    >>> decoded(b"\xff\xfeh\x00i\x00")
    'hi'
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return content.decode(name, "replace").lstrip("\ufeff")
    if name := _wide(content[:_SAMPLE]):
        return content.decode(name, "replace")
    for name in ("utf-8", *_declared(content, content_type)):
        with suppress(UnicodeError):
            return content.decode(name)
    return content.decode(_guessed(content[:_SAMPLE]), "replace")


def _wide(sample: bytes) -> str:
    """Return UTF-16's name where every other byte is zero, as in Latin text."""
    half = len(sample) // 2
    if half < 2:
        return ""
    if sample[1::2].count(0) > half * 0.7 and sample[0::2].count(0) < half * 0.1:
        return "utf-16-le"
    if sample[0::2].count(0) > half * 0.7 and sample[1::2].count(0) < half * 0.1:
        return "utf-16-be"
    return ""


def _declared(content: bytes, content_type: str) -> list[str]:
    """Return the names of real encodings that header and page declare."""
    names = [found[1] for found in [_IN_TYPE.search(content_type)] if found]
    if found := _IN_PAGE.search(content[:4096]):
        names.append((found[1] or found[2]).decode("ascii", "replace"))
    real = []
    for name in names:
        try:
            codec = codecs.lookup(name)
        except LookupError:
            continue
        # no "hex" or "zlib"; and what browsers take Latin-1 for
        if codec._is_text_encoding:
            real.append("cp1252" if codec.name == "iso8859-1" else codec.name)
    return real


def _guessed(sample: bytes) -> str:
    """Return the most likely encoding."""
    from charset_normalizer import from_bytes

    foreign = sum(byte > 127 for byte in sample)
    if foreign < FEW and foreign < 0.2 * len(sample):
        return "cp1252"  # some accents: too little to tell its cousins by
    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"
