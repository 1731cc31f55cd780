from odoo.addons.steward.exceptions import Refused, Retryable


class Guarded(Refused):
    """A guardrail knows that this would fail, as it did before."""

    code = "STEWARD-REFUSED-GUARDRAIL"


class GuardedForNow(Retryable):
    """A guardrail knows that it is better to wait."""

    code = "STEWARD-RETRY-GUARDRAIL"
