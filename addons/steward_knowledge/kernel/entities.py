"""Things that a document names: models, versions, errors; by how they are written."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

# the most telling first
KINDS: Final = (
    *("model", "module", "field", "version", "error", "product", "company", "person"),
)
READ: Final = 200_000  # characters of a document
MOST: Final = 100  # entities of one
NAME: Final = 120  # characters of a name

_DOTTED = re.compile(
    r"(?<![\w./@-])[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*){1,6}(?![\w@/])"
)
_SNAKE = re.compile(r"(?<![\w./-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/-])")
_CODE = re.compile(r"`([^`\n]{1,200})`|```.*?```", re.DOTALL)
_VERSION = re.compile(
    r"\b(?:Odoo|OpenERP|[Vv]ersion|V|v)\s?(saas[-~]\d\d\.\d|\d{1,2}(?:\.[0-5])?)\b"
    r"(?![.,]?\d)"
    r"|(?<![\w.,$€=])((?:1\d|2\d)\.0|saas[-~]\d\d\.\d)\b(?![.,]?\d|\s?[%€$])"
)
_RAISED = re.compile(
    r"\b(?:[A-Z][a-z]+)+(?:Error|Exception|Warning|Violation|Timeout)\b(?!\s*=)"
)
_NUMBERED = re.compile(
    r"\b(?:[Ee]rror|[Ff]ault|[Cc]ode)(?: code)?:? ([A-Z]{1,8}-?\d{2,6})\b"
    r"|\b((?:STEWARD|ORA|SQLSTATE)(?:-[A-Z\d]{2,20}){1,4})\b"
)
_STATUS = re.compile(
    r"\b(?:HTTP(?:/\d(?:\.\d)?)?|[Ss]tatus(?: code)?|[Ee]rror(?: code)?)[: ]{1,2}"
    r"([45]\d\d)\b"
)
_NO_MODELS: Final = frozenset(
    {
        *("py", "xml", "js", "css", "scss", "csv", "md", "rst", "txt", "html", "json"),
        *("yml", "yaml", "po", "pot", "sql", "sh", "cfg", "conf", "ini", "log", "zip"),
        *("pdf", "png", "jpg", "svg", "com", "org", "net", "io", "eu", "be", "de"),
        *("fr", "dev", "app"),
    }
)
_OWNERS: Final = frozenset(
    {
        *("self", "cls", "os", "re", "odoo", "models", "fields", "api", "http", "env"),
        *("record", "records", "request", "object", "this", "np", "e", "i"),
    }
)
_MODULE_AFTER: Final = ("module", "modules", "addon", "addons", "app")
_WORD = re.compile(r"[^\W_](?:[\w.&'-]*\w)?")


class Found(NamedTuple):
    """One thing: its kind, its name, and the record that it is, if it is one.

    :param key: ``model,id`` of a record; empty for what only has a name
    """

    kind: str
    name: str
    key: str = ""


@dataclass(frozen=True)
class Known:
    """What the database knows by name.

    :param names: of records, as `folded` has them: what they are
    """

    models: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    names: Mapping[str, tuple[Found, ...]] = field(default_factory=dict)

    @cached_property
    def lengths(self) -> dict[str, set[int]]:
        """By their first word, how many words names have."""
        found: dict[str, set[int]] = {}
        for name in self.names:
            first, *rest = name.split(" ")
            found.setdefault(first, set()).add(1 + len(rest))
        return found


def entities(text: str, known: Known) -> list[Found]:
    """Return what a document names, the most telling first.

    >>> known = Known(frozenset({"sale.order"}), frozenset({"partner_id"}))
    >>> text = "sale.order has partner_id since 18.0; see HTTP 404."
    >>> for each in entities(text, known):
    ...     print(each.kind, each.name)
    model sale.order
    field partner_id
    version 18.0
    error HTTP 404
    """
    text = text[:READ]
    code = " ".join(found[0] for found in _CODE.finditer(text))
    found = [
        *_models(text, code, known),
        *_modules(text, code, known),
        *(Found("field", name) for name in _snakes(text) & known.fields),
        *(Found("version", version) for version in _versions(text)),
        *_errors(text),
        *_records(text, known),
    ]
    unique = sorted(
        dict.fromkeys(found), key=lambda it: (KINDS.index(it.kind), it.name)
    )
    if len(unique) > MOST:  # those that are named most often
        often = sorted(unique, key=lambda each: -text.count(each.name))[:MOST]
        unique = [each for each in unique if each in set(often)]
    return unique


def _models(text: str, code: str, known: Known) -> Iterable[Found]:
    said = {found[0] for found in _DOTTED.finditer(text)}
    written = {found[0] for found in _DOTTED.finditer(code)}
    for name in said:
        # a model's own name, or one with a field behind it
        head = name.rpartition(".")[0]
        if name in known.models:
            yield Found("model", name)
        elif head in known.models:
            yield Found("model", head)
        elif name in written and not _is_file(name) and _looks_like_model(name):
            yield Found("model", name)


def _is_file(name: str) -> bool:
    return name.rpartition(".")[2] in _NO_MODELS or name.startswith("www.")


def _looks_like_model(name: str) -> bool:
    """Tell ``hr.shift.plan`` from ``self.env`` and ``record.partner_id``."""
    first, *rest = name.split(".")
    return first not in _OWNERS and not any("_" in part for part in rest)


def _modules(text: str, code: str, known: Known) -> Iterable[Found]:
    # a word such as "sale" or "stock" is a module only where it is written as code
    # or said to be one
    said = set(re.findall(r"[a-z][a-z0-9_]+", code)) & known.modules
    said |= _snakes(text) & known.modules
    words = re.findall(r"[\w]+", text)
    for word, after in pairwise(words):
        if after in _MODULE_AFTER and word in known.modules:
            said.add(word)
    # inside of a model's name it is none
    dotted = {part for name in _DOTTED.findall(code) for part in name.split(".")}
    alone = set(re.findall(r"`([a-z][a-z0-9_]+)`", code))
    for name in said:
        if "_" in name or name in alone or name not in dotted:
            yield Found("module", name)


def _snakes(text: str) -> set[str]:
    found = {found[0] for found in _SNAKE.finditer(text)}
    # behind a dot, too: record.partner_id
    found |= {name.rpartition(".")[2] for name in _DOTTED.findall(text) if "_" in name}
    return found


def _versions(text: str) -> set[str]:
    found = set()
    for each in _VERSION.finditer(text):
        version = (each[1] or each[2]).replace("~", "-")
        if each[1] and "." not in version:
            # "version 3" may be of anything
            if not each[0].startswith(("Odoo", "OpenERP")) or not 5 < int(version) < 40:
                continue
            version += ".0"
        found.add(version)
    return found


def _errors(text: str) -> Iterable[Found]:
    for found in _RAISED.finditer(text):
        yield Found("error", found[0][:NAME])
    for found in _NUMBERED.finditer(text):
        yield Found("error", found[1] or found[2])
    for found in _STATUS.finditer(text):
        yield Found("error", f"HTTP {found[1]}")


def _records(text: str, known: Known) -> Iterable[Found]:
    """Names of records, wherever their words follow each other."""
    if not known.names:
        return
    words, lengths = _WORD.findall(text.lower()), known.lengths
    for at, word in enumerate(words):
        for size in lengths.get(word, ()):
            yield from known.names.get(" ".join(words[at : at + size]), ())


def folded(name: str) -> str:
    """Return a name as `Known.names` has it; empty for those that are mere words.

    >>> folded("Azure  Interior, Inc.")
    'azure interior inc'
    >>> folded("Chair")
    ''
    """
    words = _WORD.findall(name.lower())
    is_telling = len(words) > 1 or (words and re.search(r"\d", name) and len(name) > 4)
    return " ".join(words) if is_telling and len(words) <= 8 else ""
