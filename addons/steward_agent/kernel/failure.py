"""What kind of failure an error is, and what to do about each kind.

>>> category_of("openai.RateLimitError", "Error code: 429")
'external'
>>> policy("external").retries
3
"""

import re
from typing import Final, NamedTuple

MESSAGE_LIMIT: Final = 4096  # characters of a message that are looked at

CATEGORIES: Final = [
    ("prompt", "The model's answer"),
    ("tool", "A tool"),
    ("context", "Missing or too much context"),
    ("external", "Somebody else's service"),
    ("budget", "Money"),
    ("rights", "Rights"),
    ("bug", "A mistake in the program"),
]

# The first that matches decides; money and rights come before what merely names a
# status. Ours are stable codes, the others are what libraries and services say.
_SIGNS: Final = [
    ("budget", r"STEWARD-(?:BUDGET|EXHAUSTED)|insufficient.quota|quota.exceeded"),
    ("budget", r"budget|billing|credit.balance|payment.required|\b402\b"),
    ("context", r"context.(?:length|window)|maximum.context|too.many.tokens"),
    ("context", r"token.limit|prompt.is.too.long|MissingError|does.not.exist.or.has"),
    (
        "prompt",
        r"content.(?:filter|policy)|OutputParser|ModelBehavior|refus(?:al|ed.to)",
    ),
    ("prompt", r"invalid.(?:output|answer)|no.valid.json|structured.output"),
    ("rights", r"STEWARD-(?:REFUSED|ADDRESS|SECRET)|AccessError|AccessDenied"),
    ("rights", r"PermissionError|PermissionDenied|Forbidden|Unauthori[sz]ed"),
    ("rights", r"access.denied|not.allowed|invalid.api.key|\b40[13]\b"),
    ("external", r"STEWARD-(?:EXTERNAL|REMOTE|TIMED|UNREACH|BAD-ANSWER|RATE|OCCUPIED)"),
    ("external", r"STEWARD-(?:LOCKED|CIRCUIT|RETRY)|time.?d?.?out|rate.?limit"),
    (
        "external",
        r"connect(?:ion)?.?(?:error|reset|refused|abort)|unreachable|SSLError",
    ),
    (
        "external",
        r"unavailable|overloaded|bad.gateway|name.resolution|\b(?:429|5\d\d)\b",
    ),
    ("tool", r"STEWARD-(?:INVALID|OUTDATED)|UserError|ValidationError"),
    ("tool", r"unknown.(?:field|tool)"),
    ("tool", r"invalid.(?:domain|argument|parameter)|missing.\d*.?required|\b404\b"),
]
_RULES: Final = [(category, re.compile(sign, re.I)) for category, sign in _SIGNS]
_BY_KIND: Final = {"tool_call": "tool", "retrieval": "context"}


def category_of(error_type: str | None, message: str | None, kind: str = "") -> str:
    """The category of an error, always the same for the same words.

    :param kind: of the step that failed; decides when the words tell nothing

    >>> category_of("AccessError", "You are not allowed to modify this.")
    'rights'
    >>> category_of("KeyError", "'partner'"), category_of("KeyError", "", "tool_call")
    ('bug', 'tool')
    """
    words = f"{error_type or ''} {(message or '')[:MESSAGE_LIMIT]}"
    for category, sign in _RULES:
        if sign.search(words):
            return category
    return _BY_KIND.get(kind, "bug")


class Policy(NamedTuple):
    """How often what failed is tried again where nobody said otherwise.

    :param wait: seconds before the first of the retries; doubles each time
    """

    retries: int = 0
    wait: float = 0.0


# whoever is away may be back; the others would fail the same way again
_POLICIES: Final = {"external": Policy(retries=3, wait=2.0)}


def policy(category: str) -> Policy:
    """What to do about a failure of a category.

    >>> policy("rights")
    Policy(retries=0, wait=0.0)
    """
    return _POLICIES.get(category, Policy())
