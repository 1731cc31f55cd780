"""The rules, in plain Python: nothing in this package imports odoo."""
