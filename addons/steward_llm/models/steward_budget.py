import json
import logging
import random
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Locked
from odoo.addons.steward.kernel.backoff import Backoff
from odoo.addons.steward.kernel.forecast import HISTORY_DAYS, MIN_DAYS_RANGE, forecast
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, format_amount, format_datetime

from ..exceptions import BudgetExhausted, PriceUnknown
from ..kernel.budget import Account, history, money
from .steward_budget_period import KEPT, _naive
from .steward_reservation import HELD, Reservation

_logger = logging.getLogger(__name__)

LEASE_SECONDS = 10 * 60  # longer than a call takes
TRIES = 10  # of a transaction that others hold up
PAUSE = Backoff(base=0.05, cap=1.0)  # between them
SHOWN_PERIODS = 12  # in the picture on the form
SOON = 30.0  # seconds after which others may have given back what they reserved

PERIODS = [("day", "Day"), ("week", "Week"), ("month", "Month")]
ACTIONS = [
    ("alert", "Tell only"),
    ("downgrade", "Go on with another model"),
    ("block", "Refuse calls"),
    ("pause", "Refuse calls and pause what runs"),
]
STATES = [("ok", "Within the limit"), ("near", "Nearly used up"), ("over", "Used up")]


class Match(NamedTuple):
    """A budget that a call is subject to, with its current period."""

    budget_id: int
    action: str
    unknown_price: str
    currency_id: int
    period_id: int | None

    def refuses(self, account: Account, amount: Decimal | None) -> bool:
        if amount is None and self.unknown_price == "refuse":
            return True
        return self.action != "alert" and not account.fits(amount)


