"""Why a run failed: what kind of cause, how sure that is, and which steps show it.

The step that failed is often not the one to blame. A search that found nothing, a
model that invented an argument, a failure that was passed over: the cause is the
earliest of them that explains the end.

>>> from .trace import Step, Trace
>>> steps = (
...     Step("1", "tool_call", "find_records", result={"records": []}),
...     Step("2", "tool_call", "post_message", ok=False, given={"record_id": None},
...          error="STEWARD-INVALID", message="record_id: should be a whole number"),
... )
>>> found = cause_of(Trace("t", "Greet Ann", steps, ok=False))
>>> found.category, found.evidence, found.why
('context', ('1', '2'), 'nothing-found')
"""

import json
import re
from typing import Final, NamedTuple

from odoo.addons.steward_agent.kernel.failure import category_of

from .trace import JSON, Step, Trace, is_empty, leaves

CIRCLE: Final = 3  # times that the same call is made before that is going in circles
SURE: Final = 0.9  # the error's own type says it
LIKELY: Final = 0.75  # its message does, or what came before
GUESS: Final = 0.5  # nothing but where it happened

# what a program raises that is wrong itself, whatever tool it happened in
_BUGS: Final = frozenset(
    {
        *("STEWARD-BUG", "AssertionError", "AttributeError", "ImportError"),
        *("IndexError", "KeyError", "ModuleNotFoundError", "NameError"),
        *("NotImplementedError", "RecursionError", "SyntaxError", "TypeError"),
        *("UnboundLocalError", "UnicodeDecodeError", "ZeroDivisionError"),
    }
)
_MONEY: Final = re.compile(
    r"STEWARD-BUDGET|insufficient.quota|quota.exceeded|credit.balance|payment.required"
    r"|\b402\b|budget.{0,40}(?:used up|exhausted|exceeded|too little|left)",
    re.I,
)
_CUT_OFF: Final = re.compile(r"cut off after|statement timeout|time limit", re.I)
_LIMIT: Final = re.compile(r"more than \d+ (?:steps|rounds)|max.{0,12}iterations", re.I)
# whoever called did not know what it is called with
_MALFORMED: Final = re.compile(
    r"is missing|missing \d* ?required|required|unexpected|unknown|no such|should be"
    r"|did you mean|not on this agent's list|not one of|is not a|must be a|expected"
    r"|no field|invalid (?:argument|domain|field|value|literal|json)"
    r"|additional propert",
    re.I,
)
_NO_TOOL: Final = re.compile(
    r"not on this agent's list|unknown.tool|no such tool|tool.{0,40}not found", re.I
)
# something should have been there
_LACKS: Final = re.compile(
    r"none|null|empty|missing|out of range|does not exist|not found|no record|nothing"
    r"|undefined|is not set|deleted|should be a|at least one",
    re.I,
)
_LENGTH: Final = re.compile(
    r"length|too (?:long|many|large)|maximum|limit|exceed", re.I
)


class Cause(NamedTuple):
    """What a run failed of.

    :param category: one of ``failure.CATEGORIES``
    :param evidence: spans of the steps that show it, the cause first
    :param why: what spoke for it; see `WHYS`
    :param place: the tool or model to blame
    """

    category: str
    confidence: float
    evidence: tuple[str, ...]
    why: str
    place: str


WHYS: Final = (
    "said",  # the error says so itself
    "guessed",  # by where it happened
    "circle",  # the same again and again
    "model-chose",  # a model made up what the tool was called with
    "nothing-found",  # a step before found nothing
    "followed",  # a failure before was passed over
    "too-much",  # what was read before is too long
    "gone",  # it was there when it was looked up
    "again",  # several tries failed alike
)


def cause_of(trace: Trace) -> Cause | None:
    """The cause of a failure; None for a run that did not fail.

    >>> steps = [Step(str(n), "tool_call", "find_records", given={"a": 1})
    ...          for n in range(4)]
    >>> cause_of(Trace("t", "", tuple(steps), False, message="More than 4 steps."))
    Cause(category='prompt', confidence=0.75, evidence=('0', '1', '2', '3'), \
why='circle', place='find_records')
    """
    if trace.ok:
        return None
    end = _failed_at(trace)
    if circle := _circle(trace, end):
        spans = tuple(step.span for step in circle)
        return Cause("prompt", LIKELY, spans, "circle", circle[0].name)
    if end is None:
        return _without_step(trace)
    failed = trace.steps[end]
    before = trace.steps[:end]
    category, confidence = _said(failed)
    why = "said" if confidence > GUESS else "guessed"
    plain = Cause(category, confidence, (failed.span,), why, failed.name)
    return (
        _model_chose(plain, failed, before)
        or _from_before(plain, failed, before)
        or _too_much(plain, failed, before)
        or _gone(plain, failed, before)
        or _again(plain, failed, before)
        or plain
    )


def _failed_at(trace: Trace) -> int | None:
    """The step that ended the run: not one that failed while things were taken back."""
    failed = [n for n, step in enumerate(trace.steps) if not step.ok]
    for n in failed:
        message = trace.steps[n].message
        if message and trace.message.startswith(message):
            # of several tries that failed alike, the last
            return max(m for m in failed if _alike(trace.steps[m], trace.steps[n]))
    return failed[-1] if failed else None


def _alike(one: Step, other: Step) -> bool:
    return (one.name, one.place, one.error) == (other.name, other.place, other.error)


