"""What a report may say, read strictly and told kindly: one row never spoils the rest.

>>> now = datetime(2026, 11, 21, 12)
>>> step = read_step({"trace_id": "t", "span_id": "1", "kind": "tool_call",
...     "name": "search", "started_at": "2026-11-21T11:00:00Z"}, now)
>>> step["status"], step["started_at"]
('ok', datetime.datetime(2026, 11, 21, 11, 0))
>>> try:
...     read_step({"trace_id": "t", "span_id": "1", "kind": "human", "name": 7}, now)
... except Rejected as error:
...     print(error)
name: should be a text
>>> try:
...     read_step({"trace_id": "t", "span_id": "1", "kind": "human", "name": " "}, now)
... except Rejected as error:
...     print(error)
name: is empty
"""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from .control import ENDED, can

KINDS: Final = [
    ("tool_call", "Tool"),
    ("llm_inference", "Model"),
    ("embedding", "Embedding"),
    ("retrieval", "Retrieval"),
    ("decision", "Decision"),
    ("handoff", "Handoff"),
    ("human", "Person"),
    ("error", "Error"),
    ("other", "Other"),
]
STATUSES: Final = [("ok", "OK"), ("error", "Error"), ("cancelled", "Cancelled")]
COST_SOURCES: Final = [
    ("provided", "Provided"),
    ("computed", "From the price list"),
    ("estimated", "Estimated"),
    ("unknown", "Unknown"),
]
STATE_OF: Final = {  # what a reporter says of a run, and what that makes of it
    "running": "running",
    "paused": "paused",
    "ok": "completed",
    "error": "failed",
    "cancelled": "cancelled",
    "timed_out": "timed_out",
}
FAILED: Final = frozenset({"failed", "timed_out", "lost"})

MAX_ROWS: Final = 5000  # runs and steps of one report, each
MAX_AHEAD: Final = timedelta(days=1)  # of a reporter's clock
OLDEST: Final = datetime.fromisoformat("2000-01-01")
MAX_INT: Final = 2**31 - 1  # what XML-RPC can carry, and our columns hold
MAX_MS: Final = 1e12  # 31 years
MAX_COST: Final = Decimal(1_000_000)  # dollars of one step
NAME_LIMIT: Final = 200  # characters of what is grouped by: names, models
MAX_TAGS: Final = 50

_BILLIONTH = Decimal("0.000000001")
_KINDS = frozenset(kind for kind, _label in KINDS)
_STATUSES = frozenset(status for status, _label in STATUSES)
_ID = re.compile(r"[\w.:/+=@\-]{1,128}", re.ASCII)


class Rejected(ValueError):
    """A row that cannot be kept.

    :param code: stable, for programs
    :param reason: for people
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def read_run(row: Any, now: datetime) -> dict[str, Any]:
    """One run of a report, as far as it may be told; what is unknown is left out.

    >>> run = read_run({"trace_id": "t", "agent": "Invoices", "status": "error",
    ...     "started_at": 1700000000000, "error": "no"}, datetime(2026, 1, 1))
    >>> run["state"], run["ended_at"]
    ('failed', datetime.datetime(2026, 1, 1, 0, 0))
    """
    row = _object(row)
    run: dict[str, Any] = {
        "trace_id": _id(row, "trace_id"),
        "agent": _name(row, "agent"),
        "started_at": _moment(row, "started_at", now),
    }
    if not _code(run["agent"]):
        raise Rejected("agent", "agent: should hold a letter or a digit")
    ended = _moment(row, "ended_at", now) if _told(row, "ended_at") else None
    status = row.get("status") or ("ok" if ended else "running")
    if not (isinstance(status, str) and status in STATE_OF):
        raise Rejected("status", f"status: should be one of {', '.join(STATE_OF)}")
    run["state"] = STATE_OF[status]
    if run["state"] in ENDED:
        run["ended_at"] = ended or max(now, run["started_at"])
        if run["ended_at"] < run["started_at"]:
            raise Rejected("time-order", "ended_at: it ended before it started")
    for key in ("task", "output", "error"):
        if _told(row, key):
            run[key] = row[key]
    for key in ("session", "prompt_version"):
        if _told(row, key):
            run[key] = _name(row, key)
    if _told(row, "idempotency_key"):
        run["idempotency_key"] = _id(row, "idempotency_key")
    if _told(row, "tags"):
        run["tags"] = _tags(row["tags"])
    return run


def read_step(row: Any, now: datetime) -> dict[str, Any]:
    """One step of a report, with a value for each column that a reporter may fill.

    Of ``input``, ``output``, ``error_message`` and ``attributes`` nothing is judged
    here: what is kept of them is the agent's setting.
    """
    row = _object(row)
    get = row.get
    kind = get("kind")
    if not (isinstance(kind, str) and kind in _KINDS):
        names = ", ".join(name for name, _label in KINDS)
        raise Rejected("kind", f"kind: should be one of {names}")
    error_type = _name(row, "error_type") if get("error_type") else None
    message = get("error_message") or None
    status = get("status")
    if not status:
        status = "error" if error_type or message or kind == "error" else "ok"
    elif not (isinstance(status, str) and status in _STATUSES):
        raise Rejected("status", f"status: should be one of {', '.join(_STATUSES)}")
    duration = get("duration_ms")
    cost = get("cost")
    return {
        "trace_id": _id(row, "trace_id"),
        "span_id": _id(row, "span_id"),
        "parent_span_id": (
            _id(row, "parent_span_id") if get("parent_span_id") else None
        ),
        "kind": kind,
        "name": _name(row, "name"),
        "status": status,
        "started_at": _moment(row, "started_at", now),
        "duration_ms": None if duration is None else _duration(duration),
        "model": _name(row, "model") if get("model") else None,
        "provider": _name(row, "provider") if get("provider") else None,
        "tokens_in": _count(row, "tokens_in"),
        "tokens_out": _count(row, "tokens_out"),
        "tokens_cached": _count(row, "tokens_cached"),
        "cost": None if cost is None or cost == "" else _cost(cost),
        "input": get("input"),
        "output": get("output"),
        "error_type": error_type,
        "error_message": message,
        "attributes": get("attributes") or None,
    }


def code_of(agent: str) -> str:
    """The code of an agent that reports under a name.

    >>> code_of(" Invoice Bot (new)")
    'invoice-bot-new'
    """
    return _code(agent)


# --- what becomes of a run ------------------------------------------------------------

# what a later report may fill in, never change
_FILLED = (
    *("agent_id", "agent_name", "ended_at", "task", "output", "error", "session"),
    *("tags", "prompt_version"),
)


def complete(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What a report changes of a run that is known: it completes, it never rewrites.

    >>> old = {"state": "running", "started_at": datetime(2026, 1, 1), "output": None}
    >>> told = {"state": "completed", "ended_at": datetime(2026, 1, 1, 0, 1)}
    >>> complete(old, {**told, "output": "done"})["duration_ms"]
    60000.0
    >>> complete({"state": "terminated", "output": "mine"}, {**told, "output": "no"})
    {}
    """
    if old["state"] in ENDED and not can(old["state"], new["state"]):
        # it is over, as somebody else said; what it brought may still come in
        return _filled(old, new, ("agent_id", "agent_name", "output", "task"))
    changes = _filled(old, new, _FILLED)
    if old.get("placeholder") and new["started_at"] != old["started_at"]:
        changes["started_at"] = new["started_at"]
    if can(old["state"], new["state"]):
        changes["state"] = new["state"]
    else:
        changes.pop("ended_at", None)
    if "ended_at" in changes:
        began = changes.get("started_at") or old["started_at"]
        seconds = (changes["ended_at"] - began).total_seconds()
        changes["duration_ms"] = max(0.0, seconds * 1000)
    return changes


