"""reStructuredText to Markdown, as far as documentation uses it.

A reader of lines instead of docutils: it knows Sphinx's directives and roles, includes
no file, runs nothing, and never gives up on a page for one mistake in it.
"""

import re
from collections.abc import Iterator
from typing import Final

from .base import Extracted, fence, line, table

_ADORNED = re.compile(r"([=\-`:.'\"~^_*+#<>!$%&(),/;?@\[\\\]{|}])\1{2,}\s*$")
_EXPLICIT = re.compile(r"\.\.(?:\s+|$)")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|\n]+\|\s+)?([\w:.+-]+)::(?:\s+(.*))?$")
_OPTION = re.compile(r":[\w-]+:")
_FIELD = re.compile(r":([\w -]+):(?:\s+(.*))?$")
_SIMPLE_TABLE = re.compile(r"\s*={2,}(?:\s+={2,})+\s*$")
_GRID = re.compile(r"\s*\+(?:[-=]+\+)+\s*$")
_NUMBERED = re.compile(r"#\.\s+")
_ROLE = re.compile(r":([\w.+:-]+):`([^`\n]{1,1000})`")
_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)
_LINK = re.compile(r"`([^`<\n]{1,500}?)\s*<[^<>`\n]{1,1000}>`__?")
_INTERPRETED = re.compile(r"(?<![`\w])`([^`\n]{1,1000})`__?(?!`)")
_NAMED = re.compile(r"\b(\w[\w-]*)__?(?=[\s.,;)]|$)")
_FOOTNOTE = re.compile(r"\s?\[(?:#\w*|\*|\d+)\]_")
_SUBSTITUTION = re.compile(r"\|([^|\s][^|\n]{0,100})\|_{0,2}")

_CODE: Final = {"code", "code-block", "sourcecode", "highlight", "parsed-literal"}
_ADVICE: Final = {
    *("note", "tip", "warning", "important", "caution", "danger", "error", "hint"),
    *(
        "attention",
        "seealso",
        "deprecated",
        "versionadded",
        "versionchanged",
        "admonition",
    ),
    *("example", "exercise"),
}
_DROPPED: Final = {
    *("image", "figure", "toctree", "raw", "include", "contents", "meta", "index"),
    *("youtube", "literalinclude", "highlight", "default-domain", "role", "math"),
    *("automodule", "autoclass", "automethod", "only", "sectnum", "class", "replace"),
    *("currentmodule", "tabularcolumns", "unicode", "graphviz", "video"),
} - _CODE
_LITERAL_ROLES: Final = {
    *("code", "file", "samp", "command", "program", "option", "envvar", "literal"),
    *("class", "meth", "func", "attr", "mod", "data", "exc", "py", "js", "xpath"),
}


def rst(text: str) -> Extracted:
    r"""Return a page of documentation.

    >>> found = rst("=====\nSales\n=====\n\nSee :ref:`orders <x>`::\n\n  a = 1\n")
    >>> found.title
    'Sales'
    >>> print(found.text)
    # Sales
    <BLANKLINE>
    See orders:
    <BLANKLINE>
    ```
    a = 1
    ```
    """
    reader = _Reader()
    blocks = reader.blocks_of(text.expandtabs(4).split("\n"))
    return Extracted("\n\n".join(blocks), reader.title)


