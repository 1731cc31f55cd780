"""A kind of field of our own."""

# ruff: noqa: ARG002 - the ORM's signatures
from decimal import Decimal

from odoo import fields

from .kernel.pricing import rounded


class Amount(fields.Float):
    """US dollars to nine places. What is not known is NULL, False in Python, not 0.

    An ordinary float field makes 0 of nothing, and 0 means "free" here.
    """

    falsy_value = None

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("digits", (18, 9))
        super().__init__(*args, **kwargs)

    def convert_to_column(self, value, record, values=None, validate=True):
        return None if _is_unknown(value) else str(_exact(value))

    def convert_to_cache(self, value, record, validate=True):
        return None if _is_unknown(value) else float(_exact(value))

    def convert_to_record(self, value, record):
        return False if value is None else value

    def convert_to_read(self, value, record, use_display_name=True):
        return value


def exact(value):
    """A field's value as `Decimal`, None when it is unknown."""
    return None if _is_unknown(value) else _exact(value)


def _is_unknown(value):
    return value is None or value is False


def _exact(value):
    # the shortest text of a float has all the digits that were stored
    return rounded(value if isinstance(value, Decimal) else Decimal(str(value)))
