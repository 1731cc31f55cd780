"""Pages of the web: the text that is meant to be read, as Markdown."""

import re
from datetime import datetime
from typing import Any, Final

from .base import (
    LIMITS,
    Extracted,
    Limits,
    Unreadable,
    clean,
    fence,
    line,
    moment,
    quiet,
)
from .base import table as as_table

THIN: Final = 400  # characters; so little text is looked for a second time
LOGIN: Final = 200  # words; a page with a password and no more than that has no content

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}\b", re.IGNORECASE)
_DROPPED = frozenset(
    {
        *("script", "style", "noscript", "template", "iframe", "object", "embed"),
        *("svg", "canvas", "nav", "footer", "aside", "form", "button", "select"),
        *("head", "dialog", "audio", "video"),
    }
)
_BLOCKS = frozenset(
    {
        *("p", "div", "section", "article", "main", "header", "body", "html"),
        *("blockquote", "figure", "figcaption", "ul", "ol", "dl", "dt", "dd"),
        *("details", "summary", "address", "fieldset", "center", "hr"),
    }
)
_DATES: Final = (
    "//meta[@property='article:modified_time']/@content",
    "//meta[@property='article:published_time']/@content",
    "//meta[@name='date' or @name='dcterms.modified']/@content",
    "//*[@itemprop='dateModified']/@*[name()='content' or name()='datetime']",
    "//*[@itemprop='datePublished']/@*[name()='content' or name()='datetime']",
    "//time[@pubdate]/@datetime",
    "//article//time/@datetime",
)


def html(page: str, url: str = "", limits: Limits = LIMITS) -> Extracted:
    """Return what a page has to say.

    :raises Unreadable: when it says nothing, or is there to log in
    """
    tree = _parsed(page[: limits.markup])
    text = _by_trafilatura(tree, url)
    if len(text) < THIN:  # there it keeps neither code nor tables
        main, is_told = _main(tree)
        own = clean(_markdown(main))
        # otherwise much more must be there: not the frame of the page alone
        if len(own) > len(text) * (0.7 if is_told else 2):
            text = own
    if tree.xpath("//input[@type='password']") and len(text.split()) < LOGIN:
        raise Unreadable("login")
    meta: dict[str, str | int | bool] = {}
    if len(page) > limits.markup:
        meta["truncated"] = True
    if canonical := _first(tree, "//link[@rel='canonical']/@href"):
        meta["canonical"] = canonical
    language = _LANGUAGE.match(_first(tree, "/html/@lang | /html/@xml:lang"))
    return Extracted(
        text, _title(tree), language[0].lower() if language else "", _date(tree), meta
    )


def _parsed(page: str) -> Any:
    from lxml import etree  # type: ignore[import-untyped]
    from lxml import html as lxml_html

    page = _DECLARATION.sub("", page.replace("\x00", ""))
    parser = lxml_html.HTMLParser(
        no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        tree = lxml_html.document_fromstring(page, parser=parser)
    except etree.ParserError as error:
        raise Unreadable("empty", str(error)) from error
    # also those that trafilatura would look into for metadata
    etree.strip_elements(tree, "script", "style", "template", with_tail=False)
    return tree


def _by_trafilatura(tree: Any, url: str) -> str:
    import trafilatura

    quiet("trafilatura", "htmldate", "courlan", "justext")
    found = trafilatura.extract(
        tree,
        url=url or None,
        fast=True,
        output_format="markdown",
        include_comments=False,
        include_tables=True,
    )
    return clean(found or "")


def _first(tree: Any, path: str) -> str:
    return line(next(iter(tree.xpath(path)), ""))


def _title(tree: Any) -> str:
    headings = tree.xpath("//h1")
    if len(headings) == 1:
        # not the sign that many documentations put behind a heading to link to it
        sign = headings[0].xpath(".//a[contains(@class, 'headerlink')]")
        for each in sign:
            each.drop_tree()
        if title := line(headings[0].text_content()):
            return title
    return _first(tree, "//meta[@property='og:title']/@content") or line(
        tree.findtext(".//title")
    )


def _date(tree: Any) -> datetime | None:
    for path in _DATES:
        for found in tree.xpath(path):
            if when := moment(found):
                return when
    return None


# -- our own reading, for pages that trafilatura refuses -----------------------------


def _main(tree: Any) -> tuple[Any, bool]:
    """Return the element that holds what the page is about, and if the page says so."""
    for path in ("//main", "//*[@role='main']", "//article"):
        found = tree.xpath(path)
        if len(found) == 1:
            return found[0], True
    body = tree.find("body")
    return tree if body is None else body, False


def _markdown(element: Any) -> str:
    tag = element.tag if isinstance(element.tag, str) else ""
    if not tag or tag in _DROPPED or element.get("hidden") is not None:
        return ""
    if tag == "pre":
        return f"\n\n{fence(element.text_content().strip(chr(10)))}\n\n"
    if tag == "table":
        return f"\n\n{as_table(_rows(element))}\n\n"
    if tag == "br":
        return "\n"
    if tag == "code":
        return f"`{line(element.text_content())}`"
    inner = _inner(element)
    if re.fullmatch("h[1-6]", tag):
        return f"\n\n{'#' * int(tag[1])} {line(inner)}\n\n"
    if tag == "li":
        return "\n- " + inner.strip().replace("\n", "\n  ")
    return f"\n\n{inner.strip()}\n\n" if tag in _BLOCKS else inner


def _inner(element: Any) -> str:
    parts = [_words(element.text)]
    for child in element:
        parts += [_markdown(child), _words(child.tail)]
    return "".join(parts)


def _words(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _rows(element: Any) -> list[list[str]]:
    rows = [
        [line(cell.text_content()) for cell in row.xpath("./td | ./th")]
        for row in element.xpath(".//tr")
    ]
    return [row for row in rows if any(row)]