class _Reader:
    """Remembers which underline means which level of headings."""

    def __init__(self) -> None:
        self.styles: list[str] = []
        self.title = ""

    def blocks_of(self, lines: list[str], depth: int = 0) -> list[str]:
        """Return lines as blocks of Markdown."""
        if depth > 20:
            return ["\n".join(lines)]
        blocks: list[str] = []
        at = 0
        while at < len(lines):
            if not lines[at].strip():
                at += 1
                continue
            heading = self._heading(lines, at)
            if heading:
                blocks.append(heading[0])
                at += heading[1]
            elif _EXPLICIT.match(lines[at]):
                body, end = _indented(lines, at + 1)
                blocks += self._explicit(lines[at], body, depth)
                at = end
            elif _SIMPLE_TABLE.match(lines[at]) or _GRID.match(lines[at]):
                end = _end_of_table(lines, at)
                blocks.append(_table(lines[at:end]))
                at = end
            else:
                at = self._paragraph(lines, at, blocks, depth)
        return [block for block in blocks if block.strip()]

    def _heading(self, lines: list[str], at: int) -> tuple[str, int] | None:
        """Return a heading and how many lines it takes."""
        over = _ADORNED.match(lines[at])
        rest = lines[at + 1 : at + 3]
        if over and len(rest) == 2 and rest[0].strip() and _same(rest[1], lines[at]):
            style, title, taken = f"{over[1]}{over[1]}", rest[0], 3
        elif over and lines[at].strip() not in ("...", "::"):
            return ("", 1)  # a line across the page
        elif (
            rest
            and not lines[at].startswith(" ")
            and (under := _ADORNED.match(rest[0]))
            and len(rest[0].rstrip()) >= min(len(lines[at].rstrip()), 3)
            and not over
        ):
            style, title, taken = under[1], lines[at], 2
        else:
            return None
        if style not in self.styles:
            self.styles.append(style)
        title = line(_inline(title))
        self.title = self.title or title
        return f"{'#' * min(self.styles.index(style) + 1, 6)} {title}", taken

    def _explicit(self, first: str, body: list[str], depth: int) -> list[str]:
        """Return what a directive shows; labels, comments and the like show nothing."""
        found = _DIRECTIVE.match(first.rstrip())
        if not found:
            return []
        name, argument = found[1].rpartition(":")[2].lower(), found[2] or ""
        while body and (not body[0].strip() or _OPTION.match(body[0])):
            body = body[1:]
        if name in _CODE:
            return [fence("\n".join(body), argument.strip())] if any(body) else []
        if name in _DROPPED:
            # the caption of a figure
            return self.blocks_of(body, depth + 1) if name == "figure" else []
        if name == "list-table":
            return [_caption(argument), _list_table(body)]
        if name == "csv-table":
            return [_caption(argument), _csv(body)]
        if name in _ADVICE:
            head = argument if name == "admonition" else name.capitalize()
            inner = "\n\n".join(
                self.blocks_of(
                    [*([argument] * (name != "admonition")), "", *body], depth + 1
                )
            )
            quoted = "\n".join(f"> {each}".rstrip() for each in inner.split("\n"))
            return [f"> **{_inline(head)}**\n{quoted}"]
        title = [f"**{_inline(argument)}**"] if argument and name != "tabs" else []
        return [*title, *self.blocks_of(body, depth + 1)]

    def _paragraph(
        self, lines: list[str], at: int, blocks: list[str], depth: int
    ) -> int:
        """Add a paragraph, and the literal block that it announces; return its end."""
        end = at
        while end < len(lines) and lines[end].strip():
            if end > at and self._heading(lines, end):
                break
            end += 1
        paragraph = [each.rstrip() for each in lines[at:end]]
        if not depth and not blocks and all(_FIELD.match(each) for each in paragraph):
            return end  # what Sphinx is told of the page
        if not paragraph[-1].endswith("::"):
            blocks.append(_prose(paragraph))
            return end
        paragraph[-1] = paragraph[-1][: -1 if len(paragraph[-1]) > 2 else -2]
        blocks.append(_prose(paragraph))
        indent = len(lines[at]) - len(lines[at].lstrip())
        body, after = _indented(lines, end, indent)
        if any(each.strip() for each in body):
            blocks.append(fence("\n".join(body).strip("\n")))
            return after
        return end


def _same(one: str, other: str) -> bool:
    return one.rstrip()[:1] == other.rstrip()[:1] and bool(_ADORNED.match(one))


def _indented(lines: list[str], at: int, more_than: int = 0) -> tuple[list[str], int]:
    """Return the lines that are indented further, without it, and where they end."""
    end = at
    while end < len(lines):
        each = lines[end]
        if each.strip() and len(each) - len(each.lstrip()) <= more_than:
            break
        end += 1
    body = lines[at:end]
    indents = [len(each) - len(each.lstrip()) for each in body if each.strip()]
    cut = min(indents, default=0)
    return [each[cut:].rstrip() for each in body], end


