r"""Skills as folders with a ``SKILL.md``, in the open Agent Skills format.

https://agentskills.io/specification: YAML between two lines of dashes, then Markdown;
beside it whatever files the instructions speak of.

>>> skill = parse('''---
... name: close-period
... description: Closes an accounting period. Use at the end of a month.
... license: MIT
... metadata: {steward-needs: check-balances, author: Ann}
... ---
... # Close a period
...
... 1. Check the balances.
... 2. Set the lock date.
... ''')
>>> skill.name, skill.title, skill.needs
('close-period', 'Close a period', ('check-balances',))
>>> skill.steps()
['Check the balances.', 'Set the lock date.']

What the format has no key for stands in ``metadata``, under names of our own, as the
specification asks for. A document is changed where it has to be and stays as it was
elsewhere, to the comment, so that what others wrote comes out as it went in.

>>> print(changed(skill.text, description="Closes a month."))
---
name: close-period
description: Closes a month.
license: MIT
metadata: {steward-needs: check-balances, author: Ann}
---
# Close a period
<BLANKLINE>
1. Check the balances.
2. Set the lock date.
<BLANKLINE>

Nothing that is read here is ever executed. What comes in is somebody else's: sizes,
names and kinds of files are looked at before anything is kept.
"""

import hashlib
import io
import posixpath
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from odoo.addons.steward.kernel.schema import (
    Problem,
    Problems,
    SchemaProblem,
    load,
    validate,
)
from odoo.addons.steward_agent.kernel.specification import as_yaml

JSON = Any

DOCUMENT: Final = "SKILL.md"
PLAYBOOK: Final = "playbook.yaml"  # steps that need no model
INPUTS: Final = "inputs.schema.json"
OUTPUTS: Final = "outputs.schema.json"
NAME: Final = "^[a-z0-9]+(-[a-z0-9]+)*$"
LONGEST_NAME: Final = 64
LONGEST_DESCRIPTION: Final = 1024
LONGEST: Final = 200_000  # characters of a SKILL.md: forty times what is recommended
MAX_FILES: Final = 500  # in an archive
MAX_FILE: Final = 5 * 2**20  # bytes of one, unpacked
MAX_BYTES: Final = 20 * 2**20  # of all, unpacked; and of an archive

SCHEMA: Final[dict[str, JSON]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The front matter of a SKILL.md",
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": NAME, "maxLength": LONGEST_NAME},
        "description": {
            "type": "string",
            "pattern": r"\S",
            "maxLength": LONGEST_DESCRIPTION,
        },
        "license": {"type": "string"},
        "compatibility": {"type": "string", "maxLength": 500},
        "metadata": {"type": "object"},
        "allowed-tools": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}},
            ]
        },
    },
    "required": ["name", "description"],
}
_HEAD: Final = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)(?:[ \t]*\r?\n)*",
    re.DOTALL | re.MULTILINE,
)
_OURS: Final = {  # part of a skill -> its key in the metadata
    "title": "steward-title",
    "triggers": "steward-triggers",
    "needs": "steward-needs",
    "category": "steward-category",
    "tags": "steward-tags",
}
_LISTS: Final = ("triggers", "needs", "tags")
_TOOL: Final = re.compile(r"(?:[^\s,(]|\([^)]*\))+")
_UNIX: Final = 3  # the system of an archive whose files say who may execute them
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_FENCE: Final = re.compile(r"^ {0,3}(```|~~~)")
_ITEM: Final = re.compile(r"^ {0,3}[0-9]{1,4}[.)][ \t]+(\S.*)$")
_HEADING: Final = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t#]*$")
_STEPS: Final = re.compile(r"\b(steps?|procedure|workflow|instructions|how)\b", re.I)


class Unreadable(ValueError):
    """Why something is no skill, in a sentence."""


@dataclass(frozen=True)
class Skill:
    """What a ``SKILL.md`` says.

    :param tools: names of the tools it needs, as written
    :param needs: names of other skills that it builds on
    :param front: the whole front matter, with what we do not know
    """

    text: str = field(repr=False)
    name: str
    description: str
    title: str
    body: str = field(repr=False)
    tools: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    category: str = ""
    tags: tuple[str, ...] = ()
    front: Mapping[str, JSON] = field(default_factory=dict, repr=False)

    def steps(self) -> list[str]:
        """The first lines of the steps that its instructions tell.

        The numbered list under a heading that speaks of steps; else the first one.
        """
        return steps(self.body)


class File(NamedTuple):
    """A file of a skill's folder, beside its document.

    :param executable: for whoever takes the folder away; nothing here executes it
    """

    path: str
    content: bytes
    executable: bool = False


