"""Sitemaps, read as they come: a million entries take no more room than one.

>>> list(entries([b'<urlset><url><loc>https://e.com/a</loc>'
...               b'<lastmod>2026-01-02</lastmod></url></urlset>']))
[Entry(address='https://e.com/a', changed='2026-01-02', is_sitemap=False)]
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

LARGEST = 100 * 1024 * 1024  # bytes when unpacked; the protocol says 50 MB
PIECE = 64 * 1024
GZIP = b"\x1f\x8b"


class Entry(NamedTuple):
    """A page, or another sitemap.

    :param changed: as the site says it; empty: it does not
    """

    address: str
    changed: str = ""
    is_sitemap: bool = False


class Broken(ValueError):
    """What came is no sitemap."""


def entries(pieces: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries of a sitemap or of an index: XML or lines, packed or not.

    :raises Broken: as soon as it is seen
    """
    stream = iter(pieces)
    first = next(stream, b"")
    stream = chain([first], stream)
    if first.startswith(GZIP):
        stream = _unpacked(stream)
        first = next(stream, b"")
        stream = chain([first], stream)
    head = first.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        yield from _of_xml(chain([head], _rest(stream)))
    else:
        yield from _of_lines(stream)


def _rest(stream: Iterator[bytes]) -> Iterator[bytes]:
    next(stream, None)
    return stream


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    engine, given = zlib.decompressobj(31), 0
    for piece in pieces:
        while piece and not engine.eof:
            try:
                found = engine.decompress(piece, PIECE)
            except zlib.error as error:
                raise Broken(str(error)) from error
            given += len(found)
            if given > LARGEST:
                raise Broken("unpacked it is too large")
            if found:
                yield found
            piece = engine.unconsumed_tail


def _of_lines(pieces: Iterable[bytes]) -> Iterator[Entry]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > PIECE:
            raise Broken("a line without an end")
        yield from filter(None, map(_of_line, lines))
    if last := _of_line(rest):
        yield last


def _of_line(line: bytes) -> Entry | None:
    address = line.decode("utf-8", "replace").strip()
    return Entry(address) if address.startswith(("http://", "https://")) else None


def _of_xml(pieces: Iterable[bytes]) -> Iterator[Entry]:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLPullParser(
        events=("end",), resolve_entities=False, no_network=True, huge_tree=False
    )
    told: dict[str, str] = {}
    try:
        for piece in pieces:
            parser.feed(piece)
            yield from _read(parser, told)
        parser.close()
        yield from _read(parser, told)
    except etree.XMLSyntaxError as error:
        raise Broken(str(error)) from error


def _read(parser: "object", told: dict[str, str]) -> Iterator[Entry]:
    for _event, element in parser.read_events():  # type: ignore[attr-defined]
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        if name in ("loc", "lastmod"):
            parent = element.getparent()
            # images and videos have a <loc> of their own, one level below
            above = "" if parent is None else parent.tag.rpartition("}")[2]
            if above in ("url", "sitemap"):
                told[name] = (element.text or "").strip()
        elif name in ("url", "sitemap"):
            if told.get("loc"):
                yield Entry(told["loc"], told.get("lastmod", ""), name == "sitemap")
            told.clear()
            element.clear()
            while element.getprevious() is not None:  # or the root keeps them all
                del element.getparent()[0]