def _end_of_table(lines: list[str], at: int) -> int:
    is_grid = bool(_GRID.match(lines[at]))
    borders = 0
    for end in range(at, len(lines)):
        if is_grid and not lines[end].strip().startswith(("+", "|")):
            return end
        if not is_grid and _SIMPLE_TABLE.match(lines[end]):
            borders += 1
            is_last = end + 1 >= len(lines) or not lines[end + 1].strip()
            if borders > 1 and is_last:
                return end + 1
    return len(lines) if is_grid else at + 1


def _table(lines: list[str]) -> str:
    """Return a table that was drawn with lines."""
    rows: list[list[str]] = []
    if _GRID.match(lines[0]):
        fresh = True
        for each in lines:
            if _GRID.match(each):
                fresh = True
                continue
            cells = [
                _inline(cell.strip()) for cell in each.strip().strip("|").split("|")
            ]
            _add(rows, cells, fresh)
            fresh = False
        return table(rows)
    cuts = [found.start() for found in re.finditer(r"=+", lines[0])]
    for each in lines:
        if _SIMPLE_TABLE.match(each) or not each.strip():
            continue
        ends = [*cuts[1:], len(each)]
        cells = [
            _inline(each[begin:end].strip())
            for begin, end in zip(cuts, ends, strict=True)
        ]
        _add(rows, cells, bool(cells[0]))  # no first cell: the row above goes on
    return table(rows)


def _add(rows: list[list[str]], cells: list[str], fresh: bool) -> None:
    if fresh or not rows:
        rows.append(cells)
        return
    last = rows[-1]
    last += [""] * (len(cells) - len(last))
    for number, cell in enumerate(cells):
        last[number] = f"{last[number]} {cell}".strip()


def _list_table(body: list[str]) -> str:
    rows: list[list[str]] = []
    for each in body:
        text = each.strip()
        if each.startswith("* -"):
            rows.append([text[3:].strip()])
        elif text.startswith("- ") and each.startswith("  -") and rows:
            rows[-1].append(text[2:].strip())
        elif text and rows:
            rows[-1][-1] += f" {text}"
    return table([[_inline(cell) for cell in row] for row in rows])


def _csv(body: list[str]) -> str:
    import csv

    try:
        rows = list(csv.reader(body))
    except csv.Error:
        return "\n".join(body)
    return table([[_inline(cell) for cell in row] for row in rows if row])


def _caption(argument: str) -> str:
    return f"**{_inline(argument)}**" if argument else ""


def _prose(lines: list[str]) -> str:
    return _inline("\n".join(_NUMBERED.sub("1. ", each, count=1) for each in lines))


def _inline(text: str) -> str:
    """Return a text with roles and links as a reader sees them."""
    return "".join(_inlined(text))


def _inlined(text: str) -> Iterator[str]:
    for number, part in enumerate(re.split(r"(``[^\n]+?``)", text)):
        if number % 2:
            yield f"`{part[2:-2]}`"
            continue
        part = _ROLE.sub(_role, part)
        part = _FOOTNOTE.sub("", _LINK.sub(r"\1", part))
        part = _SUBSTITUTION.sub(r"\1", part)
        yield _NAMED.sub(r"\1", _INTERPRETED.sub(_interpreted, part))


def _interpreted(found: re.Match[str]) -> str:
    return found[1] if found[0].endswith("_") else found[0]


def _role(found: re.Match[str]) -> str:
    name, shown = found[1].split(":")[-1].lower(), found[2]
    if target := _TARGET.match(shown):
        shown = target[1]
    if name == "menuselection":
        return shown.replace("-->", "→")
    if name in ("ref", "doc") and shown.startswith("/"):
        return shown.rpartition("/")[2]
    return f"`{shown.lstrip('~!')}`" if name in _LITERAL_ROLES else shown
