"""Expressions in playbooks: a small, bounded piece of Python's syntax over JSON.

>>> order = {"name": "S00042", "total": 1250.5, "lines": [{"qty": 2}, {"qty": 5}]}
>>> evaluate("order.total > 1000 and sum([l.qty for l in order.lines]) == 7",
...          {"order": order})
True
>>> render({"note": "{{ order.name }} is large", "count": "{{ len(order.lines) }}"},
...        {"order": order})
{'note': 'S00042 is large', 'count': 2}

Nothing is compiled or executed: a tree of a few known kinds of nodes is walked, and
each of its values is plain JSON. There are no methods, no attributes but the members of
an object, no calls but of the functions below, and a bound on text, values and work.
Times are text as Odoo's API writes them, in UTC: ``2026-01-31 08:30:00``. Now is what
the variable ``__now__`` says, so that a resumed run decides as it did before.
"""

import ast
import builtins
import difflib
import functools
import inspect
import itertools
import json
import math
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MAX_LENGTH: Final = 2_000  # characters of an expression
MAX_DEPTH: Final = 60  # of nested operations
MAX_TEXT: Final = 2_000_000  # characters of one text
MAX_ITEMS: Final = 100_000  # of one list or object
MAX_WORK: Final = 300_000  # nodes walked and values made, in one evaluation
MAX_NUMBER: Final = 2**63
NOW: Final = "__now__"

JSON = Any  # None, bool, int, float, str, list and dict of the same


class ExpressionError(ValueError):
    """Why an expression has no value, in a sentence.

    >>> try:
    ...     evaluate("partner.nmae", {"partner": {"name": "Azure"}})
    ... except ExpressionError as error:
    ...     print(error)
    there is no 'nmae' in partner; did you mean 'name'?
    """


class Missing(ExpressionError):
    """A variable or a member that is not there: what ``default()`` stands in for."""


# --- functions -----------------------------------------------------------------------


def _number(value: JSON) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"{_shown(value)} is not a number")
    return value


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"{_shown(value)} is not text")
    return value