class StewardBudget(models.Model):
    """So much money in a day, week or month, for a company or a part of it."""

    _name = "steward.budget"
    _inherit = ["steward", "mail.thread", "mail.activity.mixin"]
    _description = "Budget"
    _order = "company_id, name, id"
    _check_company_auto = True

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
    )
    scope = fields.Selection(
        [("company", "Whole company"), ("user", "User"), ("provider", "Provider")],
        string="Applies to",
        required=True,
        default="company",
    )
    user_id = fields.Many2one(
        "res.users", index="btree_not_null", help="Who causes the calls."
    )
    provider_id = fields.Many2one(
        "steward.provider",
        index="btree_not_null",
        check_company=True,
        ondelete="restrict",
    )
    period = fields.Selection(PERIODS, string="Per", required=True, default="month")
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    limit_amount = fields.Monetary("Limit", required=True, tracking=True)
    action = fields.Selection(
        ACTIONS,
        string="At 100 %",
        required=True,
        default="block",
        tracking=True,
        help="What happens to calls that no longer fit. Free models always do.",
    )
    downgrade_model_id = fields.Many2one(
        "steward.model",
        string="Other model",
        check_company=True,
        ondelete="restrict",
        help="A cheaper model to go on with; a free one never stops.",
    )
    unknown_price = fields.Selection(
        [("count", "Allow, and count the calls"), ("refuse", "Refuse")],
        string="Calls of unknown price",
        required=True,
        default="count",
        tracking=True,
    )
    responsible_id = fields.Many2one(
        "res.users",
        string="Who is told",
        default=lambda self: self.env.user,
        domain="[('share', '=', False)]",
        help="Gets an activity at 50, 80 and 100 %.",
    )
    period_ids = fields.One2many("steward.budget.period", "budget_id")
    period_count = fields.Integer("Periods", compute="_compute_period_count")

    tz = fields.Char("Time zone", compute="_compute_tz")
    spent = fields.Monetary(compute="_compute_standing")
    reserved = fields.Monetary(
        compute="_compute_standing", help="Put aside for calls that are under way."
    )
    left = fields.Monetary(compute="_compute_standing")
    percentage = fields.Float("Used (%)", compute="_compute_standing")
    state = fields.Selection(
        STATES, compute="_compute_standing", search="_search_state"
    )
    ends_on = fields.Date("Until", compute="_compute_standing")
    unknown_calls = fields.Integer("Calls not counted", compute="_compute_standing")
    refused_calls = fields.Integer("Calls refused", compute="_compute_standing")
    forecast = fields.Char(compute="_compute_forecast")
    likely_range = fields.Char(compute="_compute_forecast")
    forecast_sentence = fields.Char("Outlook", compute="_compute_forecast")
    history_graph = fields.Text(compute="_compute_history_graph")

    _limit_positive = models.Constraint(
        "CHECK (limit_amount > 0)", "The limit is above zero."
    )

    # -- computes ------------------------------------------------------------------

    @api.depends("company_id")
    def _compute_tz(self):
        for budget in self:
            budget.tz = budget._get_tz()

    def _get_tz(self) -> str:
        """The time zone of the company's working hours, else of its address."""
        # sudo: resource.calendar - whoever sees the budget may know its midnight
        company = self.company_id.sudo()
        return company.resource_calendar_id.tz or company.partner_id.tz or "UTC"

    def _compute_period_count(self):
        counts = dict(
            self.env["steward.budget.period"]._read_group(
                [("budget_id", "in", self.ids)], ["budget_id"], ["__count"]
            )
        )
        for budget in self:
            budget.period_count = counts.get(budget, 0)

    def _current_periods(self):
        """The running period of each budget that has begun one, by its id."""
        periods = self.env["steward.budget.period"]
        domain = [("budget_id", "in", self.ids), *periods._get_current_domain()]
        return periods.search(domain)._by_budget()

    @api.depends("limit_amount", "period_ids.spent", "period_ids.reserved")
    def _compute_standing(self):
        running = self._current_periods()
        for budget in self:
            row = running.get(budget.id)
            budget.spent = row.spent if row else 0.0
            budget.reserved = row.reserved if row else 0.0
            budget.left = budget.limit_amount - budget.spent - budget.reserved
            budget.percentage = row.percentage if row else 0.0
            budget.state = _state(row._account()) if row else "ok"
            budget.ends_on = row._get_last_day() if row else False
            budget.unknown_calls = row.unknown_calls if row else 0
            budget.refused_calls = row.refused_calls if row else 0

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        periods = self.env["steward.budget.period"]
        ids = defaultdict(list)
        for row in periods.search(periods._get_current_domain()):
            ids[_state(row._account())].append(row.budget_id.id)
        wanted = Domain("id", "in", [i for state in value for i in ids[state]])
        if "ok" in value:  # also what spent nothing yet
            wanted |= Domain("id", "not in", ids["near"] + ids["over"])
        return wanted

    @api.depends("limit_amount", "period_ids.daily")
    @api.depends_context("lang")
    def _compute_forecast(self):
        told = self._forecasts()
        for budget in self:
            known = told[budget]

            def say(amount, currency=budget.currency_id):
                return format_amount(self.env, amount, currency)

            names = {"limit": say(budget.limit_amount)}
            budget.forecast = budget.likely_range = self.env._("unknown")
            if known.total is None:
                budget.forecast_sentence = self.env._(
                    "Too early for a forecast: it takes a week of spending."
                )
                continue
            budget.forecast = names["total"] = say(known.total)
            if known.likely is None:
                budget.forecast_sentence = self.env._(
                    "As it looks today, %(total)s of %(limit)s will be spent. The"
                    " likely range is unknown: it takes %(days)s days of spending.",
                    days=MIN_DAYS_RANGE,
                    **names,
                )
            else:
                names["low"], names["high"] = map(say, known.likely)
                budget.likely_range = self.env._(
                    "%(low)s to %(high)s", low=names["low"], high=names["high"]
                )
                budget.forecast_sentence = self.env._(
                    "As it looks today, %(total)s of %(limit)s will be spent, likely"
                    " between %(low)s and %(high)s.",
                    **names,
                )

    def _forecasts(self):
        """Foretell what each budget's current period will have cost at its end.

        :rtype: dict[StewardBudget, Forecast]
        """
        now = datetime.now(UTC)
        since = _naive(now) - timedelta(days=HISTORY_DAYS + 31)
        rows = self.env["steward.budget.period"].search(
            [("budget_id", "in", self.ids), ("ends_at", ">", since)]
        )
        by_budget = rows._by_budget()
        told = {}
        for budget in self:
            periods = by_budget.get(budget.id, rows.browse())
            current = periods.filtered(
                lambda row: row.starts_at <= _naive(now) < row.ends_at
            )
            if current:
                first, last = current.starts_on, current._get_last_day()
                today = now.astimezone(ZoneInfo(current.tz)).date()
                costs, elapsed, spent = history(periods._days(), first, today)
                told[budget] = forecast(costs, elapsed, (last - first).days + 1, spent)
            else:
                told[budget] = forecast([], 0, 1)
        return told

    @api.depends("period_ids.spent")
    @api.depends_context("lang")
    def _compute_history_graph(self):
        by_budget = (
            self.env["steward.budget.period"]
            .search([("budget_id", "in", self.ids)])
            ._by_budget()
        )
        for budget in self:
            rows = by_budget.get(budget.id, budget.period_ids.browse())
            now = fields.Datetime.now()
            bars = [
                {
                    "label": row.display_name,
                    "value": round(row.spent, 2),
                    "type": "past" if row.ends_at <= now else "future",
                }
                for row in list(rows)[-SHOWN_PERIODS:]
            ]
            name = self.env._("Spent (%(currency)s)", currency=budget.currency_id.name)
            budget.history_graph = json.dumps([{"key": name, "values": bars}])

    # -- constraints ----------------------------------------------------------------

    @api.model
    def _get_scopes(self) -> dict[str, str]:
        """Say what budgets may apply to; hook for addons that know more.

        :return: the scope, which is also the key in a call's subject, and the field
            of the budget that is compared with it
        """
        return {
            "company": "company_id",
            "user": "user_id",
            "provider": "provider_id",
        }

    @api.constrains(lambda self: ("scope", *self._get_scopes().values()))
    def _check_scope(self):
        scopes = self._get_scopes()
        for budget in self:
            if not budget[scopes[budget.scope]]:
                field = self._fields[scopes[budget.scope]]
                raise ValidationError(
                    self.env._(
                        "Say which %(field)s the budget %(name)s applies to.",
                        field=field._description_string(self.env).lower(),
                        name=budget.name,
                    )
                )

    @api.constrains("action", "downgrade_model_id")
    def _check_downgrade(self):
        for budget in self:
            if budget.action == "downgrade" and not budget.downgrade_model_id:
                raise ValidationError(
                    self.env._("Say with which other model calls are to go on.")
                )

    @api.constrains("currency_id", "company_id")
    def _check_currency(self):
        for budget in self:
            if budget._get_rate(datetime.now(UTC)) is None:
                raise ValidationError(
                    self.env._(
                        "Prices of models are in US dollars, and no rate between them"
                        " and %(currency)s is known. Enter one under Currencies, or"
                        " choose US dollars for this budget.",
                        currency=budget.currency_id.name,
                    )
                )

    def write(self, vals):
        """Change budgets; what was counted already keeps its meaning.

        :raises Invalid: when the history would mean something else afterwards
        """
        fixed = {"company_id", "currency_id", "period", "scope"}
        fixed |= set(self._get_scopes().values())
        for budget in self.filtered("period_ids"):
            if any(
                self._fields[name].convert_to_write(budget[name], budget) != vals[name]
                for name in fixed & set(vals)
            ):
                raise Invalid(
                    self.env._(
                        "The budget %(name)s has counted already, so only its limit"
                        " and what happens there can change. Archive it and make a"
                        " new one.",
                        name=budget.name,
                    )
                )
        done = super().write(vals)
        if "limit_amount" in vals:
            self._move_limit()
        return done

    def _move_limit(self):
        """Let the running period obey a new limit, and be told of at its thresholds."""
        for row in self._current_periods().values():
            # sudo: steward.budget.period - who may set the limit need not write these
            row = row.sudo()
            row._write_own({"limit_amount": row.budget_id.limit_amount})
            row._write_own(
                {"told": min(row.told, row._account().reached), "told_refused": False}
            )

    # -- money ---------------------------------------------------------------------

    def _get_rate(self, at) -> Decimal | None:
        """What a US dollar is worth in the budget's currency; None: nobody knows.

        Odoo takes a currency without any rate for one that is worth as much as the
        company's.
        """
        # sudo: res.currency - whoever spends is bound by rates that he may not read
        budget = self.sudo()
        dollar = self.env.ref("base.USD").sudo()  # sudo: res.currency - as above
        ours, company = budget.currency_id, budget.company_id
        if ours == dollar:
            return Decimal(1)
        for currency in (dollar, ours):
            known = currency.rate_ids.filtered(
                lambda rate: not rate.company_id or rate.company_id == company.root_id
            )
            if currency != company.currency_id and not known:
                return None
        day = at.astimezone(ZoneInfo(self._get_tz())).date()
        rate = dollar._get_conversion_rate(dollar, ours, company, day)
        return Decimal(str(rate))

    def _money(self, amount) -> Decimal | None:
        try:
            return None if amount is None else money(amount)
        except ValueError as error:
            raise Invalid(
                self.env._("%(amount)s is no amount of money.", amount=repr(amount))
            ) from error

    # -- what callers use ------------------------------------------------------------

    @api.model
    def _reserve(self, subject, amount, lease_seconds=LEASE_SECONDS) -> Reservation:
        """Put aside what a call may cost at most, in all budgets it is subject to.

        All or nothing, at once for all workers, and whatever becomes of the caller's
        transaction. Use it in a ``with`` block and settle within.

        :param dict subject: ids by scope (see `_get_scopes`): ``company`` always
        :param amount: US dollars; 0: free, which no budget minds; None: unknown
        :raises BudgetExhausted: when a budget has too little left
        :raises PriceUnknown: when a budget allows no unknown price
        """
        amount = self._money(amount)
        if amount is not None and not amount:
            return Reservation(self, None, subject)
        due, answer = self._in_turn(self._try_reserve, subject, amount, lease_seconds)
        self._tell(due)
        if isinstance(answer, Exception):
            raise answer
        return Reservation(self, answer, subject)

    @api.model
    def _reservation(self, token) -> Reservation:
        """The reservation of a token that came from elsewhere."""
        return Reservation(self, token)

    @api.model
    def _charge(self, costs) -> int:
        """Count what was spent without asking, as agents elsewhere report it.

        Each call is counted in the period in which it took place, if that is still
        kept. Counted twice when called twice: whoever knows what came before, asks.
        As it survives the caller's rollback, call it when that cannot happen any more.

        :param costs: (subject, US dollars or None, when: None for now)
        :return: how often a budget counted something
        """
        costs = [
            (subject, self._money(amount), _aware(at)) for subject, amount, at in costs
        ]
        costs = [cost for cost in costs if cost[1] is None or cost[1]]
        if not costs:
            return 0
        due, counted = self._in_turn(self._try_charge, costs)
        self._tell(due)
        return counted

    def _settle(self, token, actual) -> bool:
        actual = self._money(actual)

        def settle(row, held, rate, day):
            row.account = row.account.release(held)
            row.spend(_converted(actual, rate), day)

        return self._end(token, settle)

    def _release(self, token) -> bool:
        def release(row, held, _rate, _day):
            row.account = row.account.release(held)

        return self._end(token, release)

    # -- transactions of their own ---------------------------------------------------

    def _in_turn(self, work, *arguments):
        """Do it when others let us: with many callers, a lock may take its time."""
        for attempt in range(TRIES):
            try:
                return work(*arguments)
            except Locked:
                if attempt == TRIES - 1:
                    raise
            time.sleep(PAUSE.full(attempt, random))
        raise AssertionError("not reached")

    @api.model
    def _clock(self, cr) -> datetime:
        """The time of the database, which all workers share."""
        cr.execute("SELECT clock_timestamp()")
        return cr.fetchone()[0].astimezone(UTC)

    def _own(self, cr):
        """These budgets as seen by a transaction of its own, with all rights."""
        return self.with_env(self.env(cr=cr, su=True))

    def _try_reserve(self, subject, amount, lease_seconds):
        periods = self.env["steward.budget.period"]
        reservations = self.env["steward.reservation"]
        with self._own_transaction() as cr:
            now = self._clock(cr)
            matches = self._match(cr, subject, now)
            if not matches:
                return (), None
            rates = {m.budget_id: self._rate(cr, m, now) for m in matches}
            rows = periods._lock(cr, [match.period_id for match in matches])
            reservations._expire(cr, rows, now)
            held, refusal = [], None
            for match in matches:
                if (row := rows.get(match.period_id)) is None:
                    continue  # the budget was deleted this very moment
                rate = rates[match.budget_id]
                wanted = _converted(amount, rate)
                if match.refuses(row.account, wanted):
                    row.refused_calls += 1
                    refusal = refusal or (match, row, wanted)
                held.append((row, wanted, rate))
            if refusal:
                answer = self._refusal(cr, *refusal, now)
            else:
                answer = reservations._hold(cr, held, now, lease_seconds)
            periods._save(cr, rows.values())
            return [row.id for row in rows.values() if row.due], answer

    def _match(self, cr, subject, now):
        """The budgets that apply to a call, with their current periods."""
        applies = SQL(" OR ").join(
            SQL("(b.scope = %s AND %s = %s)", scope, SQL.identifier("b", field), key)
            for scope, field in self._get_scopes().items()
            if (key := subject.get(scope))
        )
        query = SQL(
            "SELECT b.id, b.action, b.unknown_price, b.currency_id, p.id"
            " FROM steward_budget b LEFT JOIN steward_budget_period p"
            " ON p.budget_id = b.id AND p.starts_at <= %(now)s AND %(now)s < p.ends_at"
            " WHERE b.active AND b.company_id = %(company)s AND (%(applies)s)",
            now=_naive(now),
            company=subject["company"],
            applies=applies,
        )
        cr.execute(query)
        matches = [Match(*row) for row in cr.fetchall()]
        new = [match.budget_id for match in matches if match.period_id is None]
        if new:
            self.env["steward.budget.period"]._open(cr, self._own(cr).browse(new), now)
            cr.execute(query)
            matches = [Match(*row) for row in cr.fetchall()]
        return matches

    def _rate(self, cr, match, at):
        """Like `_get_rate`, and without a query where the currency is the dollar."""
        if match.currency_id == self.env["ir.model.data"]._xmlid_to_res_id("base.USD"):
            return Decimal(1)
        return self._own(cr).browse(match.budget_id)._get_rate(at)

    def _end(self, token, change) -> bool:
        due, ended = self._in_turn(self._try_end, token, change)
        self._tell(due)
        return ended

    def _try_end(self, token, change):
        periods = self.env["steward.budget.period"]
        with self._own_transaction() as cr:
            cr.execute(
                SQL("SELECT period_id FROM steward_reservation WHERE uuid = %s", token)
            )
            rows = periods._lock(cr, [period_id for (period_id,) in cr.fetchall()])
            ended = self.env["steward.reservation"]._end(cr, token, rows)
            for row, held, rate, day in ended:
                change(row, held, rate, day)
            periods._save(cr, rows.values())
        return [row.id for row in rows.values() if row.due], bool(ended)

    def _try_charge(self, costs):
        periods = self.env["steward.budget.period"]
        with self._own_transaction() as cr:
            now = self._clock(cr)
            matching = {}  # each subject's budgets
            charges = []  # (match, amount in dollars, at)
            for subject, amount, at in costs:
                at = min(at or now, now)  # what lies ahead happened now
                key = frozenset(subject.items())
                if key not in matching:
                    matching[key] = self._match(cr, subject, now)
                if at > now - KEPT:
                    charges += [(match, amount, at) for match in matching[key]]
            held_by = periods._find(cr, {(m.budget_id, at) for m, _, at in charges})
            rates = {
                (match.budget_id, day): self._rate(cr, match, at)
                for match, _amount, at in charges
                for day in [at.date()]
            }
            rows = periods._lock(cr, set(held_by.values()))
            for match, amount, at in charges:
                row = rows[held_by[match.budget_id, at]]
                rate = rates[match.budget_id, at.date()]
                row.spend(_converted(amount, rate), row.day(at))
            periods._save(cr, rows.values())
        return [row.id for row in rows.values() if row.due], len(charges)

    # -- refusing and telling ----------------------------------------------------------

    def _refusal(self, cr, match, row, amount, now):
        """The error for a call that does not fit, in the caller's language."""
        budget = self._own(cr).browse(match.budget_id)
        if amount is None and match.unknown_price == "refuse":
            return PriceUnknown(
                self.env._(
                    "The budget %(name)s allows no calls whose price is unknown. Enter"
                    " the model's price, or allow them in the budget.",
                    name=budget.name,
                )
            )
        account = row.account
        # others may spend less than they put aside: then it fits in a moment
        soon = amount is not None and account.spent + amount <= account.limit
        period = budget.period_ids.browse(row.id)
        error = BudgetExhausted(
            self.env._(
                "The budget %(name)s has %(left)s left of %(limit)s until %(end)s, too"
                " little for this call. Wait, or ask %(person)s to raise the limit.",
                name=budget.name,
                left=budget._say(account.left),
                limit=budget._say(account.limit),
                end=format_datetime(
                    self.env, period.ends_at, tz=period.tz, dt_format="short"
                ),
                person=budget._get_told().name,
            ),
            budget_id=budget.id,
            action=match.action,
            downgrade_model_id=budget.downgrade_model_id.id or None,
            detail=f"asked for {amount}, reserved by others: {account.reserved}",
            retry_after=SOON
            if soon
            else (period.ends_at - _naive(now)).total_seconds(),
        )
        error.retryable = soon
        return error

    def _say(self, amount):
        return format_amount(self.env, float(amount), self.currency_id)

    @api.model
    def _tell(self, period_ids):
        """Tell what these periods have come to; a call does not fail because of it."""
        try:
            self.env["steward.budget.period"]._tell(period_ids)
        except Locked:
            _logger.info("others are at the budget; the next one tells about it")
        except Exception:  # whatever it is: the money is counted, and the cron retries
            _logger.warning("could not tell about a budget", exc_info=True)

    def _announce(self, period, row):
        """Say in the chatter and by an activity what a running period has come to.

        Called once for each threshold and for the first refusal, on the transaction
        that keeps the mark of it.
        """
        self.ensure_one()
        told = self._get_told()
        budget = self.with_context(
            lang=told.lang, mail_notify_force_send=False
        ).with_company(self.company_id)
        budget._post_news(period.with_env(budget.env), row.account, told)
        if row.account.reached >= 100 and self.action == "pause":
            field = self._get_scopes()[self.scope]
            self._pause_subject(
                {"company": self.company_id.id, self.scope: self[field].id}
            )

    def _post_news(self, period, account, told):
        names = {
            "name": self.name,
            "period": period.display_name,
            "spent": self._say(account.spent),
            "limit": self._say(account.limit),
            "share": account.reached,
        }
        if account.reached >= 100:
            summary = self.env._("The budget %(name)s is used up", **names)
        elif account.reached > period.told:
            summary = self.env._(
                "%(share)s %% of the budget %(name)s is used up", **names
            )
        else:
            summary = self.env._("The budget %(name)s refused a call", **names)
        body = self.env._(
            "%(summary)s: %(spent)s of %(limit)s in %(period)s.",
            summary=summary,
            **names,
        )
        self.message_post(body=body)
        if period.ends_at > fields.Datetime.now():
            self.activity_unlink(["mail.mail_activity_data_todo"])
            self.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=summary,
                note=body,
                user_id=told.id,
            )

    def _get_told(self):
        """Who hears of it: who is named, or an administrator."""
        # sudo: res.users - whoever spends may not read people
        person = self.responsible_id.sudo()
        if person.active and person.has_group("steward.group_viewer"):
            return person
        return self.env["steward.secret"]._get_reminded()

    def _pause_subject(self, subject):
        """Pause what runs for a subject; hook for addons that run something.

        Called when a budget with the action "pause" is used up, on a transaction of
        its own and with all rights. New calls are refused in any case.

        :param dict subject: ids by scope, see `_get_scopes`
        """

    # -- housekeeping and screens ------------------------------------------------------

    @api.model
    def _cron_tend(self):
        """Release what dead workers left behind, and tell what was not told."""
        expired = self.env["steward.reservation"].search(
            [("state", "=", HELD), ("lease_until", "<", fields.Datetime.now())]
        )
        for period in expired.period_id:
            self._in_turn(self._try_expire, period.id)
        running = self.env["steward.budget.period"].search(
            self.env["steward.budget.period"]._get_current_domain()
        )
        self._tell(row.id for row in running if row._is_due())

    def _try_expire(self, period_id):
        periods = self.env["steward.budget.period"]
        with self._own_transaction() as cr:
            rows = periods._lock(cr, [period_id])
            self.env["steward.reservation"]._expire(cr, rows, self._clock(cr))
            periods._save(cr, rows.values())

    def action_history(self) -> dict:
        """Show the budget's periods.

        :return: an action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_llm.action_budget_periods"
        )
        return {
            **action,
            "display_name": self.name,
            "domain": [("budget_id", "=", self.id)],
            "context": {"graph_groupbys": [f"starts_on:{self.period}"]},
        }

    def action_reservations(self) -> dict:
        """Show what is put aside for calls that are under way.

        :return: an action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_llm.action_reservations"
        )
        return {**action, "domain": [("budget_id", "=", self.id)]}


def _state(account: Account) -> str:
    return {0: "ok", 50: "ok", 80: "near", 100: "over"}[account.reached]


def _aware(at: datetime | None) -> datetime | None:
    """A moment with its time zone; Odoo's own have none and are in UTC."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _converted(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """Dollars in the budget's currency; unknown when either is."""
    return None if amount is None or rate is None else money(amount * rate)
