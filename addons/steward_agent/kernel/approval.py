"""When an agent has to ask before it uses a tool, and what is approved then.

>>> rules = [
...     Rule(1, "above", tool=7, amount="values.total", threshold=1000),
...     Rule(2, "first", risk="write"),
... ]
>>> def asks(total: float, known: bool) -> int | None:
...     call = Call("chat", 1, 1, 7, "write", {"values": {"total": total}})
...     rule = deciding(rules, call, lambda: known)
...     return rule and rule.id
>>> asks(2500, known=True), asks(10, known=False), asks(10, known=True)
(1, 2, None)

Rules are read like those of a firewall: the first one that applies decides. When in
doubt, the answer is to ask.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

JSON = Any

WHEN: Final = {
    "always": "Always",
    "first": "The first time",
    "above": "Above an amount",
    "never": "Never",
}
AGENTS: Final = {"chat": "Agents that think", "all": "All agents"}


class Call(NamedTuple):
    """What an agent is about to do.

    :param kind: of agent; see `specification.KINDS`
    """

    kind: str
    agent: int
    company: int
    tool: int
    risk: str
    arguments: JSON


class Rule(NamedTuple):
    """One line of the rules; what is None or empty holds for all.

    :param amount: where in the arguments the amount stands, as ``values.total``
    """

    id: int
    when: Literal["always", "first", "above", "never"]
    agents: Literal["chat", "all"] = "all"
    agent: int | None = None
    company: int | None = None
    tool: int | None = None
    risk: str | None = None
    amount: str = ""
    threshold: float = 0.0

    def fits(self, call: Call) -> bool:
        """Whether it is about this call at all.

        >>> call = Call("playbook", 1, 1, 7, "write", {})
        >>> Rule(1, "always", risk="write").fits(call)
        True
        >>> Rule(1, "always", agents="chat").fits(call)
        False
        """
        return (
            self.agents in ("all", call.kind)
            and self.agent in (None, call.agent)
            and self.company in (None, call.company)
            and self.tool in (None, call.tool)
            and self.risk in (None, call.risk)
        )


def deciding(
    rules: Iterable[Rule], call: Call, approved_before: Callable[[], bool]
) -> Rule | None:
    """The rule that wants people to be asked, or None: it may go ahead.

    :param rules: in their order
    :param approved_before: whether people approved this agent's use of the tool once
    """
    for rule in rules:
        if not rule.fits(call):
            continue
        match rule.when:
            case "never":
                return None
            case "first":
                return None if approved_before() else rule
            case "above" if not exceeds(call.arguments, rule.amount, rule.threshold):
                continue
        return rule
    return None


def exceeds(arguments: JSON, path: str, threshold: float) -> bool:
    """Whether an amount among the arguments is above a threshold, up or down.

    A list at the end of the path counts by its length; on the way, each of its items
    is looked at. What is there and is no number counts as above: people shall see it.

    >>> exceeds({"values": {"total": -2000}}, "values.total", 1000)
    True
    >>> exceeds({"record_ids": [4, 5, 6]}, "record_ids", 10)
    False
    >>> exceeds({"lines": [{"price": 5}, {"price": "9e9"}]}, "lines.price", 100)
    True
    >>> exceeds({"values": {"name": "no amount"}}, "values.total", 1000)
    False
    """
    for value in _found(arguments, path.split(".")):
        amount = len(value) if isinstance(value, list) else value
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            return True
        if not abs(amount) <= threshold:  # so also what is no number at all, NaN
            return True
    return False


def _found(value: JSON, path: list[str]) -> Iterator[JSON]:
    if not path:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _found(item, path)
    elif isinstance(value, dict) and path[0] in value:
        yield from _found(value[path[0]], path[1:])


def fingerprint(tool: JSON, arguments: JSON) -> str:
    """What is the same for the same call, and for no other.

    >>> one = fingerprint(["res.partner", "pay"], {"a": 1, "b": [2]})
    >>> one == fingerprint(["res.partner", "pay"], {"b": [2], "a": 1})
    True
    >>> one == fingerprint(["res.partner", "pay"], {"a": 1, "b": ["2"]})
    False

    :param tool: all that says what the tool does
    """
    text = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differing(shown: Iterable[JSON], now: Iterable[JSON]) -> list[str]:
    """The fields whose value is another than the one that people were shown.

    What a linked record is called does not count, only which one it is.

    >>> def told(before):
    ...     change = {"field": "phone", "before": before, "after": "112"}
    ...     return [{"model": "res.partner", "id": 7, "changes": [change]}]
    >>> differing(told("100"), told("100")), differing(told("100"), told("101"))
    ([], ['phone'])
    >>> differing(told({"id": 1, "name": "Ann"}), told({"id": 1, "name": "Eve"}))
    []

    :param shown: as a preview told it: ``[{"model", "id", "changes": [...]}]``
    """
    then, there = _values(shown), _values(now)
    return sorted(
        {
            field
            for field, record in then.keys() | there.keys()
            if then.get((field, record), ...) != there.get((field, record), ...)
        }
    )


def _values(told: Iterable[JSON]) -> dict[tuple[str, JSON], JSON]:
    return {
        (change["field"], (part["model"], part["id"])): _nameless(change["before"])
        for part in told
        for change in part["changes"]
    }


def _nameless(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_nameless(one) for one in value]
    return value["id"] if isinstance(value, dict) else value
