"""What can go wrong in a harvest, beside what Steward's own tree knows."""

from odoo.addons.steward.exceptions import Invalid, Retryable


class SourceWaits(Retryable):
    """A site cannot be harvested now, and nobody is to blame."""

    code = "STEWARD-SOURCE-WAITS"


class SourceInvalid(Invalid):
    """A source lacks a setting, or one makes no sense."""

    code = "STEWARD-SOURCE-INVALID"
