import logging
import uuid
from datetime import UTC, timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.addons.steward.exceptions import StewardError
from odoo.tools import SQL

from ..kernel.budget import ZERO

_logger = logging.getLogger(__name__)

HELD = "held"
EXPIRED = "expired"
STATES = [(HELD, "Held"), (EXPIRED, "Expired")]
LATE = timedelta(days=30)  # after which nobody settles what has expired


class Reservation:
    """Money put aside for one call; settle it, or it is released.

    Its token may travel: ``budgets._reservation(token)`` in another process is as good.
    """

    __slots__ = ("_budgets", "_over", "_subject", "token")

    def __init__(self, budgets, token, subject=None):
        self._budgets, self.token, self._subject = budgets, token, subject
        self._over = False

    def settle(self, actual) -> bool:
        """Replace what was put aside by what was really spent.

        More than was put aside is counted in full.

        :param actual: US dollars; None: the price is unknown
        :return: False when it was settled or released before
        """
        if self._over:
            return False
        if self.token:
            counted = self._budgets._settle(self.token, actual)
        else:  # it was to be free, or nobody had set a budget
            costs = [(self._subject, actual, None)]
            counted = bool(self._subject and self._budgets._charge(costs))
        self._over = True
        return counted

    def release(self) -> None:
        """Give back all that was put aside: the call did not happen."""
        if not self._over and self.token:
            self._budgets._release(self.token)
        self._over = True

    def __enter__(self):
        return self

    def __exit__(self, error_type, *_error):
        try:
            self.release()
        except StewardError:
            if error_type is None:
                raise
            # the caller's error matters more; the lease ends by itself
            _logger.info("reservation %s is left to its lease", self.token)


class StewardReservation(models.Model):
    """Put aside in one period for one call: one row for each budget it touches."""

    _name = "steward.reservation"
    _inherit = "steward"
    _description = "Budget Reservation"
    _order = "id desc"
    _steward_own_fields = ("amount", "lease_until", "state")

    uuid = fields.Char(
        required=True, readonly=True, help="The same for all budgets of one call."
    )
    period_id = fields.Many2one(
        "steward.budget.period", required=True, readonly=True, ondelete="cascade"
    )
    budget_id = fields.Many2one(related="period_id.budget_id")
    currency_id = fields.Many2one(related="period_id.currency_id")
    amount = fields.Monetary(readonly=True)
    rate = fields.Float(
        readonly=True,
        digits=0,
        help="What a US dollar was worth in the budget's currency.",
    )
    day = fields.Date(required=True, readonly=True)
    lease_until = fields.Datetime(
        required=True, readonly=True, help="Without news by then, it is released."
    )
    state = fields.Selection(STATES, required=True, readonly=True)

    _uuid_period_uniq = models.UniqueIndex("(uuid, period_id)")
    _period_lease_idx = models.Index("(period_id, lease_until)")

    # -- rows; each changes only while its period is locked -------------------------

    @api.model
    def _hold(self, cr, held, now, lease_seconds) -> str:
        """Put amounts aside.

        :param held: (row of the period, amount or None, rate or None)
        :return: the token
        """
        token = uuid.uuid4().hex
        values = []
        for row, amount, rate in held:
            row.account = row.account.reserve(amount or ZERO)
            until = now + timedelta(seconds=lease_seconds)
            values.append(
                SQL(
                    "(%s, %s, %s, %s, %s, %s, %s)",
                    token,
                    row.id,
                    amount or ZERO,
                    rate,
                    row.day(now),
                    until.astimezone(UTC).replace(tzinfo=None),
                    HELD,
                )
            )
        cr.execute(
            SQL(
                "INSERT INTO steward_reservation"
                " (uuid, period_id, amount, rate, day, lease_until, state) VALUES %s",
                SQL(", ").join(values),
            )
        )
        return token

    @api.model
    def _end(self, cr, token, rows):
        """Forget a reservation whose periods are locked.

        :return: for each budget: row of the period, amount still held, rate, day
        """
        cr.execute(
            SQL(
                "DELETE FROM steward_reservation"
                " WHERE uuid = %s AND period_id = ANY(%s)"
                " RETURNING period_id, amount::text, rate::text, day, state",
                token,
                list(rows),
            )
        )
        return [
            (
                rows[period_id],
                Decimal(amount) if state == HELD else ZERO,
                rate and Decimal(rate),
                day,
            )
            for period_id, amount, rate, day, state in cr.fetchall()
        ]

    @api.model
    def _expire(self, cr, rows, now) -> None:
        """Release what callers of these locked periods put aside and left behind."""
        ids = [row.id for row in rows.values() if row.account.reserved]
        if not ids:
            return
        cr.execute(
            SQL(
                "UPDATE steward_reservation SET state = %s WHERE period_id = ANY(%s)"
                " AND state = %s AND lease_until < %s"
                " RETURNING period_id, amount::text",
                EXPIRED,
                ids,
                HELD,
                now.astimezone(UTC).replace(tzinfo=None),
            )
        )
        for period_id, amount in cr.fetchall():
            row = rows[period_id]
            row.account = row.account.release(Decimal(amount))

    @api.autovacuum
    def _gc_reservations(self):
        old = fields.Datetime.now() - LATE
        domain = [("state", "=", EXPIRED), ("lease_until", "<", old)]
        self.search(domain, limit=10_000).unlink()