class Folder(NamedTuple):
    """A skill as a folder.

    :param directory: where it lay in an archive; "" at the top
    """

    directory: str
    markdown: str
    files: tuple[File, ...] = ()

    def text_of(self, path: str) -> str:
        """A file as text; "" when there is none.

        >>> Folder("", "", (File("playbook.yaml", b"name: a"),)).text_of(PLAYBOOK)
        'name: a'
        """
        for file in self.files:
            if file.path == path:
                return as_text(file.content, path)
        return ""


# --- the document --------------------------------------------------------------------


def parse(text: str) -> Skill:
    r"""Read a ``SKILL.md``.

    >>> try:
    ...     parse("---\nname: Close Period\n---\n")
    ... except Problems as problems:
    ...     print(problems)
    line 2, column 1: 'description' is missing
    line 2, column 1: name: should match the pattern ^[a-z0-9]+(-[a-z0-9]+)*$

    :raises Problems: all that is wrong with it, with lines of the whole text
    """
    header, start = _parted(text)
    try:
        document = load(header)
        found = validate(document, SCHEMA)
    except SchemaProblem as error:
        raise Problems([_lower(error.problem)]) from error
    if found:
        raise Problems(map(_lower, found))
    front: dict[str, JSON] = document.value
    own = _own(front)
    body = text[start:]
    return Skill(
        text,
        front["name"],
        front["description"].strip(),
        own["title"] or _first_heading(body) or _spelled(front["name"]),
        body,
        names_of(front.get("allowed-tools", "")),
        listed(own["triggers"]),
        names_of(own["needs"]),
        own["category"],
        listed(own["tags"]),
        front,
    )


def written(
    name: str, description: str, body: str = "", **parts: str | Sequence[str]
) -> str:
    r"""A new ``SKILL.md``.

    :param parts: ``title``, ``tools``, ``triggers``, ``needs``, ``category``, ``tags``

    >>> print(written("a-b", "Does it.", "# A B\n", triggers=["one", "two"]), end="")
    ---
    name: a-b
    description: Does it.
    metadata:
      steward-triggers: one, two
    ---
    <BLANKLINE>
    # A B
    """
    head = as_yaml({"name": name, "description": description})
    return changed(f"---\n{head}---\n\n{body}", **parts)


def changed(text: str, **parts: str | Sequence[str]) -> str:
    """The same document with other parts; what stays the same stays as written.

    :param parts: any of ``name``, ``description``, ``title``, ``body``, ``tools``,
        ``triggers``, ``needs``, ``category``, ``tags``
    :raises Problems: when the document, or what would come of it, is none
    """
    skill = parse(text)
    parts = {name: _same_kind(name, value) for name, value in parts.items()}
    new = {
        name: value for name, value in parts.items() if getattr(skill, name) != value
    }
    body = str(new.pop("body", skill.body))
    front = dict(skill.front)
    for name in ("name", "description"):
        if name in new:
            front[name] = new[name]
    if "tools" in new:
        _put(front, "allowed-tools", " ".join(new["tools"]))
    metadata = dict(front.get("metadata", {}))
    for name, key in _OURS.items():
        if name in new:
            value = new[name]
            glue = " " if name == "needs" else ", "
            _put(metadata, key, value if isinstance(value, str) else glue.join(value))
    _put(front, "metadata", metadata)
    header, start = _parted(text)
    if front != skill.front:
        where = text.index(header)
        text = (
            text[:where]
            + _edited(header, skill.front, front)
            + text[where:][len(header) :]
        )
        _header, start = _parted(text)
    made = text[:start] + body
    parse(made)
    return made


def slug(title: str) -> str:
    """The name that a title suggests.

    >>> slug("  Tidy up Müller & Söhne's invoices! ")
    'tidy-up-muller-sohne-s-invoices'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = "-".join(re.findall("[a-z0-9]+", plain.lower()))
    return name[:LONGEST_NAME].strip("-")


def listed(text: str) -> tuple[str, ...]:
    """Words and phrases with commas between them.

    >>> listed("late payment, dunning,, late payment")
    ('late payment', 'dunning')
    """
    found = (" ".join(part.split()) for part in text.split(","))
    return tuple(dict.fromkeys(part for part in found if part))


def words_of(text: str) -> list[str]:
    """The words of a text, as two of them are compared.

    >>> words_of("Late PAYMENT, again!")
    ['late', 'payment', 'again']
    """
    return re.findall(r"\w+", text.casefold())


def phrases(words: Sequence[str], longest: int = 5) -> list[str]:
    """What is said in so many words, among which a trigger may be.

    >>> phrases(["pay", "it", "now"], longest=2)
    ['pay', 'pay it', 'it', 'it now', 'now']
    """
    found = (
        " ".join(words[start : start + size])
        for start in range(len(words))
        for size in range(1, min(longest, len(words) - start) + 1)
    )
    return list(dict.fromkeys(found))


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names with spaces or commas between them, or in a list.

    >>> names_of("find_records Bash(git add:*), find_records")
    ('find_records', 'Bash(git add:*)')
    """
    texts = [given] if isinstance(given, str) else given
    return tuple(dict.fromkeys(name for text in texts for name in _TOOL.findall(text)))


