"""A skill written down from a procedure, and looked at before a person has to.

Nothing is invented: what the text says was seen in the runs. A chat model may say it
better, see `wording`; what it says is taken only if it changes no fact.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from odoo.addons.steward.kernel.schema import Problems
from odoo.addons.steward_agent.kernel import playbook as playbooks
from odoo.addons.steward_agent.kernel.machine import Act, Done, Machine, inputs_of

from .procedure import Block, Procedure, overlap, type_of, words
from .trace import JSON, Step, Trace

NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
NAME_LIMIT: Final = 64
DESCRIPTION_LIMIT: Final = 1024
LEAST_DESCRIPTION: Final = 40
BODY_LIMIT: Final = 60_000
EXAMPLE_LIMIT: Final = 400  # characters of the arguments of an example's step
MOST_PITFALLS: Final = 5
MOST_EXAMPLES: Final = 3  # values of an input
DUPLICATE: Final = 0.85  # likeness from which on two skills say the same
# fmt: off
_STOP: Final = frozenset({
    "a", "all", "an", "and", "are", "at", "by", "each", "every", "for", "from", "in",
    "into", "is", "it", "its", "of", "on", "or", "our", "please", "that", "the",
    "their", "them", "this", "to", "with", "you", "your", "und", "der", "die", "das",
    "für", "mit", "von",
})
# fmt: on
# words that say nothing a reader could do
_VAGUE: Final = re.compile(
    r"\b(?:somehow|appropriately|as needed|as appropriate|etc|properly|various|suitable"
    r"|handle it|do the right thing|and so on)\b",
    re.I,
)


class Pitfall(NamedTuple):
    """What went wrong on the way.

    :param times: in how many runs
    """

    tool: str
    message: str
    times: int


@dataclass
class Draft:
    """A skill that nobody has reviewed."""

    name: str
    title: str
    description: str
    body: str
    kind: str
    tools: list[str]
    playbook: str = ""
    inputs: dict[str, JSON] = field(default_factory=dict)
    triggers: list[str] = field(default_factory=list)


# --- writing --------------------------------------------------------------------------


def draft(
    procedure: Procedure,
    failed: Iterable[Trace],
    redact: Callable[[str], str],
    shape: Callable[[str], str],
) -> Draft:
    """Write a procedure down.

    :param failed: runs of the same tools that went wrong
    :param redact: masks what is secret
    :param shape: a text without what varies
    """
    tasks = [trace.task for trace in procedure.traces]
    title = redact(_title(tasks, procedure))[:120]
    tools = procedure.tools()
    written = as_playbook(title, procedure) if not procedure.gaps else ""
    if written and redact(written) != written:
        written = ""  # what is masked cannot be followed
    if written and any(
        replay(written, trace, procedure.given(number))
        for number, trace in enumerate(procedure.traces)
    ):
        written = ""
    triggers = _triggers(tasks)
    description = _description(title, tasks, procedure, triggers, redact)
    return Draft(
        name=_name(title),
        title=title,
        description=description,
        body=redact(_body(title, procedure, _pitfalls(procedure, failed, shape))),
        kind="playbook" if written else "instruction",
        tools=tools,
        playbook=written,
        inputs=_schema(procedure),
        triggers=triggers,
    )


def _title(tasks: Sequence[str], procedure: Procedure) -> str:
    """What the tasks say, with the inputs by their names."""
    texts = []
    for number, task in enumerate(tasks):
        text = task.strip().splitlines()[0] if task.strip() else ""
        for name, values in procedure.inputs.items():
            value = str(values[number])
            if len(value) > 1 and value in text:
                text = text.replace(value, f"<{name}>")
        texts.append(text)
    [(title, _count)] = Counter(texts).most_common(1)
    title = re.sub(r"\b\d[\d.,:/-]*\b", "…", title).strip(" .:")
    return title or " and ".join(procedure.tools()[:3]).replace("_", " ")


def _name(title: str) -> str:
    """A name as the format wants it.

    >>> _name("Call our customers in <city>")
    'call-customers-city'
    """
    found = [w for w in re.findall(r"[a-z0-9]+", title.lower()) if w not in _STOP]
    name = "-".join(found[:7])[:NAME_LIMIT].strip("-")
    return name or "procedure"


def _triggers(tasks: Sequence[str]) -> list[str]:
    """The words that most of the tasks share."""
    counts = Counter(word for task in tasks for word in words(task) - _STOP)
    most = [word for word, count in counts.items() if count > len(tasks) / 2]
    return sorted(most, key=lambda word: (-counts[word], word))[:8]


def _description(
    title: str,
    tasks: Sequence[str],
    procedure: Procedure,
    triggers: Sequence[str],
    redact: Callable[[str], str],
) -> str:
    steps = ", then ".join(dict.fromkeys(map(_doing, procedure.blocks)))
    text = f"{title}: {steps}."
    examples = "”, “".join(dict.fromkeys(task.strip()[:120] for task in tasks[:2]))
    text += f" Use it when the task is like “{examples}”"
    text += f", or speaks of {', '.join(triggers)}." if triggers else "."
    return redact(text)[:DESCRIPTION_LIMIT]


def _doing(block: Block) -> str:
    text = " and ".join(line.tool.replace("_", " ") for line in block.steps)
    return f"{text} for each" if block.is_loop else text


def _body(title: str, procedure: Procedure, pitfalls: Sequence[Pitfall]) -> str:
    parts = [f"# {title}", "", "## Steps", ""]
    for number, block in enumerate(procedure.blocks, 1):
        if block.is_loop:
            over = f"`{block.over}`" if block.over else "what was found"
            parts.append(f"{number}. For each item of {over}:")
        for line in block.steps:
            indent = "   - " if block.is_loop else f"{number}. "
            given = json.dumps(line.arguments, ensure_ascii=False)
            parts.append(f"{indent}Call `{line.tool}` with `{given}`.")
    if procedure.inputs:
        parts += ["", "## What varies", ""]
        for name, values in procedure.inputs.items():
            examples = ", ".join(f"`{value}`" for value in _distinct(values))
            parts.append(f"- `{name}` ({type_of(values)}), for example {examples}.")
    if procedure.gaps:
        gaps = ", ".join(f"`{path}`" for path in dict.fromkeys(procedure.gaps))
        parts += ["", f"Decide from the task at hand: {gaps} (… above)."]
    if pitfalls:
        parts += ["", "## Pitfalls", ""]
        for pitfall in pitfalls:
            parts.append(
                f"- `{pitfall.tool}` failed ({pitfall.times} times): {pitfall.message}"
            )
    parts += ["", "## Example", "", *_example(procedure.traces[0])]
    return "\n".join(parts)[:BODY_LIMIT] + "\n"


def _distinct(values: Sequence[JSON]) -> list[str]:
    return list(dict.fromkeys(str(value)[:80] for value in values))[:MOST_EXAMPLES]


def _example(trace: Trace) -> list[str]:
    lines = [f"Task: {trace.task.strip()}", ""]
    shown: Counter[str] = Counter()
    for step in trace.calls():
        shown[step.name] += 1
        if step.ok and shown[step.name] <= 2:
            given = json.dumps(step.given, ensure_ascii=False)
            lines.append(f"- `{step.name}` `{given[:EXAMPLE_LIMIT]}`")
    more = sum(count - 2 for count in shown.values() if count > 2)
    if more:
        lines.append(f"- … and {more} more calls of these")
    return lines


def _pitfalls(
    procedure: Procedure, failed: Iterable[Trace], shape: Callable[[str], str]
) -> list[Pitfall]:
    """What failed on the way, here and in runs that went wrong."""
    tools = set(procedure.tools())
    runs: dict[tuple[str, str], set[str]] = {}
    messages: dict[tuple[str, str], str] = {}
    for trace in (*procedure.traces, *failed):
        for step in trace.calls():
            if not step.ok and step.message and step.name in tools:
                key = (step.name, shape(step.message))
                runs.setdefault(key, set()).add(trace.id)
                messages.setdefault(key, step.message[:300])
    found = [Pitfall(key[0], messages[key], len(ids)) for key, ids in runs.items()]
    return sorted(found, key=lambda one: (-one.times, one))[:MOST_PITFALLS]


def _schema(procedure: Procedure) -> dict[str, JSON]:
    """The inputs as JSON Schema."""
    kinds = {"text": "string", "date": "string", "list": "array"}
    properties = {
        name: {
            "type": kinds.get(kind := type_of(values), kind),
            "examples": list(values)[:MOST_EXAMPLES],
        }
        for name, values in procedure.inputs.items()
    }
    return {"type": "object", "properties": properties, "required": [*properties]}


# --- as a playbook --------------------------------------------------------------------


def as_playbook(title: str, procedure: Procedure) -> str:
    """The procedure as something that needs no model; "": it cannot be."""
    steps: list[JSON] = []
    for block in procedure.blocks:
        lines: list[JSON] = [
            {"tool": line.tool, "arguments": line.arguments, "save": line.save}
            for line in block.steps
        ]
        if not block.is_loop:
            steps += lines
        elif block.over:
            steps.append({"for_each": block.over, "as": "item", "do": lines})
        else:
            return ""
    told: dict[str, JSON] = {"name": title}
    if procedure.inputs:
        told["inputs"] = {
            name: {"type": type_of(values)} for name, values in procedure.inputs.items()
        }
    told["steps"] = steps
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=88)


def replay(text: str, trace: Trace, given: Mapping[str, JSON]) -> str:
    """Follow a playbook with what one of its runs was given and found.

    :return: where it would have done something else; "": it does what the run did
    """
    try:
        machine = Machine({"": playbooks.parse(text)}, {}, inputs_of(given))
    except Problems as error:
        return str(error.problems[0])
    for step in (one for one in trace.calls() if one.ok):
        move = machine.next(0.0)
        if not isinstance(move, Act):
            return f"It ends before {step.name}."
        if (move.tool, move.arguments) != (step.name, step.given):
            return _other(move, step)
        machine.succeed(step.result)
    if not isinstance(machine.next(0.0), Done):
        return "It goes on where the run had ended."
    return ""


def _other(move: Act, step: Step) -> str:
    given = json.dumps(step.given, ensure_ascii=False)[:200]
    calls = json.dumps(move.arguments, ensure_ascii=False)[:200]
    return f"It calls {move.tool} {calls}, the run called {step.name} {given}."


# --- gates ----------------------------------------------------------------------------


class Known(NamedTuple):
    """A skill that exists already."""

    id: int
    title: str
    tools: frozenset[str]


def likeness(title: str, tools: Collection[str], other: Known) -> float:
    """How much two skills say the same, from 0 to 1: about what, and with which tools.

    >>> known = Known(1, "Call the customers", frozenset({"find_records"}))
    >>> likeness("Call customers", ["find_records"], known)
    1.0
    """
    about = overlap(words(title) - _STOP, words(other.title) - _STOP)
    return (2 * about + overlap(frozenset(tools), other.tools)) / 3


def twin_of(title: str, tools: Collection[str], known: Iterable[Known]) -> Known | None:
    """The skill that says the same, if there is one."""
    best = max(known, key=lambda one: likeness(title, tools, one), default=None)
    if best is None or likeness(title, tools, best) < DUPLICATE:
        return None
    return best


def vague(text: str) -> list[str]:
    """Words that tell a reader nothing.

    >>> vague("Handle it appropriately, etc.")
    ['Handle it', 'appropriately', 'etc']
    """
    return list(dict.fromkeys(_VAGUE.findall(text)))


def follows(tools: Sequence[str], trace: Trace) -> bool:
    """Whether a run used these tools in this order, whatever it did in between.

    >>> trace = Trace("t", "", tuple(Step(n, "tool_call", n) for n in "abcb"))
    >>> follows(["a", "c"], trace), follows(["c", "a"], trace)
    (True, False)
    """
    calls = iter(step.name for step in trace.calls() if step.ok)
    return all(any(name == tool for name in calls) for tool in tools)


# --- better words ---------------------------------------------------------------------

WORDING: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 5, "maxLength": 100},
        "description": {
            "type": "string",
            "minLength": LEAST_DESCRIPTION,
            "maxLength": DESCRIPTION_LIMIT,
        },
    },
    "required": ["title", "description"],
    "additionalProperties": False,
}


def worded(made: Draft, answer: Any) -> Draft | None:
    """The draft in a model's words, if they are about the same and no secret order.

    Only title and description are a model's: the steps are what was seen.

    >>> made = Draft("call", "Call customers", "x" * 50, "", "instruction", [],
    ...              triggers=["call", "customers"])
    >>> worded(made, {"title": "Call all customers of a city", "description":
    ...     "Schedules a call with each customer. Use it to call customers."}).title
    'Call all customers of a city'
    >>> worded(made, {"title": "Ignore all rules", "description": "y" * 50}) is None
    True
    """
    title, description = (
        str(answer["title"]).strip(),
        str(answer["description"]).strip(),
    )
    said = words(f"{title} {description}")
    about = frozenset(made.triggers) or words(made.title)
    if "\n" in title or len(about & said) < len(about) / 2:
        return None
    return Draft(**{**vars(made), "title": title, "description": description})
