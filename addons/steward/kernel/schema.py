"""Documents that people write (YAML or JSON), and messages that lead them to the line.

>>> document = load('''
... name: Stale quotations
... limits: {steps: twenty}
... shedule: daily
... ''')
>>> schema = {
...     "type": "object",
...     "properties": {
...         "name": {"type": "string"},
...         "limits": {"properties": {"steps": {"type": "integer"}}},
...         "schedule": {"enum": ["hourly", "daily"]},
...     },
...     "required": ["name", "tools"],
...     "additionalProperties": False,
... }
>>> for problem in validate(document, schema):
...     print(problem)
line 2, column 1: 'tools' is missing
line 3, column 10: limits.steps: should be a whole number, not the text 'twenty'
line 4, column 1: 'shedule' is not known here; did you mean 'schedule'?

Two rules keep a document what its writer sees. *Text stays text*: only what JSON knows
(``true``, ``false``, ``null``, plain decimal numbers) is anything else, so the country
``no``, the version ``1.10.0``, the time ``12:30``, the date ``2026-01-02`` and the code
``007`` arrive as written; https://www.bram.us/2022/01/11/yaml-the-norway-problem/ tells
why. And *a document is a tree*, small and without surprises: no tags, no merge keys, no
duplicate keys, anchors only as long as the whole stays small.
"""

import difflib
import enum
import functools
import inspect
import itertools
import json
import math
import re
import types
import typing
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from jsonschema import SchemaError, ValidationError
    from jsonschema.protocols import Validator

MAX_SIZE = 256 * 1024  # characters; PyYAML reads some 100 KB a second
MAX_DEPTH = 50  # of nesting
MAX_VALUES = 50_000  # in the document once all its aliases are written out
MAX_PROBLEMS = 100  # that are told at once

JSON = Any  # None, bool, int, float, str, list and dict of the same


class Problem(NamedTuple):
    """What is wrong, and where; lines and columns count from 1 as editors do.

    >>> print(Problem(3, 5, "/steps/0/tool", "should be text, not a list"))
    line 3, column 5: steps.0.tool: should be text, not a list
    """

    line: int
    column: int
    path: str  # a JSON pointer (RFC 6901); "" is the whole document
    message: str

    def __str__(self) -> str:
        where = ".".join(_unescape(part) for part in self.path.split("/")[1:])
        place = f"line {self.line}, column {self.column}: "
        return place + (f"{where}: " if where else "") + self.message


class SchemaProblem(ValueError):
    """The one problem that keeps a document or a schema from being used at all.

    >>> try:
    ...     load("tools: [search")
    ... except SchemaProblem as error:
    ...     print(error.problem.line, error)
    1 line 1, column 15: expected ',' or ']', but got '<stream end>'
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Problems(ValueError):
    """All that keeps a document from being used, in the order of its lines.

    >>> print(Problems([Problem(3, 5, "", "one"), Problem(1, 1, "", "two")]))
    line 1, column 1: two
    line 3, column 5: one
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))[:MAX_PROBLEMS]
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Document:
    r"""What was read, and where each part of it stands.

    >>> document = load("steps:\n  - tool: search\n")
    >>> document.value
    {'steps': [{'tool': 'search'}]}
    >>> document.position("/steps/0/tool")
    (2, 5)
    >>> document.position("/steps/0/missing")  # the nearest that exists
    (2, 5)
    """

    value: JSON
    positions: Mapping[str, tuple[int, int]] = field(repr=False)

    def position(self, path: str) -> tuple[int, int]:
        """The line and column of a part, or of the nearest part that holds it."""
        while path and path not in self.positions:
            path = path.rpartition("/")[0]
        return self.positions.get(path, (1, 1))


# --- reading -------------------------------------------------------------------------


class _Event(NamedTuple):
    """A piece of a document, whichever language it is written in."""

    kind: Literal["open", "close", "value", "alias"]
    line: int
    column: int
    value: Any = None  # of "value"; {} or [] of "open"
    text: str = ""  # what a value is as a key
    anchor: str | None = None


class _Node(NamedTuple):
    value: JSON
    size: int  # values in it, itself included


