import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from ..kernel.budget import ZERO, Account, bounds

KEPT = timedelta(days=2 * 366)  # a period is forgotten so long after its end


@dataclass(slots=True)
class Row:
    """A period as it is while its row is locked: read, changed, written back."""

    id: int
    budget_id: int
    zone: ZoneInfo
    account: Account
    daily: dict[str, str]  # ISO date -> what that day cost
    unknown_calls: int
    refused_calls: int
    told: int
    told_refused: bool

    @property
    def due(self) -> bool:
        """Whether there is something that nobody was told yet."""
        return self.account.reached > self.told or bool(
            self.refused_calls and not self.told_refused
        )

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def spend(self, amount: Decimal | None, day: date) -> None:
        """Count what was spent on a day; None: nobody knows how much."""
        if amount is None:
            self.unknown_calls += 1
            return
        self.account = self.account.spend(amount)
        key = day.isoformat()
        self.daily[key] = str(Decimal(self.daily.get(key, ZERO)) + amount)


class StewardBudgetPeriod(models.Model):
    """One day, week or month of a budget: what was spent and what is put aside.

    The rows are the truth that all workers share; they change only while locked, in
    transactions of their own.
    """

    _name = "steward.budget.period"
    _inherit = "steward"
    _description = "Budget Period"
    _order = "starts_at desc, id desc"
    _steward_own_fields = (
        *("limit_amount", "spent", "reserved", "daily"),
        *("unknown_calls", "refused_calls", "told", "told_refused"),
    )

    budget_id = fields.Many2one(
        "steward.budget", required=True, readonly=True, index=True, ondelete="cascade"
    )
    currency_id = fields.Many2one(related="budget_id.currency_id", store=True)
    # the bounds stay as they were made, whatever becomes of the company's time zone
    starts_at = fields.Datetime(required=True, readonly=True)
    ends_at = fields.Datetime(required=True, readonly=True)
    starts_on = fields.Date("Begins on", required=True, readonly=True)
    tz = fields.Char("Time zone", required=True, readonly=True)
    limit_amount = fields.Monetary("Limit", readonly=True)
    spent = fields.Monetary(readonly=True)
    reserved = fields.Monetary(
        readonly=True, help="Put aside for calls that are under way."
    )
    daily = fields.Json(readonly=True, help="What each day cost; forecasts need it.")
    unknown_calls = fields.Integer(
        "Of unknown price", readonly=True, help="Calls that are not counted in Spent."
    )
    refused_calls = fields.Integer("Refused", readonly=True)
    told = fields.Integer(
        "Told at (%)", readonly=True, help="The highest threshold somebody heard of."
    )
    told_refused = fields.Boolean("Told of refusals", readonly=True)
    percentage = fields.Float("Used (%)", compute="_compute_percentage")

    _budget_start_uniq = models.UniqueIndex("(budget_id, starts_at)")
    _sound = models.Constraint(
        "CHECK (starts_at < ends_at)", "A period begins before it ends."
    )

    @api.depends("starts_on", "budget_id.period")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for row in self:
            period, first = row.budget_id.period, row.starts_on
            if period == "month":
                row.display_name = format_date(self.env, first, date_format="LLLL yyyy")
            elif period == "week":
                row.display_name = self.env._(
                    "Week of %(monday)s", monday=format_date(self.env, first)
                )
            else:
                row.display_name = format_date(self.env, first)

    @api.depends("spent", "limit_amount")
    def _compute_percentage(self):
        for row in self:
            row.percentage = row._account().percentage

    def _account(self):
        """The amounts as the kernel knows them; for screens, so floats will do."""
        return Account(
            *(
                Decimal(str(value))
                for value in (self.limit_amount or 1, self.spent, self.reserved)
            )
        )

    def _is_due(self):
        return self._account().reached > self.told or bool(
            self.refused_calls and not self.told_refused
        )

    def _get_last_day(self) -> date:
        """The last day of this period, where the company is."""
        last = self.ends_at.replace(tzinfo=UTC) - timedelta(microseconds=1)
        return last.astimezone(ZoneInfo(self.tz)).date()

    def _days(self) -> dict[date, Decimal]:
        """What each day cost, of all these periods."""
        return {
            date.fromisoformat(day): Decimal(cost)
            for row in self
            for day, cost in (row.daily or {}).items()
        }

    @api.model
    def _get_current_domain(self):
        now = fields.Datetime.now()
        return [("starts_at", "<=", now), ("ends_at", ">", now)]

    # -- rows: always locked in the order of their ids, so that no two wait in a ring -

    @api.model
    def _lock(self, cr, ids) -> dict[int, Row]:
        """Lock periods and read them, by id; they are free when ``cr`` commits."""
        return self._read_rows(cr, ids, SQL("FOR UPDATE"))

    @api.model
    def _read_rows(self, cr, ids, lock) -> dict[int, Row]:
        if not ids:
            return {}
        cr.execute(
            SQL(
                "SELECT id, budget_id, tz, limit_amount::text, spent::text,"
                " reserved::text, daily, unknown_calls, refused_calls, told,"
                " told_refused FROM steward_budget_period"
                " WHERE id = ANY(%s) ORDER BY id %s",
                list(ids),
                lock,
            ),
            log_exceptions=False,
        )
        return {
            row_id: Row(
                row_id,
                budget_id,
                ZoneInfo(tz),
                Account(*map(Decimal, (limit, spent, reserved))),
                *rest,
            )
            for row_id, budget_id, tz, limit, spent, reserved, *rest in cr.fetchall()
        }

    @api.model
    def _save(self, cr, rows) -> None:
        """Write locked rows back, with one statement."""
        values = [
            SQL(
                "(%s, %s, %s, %s::jsonb, %s, %s)",
                row.id,
                row.account.spent,
                row.account.reserved,
                json.dumps(row.daily),
                row.unknown_calls,
                row.refused_calls,
            )
            for row in rows
        ]
        if values:
            cr.execute(
                SQL(
                    "UPDATE steward_budget_period AS old SET spent = new.spent,"
                    " reserved = new.reserved, daily = new.daily,"
                    " unknown_calls = new.unknown_calls,"
                    " refused_calls = new.refused_calls"
                    " FROM (VALUES %s) AS new (id, spent, reserved, daily,"
                    " unknown_calls, refused_calls) WHERE old.id = new.id",
                    SQL(", ").join(values),
                )
            )

    @api.model
    def _open(self, cr, budgets, at) -> None:
        """Make the periods that hold a moment, where they are not there yet.

        Before any row is locked: who makes the same period meanwhile is waited for.

        :param budgets: in an environment of ``cr``
        """
        for budget in budgets.sorted("id"):
            tz = budget._get_tz()
            start, end = bounds(at, budget.period, ZoneInfo(tz))
            # another time zone than yesterday's must not make periods overlap
            cr.execute(
                SQL(
                    "INSERT INTO steward_budget_period (budget_id, currency_id, tz,"
                    " starts_on, starts_at, ends_at, limit_amount, spent, reserved,"
                    " daily, unknown_calls, refused_calls, told, told_refused)"
                    " SELECT b.id, b.currency_id, %(tz)s, %(first)s,"
                    " GREATEST(%(start)s, max(p.ends_at) FILTER"
                    " (WHERE p.ends_at <= %(at)s)), LEAST(%(end)s, min(p.starts_at)"
                    " FILTER (WHERE p.starts_at > %(at)s)),"
                    " b.limit_amount, 0, 0, '{}', 0, 0, 0, false"
                    " FROM steward_budget b LEFT JOIN steward_budget_period p"
                    " ON p.budget_id = b.id WHERE b.id = %(id)s GROUP BY b.id"
                    " HAVING NOT COALESCE(bool_or("
                    "p.starts_at <= %(at)s AND %(at)s < p.ends_at), false)"
                    " ON CONFLICT (budget_id, starts_at) DO NOTHING",
                    tz=tz,
                    first=start.astimezone(ZoneInfo(tz)).date(),
                    id=budget.id,
                    at=_naive(at),
                    start=_naive(start),
                    end=_naive(end),
                ),
                log_exceptions=False,
            )

    @api.model
    def _find(self, cr, moments) -> dict[tuple[int, datetime], int]:
        """The periods that hold these moments, made where they are not there.

        :param moments: (id of a budget, when)
        """
        if not moments:
            return {}
        times = [_naive(at) for _budget_id, at in moments]
        query = SQL(
            "SELECT budget_id, id, starts_at, ends_at FROM steward_budget_period"
            " WHERE budget_id = ANY(%s) AND starts_at <= %s AND ends_at > %s",
            list({budget_id for budget_id, _at in moments}),
            max(times),
            min(times),
        )
        found = self._holding(cr, query, moments)
        missing = moments - found.keys()
        if missing:
            budgets = self.env["steward.budget"].with_env(self.env(cr=cr, su=True))
            for budget_id, at in sorted(missing):
                self._open(cr, budgets.browse(budget_id), at)
            found = self._holding(cr, query, moments)
        return found

    def _holding(self, cr, query, moments):
        cr.execute(query)
        spans = defaultdict(list)
        for budget_id, row_id, start, end in cr.fetchall():
            spans[budget_id].append((start, end, row_id))
        return {
            (budget_id, at): row_id
            for budget_id, at in moments
            for start, end, row_id in spans[budget_id]
            if start <= _naive(at) < end
        }

    # -- telling -------------------------------------------------------------------

    @api.model
    def _tell(self, ids) -> None:
        """Tell people, once, what these periods have come to.

        The mark and the message are one transaction, after the one that counted. If
        it fails, the cron tells it. A message takes its time: the period is locked
        only to set the mark at the end, so that calls need not wait. It is the budget
        that is locked meanwhile, against others who want to tell the same.
        """
        for row_id in sorted(ids):
            with self._own_transaction() as cr:
                cr.execute(
                    SQL(
                        "SELECT b.id FROM steward_budget b JOIN steward_budget_period p"
                        " ON p.budget_id = b.id WHERE p.id = %s"
                        " FOR NO KEY UPDATE OF b SKIP LOCKED",
                        row_id,
                    )
                )
                if not cr.fetchone():
                    continue
                row = self._read_rows(cr, [row_id], SQL()).get(row_id)
                if row is None or not row.due:
                    continue
                # as superuser: who spends need not see the budget
                env = self.env(cr=cr, user=api.SUPERUSER_ID, su=True)
                period = self.with_env(env).browse(row_id)
                period.budget_id._announce(period, row)
                env.flush_all()
                cr.execute(
                    SQL(
                        "UPDATE steward_budget_period SET told = GREATEST(told, %s),"
                        " told_refused = %s WHERE id = %s",
                        row.account.reached,
                        # who was told that nothing is left needs no word of refusals
                        bool(row.refused_calls) or row.account.reached >= 100,
                        row_id,
                    ),
                    log_exceptions=False,
                )

    @api.autovacuum
    def _gc_periods(self):
        old = fields.Datetime.now() - KEPT
        self.search([("ends_at", "<", old)], limit=1000).unlink()

    def _by_budget(self) -> dict[int, "StewardBudgetPeriod"]:
        """These periods by their budget's id, oldest first."""
        rows = self.sorted("starts_at")
        return {budget.id: group for budget, group in rows.grouped("budget_id").items()}


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