def _list(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise ExpressionError(f"{_shown(value)} is not a list")
    return value


def _object(value: JSON) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise ExpressionError(f"{_shown(value)} has no members")
    return value


def _time(value: JSON) -> datetime:
    """A date or a time as UTC without zone.

    >>> _time("2026-01-31"), _time("2026-01-31T10:00:00+02:00")
    (datetime.datetime(2026, 1, 31, 0, 0), datetime.datetime(2026, 1, 31, 8, 0))
    """
    try:
        time = datetime.fromisoformat(_text(value).strip())
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        raise ExpressionError(f"{_shown(value)} is not a date or a time") from None


def _is_day(text: str) -> bool:
    return len(text.strip()) <= len("2026-01-31")


def _len(value: JSON) -> int:
    if not isinstance(value, str | list | dict):
        raise ExpressionError(f"{_shown(value)} has no length")
    return len(value)


def _sum(items: JSON) -> int | float:
    return sum(map(_number, _list(items)))


def _extreme(choose: Callable[..., JSON], one: JSON, others: tuple[JSON, ...]) -> JSON:
    found = [one, *others] if others else _list(one)
    if not found:
        raise Missing("an empty list has no smallest or largest")
    return choose(found, key=functools.cmp_to_key(_compare))


def _min(one: JSON, *others: JSON) -> JSON:
    return _extreme(min, one, others)


def _max(one: JSON, *others: JSON) -> JSON:
    return _extreme(max, one, others)


def _round(number: JSON, digits: JSON = 0) -> int | float:
    places = _number(digits)
    if not isinstance(places, int) or abs(places) > 15:
        raise ExpressionError("digits are a whole number from -15 to 15")
    return round(_number(number), places) if places else round(_number(number))


def _int(value: JSON) -> int:
    try:
        return int(value if isinstance(value, str) else _number(value))
    except (ValueError, OverflowError):
        raise ExpressionError(f"{_shown(value)} is not a whole number") from None


def _float(value: JSON) -> float:
    try:
        return float(value if isinstance(value, str) else _number(value))
    except (ValueError, OverflowError):
        raise ExpressionError(f"{_shown(value)} is not a number") from None


def _join(items: JSON, separator: JSON = ", ") -> str:
    return _text(separator).join(map(as_text, _list(items)))


def _split(text: JSON, separator: JSON = ",") -> list[str]:
    if not _text(separator):
        raise ExpressionError("split() needs a separator")
    return [part.strip() for part in _text(text).split(separator)]


def _sorted(items: JSON, by: JSON = None, descending: JSON = False) -> list[JSON]:
    def key(item: JSON) -> JSON:
        return item if by is None else _member(item, _text(by), "an item of the list")

    compare = functools.cmp_to_key(lambda one, other: _compare(key(one), key(other)))
    return sorted(_list(items), key=compare, reverse=bool(descending))


def _unique(items: JSON) -> list[JSON]:
    kept: dict[str, JSON] = {}
    for item in _list(items):
        kept.setdefault(json.dumps(item, sort_keys=True), item)
    return list(kept.values())


def _any(items: JSON) -> bool:
    return any(_list(items))


def _all(items: JSON) -> bool:
    return all(_list(items))


def _first(items: JSON) -> JSON:
    return next(iter(_list(items)), None)


def _last(items: JSON) -> JSON:
    return next(reversed(_list(items)), None)


def _today(now: datetime) -> str:
    return now.date().isoformat()


def _now(now: datetime) -> str:
    return _stamp(now)


def _days(now: datetime, start: JSON, end: JSON = None) -> int:
    until = now if end is None else _time(end)
    return (until.date() - _time(start).date()).days


def _hours(now: datetime, start: JSON, end: JSON = None) -> float:
    until = now if end is None else _time(end)
    return round((until - _time(start)).total_seconds() / 3600, 2)


def _date_add(
    time: JSON, days: JSON = 0, hours: JSON = 0, minutes: JSON = 0, months: JSON = 0
) -> str:
    try:
        moved = _add_months(_time(time), _int(months)) + timedelta(
            days=_number(days), hours=_number(hours), minutes=_number(minutes)
        )
    except (ValueError, OverflowError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError("that date is too far away") from None
    as_day = _is_day(time) and not hours and not minutes
    return moved.date().isoformat() if as_day else _stamp(moved)


def _add_months(time: datetime, months: int) -> datetime:
    years, month = divmod(time.month - 1 + months, 12)
    first = time.replace(year=time.year + years, month=month + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first.replace(day=min(time.day, (following - timedelta(days=1)).day))


def _format(value: JSON, pattern: JSON) -> str:
    """A number with so many decimals, or a date by a pattern as ``%d.%m.%Y``."""
    if isinstance(value, str):
        if re.sub("%[YmdHMSjaAbByVu%]", "", _text(pattern)).count("%"):
            raise ExpressionError(
                "in a pattern for dates, these stand for something:"
                " %Y %m %d %H %M %S %y %j %a %A %b %B %V %u %%"
            )
        return _time(value).strftime(pattern)
    digits = _number(pattern)
    if not isinstance(digits, int) or not 0 <= digits <= 15:
        raise ExpressionError("decimals are a whole number from 0 to 15")
    return f"{_number(value):.{digits}f}"


_FUNCTIONS: Final[dict[str, Callable[..., JSON]]] = {
    "len": _len,
    "sum": _sum,
    "min": _min,
    "max": _max,
    "round": _round,
    "abs": lambda number: abs(_number(number)),
    "int": _int,
    "float": _float,
    "str": lambda value: as_text(value),  # noqa: PLW0108 - defined below
    "bool": lambda value: bool(value),  # noqa: PLW0108 - bool() has no signature
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "strip": lambda text: _text(text).strip(),
    "join": _join,
    "split": _split,
    "sorted": _sorted,
    "unique": _unique,
    "any": _any,
    "all": _all,
    "keys": lambda thing: list(_object(thing)),
    "values": lambda thing: list(_object(thing).values()),
    "first": _first,
    "last": _last,
    "date_add": _date_add,
    "format": _format,
}
# these get the time of the run before their own arguments
_CLOCKS: Final[dict[str, Callable[..., JSON]]] = {
    "today": _today,
    "now": _now,
    "days": _days,
    "hours": _hours,
}
DEFAULT: Final = (
    "default"  # looks at its first argument with care, so it is no function
)
FUNCTIONS: Final = tuple(sorted([*_FUNCTIONS, *_CLOCKS, DEFAULT]))
_WORDS: Final[dict[str, JSON]] = {"true": True, "false": False, "null": None}


# --- values --------------------------------------------------------------------------


def as_text(value: JSON) -> str:
    """What a value looks like inside of a text.

    >>> [as_text(value) for value in ("a", 3, 2.5, True, None, ["a", 1])]
    ['a', '3', '2.5', 'true', '', '["a", 1]']
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _size(value: JSON) -> int:
    """What it costs to look at all of a value, about."""
    if isinstance(value, str):
        return len(value) // 64
    return len(value) // 4 if isinstance(value, list | dict) else 0


def _source(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _stamp(time: datetime) -> str:
    return time.isoformat(" ", "seconds")


def _compare(one: JSON, other: JSON) -> int:
    comparable = (
        (isinstance(one, str) and isinstance(other, str))
        or (isinstance(one, list) and isinstance(other, list))
        or (isinstance(one, int | float) and isinstance(other, int | float))
    )
    if not comparable:
        raise ExpressionError(f"{_shown(one)} and {_shown(other)} cannot be compared")
    try:
        return int(one > other) - int(one < other)
    except TypeError:  # lists of unlike things
        raise ExpressionError("these lists cannot be compared") from None


def _member(value: JSON, name: str, where: str) -> JSON:
    if isinstance(value, dict) and name in value:
        return value[name]
    if isinstance(value, dict):
        raise Missing(f"there is no {name!r} in {where}{near(name, value)}")
    raise Missing(f"{where} is {_shown(value)}, which has no {name!r}")


def near(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that was probably meant.

    >>> near("serach", ["search"])
    "; did you mean 'search'?"
    """
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


# --- reading -------------------------------------------------------------------------

_ALLOWED: Final = (
    ast.Expression,
    ast.Constant,
    ast.Name,
    ast.Load,
    ast.Store,
    ast.Attribute,
    ast.Subscript,
    ast.Slice,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.BoolOp,
    ast.boolop,
    ast.UnaryOp,
    ast.unaryop,
    ast.BinOp,
    ast.operator,
    ast.Compare,
    ast.cmpop,
    ast.IfExp,
    ast.Call,
    ast.keyword,
    ast.ListComp,
    ast.comprehension,
)
_FORBIDDEN: Final = (
    ast.Pow,
    ast.LShift,
    ast.RShift,
    ast.BitAnd,
    ast.BitOr,
    ast.BitXor,
    ast.MatMult,
    ast.Invert,
)
_PARSING = threading.Lock()  # catch_warnings is nobody's own before Python 3.14


@functools.lru_cache(2_000)
def _parsed(text: str) -> ast.expr:
    """The tree of an expression in which every node is of a known kind.

    :raises ExpressionError: if one is not
    """
    text = _bare(text)
    if not text:
        raise ExpressionError("the expression is empty")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    # YAML turns "\\n" between double quotes into a line break; so it means one here
    text = _TOKEN.sub(lambda token: token[0].replace("\n", "\\n"), text)
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: no business of the log
            tree = ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError as error:
        near = (error.text or "").strip("()\n")
        raise ExpressionError(
            f"this is no expression: {error.msg}" + (f", near {near!r}" if near else "")
        ) from None
    except (ValueError, RecursionError, MemoryError):  # NUL; nested too deeply
        raise ExpressionError("this is no expression") from None
    if tree.col_offset == 0 and not isinstance(tree, ast.Tuple):  # "a) + (b"
        raise ExpressionError("this is no expression: the parentheses do not match")
    _check(tree, MAX_DEPTH)
    return tree


def _bare(text: str) -> str:
    """An expression without the braces that a writer may have put around it.

    >>> _bare("{{ x }}"), _bare("x"), _bare("{{ x }} {{ y }}")
    ('x', 'x', '{{ x }} {{ y }}')
    """
    text = text.strip()
    parts = list(_parts(text)) if text.startswith("{{") else []
    return parts[0][1].strip() if len(parts) == 1 and parts[0][0] else text


def _check(node: ast.AST, depth: int) -> None:
    if depth < 0:
        raise ExpressionError("nested too deeply")
    if not isinstance(node, _ALLOWED) or isinstance(node, _FORBIDDEN):
        raise ExpressionError(f"{_KINDS.get(type(node).__name__, 'this')} is not known")
    match node:
        case ast.Attribute(attr=name) if name.startswith("_"):
            raise ExpressionError(f"{name!r} begins with an underscore")
        case ast.Constant(value=str(text)) if re.search("[\0\ud800-\udfff]", text):
            raise ExpressionError("a character in this text cannot be stored")
        case ast.Constant(value=bytes() | complex() | builtins.Ellipsis):
            raise ExpressionError(f"{ast.unparse(node)} is not known")
        case ast.Tuple(elts=elts) if any(isinstance(e, ast.Slice) for e in elts):
            raise ExpressionError("a part of a list has a start and an end only")
        case ast.Call():
            _check_call(node)
        case ast.ListComp(generators=generators):
            for_each = generators[0]
            if len(generators) > 1 or not isinstance(for_each.target, ast.Name):
                raise ExpressionError("a list is made with one 'for x in …'")
            if for_each.is_async:
                raise ExpressionError("'async' is not known")
        case ast.Dict(keys=keys) if None in keys:
            raise ExpressionError("'**' is not known")
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Call) and child is node.func):
            _check(child, depth - 1)


_KINDS: Final = {
    "Pow": "'**'",
    "Lambda": "'lambda'",
    "JoinedStr": "a text with f before it",
    "Set": "a set",
    "Starred": "'*'",
    "NamedExpr": "':='",
    "SetComp": "a set",
    "DictComp": "an object made with 'for'",
    "GeneratorExp": "'for' without [ ] around it",
}


def _check_call(call: ast.Call) -> None:
    if not isinstance(call.func, ast.Name):
        raise ExpressionError(
            "only functions are called, as in len(x); things have no methods"
        )
    name = call.func.id
    if name not in FUNCTIONS:
        raise ExpressionError(f"there is no function {name!r}{near(name, FUNCTIONS)}")
    keywords = [keyword.arg or "**" for keyword in call.keywords]
    try:
        _signature(name).bind(*call.args, **dict.fromkeys(keywords))
    except TypeError as error:
        raise ExpressionError(f"{name}(): {error}") from None


def _default(value: JSON, otherwise: JSON) -> None:
    """How ``default()`` is called; the evaluation itself does its work."""


@functools.cache
def _signature(name: str) -> inspect.Signature:
    if name in _CLOCKS:
        signature = inspect.signature(_CLOCKS[name])
        return signature.replace(parameters=list(signature.parameters.values())[1:])
    return inspect.signature(_FUNCTIONS.get(name, _default))


# --- evaluating ----------------------------------------------------------------------


def evaluate(text: str, variables: Mapping[str, JSON]) -> JSON:
    """The value of an expression; braces around it change nothing.

    >>> evaluate("{{ days(deadline) }}",
    ...          {"deadline": "2026-01-31", "__now__": "2026-03-02 10:00:00"})
    30
    >>> evaluate("default(partner.email, 'none')", {"partner": {}})
    'none'

    :raises ExpressionError: when it has none
    """
    return _Evaluation(variables).value(_parsed(text))


_PLAIN: Final = (str, int, float, bool, type(None), list, dict)


class _Evaluation:
    """One walk over one tree, with what it may still spend."""

    def __init__(self, variables: Mapping[str, JSON]) -> None:
        self.variables = variables
        self.work = MAX_WORK

    def value(self, node: ast.expr) -> JSON:
        self.spend(1)
        visit: Callable[[Any], JSON] = getattr(self, f"_{type(node).__name__.lower()}")
        value = visit(node)
        if type(value) not in _PLAIN:
            raise ExpressionError(f"{_source(node)} is not plain data")
        if isinstance(value, str | list | dict):
            if len(value) > (MAX_TEXT if isinstance(value, str) else MAX_ITEMS):
                raise ExpressionError(f"{_source(node)} is too large")
            if not isinstance(node, ast.Name | ast.Attribute):
                self.spend(_size(value))  # it may be a copy
        elif isinstance(value, float) and not math.isfinite(value):
            raise ExpressionError(f"{_source(node)} is not a number")
        elif isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise ExpressionError(f"{_source(node)} is too large a number")
        return value

    def spend(self, units: int) -> None:
        self.work -= units
        if self.work < 0:
            raise ExpressionError("this is too much work for an expression")

    def _constant(self, node: ast.Constant) -> JSON:
        return node.value

    def _name(self, node: ast.Name) -> JSON:
        name = node.id
        if name in self.variables and name != NOW:
            return self.variables[name]
        if name in _WORDS:
            return _WORDS[name]
        hint = f"; write {name}()" if name in FUNCTIONS else near(name, self.variables)
        raise Missing(f"there is no variable {name!r}{hint}")

    def _attribute(self, node: ast.Attribute) -> JSON:
        return _member(self.value(node.value), node.attr, _source(node.value))

    def _subscript(self, node: ast.Subscript) -> JSON:
        value, where = self.value(node.value), _source(node.value)
        if isinstance(node.slice, ast.Slice):
            if not isinstance(value, str | list):
                raise ExpressionError(f"{where} is neither text nor a list")
            if node.slice.step:
                raise ExpressionError("a part of a list has a start and an end only")
            bounds = [
                None if bound is None else self._index(bound)
                for bound in (node.slice.lower, node.slice.upper)
            ]
            return value[bounds[0] : bounds[1]]
        if isinstance(value, dict):
            return _member(value, _text(self.value(node.slice)), where)
        if not isinstance(value, str | list):
            raise Missing(f"{where} is {_shown(value)}, which has no parts")
        index = self._index(node.slice)
        if not -len(value) <= index < len(value):
            raise Missing(f"{where} has {len(value)} items, and none at {index}")
        return value[index]

    def _index(self, node: ast.expr) -> int:
        index = _number(self.value(node))
        if not isinstance(index, int):
            raise ExpressionError(f"{index} is not a whole number")
        return index

    def _list(self, node: ast.List | ast.Tuple) -> JSON:
        return [self.value(item) for item in node.elts]

    _tuple = _list

    def _dict(self, node: ast.Dict) -> JSON:
        keys = [_text(self.value(key)) for key in node.keys if key]
        return dict(zip(keys, map(self.value, node.values), strict=True))

    def _boolop(self, node: ast.BoolOp) -> JSON:
        wanted = isinstance(node.op, ast.Or)
        value: JSON = None
        for part in node.values:
            value = self.value(part)
            if bool(value) is wanted:
                break
        return value

    def _unaryop(self, node: ast.UnaryOp) -> JSON:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not value
        return -_number(value) if isinstance(node.op, ast.USub) else _number(value)

    def _binop(self, node: ast.BinOp) -> JSON:
        one, other = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add) and isinstance(one, str | list):
            if type(one) is not type(other):
                raise ExpressionError(
                    f"{_shown(one)} and {_shown(other)} cannot be added: use str()"
                )
            joined: JSON = one
            return joined + other
        one, other = _number(one), _number(other)
        try:
            match node.op:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
                case ast.Div():
                    return one / other
                case ast.FloorDiv():
                    return one // other
                case _:
                    return one % other
        except ZeroDivisionError:
            raise ExpressionError(f"{_source(node)} divides by zero") from None

    def _compare(self, node: ast.Compare) -> JSON:
        one = self.value(node.left)
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            other = self.value(operand)
            if not self._holds(operator, one, other):
                return False
            one = other
        return True

    def _holds(self, operator: ast.cmpop, one: JSON, other: JSON) -> bool:
        match operator:
            case ast.Eq() | ast.Is():
                self.spend(_size(one))
                return bool(one == other)
            case ast.NotEq() | ast.IsNot():
                self.spend(_size(one))
                return bool(one != other)
            case ast.In() | ast.NotIn():
                if isinstance(other, str):
                    _text(one)
                elif not isinstance(other, list | dict):
                    raise ExpressionError(f"{_shown(other)} holds nothing")
                elif isinstance(other, dict) and not isinstance(one, str):
                    return isinstance(operator, ast.NotIn)
                self.spend(_size(other))
                return (one in other) is isinstance(operator, ast.In)
            case ast.Lt():
                return _compare(one, other) < 0
            case ast.LtE():
                return _compare(one, other) <= 0
            case ast.Gt():
                return _compare(one, other) > 0
            case _:
                return _compare(one, other) >= 0

    def _ifexp(self, node: ast.IfExp) -> JSON:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _listcomp(self, node: ast.ListComp) -> JSON:
        loop = node.generators[0]
        items = self.value(loop.iter)
        if isinstance(items, dict):
            items = list(items)
        target = loop.target.id if isinstance(loop.target, ast.Name) else ""
        outside, made = self.variables, []
        for item in _list(items):
            self.variables = {**outside, target: item}
            if all(self.value(condition) for condition in loop.ifs):
                made.append(self.value(node.elt))
        self.variables = outside
        return made

    def _call(self, node: ast.Call) -> JSON:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == DEFAULT:
            return self._call_default(node)
        arguments = [self.value(argument) for argument in node.args]
        named = {k.arg: self.value(k.value) for k in node.keywords if k.arg}
        # sorting, joining and the like look at everything once or more
        self.spend(sum(map(_size, [*arguments, *named.values()])))
        if name in _CLOCKS:
            return _CLOCKS[name](self._clock(), *arguments, **named)
        return _FUNCTIONS[name](*arguments, **named)

    def _call_default(self, node: ast.Call) -> JSON:
        bound = _signature(DEFAULT).bind(
            *node.args, **{k.arg: k.value for k in node.keywords if k.arg}
        )
        variables = self.variables
        try:
            value = self.value(bound.arguments["value"])
        except Missing:
            self.variables = variables
            value = None
        return self.value(bound.arguments["otherwise"]) if value is None else value

    def _clock(self) -> datetime:
        if NOW not in self.variables:
            raise ExpressionError("it is not known what time it is")
        return _time(self.variables[NOW])


