import json
import threading
from collections.abc import Callable

from odoo import api, fields, models
from odoo.tools import SQL

# (database, model, company or False, name) -> what this process knows of that row
_KNOWN: dict[tuple, "Known"] = {}
_KNOWN_LOCK = threading.Lock()
MAX_KNOWN = 10_000  # rows a process remembers; then it starts anew


class Known:
    """What one worker process remembers of one row: its id and its local lease."""

    __slots__ = ("lease", "row_id", "rules")

    def __init__(self, row_id: int, rules: object, lease: object) -> None:
        self.row_id, self.rules, self.lease = row_id, rules, lease


class StewardShared(models.AbstractModel):
    """A row whose state all worker processes share, and change in turn.

    The rules are a kernel; this holds the row: found or made by name and company,
    locked, changed by a pure function, written back, in a transaction of its own.
    """

    _name = "steward.shared"
    _inherit = "steward"
    _description = "State Shared by All Workers"
    _rec_name = "name"
    _steward_own_fields = ("shared",)

    name = fields.Char(required=True, readonly=True, help="What it is about.")
    company_id = fields.Many2one(
        "res.company",
        readonly=True,
        index="btree_not_null",
        help="Empty: shared by all companies.",
    )
    shared = fields.Json(groups=fields.NO_ACCESS, copy=False)

    @property
    def _rule_columns(self) -> tuple[str, ...]:
        """The columns that hold the rules; hook of each model."""
        return ()

    def _rules_of(self, *values) -> object:
        """Make the kernel's rules from the columns' values; hook of each model."""
        raise NotImplementedError

    def _lease_of(self, _rules) -> object:
        """Make a worker's local lease under these rules; hook of each model."""
        return None

    @api.model
    def _defaults_to_insert(self) -> dict:
        """What a row made by code starts with; hook of each model."""
        return {}

    # -- what this process knows ---------------------------------------------------

    def _known(self, name: str, company, make: bool = True) -> Known | None:
        """This process's memory of a row; reads or makes the row the first time."""
        company_id = company.id if company else False
        key = (self.env.cr.dbname, self._name, company_id, name)
        known = _KNOWN.get(key)
        if known is None:
            found = self._find_or_make(name, company_id or None, make)
            if found is None:
                return None
            row_id, *values = found
            rules = self._rules_of(*values)
            with _KNOWN_LOCK:
                if len(_KNOWN) >= MAX_KNOWN:
                    _KNOWN.clear()
                known = _KNOWN.setdefault(
                    key, Known(row_id, rules, self._lease_of(rules))
                )
        return known

    @api.model
    def _forget_known(self) -> None:
        """Start anew in this process: rows were deleted, or a test is over."""
        with _KNOWN_LOCK:
            ours = (self.env.cr.dbname, self._name)
            for key in [key for key in _KNOWN if key[:2] == ours]:
                del _KNOWN[key]

    def _find_or_make(self, name, company_id, make):
        columns = SQL(", ").join(map(SQL.identifier, ("id", *self._rule_columns)))
        find = SQL(
            "SELECT %s FROM %s WHERE name = %s AND company_id IS NOT DISTINCT FROM %s",
            columns,
            SQL.identifier(self._table),
            name,
            company_id,
        )
        with self._own_transaction() as cr:
            cr.execute(find)
            found = cr.fetchone()
            if found or not make:
                return found
            values = {
                "name": name,
                "company_id": company_id,
                **self._defaults_to_insert(),
            }
            cr.execute(
                SQL(
                    "INSERT INTO %s"
                    " (%s, create_uid, write_uid, create_date, write_date)"
                    " VALUES (%s, 1, 1, now() at time zone 'UTC',"
                    " now() at time zone 'UTC') ON CONFLICT DO NOTHING",
                    SQL.identifier(self._table),
                    SQL(", ").join(map(SQL.identifier, values)),
                    SQL(", ").join(SQL("%s", value) for value in values.values()),
                )
            )
            cr.execute(find)
            return cr.fetchone()

    # -- changing the row ----------------------------------------------------------

    def _change(self, known: Known, change: Callable) -> object:
        """Lock a row, apply ``change`` and write what it made of it.

        :param change: takes the state (JSON or None), the database's clock in seconds
            and the values of ``_rule_columns``; returns the answer and the columns to
            write (none: nothing has changed)
        :return: the answer
        :raises LookupError: when the row is gone
        """
        columns = SQL(", ").join(map(SQL.identifier, ("shared", *self._rule_columns)))
        with self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "SELECT extract(epoch FROM clock_timestamp())::float8, %s FROM %s"
                    " WHERE id = %s FOR UPDATE",
                    columns,
                    SQL.identifier(self._table),
                    known.row_id,
                ),
                log_exceptions=False,
            )
            row = cr.fetchone()
            if row is None:
                raise LookupError(f"{self._name} {known.row_id} is gone")
            now, state, *values = row
            answer, written = change(state, now, values)
            if written:
                cr.execute(
                    SQL(
                        "UPDATE %s SET %s WHERE id = %s",
                        SQL.identifier(self._table),
                        SQL(", ").join(
                            SQL("%s = %s", SQL.identifier(column), _sql_value(value))
                            for column, value in written.items()
                        ),
                        known.row_id,
                    )
                )
        return answer

    def unlink(self):
        self._forget_known()
        return super().unlink()


def _sql_value(value):
    return json.dumps(value) if isinstance(value, dict | list) else value