def _filled(
    old: dict[str, Any], new: dict[str, Any], keys: Iterable[str]
) -> dict[str, Any]:
    return {
        key: new[key]
        for key in keys
        if new.get(key) is not None and old.get(key) is None
    }


# --- single values --------------------------------------------------------------------


def _object(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Rejected("not-an-object", "should be an object with keys")
    return row


def _told(row: dict[str, Any], key: str) -> bool:
    return row.get(key) not in (None, "", [], {})


def _id(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    if value is None or value == "":
        raise Rejected("missing", f"{key}: is missing")
    raise Rejected(
        "id", f"{key}: should be up to 128 letters, digits and . _ : / + = @ -"
    )


def _name(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        if value is None:
            raise Rejected("missing", f"{key}: is missing")
        raise Rejected("type", f"{key}: should be a text")
    text = value.strip()
    if not text:
        raise Rejected("missing", f"{key}: is empty")
    return clean(text[:NAME_LIMIT])


def clean(text: str) -> str:
    r"""A text as PostgreSQL can hold it: no NUL, no half of a surrogate pair.

    >>> clean("a\0b\ud800")
    'a\ufffdb?'
    """
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _moment(row: dict[str, Any], key: str, now: datetime) -> datetime:
    """UTC without a zone, to the millisecond, never later than now."""
    value = row.get(key)
    if value is None or value == "":
        raise Rejected("missing", f"{key}: is missing")
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
        elif isinstance(value, bool):
            raise TypeError
        else:
            moment = datetime.fromtimestamp(float(value) / 1000, UTC)
            moment = moment.replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Rejected(
            "time", f"{key}: should be ISO 8601 in UTC or milliseconds since 1970"
        ) from None
    if moment > now:
        if moment > now + MAX_AHEAD:
            raise Rejected("future", f"{key}: is more than a day ahead")
        return now
    if moment < OLDEST:
        raise Rejected("past", f"{key}: is before the year 2000")
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _duration(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= MAX_MS:
        raise Rejected(
            "number", f"duration_ms: should be a number from 0 to {MAX_MS:g}"
        )
    return float(value)


def _count(row: dict[str, Any], key: str) -> int | None:
    value = row.get(key)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise Rejected("number", f"{key}: should be a whole number from 0 to {MAX_INT}")
    return value


def _cost(value: Any) -> Decimal:
    try:
        if type(value) not in (int, float, str, Decimal):
            raise TypeError
        if not -math.inf < (cost := Decimal(str(value))) <= MAX_COST or cost < 0:
            raise ValueError
    except (TypeError, ValueError, InvalidOperation):
        raise Rejected(
            "number", f"cost: should be US dollars from 0 to {MAX_COST}"
        ) from None
    return cost.quantize(_BILLIONTH)


def _tags(value: Any) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise Rejected("type", "tags: should be a list of texts")
    return [clean(tag[:NAME_LIMIT]) for tag in value[:MAX_TAGS]]


def _code(agent: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", agent.lower())[:64].strip("-")
