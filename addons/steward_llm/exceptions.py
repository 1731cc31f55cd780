"""What can go wrong with models and money; the tree is the ground floor's."""

from odoo.addons.steward.exceptions import Exhausted, External, Refused


class BudgetExhausted(Exhausted):
    """A budget has too little left.

    :param budget_id: the budget that refuses
    :param action: what it asks for: ``block``, ``downgrade`` or ``pause``
    :param downgrade_model_id: the model to go on with, when it names one
    """

    code = "STEWARD-BUDGET-EXHAUSTED"

    def __init__(
        self, sentence, budget_id=None, action=None, downgrade_model_id=None, **details
    ):
        super().__init__(sentence, **details)
        self.budget_id = budget_id
        self.action = action
        self.downgrade_model_id = downgrade_model_id


class PriceUnknown(Refused):
    """A budget allows no call whose price is not known."""

    code = "STEWARD-PRICE-UNKNOWN"


class Withheld(Refused):
    """The provider's filter kept an answer back."""

    code = "STEWARD-ANSWER-WITHHELD"


class NoAnswer(External):
    """Neither a model nor those that stand in for it answered.

    :param errors: of each of them, in order
    """

    code = "STEWARD-NO-ANSWER"
    blames_remote = False  # each provider was blamed for its own

    def __init__(self, sentence, errors):
        waits = [e.retry_after for e in errors if e.retry_after is not None]
        super().__init__(sentence, retry_after=min(waits, default=None))
        self.retryable = any(error.retryable for error in errors)