def steps(body: str) -> list[str]:
    r"""The first lines of a numbered list in Markdown; see `Skill.steps`.

    >>> steps("1. no\n\n## Steps\n\n1. Look.\n   Well.\n2. Leap.\n\n## More\n1. x")
    ['Look.', 'Leap.']
    """
    first: list[str] = []
    under: list[str] = []
    now, told = first, False
    for line in _outside_fences(body):
        if heading := _HEADING.match(line):
            if under or (first and now is first):
                now = []
            if not under and _STEPS.search(heading[1]):
                now, told = under, True
        elif item := _ITEM.match(line):
            now.append(item[1].strip())
    return under if told and under else first


def _outside_fences(body: str) -> Iterator[str]:
    fence = ""
    for line in body.splitlines():
        if found := _FENCE.match(line):
            if not fence:
                fence = found[1]
            elif found[1] == fence:
                fence = ""
        elif not fence:
            yield line


def _parted(text: str) -> tuple[str, int]:
    """The front matter as written, and where the instructions begin."""
    if len(text) > LONGEST:
        raise Problems(
            [
                _at(
                    1,
                    f"the document is longer than {LONGEST // 1000:,} thousand letters",
                )
            ]
        )
    if found := _UNSTORABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Problems([_at(line, "there is a character that no text can hold")])
    head = _HEAD.match(text)
    if head is None:
        raise Problems(
            [_at(1, "begins with its name and description, between two lines of ---")]
        )
    return head[1], head.end()


def _at(line: int, message: str) -> Problem:
    return Problem(line, 1, "", message)


def _lower(problem: Problem) -> Problem:
    """A problem of the front matter, as a problem of the whole text."""
    return problem._replace(line=problem.line + 1)


def _own(front: Mapping[str, JSON]) -> dict[str, str]:
    metadata = front.get("metadata", {})
    found = {}
    for name, key in _OURS.items():
        value = metadata.get(key, "")
        found[name] = value.strip() if isinstance(value, str) else ""
    return found


def _first_heading(body: str) -> str:
    for line in _outside_fences(body):
        if heading := _HEADING.match(line):
            return heading[1].strip()
    return ""


def _spelled(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _same_kind(name: str, value: str | Sequence[str]) -> str | tuple[str, ...]:
    if name in _LISTS or name == "tools":
        read = names_of if name in ("tools", "needs") else listed
        return read(value if isinstance(value, str) else ",".join(value))
    text = str(value or "")
    return text if name == "body" else text.strip()


def _put(target: dict[str, JSON], key: str, value: JSON) -> None:
    if value:
        target[key] = value
    else:
        target.pop(key, None)


def _edited(header: str, before: Mapping[str, JSON], after: Mapping[str, JSON]) -> str:
    """A front matter with other values, the rest of its lines as they were."""
    positions = load(header).position
    lines = header.splitlines(keepends=True)
    starts = sorted((positions(f"/{_escaped(key)}")[0] - 1, key) for key in before)
    spans: dict[str, tuple[int, int]] = {}
    for (start, key), (end, _next) in zip(
        starts, [*starts[1:], (len(lines), "")], strict=True
    ):
        while end > start + 1 and _belongs_below(lines[end - 1]):
            end -= 1
        spans[key] = (start, end)
    edited = list(lines)
    for key in sorted(spans, key=spans.__getitem__, reverse=True):
        if before[key] != after.get(key):
            start, end = spans[key]
            edited[start:end] = [as_yaml({key: after[key]})] if key in after else []
    added = {key: value for key, value in after.items() if key not in before}
    text = "".join(edited)
    if added:
        text = f"{text.rstrip()}\n{as_yaml(added)}"
    # several keys on one line, anchors: then all of it is written anew
    with suppress(SchemaProblem):
        if load(text).value == after:
            return text
    return as_yaml(dict(after))


def _belongs_below(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _escaped(key: str) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


# --- folders -------------------------------------------------------------------------


def as_text(content: bytes, name: str) -> str:
    r"""A file as text.

    >>> as_text("\ufeffa".encode(), "a.md")
    '\ufeffa'
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{name} is no text in UTF-8.") from error
    if "\0" in text:
        raise Unreadable(f"{name} is no text in UTF-8.")
    return text


def checked_path(path: str) -> str:
    """The path of a file within a skill's folder, or a refusal.

    >>> checked_path("scripts/run.py")
    'scripts/run.py'
    >>> try:
    ...     checked_path("../../etc/passwd")
    ... except Unreadable as error:
    ...     print(error)
    '../../etc/passwd' leads out of the folder.
    """
    parts = path.split("/")
    if (
        not path
        or len(path) > 255
        or path.startswith("/")
        or re.match(r"[A-Za-z]:", path)
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise Unreadable(f"{path!r} leads out of the folder.")
    if re.search(r"[\\\x00-\x1f\x7f\ud800-\udfff]", path):
        raise Unreadable(f"{path!r} is no name of a file.")
    return path


def read_zip(content: bytes) -> tuple[list[Folder], list[str]]:
    """Read the skills of an archive: each folder with a ``SKILL.md`` is one.

    >>> folder = Folder("a-b", written("a-b", "Does it."), (File("x.py", b"1", True),))
    >>> read_zip(as_zip([folder])) == ([folder], [])
    True

    :return: folders by name; and the files that belong to none
    :raises Unreadable: for anything that a skill has no need of
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"The archive is larger than {MAX_BYTES // 2**20} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {file.path: file for file in _unpacked(archive)}
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError),
        *(NotImplementedError, RuntimeError, ValueError),
    ) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("The file is no zip archive, or a damaged one.") from error
    return _folders(files)