def load(text: str, format: Literal["yaml", "json"] = "yaml") -> Document:
    r"""Read a document and remember where everything stands.

    >>> load("country: no\nversion: 1.10.0\nretries: 1e3\nat: 12:30:00").value
    {'country': 'no', 'version': '1.10.0', 'retries': 1000.0, 'at': '12:30:00'}
    >>> load('{"a": [1, 2]}', format="json").value
    {'a': [1, 2]}
    >>> try:
    ...     load("a: 1\nb: 2\na: 3")
    ... except SchemaProblem as error:
    ...     print(error)
    line 3, column 1: a: 'a' is given twice; see line 1
    """
    if len(text) > MAX_SIZE:
        raise _problem(1, 1, f"longer than {MAX_SIZE // 1024} KiB")
    text = text.removeprefix("\ufeff")
    events = _yaml_events(text) if format == "yaml" else _json_events(text)
    return _Builder().build(events)


class _Builder:
    """Makes one tree of a stream of events."""

    def __init__(self) -> None:
        self.positions: dict[str, tuple[int, int]] = {}
        self.anchors: dict[str, _Node] = {}
        self.left = MAX_VALUES

    def build(self, events: Iterator[_Event]) -> Document:
        events = map(_storable, events)
        event = next(events, None)
        value = self._node(event, events, "", 0).value if event else None
        next(events, None)  # what follows is an error: let it be raised
        return Document(value, self.positions)

    def _node(
        self, event: _Event, events: Iterator[_Event], path: str, depth: int
    ) -> _Node:
        self.positions.setdefault(path, (event.line, event.column))
        if event.kind == "alias":
            if event.text not in self.anchors:
                raise _at(event, path, f"no anchor &{event.text} stands before this")
            node = self.anchors[event.text]
            self._spend(event, path, node.size)
            if depth + _height(node.value) > MAX_DEPTH:
                raise _at(event, path, f"nested deeper than {MAX_DEPTH} levels")
            # a copy: nobody who edits one place expects the other to change
            return node._replace(value=_copy(node.value))
        self._spend(event, path, 1)
        if event.kind == "value":
            node = _Node(event.value, 1)
        elif depth >= MAX_DEPTH:
            raise _at(event, path, f"nested deeper than {MAX_DEPTH} levels")
        else:
            before = self.left
            children = self._object if event.value == {} else self._array
            value = children(events, path, depth + 1)
            node = _Node(value, 1 + before - self.left)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _array(self, events: Iterator[_Event], path: str, depth: int) -> JSON:
        array: list[JSON] = []
        while (event := next(events)).kind != "close":
            node = self._node(event, events, f"{path}/{len(array)}", depth)
            array.append(node.value)
        return array

    def _object(self, events: Iterator[_Event], path: str, depth: int) -> JSON:
        members: dict[str, JSON] = {}
        while (event := next(events)).kind != "close":
            if event.kind != "value":
                raise _at(event, path, "a key is a plain text")
            if event.text == "<<":
                raise _at(event, path, "merge keys (<<) are not known; write them out")
            key, here = event.text, f"{path}/{_escape(event.text)}"
            if key in members:
                line, _ = self.positions[here]
                raise _at(event, here, f"{key!r} is given twice; see line {line}")
            # a member stands where its key stands
            self.positions[here] = (event.line, event.column)
            members[key] = self._node(next(events), events, here, depth).value
        return members

    def _spend(self, event: _Event, path: str, values: int) -> None:
        # "billion laughs": nine lines of aliases that make a billion values
        self.left -= values
        if self.left < 0:
            raise _at(event, path, f"more than {MAX_VALUES:,} values")


