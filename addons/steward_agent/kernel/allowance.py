"""How long an answer may be, so that no limit of a run is passed.

Asked before each call of a model: what goes in is known, what comes out is not, so it
is given no more room than there is.

>>> allowance(100, wanted=4000, tokens_left=600)
500
>>> dear = Money(Decimal("0.01"), Decimal("0.001"), Decimal("0.0001"))
>>> allowance(100, wanted=4000, money=dear)
90
>>> allowance(100, wanted=None)
"""

from decimal import Decimal
from typing import Final, NamedTuple

LEAST: Final = 16  # tokens; a shorter answer says nothing


class Money(NamedTuple):
    """What a run has left, and what a call takes of it, in US dollars.

    :param question: what goes in
    :param token: each token that comes out
    """

    left: Decimal
    question: Decimal
    token: Decimal


class TooLittle(ValueError):
    """Not enough is left for an answer. Its argument says of what."""


def allowance(
    question: int,
    wanted: int | None = None,
    tokens_left: int | None = None,
    money: Money | None = None,
) -> int | None:
    """The most tokens that an answer may have; None: as many as the model likes.

    :param question: tokens that go in
    :param wanted: the most that the model can say
    :param tokens_left: of the run, for what goes in and what comes out
    :raises TooLittle: "tokens" or "money"

    >>> allowance(100, tokens_left=110)
    Traceback (most recent call last):
    odoo.addons.steward_agent.kernel.allowance.TooLittle: tokens
    """
    most = [] if wanted is None else [wanted]
    if tokens_left is not None:
        if tokens_left - question < LEAST:
            raise TooLittle("tokens")
        most.append(tokens_left - question)
    if money is not None:
        left = money.left - money.question
        if left < money.token * LEAST or money.left <= 0:
            raise TooLittle("money")
        if money.token > 0:
            most.append(int(left / money.token))
    return min(most, default=None)