def as_zip(folders: Iterable[Folder]) -> bytes:
    """An archive of skills; the same skills always make the same archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in folders:
            files = (File(DOCUMENT, folder.markdown.encode()), *folder.files)
            for file in files:
                info = zipfile.ZipInfo(posixpath.join(folder.directory, file.path))
                info.create_system = _UNIX
                info.compress_type = zipfile.ZIP_DEFLATED
                mode = 0o755 if file.executable else 0o644
                info.external_attr = (stat.S_IFREG | mode) << 16
                archive.writestr(info, file.content)
    return packed.getvalue()


def checksum(content: bytes) -> str:
    """By which a file is known.

    >>> checksum(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def _unpacked(archive: zipfile.ZipFile) -> Iterator[File]:
    entries = [entry for entry in archive.infolist() if not _is_noise(entry)]
    if len(entries) > MAX_FILES:
        raise Unreadable(f"The archive has more than {MAX_FILES} files.")
    seen: set[str] = set()
    left = MAX_BYTES
    for entry in entries:
        # what was cut off at a NUL would be another file than its name says
        path = checked_path(entry.orig_filename)
        if path.casefold() in seen:
            raise Unreadable(f"{path!r} is there twice.")
        seen.add(path.casefold())
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise Unreadable(f"{path!r} is a link, not a file.")
        if entry.flag_bits & 1:
            raise Unreadable(f"{path!r} is encrypted.")
        # what an archive says of its sizes need not be so
        with archive.open(entry) as packed:
            content = packed.read(MAX_FILE + 1)
        left -= len(content)
        if len(content) > MAX_FILE or left < 0:
            raise Unreadable(
                f"{path!r} is too large: {MAX_FILE // 2**20} MiB is the most for a"
                f" file, and {MAX_BYTES // 2**20} MiB for all."
            )
        is_unix = entry.create_system == _UNIX
        mode = entry.external_attr >> 16
        yield File(path, content, is_unix and bool(mode & stat.S_IXUSR))


def _is_noise(entry: zipfile.ZipInfo) -> bool:
    name = entry.orig_filename
    return (
        entry.is_dir()
        or name.startswith("__MACOSX/")
        or posixpath.basename(name) == ".DS_Store"
    )


def _folders(files: Mapping[str, File]) -> tuple[list[Folder], list[str]]:
    roots: list[str] = []
    for path in sorted(files, key=lambda path: (path.count("/"), path)):
        directory, name = posixpath.split(path)
        # what lies within a skill is its own, were it another SKILL.md
        if name == DOCUMENT and not any(_within(path, root) for root in roots):
            roots.append(directory)
    if not roots:
        raise Unreadable(f"There is no {DOCUMENT} in the archive.")
    folders = []
    for root in sorted(roots):
        start = len(root) + 1 if root else 0
        own = {path[start:]: files[path] for path in files if _within(path, root)}
        markdown = as_text(own.pop(DOCUMENT).content, posixpath.join(root, DOCUMENT))
        rest = tuple(own[path]._replace(path=path) for path in sorted(own))
        folders.append(Folder(root, markdown, rest))
    ignored = [p for p in sorted(files) if not any(_within(p, root) for root in roots)]
    return folders, ignored


def _within(path: str, root: str) -> bool:
    return not root or path.startswith(f"{root}/")