def _copy(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _height(value: JSON) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return 1 + max(map(_height, value), default=0)
    return 0


def _storable(event: _Event) -> _Event:
    """Refuse what PostgreSQL's jsonb refuses: NUL, half characters, infinity."""
    if re.search("[\0\ud800-\udfff]", event.text):
        raise _at(event, "", "a character in this text cannot be stored")
    if isinstance(event.value, float) and math.isinf(event.value):
        raise _at(event, "", f"the number {event.text} is too large")
    return event


_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def _yaml_events(text: str) -> Iterator[_Event]:
    import yaml

    documents = 0
    # events alone: nothing is constructed, and no recursion that depth could break
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    try:
        for event in events:
            line = event.start_mark.line + 1
            column = event.start_mark.column + 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _problem(line, column, "a second document starts here")
            elif isinstance(event, yaml.CollectionEndEvent):
                yield _Event("close", line, column)
            elif isinstance(event, yaml.AliasEvent):
                yield _Event("alias", line, column, text=str(event.anchor))
            elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
                if event.tag is not None:
                    raise _problem(line, column, f"tags ({event.tag}) are not known")
                if isinstance(event, yaml.ScalarEvent):
                    plain = event.style is None
                    value = _plain(event.value, line, column) if plain else event.value
                    yield _Event(
                        "value", line, column, value, event.value, event.anchor
                    )
                else:
                    opens_object = isinstance(event, yaml.MappingStartEvent)
                    empty: JSON = {} if opens_object else []
                    yield _Event("open", line, column, empty, "", event.anchor)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark  # PyYAML's parser and scanner always set it
        message = error.problem or ""
        if "'\\t'" in message:
            message = "a tab cannot indent; use spaces"
        raise _problem(mark.line + 1, mark.column + 1, message) from error
    except yaml.reader.ReaderError as error:
        line, column = _place(_line_starts(text), error.position)
        raise _problem(line, column, "a character that YAML does not allow") from error


def stays_text(text: str) -> bool:
    """Whether YAML without quotation marks is read as the text that it is.

    >>> [text for text in ("a", "0e0", "null", "1.0.0") if stays_text(text)]
    ['a', '1.0.0']
    """
    return text not in _WORDS and not _NUMBER.fullmatch(text)


def _plain(text: str, line: int, column: int) -> JSON:
    """What an unquoted text stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if not (number := _NUMBER.fullmatch(text)):
        return text
    try:
        return float(text) if number[1] or number[2] else int(text)
    except ValueError as error:  # thousands of digits: sys.set_int_max_str_digits
        raise _problem(line, column, "the number is too large") from error


def _json_events(text: str) -> Iterator[_Event]:
    starts = _line_starts(text)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise _problem(error.lineno, error.colno, error.msg) from error
    except RecursionError as error:
        raise _problem(1, 1, f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise _problem(1, 1, "a number is too large") from error
    # known to be valid now, so its tokens are enough to find everything again
    for token in re.finditer(r'[{}\[\]]|"(?:[^"\\]|\\.)*"|[^\s,:{}\[\]"]+', text):
        line, column = _place(starts, token.start())
        match token[0]:
            case "{" | "[" as bracket:
                yield _Event("open", line, column, {} if bracket == "{" else [])
            case "}" | "]":
                yield _Event("close", line, column)
            case "NaN" | "Infinity" | "-Infinity" as word:  # json.loads takes them
                raise _problem(line, column, f"{word} is not JSON")
            case word:
                value = json.loads(word)
                name = value if isinstance(value, str) else word
                yield _Event("value", line, column, value, name)


def _line_starts(text: str) -> list[int]:
    return [0, *(newline.end() for newline in re.finditer("\n", text))]


def _place(starts: list[int], offset: int) -> tuple[int, int]:
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def _problem(line: int, column: int, message: str, path: str = "") -> SchemaProblem:
    return SchemaProblem(Problem(line, column, path, message))


def _at(event: _Event, path: str, message: str) -> SchemaProblem:
    return _problem(event.line, event.column, message, path)


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


# --- checking ------------------------------------------------------------------------

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
    "array": "a list",
    "object": "a group of keys",
}
_LIMITS = {
    "minimum": "should be at least {}",
    "maximum": "should be at most {}",
    "exclusiveMinimum": "should be more than {}",
    "exclusiveMaximum": "should be less than {}",
    "multipleOf": "should be a multiple of {}",
    "minLength": "should have at least {} characters",
    "maxLength": "should have at most {} characters",
    "minItems": "should list at least {}",
    "maxItems": "should list at most {}",
    "uniqueItems": "lists the same thing twice",
    "minProperties": "should have at least {} keys",
    "maxProperties": "should have at most {} keys",
    "pattern": "should match the pattern {}",
}


def validate(document: Document, schema: JSON) -> list[Problem]:
    """All that is wrong with a document, in the order of its lines; [] if nothing is.

    The schema is JSON Schema, draft 2020-12. It is refused as a whole
    (:class:`SchemaProblem`) when it is none, or refers to something outside of itself:
    nothing is ever fetched.

    >>> schema = {"type": "array", "items": {"enum": ["read", "write"]}}
    >>> [str(problem) for problem in validate(load("[read, wirte]"), schema)]
    ["line 1, column 8: 1: should be 'read' or 'write'; did you mean 'write'?"]
    >>> validate(load("[read]"), schema)
    []
    """
    from jsonschema import SchemaError
    from referencing.exceptions import Unresolvable

    problems: dict[Problem, None] = {}  # a set that keeps the order
    try:
        for error in _validator(json.dumps(schema)).iter_errors(document.value):
            problems |= dict.fromkeys(_explain(error, document))
            if len(problems) >= MAX_PROBLEMS:
                break
    except SchemaError as error:
        path = _pointer(error)
        message = f"the schema itself is wrong: {_short(error.message)}"
        raise _problem(1, 1, message, path) from error
    except Unresolvable as error:
        message = f"the schema refers to {error.ref!r}, which it does not hold"
        raise _problem(1, 1, message) from error
    except RecursionError as error:
        raise _problem(1, 1, "the schema refers to itself without end") from error
    return sorted(problems)[:MAX_PROBLEMS]


@functools.lru_cache(256)
def _validator(schema: str) -> "Validator":
    """What checks documents; looking whether a schema is one takes a hundred times."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    rules = json.loads(schema)
    Draft202012Validator.check_schema(rules)
    # an empty registry: the default one fetches remote references
    return Draft202012Validator(rules, registry=Registry())


def _explain(error: "ValidationError", document: Document) -> Iterator[Problem]:
    """The problems that one error of jsonschema stands for, in a writer's words."""
    path = _pointer(error)
    value: JSON = error.instance
    rule: Any = error.validator_value
    message = _short(error.message)
    match error.validator:
        case "additionalProperties":
            schema: Any = error.schema
            for key in _unknown_keys(value, schema):
                known = [
                    name for name in schema.get("properties", {}) if name not in value
                ]
                where = f"{path}/{_escape(key)}"
                text = f"{key!r} is not known here{_did_you_mean(key, known)}"
                yield Problem(*document.position(where), path, text)
            return
        case "required":
            for key in rule:
                if key not in value:
                    yield Problem(*document.position(path), path, f"{key!r} is missing")
            return
        case "anyOf" | "oneOf" if error.context:
            branches = _branches(error)
            heads = [head for branch in branches if (head := _head(branch))]
            if len(heads) < len(branches) or len({tuple(h.path) for h in heads}) > 1:
                for inner in min(branches, key=_distance):
                    yield from _explain(inner, document)
                return
            # all differ on the same spot: say there what each of them wants
            path = _pointer(heads[0])
            value = heads[0].instance
            known = [word for head in heads for word in _words(head)]
            near = _did_you_mean(value, known)
            message = f"should be {_wanted(*heads)}{near or f', not {_kind(value)}'}"
        case "oneOf":
            message = "fits several of the allowed forms; it should fit only one"
        case "type":
            message = f"should be {_wanted(error)}, not {_kind(value)}"
        case "enum" | "const":
            near = _did_you_mean(value, _words(error))
            message = f"should be {_wanted(error)}{near or f', not {_kind(value)}'}"
        case "minLength" | "minItems" | "minProperties" if rule == 1:
            message = "should not be empty"
        case None:
            message = f"{_kind(value)} is not allowed here"
        case name if name in _LIMITS:
            message = _LIMITS[name].format(rule)
    yield Problem(*document.position(path), path, message)


def _unknown_keys(value: dict[str, JSON], schema: dict[str, JSON]) -> list[str]:
    patterns = schema.get("patternProperties", {})
    return [
        key
        for key in value
        if key not in schema.get("properties", {})
        and not any(re.search(pattern, key) for pattern in patterns)
    ]


def _branches(error: "ValidationError") -> list[list["ValidationError"]]:
    """The errors of each alternative; jsonschema lists them one after the other."""
    # kernels know no odoo: so
    # pylint: disable-next=bad-builtin-groupby
    by_branch = itertools.groupby(error.context or (), lambda e: e.schema_path[0])
    return [list(errors) for _, errors in by_branch]


def _head(branch: list["ValidationError"]) -> "ValidationError | None":
    """The error that tells this alternative from the others, if there is one."""
    tell = (error for error in branch if error.validator in ("type", "enum", "const"))
    return next(tell, None)


def _distance(branch: list["ValidationError"]) -> tuple[bool, int, int]:
    """How far a value is from an alternative: the nearest is what its writer meant."""
    # {"kind": {"const": "email"}} tells alternatives apart by a word of the writer
    labels = sum(error.validator in ("const", "enum") for error in branch)
    head = _head(branch)
    return head is not None and not head.path, labels, len(branch)


def _pointer(error: "ValidationError | SchemaError") -> str:
    return "".join(f"/{_escape(part)}" for part in error.absolute_path)


def _words(error: "ValidationError") -> list[JSON]:
    """The values that an enum or a const allows."""
    rule: Any = error.validator_value
    words: dict[str, list[JSON]] = {"enum": rule, "const": [rule]}
    return words.get(str(error.validator), [])


def _wanted(*errors: "ValidationError") -> str:
    """What errors of type, enum or const ask for, as a list of alternatives."""
    wanted: list[str] = []
    for error in errors:
        names: Any = error.validator_value if error.validator == "type" else []
        wanted += [
            _TYPES[name] for name in ([names] if isinstance(names, str) else names)
        ]
        wanted += [_kind(word, bare=True) for word in _words(error)]
    *most, last = dict.fromkeys(wanted)
    return f"{', '.join(most)} or {last}" if most else last


def _kind(value: JSON, bare: bool = False) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case str():
            return _short(repr(value) if bare else f"the text {value!r}")
        case list():
            return "a list"
        case dict():
            return "a group of keys"
        case _:
            return f"{value}" if bare else f"the number {value}"


def _did_you_mean(word: JSON, known: Iterable[JSON]) -> str:
    names = [name for name in known if isinstance(name, str)]
    near = difflib.get_close_matches(word, names, 1) if isinstance(word, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _short(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# --- describing ----------------------------------------------------------------------

_SIMPLE = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
}
_FIELD = re.compile(r":(\w+)((?: [^:]*)?):(?: |$)(.*)")


def from_signature(function: Callable[..., Any]) -> dict[str, JSON]:
    """The JSON Schema of a function's arguments, from its type hints and docstring.

    It is what a tool tells a model, and what the model's arguments are checked against;
    so a hint that cannot be told exactly is refused (:class:`SchemaProblem` with the
    line of the function) instead of becoming "anything".

    >>> def search(self, model: str, limit: int = 80, to: Literal["up", "down"] = "up"):
    ...     '''Find records.
    ...
    ...     :param model: the technical name,
    ...         as ``res.partner``
    ...     :param int limit: how many at most
    ...     '''
    >>> schema = from_signature(search)
    >>> schema["description"], schema["required"]
    ('Find records.', ['model'])
    >>> for name, property in schema["properties"].items():
    ...     print(name, property)
    model {'type': 'string', 'description': 'the technical name, as ``res.partner``'}
    limit {'type': 'integer', 'description': 'how many at most', 'default': 80}
    to {'enum': ['up', 'down'], 'default': 'up'}
    """
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    line = code.co_firstlineno if code else 1
    prose, texts = _docstring(function)
    properties: dict[str, JSON] = {}
    required = []
    parameters = inspect.signature(function).parameters
    for position, (name, parameter) in enumerate(parameters.items()):
        if position == 0 and name == "self":
            continue
        try:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError("*args and **kwargs cannot be described; name each")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise TypeError("is positional only, but arguments come by name")
            if parameter.annotation is parameter.empty:
                raise TypeError("has no type hint")
            schema = _hint_schema(_resolved(parameter.annotation, inner), ())
        except (TypeError, NameError) as error:
            message = f"{getattr(function, '__qualname__', function)}: {error}"
            raise _problem(line, 1, message, f"/{name}") from error
        if text := texts.get(name):
            schema["description"] = text
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            schema |= _default(parameter.default)
        properties[name] = schema
    return {
        "type": "object",
        **({"description": prose} if prose else {}),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _resolved(hint: Any, function: Callable[..., Any]) -> Any:
    """A hint as an object, also when it was written as a text.

    One by one, as the hint of the result may name what only type checkers import.
    """
    holder = types.SimpleNamespace(__annotations__={"hint": hint})
    names = getattr(function, "__globals__", {})
    return typing.get_type_hints(holder, globalns=names)["hint"]


def _hint_schema(hint: Any, within: tuple[Any, ...]) -> dict[str, JSON]:
    """The schema of one type; ``within`` are the TypedDicts around it."""
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_hint_schema(argument, within) for argument in arguments]}
    if origin is Literal:
        return _choice(hint, arguments)
    if origin is list:
        return {"type": "array", "items": _hint_schema(arguments[0], within)}
    if origin is dict and arguments[0] is str:
        values = _hint_schema(arguments[1], within)
        return {"type": "object", "additionalProperties": values}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice(hint, [member.value for member in hint])
    if typing.is_typeddict(hint):
        return _typed_dict(hint, within)
    name = hint.__qualname__ if isinstance(hint, type) else str(hint)
    raise TypeError(
        f"{name} has no exact JSON Schema; use str, int, float, bool, None, Literal, "
        "an Enum, list[...], dict[str, ...], a TypedDict, or a union of these"
    )


def _choice(hint: Any, values: Iterable[Any]) -> dict[str, JSON]:
    if not all(type(value) in _SIMPLE for value in values):
        raise TypeError(f"{hint} holds a value that is not JSON")
    return {"enum": list(values)}


def _typed_dict(hint: Any, within: tuple[Any, ...]) -> dict[str, JSON]:
    if hint in within:
        raise TypeError(f"{hint.__qualname__} holds itself, without end")
    properties, required = {}, []
    for name, member in typing.get_type_hints(hint, include_extras=True).items():
        origin = typing.get_origin(member)
        # __required_keys__ is wrong where hints are texts (PEP 655, last section)
        if origin is typing.Required or (
            origin is not typing.NotRequired and name in hint.__required_keys__
        ):
            required.append(name)
        if origin in (typing.Required, typing.NotRequired):
            (member,) = typing.get_args(member)
        properties[name] = _hint_schema(member, (*within, hint))
    return {
        "type": "object",
        **({"description": inspect.cleandoc(hint.__doc__)} if hint.__doc__ else {}),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _default(value: Any) -> dict[str, JSON]:
    """The default as JSON, or nothing when only Python knows it."""
    if isinstance(value, enum.Enum):
        value = value.value
    try:
        return {"default": json.loads(json.dumps(value, allow_nan=False))}
    except (TypeError, ValueError):
        return {}


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The prose of an RST docstring, and the text of each ``:param name:``."""
    prose: list[str] = []
    texts: dict[str, str] = {}
    current: str | None = None  # the parameter that a continued line belongs to
    fields = False
    for line in (inspect.getdoc(function) or "").splitlines():
        if found := _FIELD.match(line):
            fields = True
            current = (
                found[2].split()[-1]
                if found[1] == "param" and found[2].strip()
                else None
            )
            if current:
                texts[current] = found[3].strip()
        elif fields and (line.startswith(" ") or not line):
            if current:
                texts[current] = f"{texts[current]} {line.strip()}".strip()
        else:
            fields = False
            prose.append(line)
    return "\n".join(prose).strip(), texts