def _said(step: Step) -> tuple[str, float]:
    """The category in the words of the error, and how sure that is."""
    of_type = category_of(step.error, "")
    of_all = category_of(step.error, step.message)
    if step.kind == "llm_inference" and of_all in ("tool", "bug"):
        return "prompt", GUESS  # what a model answers is no tool's fault
    if _CUT_OFF.search(step.message) and of_type == "budget":
        return "tool", LIKELY  # its time was used up, not its money
    if of_all == "budget" and not _MONEY.search(f"{step.error} {step.message}"):
        # a word about money in a message about something else
        of_all = of_type if of_type != "bug" else "tool"
    if of_type == of_all != "bug":
        return of_all, SURE
    if step.error in _BUGS and (of_all == "bug" or not _LACKS.search(step.message)):
        return "bug", SURE
    if of_all != "bug":
        return of_all, LIKELY
    return category_of(step.error, step.message, step.kind), GUESS


def _without_step(trace: Trace) -> Cause:
    """No step failed: an expression had no value, or somebody said that it failed."""
    category = trace.category or category_of("", trace.message)
    last = trace.steps[-1] if trace.steps else None
    evidence = (last.span,) if last else ()
    place = last.name if last else trace.agent
    if last and category in ("prompt", "bug") and is_empty(_known(last)):
        return Cause("context", LIKELY, evidence, "nothing-found", place)
    return Cause(category, GUESS, evidence, "said", place)


def _circle(trace: Trace, end: int | None) -> list[Step]:
    """Calls that were made over and over, if that is what the run ended of."""
    failed = None if end is None else trace.steps[end]
    words = f"{trace.message} {failed.message if failed else ''}"
    money = failed is not None and _said(failed)[0] == "budget"
    if not (_LIMIT.search(words) or money):
        return []
    calls: dict[str, list[Step]] = {}
    for step in trace.steps:
        if step.kind == "tool_call" and step.ok and step.given is not None:
            key = f"{step.name} {json.dumps(step.given, sort_keys=True)}"
            calls.setdefault(key, []).append(step)
    most = max(calls.values(), key=len, default=[])
    return most if len(most) >= CIRCLE else []


def _model_chose(plain: Cause, failed: Step, before: tuple[Step, ...]) -> Cause | None:
    """A model called a tool that is none, or with what it cannot take."""
    if failed.kind != "tool_call":
        return None
    words = f"{failed.error} {failed.message}"
    made_up = _NO_TOOL.search(words) or (
        plain.category in ("tool", "bug", "context") and _MALFORMED.search(words)
    )
    thought = next((s for s in reversed(before) if s.kind == "llm_inference"), None)
    if not made_up or not thought or not _calls(thought, failed):
        return None
    evidence = (thought.span, failed.span)
    return Cause("prompt", LIKELY, evidence, "model-chose", thought.name)


def _calls(thought: Step, failed: Step) -> bool:
    """Whether a model's answer is what led to a call."""
    said = thought.result
    said = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return failed.name in said


def _from_before(plain: Cause, failed: Step, before: tuple[Step, ...]) -> Cause | None:
    """What it needed was not there: nothing was found, or getting it had failed."""
    if plain.category not in ("tool", "bug", "context", "prompt"):
        return None
    lacks = _LACKS.search(failed.message) or _has_gap(failed.given)
    if not lacks:
        return None
    for step in reversed(before):
        if step.kind == "llm_inference" or _alike(step, failed):
            continue
        evidence = (step.span, failed.span)
        if not step.ok:
            category, confidence = _said(step)
            return Cause(
                category, min(confidence, LIKELY), evidence, "followed", step.name
            )
        if is_empty(_known(step)):
            return Cause("context", LIKELY, evidence, "nothing-found", step.name)
    return None


def _known(step: Step) -> JSON:
    """The result of a step as far as it can be empty; what only writes has none."""
    return step.result if step.result is not None else "unknown"


def _has_gap(given: JSON) -> bool:
    return given is not None and any(is_empty(value) for _path, value in leaves(given))


def _too_much(plain: Cause, failed: Step, before: tuple[Step, ...]) -> Cause | None:
    """What was read before is what made it too long."""
    if plain.category != "context" or not _LENGTH.search(failed.message):
        return None
    longest = max(before, key=_length, default=None)
    if longest is None or is_empty(longest.result):
        return None
    return plain._replace(
        evidence=(longest.span, failed.span), why="too-much", place=longest.name
    )


def _length(step: Step) -> int:
    return len(json.dumps(step.result))


def _gone(plain: Cause, failed: Step, before: tuple[Step, ...]) -> Cause | None:
    """What it works with was there when it was looked up."""
    if plain.category != "context" or failed.given is None:
        return None
    ids = {value for _path, value in leaves(failed.given) if type(value) is int}
    for step in reversed(before):
        if ids & {value for _path, value in leaves(step.result) if type(value) is int}:
            return plain._replace(evidence=(failed.span, step.span), why="gone")
    return None


def _again(plain: Cause, failed: Step, before: tuple[Step, ...]) -> Cause | None:
    """Every try failed alike: no accident."""
    tries = [step.span for step in before if not step.ok and _alike(step, failed)]
    if not tries:
        return None
    confidence = min(0.95, plain.confidence + 0.05 * len(tries))
    return plain._replace(
        evidence=(*plain.evidence, *tries), confidence=confidence, why="again"
    )