# --- templates -----------------------------------------------------------------------

# a text within an expression may hold braces; an object's own braces come in pairs
_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\{|\}""", re.DOTALL)


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The pieces of a template: whether it is an expression, and its text.

    >>> list(_parts("{{ {'a': '}}'} }} and {{ b }}"))
    [(True, " {'a': '}}'} "), (False, ' and '), (True, ' b ')]
    """
    place = 0
    while (start := text.find("{{", place)) >= 0:
        if start > place:
            yield False, text[place:start]
        depth = 0
        for token in _TOKEN.finditer(text, start + 2):
            if token[0] == "}" and not depth and text.startswith("}}", token.start()):
                break
            depth += {"{": 1, "}": -1}.get(token[0], 0)
        else:
            raise ExpressionError("'{{' is not followed by '}}'")
        yield True, text[start + 2 : token.start()]
        place = token.start() + 2
    if place < len(text):
        yield False, text[place:]


def render(tree: JSON, variables: Mapping[str, JSON]) -> JSON:
    """A copy of a tree in which each ``{{ … }}`` became its value.

    Alone in a text it keeps its type; among other words it becomes text.

    >>> render(["{{ n }}", "{{ n }} items", {"plain": None}], {"n": 3})
    [3, '3 items', {'plain': None}]

    :raises ExpressionError: when one has none
    """
    if isinstance(tree, dict):
        return {key: render(member, variables) for key, member in tree.items()}
    if isinstance(tree, list):
        return [render(item, variables) for item in tree]
    if not isinstance(tree, str) or "{{" not in tree:
        return tree
    parts = list(_parts(tree))
    values = [
        evaluate(part, variables) if is_expression else part
        for is_expression, part in parts
    ]
    if len(parts) == 1:
        return values[0]
    text = "".join(map(as_text, values))
    if len(text) > MAX_TEXT:
        raise ExpressionError("the text becomes too large")
    return text


