"""What a page of the web says about itself: links, its true address, its wishes.

Nothing in a page is executed or obeyed but what robots have agreed on: ``noindex``,
``nofollow`` and the canonical address.

>>> page = facts(b'<title>Guide</title><a href="b?utm_source=x#c">B</a>',
...              "https://example.com/a")
>>> page.title, page.links
('Guide', ('https://example.com/b',))
"""

import codecs
import re
from dataclasses import dataclass

from .addresses import normalised

MOST_LINKS = 1000  # of one page
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
LOGIN = re.compile(r"log-?_?in|sign-?_?in|sso|auth|account", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page says about itself.

    :param canonical: the address it wants to be known by; empty: it does not say
    :param asks_password: whether it has a field for one
    """

    title: str = ""
    language: str = ""
    canonical: str = ""
    links: tuple[str, ...] = ()
    noindex: bool = False
    nofollow: bool = False
    asks_password: bool = False


def decoded(content: bytes, declared: str = "") -> str:
    """Return bytes as text whatever the header claims.

    UTF-8 is tried before what is declared: text that is none hardly ever passes for it,
    while "iso-8859-1" is claimed by many a server that sends UTF-8.

    >>> decoded("é".encode(), "iso-8859-1"), decoded("é".encode("cp1252"), "utf-8")
    ('é', 'é')
    """
    told = [name for mark, name in MARKS if content.startswith(mark)]
    if found := META_CHARSET.search(content[:4096]):
        told += ["utf-8", declared, found[1].decode("ascii")]
    else:
        told += ["utf-8", declared]
    for name in filter(None, told):
        try:
            return CONTROLS.sub("", content.decode(name))
        except (LookupError, ValueError):
            continue
    return CONTROLS.sub("", content.decode("cp1252", "replace"))


def facts(content: bytes, address: str, robots_header: str = "") -> Facts:
    """Read a page.

    :param content: HTML, UTF-8
    :param address: where it came from, after redirects
    :param robots_header: its ``X-Robots-Tag``
    """
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import (  # type: ignore[import-untyped]
        HTMLParser,
        document_fromstring,
    )

    parser = HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        tree = document_fromstring(content, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):  # nothing in it
        return Facts()

    def first(path: str) -> str:
        found = tree.xpath(path)
        return " ".join(str(found[0]).split()) if found else ""

    wishes = " ".join(
        str(value).lower()
        for value in tree.xpath(
            "//meta[translate(@name, 'ROBTS', 'robts') = 'robots']/@content"
        )
    )
    wishes = f"{wishes} {robots_header.lower()}"
    base = normalised(first("//base/@href"), address) or address
    nofollow = "nofollow" in wishes or "none" in wishes.split()
    return Facts(
        title=first("//title/text()")[:500],
        language=first("/html/@lang").partition("-")[0].lower()[:8],
        canonical=normalised(
            first("//link[translate(@rel, 'CANONIL', 'canonil') = 'canonical']/@href"),
            base,
        )
        if tree.xpath("//link[@rel and @href]")
        else "",
        links=() if nofollow else _links(tree.xpath("//a[@href]"), base),
        noindex="noindex" in wishes or "none" in wishes.split(),
        nofollow=nofollow,
        asks_password=bool(
            tree.xpath("//input[translate(@type, 'PASWORD', 'pasword') = 'password']")
        ),
    )


def _links(anchors: "list[object]", base: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for anchor in anchors:
        get = anchor.get  # type: ignore[attr-defined]
        if "nofollow" in (get("rel") or "").lower():
            continue
        if link := normalised(get("href"), base):
            found[link] = None
            if len(found) == MOST_LINKS:
                break
    return tuple(found)


def is_login(page: Facts, asked: str, came_from: str) -> bool:
    """Whether a login page came instead of the page that was asked for.

    A field for a password alone says little: some sites show it on every page.

    >>> form = Facts(asks_password=True)
    >>> is_login(form, "https://e.com/a", "https://e.com/web/login?redirect=a")
    True
    >>> is_login(form, "https://e.com/a", "https://e.com/a")
    False
    """
    return page.asks_password and asked != came_from and bool(LOGIN.search(came_from))
