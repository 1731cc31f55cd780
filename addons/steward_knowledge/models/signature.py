from odoo import fields


class Signature(fields.Field):
    """Numbers to compare documents by: a column ``bigint[]``."""

    type = "signature"
    _column_type = ("_int8", "bigint[]")
    prefetch = False

    def convert_to_column(self, value, record, values=None, validate=True):  # noqa: ARG002
        return list(value) if value else None

    def convert_to_cache(self, value, record, validate=True):  # noqa: ARG002
        return list(value) if value else None