def names(text: str) -> set[str]:
    """The variables that an expression looks at; so also whether it is one.

    >>> sorted(names("[o.total * rate for o in orders if len(o.lines) > 1]"))
    ['orders', 'rate']

    :raises ExpressionError: when it can have no value at all
    """
    return _free(_parsed(text))


def names_in(tree: JSON) -> set[str]:
    """The variables that the templates in a tree look at.

    >>> sorted(names_in({"a": ["{{ x }} of {{ y }}", 3], "b": "z"}))
    ['x', 'y']

    :raises ExpressionError: when one of them is no expression
    """
    if isinstance(tree, dict | list):
        inner = tree.values() if isinstance(tree, dict) else tree
        return set(itertools.chain.from_iterable(map(names_in, inner)))
    if not isinstance(tree, str):
        return set()
    found: set[str] = set()
    return found.union(*(names(part) for is_one, part in _parts(tree) if is_one))


def _free(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name):
            return set() if name in _WORDS else {name}
        case ast.ListComp(elt=elt, generators=[loop]):
            inner = _free(elt).union(*map(_free, loop.ifs)) - _free(loop.target)
            return inner | _free(loop.iter)
        case ast.Call(args=args, keywords=keywords):
            found: set[str] = set()
            return found.union(*map(_free, [*args, *keywords]))
        case _:
            found = set()
            return found.union(*map(_free, ast.iter_child_nodes(node)))
