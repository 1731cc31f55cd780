import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from freezegun import freeze_time

from odoo.addons.steward.exceptions import Invalid, Locked, Refused
from odoo.addons.steward.tests.common import StewardCase
from odoo.exceptions import AccessError, ValidationError
from odoo.service.model import get_public_method
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from ..exceptions import BudgetExhausted, PriceUnknown
from ..models import steward_budget

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday


class BudgetKit(StewardCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Budgeteers"})
        cls.company.resource_calendar_id.tz = "Europe/Berlin"
        cls.person = new_test_user(
            cls.env,
            "budget_operator",
            groups="steward.group_operator",
            company_id=cls.company.id,
        )
        cls.admin = new_test_user(
            cls.env,
            "budget_admin",
            groups="steward.group_administrator",
            company_id=cls.company.id,
        )
        cls.provider = cls.env["steward.provider"].create(
            {"name": "Remote", "code": "remote"}
        )
        cls.dollar = cls.env.ref("base.USD")
        cls.budgets = cls.env["steward.budget"]

    def setUp(self):
        super().setUp()
        self.enterContext(self.time(NOON))

    @contextmanager
    def time(self, at):
        """Let the workers' and the database's clocks stand at a moment."""
        with freeze_time(at), patch.object(type(self.budgets), "_clock", lambda *_: at):
            yield

    def budget(self, limit=10, **values):
        return self.budgets.create(
            {
                "name": "Assistants",
                "company_id": self.company.id,
                "currency_id": self.dollar.id,
                "limit_amount": limit,
                "responsible_id": self.person.id,
                **values,
            }
        )

    def subject(self, **more):
        return {"company": self.company.id, **more}

    def reserve(self, amount, **more):
        return self.budgets._reserve(self.subject(**more), amount and Decimal(amount))

    def spend(self, amount, **more):
        self.reserve(amount, **more).settle(Decimal(amount))

    def charge(self, amount, at=None):
        return self.budgets._charge([(self.subject(), amount, at)])

    def refused(self, amount, **more):
        # assertRaises would roll back what the refusal leaves behind
        try:
            self.reserve(amount, **more)
        except (BudgetExhausted, PriceUnknown) as error:
            return error
        raise AssertionError(f"{amount} was granted")

    def standing(self, budget):
        return (budget.spent, budget.reserved, budget.left)


class TestReserve(BudgetKit):
    def test_reserve_and_settle(self):
        budget = self.budget()
        with self.reserve("4") as reservation:
            self.assertEqual(self.standing(budget), (0, 4, 6))
            self.assertTrue(reservation.settle(Decimal("1.5")))
        self.assertEqual(self.standing(budget), (1.5, 0, 8.5))
        self.assertEqual(budget.percentage, 15)
        self.assertFalse(self.env["steward.reservation"].search([]))

    def test_never_beyond_the_limit(self):
        budget = self.budget()
        held = [self.reserve("4"), self.reserve("4")]
        error = self.refused("4")
        self.assertEqual(error.code, "STEWARD-BUDGET-EXHAUSTED")
        self.assertEqual((error.budget_id, error.action), (budget.id, "block"))
        for words in ("Assistants", "2.00", "10.00", "12/1/26", self.person.name):
            self.assertIn(words, error.sentence)
        self.assertEqual(budget.refused_calls, 1)
        self.assertEqual(self.standing(budget), (0, 8, 2))
        # the others may give some back: trying again soon makes sense
        self.assertTrue(error.retryable)
        self.assertEqual(error.retry_after, steward_budget.SOON)
        for reservation in held:
            reservation.settle(Decimal(4))
        error = self.refused("4")
        self.assertFalse(error.retryable)
        # until the first of December in Berlin
        self.assertEqual(error.retry_after, (10 * 24 + 11) * 3600)

    def test_exactly_what_is_left(self):
        self.budget()
        self.spend("9.999999999")
        self.refused("0.000000002")
        self.spend("0.000000001")
        self.refused("0.000000001")

    def test_all_budgets_or_none(self):
        wide = self.budget(100, name="All")
        narrow = self.budget(5, name="One", scope="user", user_id=self.person.id)
        away = self.budget(1, name="Else", scope="user", user_id=self.admin.id)
        remote = self.budget(
            50, name="Remote", scope="provider", provider_id=self.provider.id
        )
        both = {"user": self.person.id, "provider": self.provider.id, "agent": None}
        self.assertEqual(self.refused("6", **both).budget_id, narrow.id)
        for budget in (wide, narrow, away, remote):
            self.assertEqual((budget.spent, budget.reserved), (0, 0))
        self.spend("4", **both)
        self.spend("10", user=None)
        self.assertEqual(
            [budget.spent for budget in (wide, narrow, away, remote)], [14, 4, 0, 4]
        )

    def test_free_is_no_matter_of_money(self):
        budget = self.budget()
        self.spend("10")
        with self.reserve("0") as reservation:
            self.assertIsNone(reservation.token)
            self.assertFalse(reservation.settle(Decimal(0)))
        self.assertEqual(budget.spent, 10)
        # what was to be free and was not is counted all the same
        with self.reserve("0") as reservation:
            self.assertTrue(reservation.settle(Decimal(2)))
            self.assertFalse(reservation.settle(Decimal(2)))
        self.assertEqual(budget.spent, 12)

    def test_no_budget(self):
        with self.reserve("1000") as reservation:
            self.assertFalse(reservation.settle(Decimal(1000)))

    def test_archived_and_other_companys_budgets(self):
        self.budget(1).active = False
        self.budget(1, company_id=self.env.company.id)
        self.spend("5")

    def test_unknown_price_is_counted_as_unknown(self):
        budget = self.budget()
        with self.reserve(None) as reservation:
            self.assertEqual(self.standing(budget), (0, 0, 10))
            reservation.settle(None)
        self.assertEqual((budget.spent, budget.unknown_calls), (0, 1))
        with self.reserve("1") as reservation:  # nobody told afterwards
            reservation.settle(None)
        self.assertEqual((self.standing(budget), budget.unknown_calls), ((0, 0, 10), 2))
        with self.reserve(None) as reservation:  # it became known
            reservation.settle(Decimal(10))
        self.assertEqual((budget.spent, budget.unknown_calls), (10, 2))
        self.refused(None)

    def test_unknown_price_is_refused(self):
        budget = self.budget(unknown_price="refuse", action="alert")
        self.assertEqual(self.refused(None).code, "STEWARD-PRICE-UNKNOWN")
        self.assertEqual((budget.refused_calls, budget.unknown_calls), (1, 0))

    def test_tell_only_lets_pass(self):
        budget = self.budget(action="alert")
        self.spend("9")
        self.spend("9")
        self.assertEqual((budget.spent, budget.left, budget.state), (18, -8, "over"))

    def test_no_money(self):
        self.budget()
        for amount in (0.5, "x", Decimal(-1), Decimal("nan"), Decimal(10) ** 10):
            with self.subTest(amount=amount), self.assertRaises(Invalid):
                self.budgets._reserve(self.subject(), amount)

    def test_other_model(self):
        model = self.env["steward.model"].create(
            {"name": "small", "provider_id": self.provider.id}
        )
        with self.assertRaises(ValidationError):
            self.budget(action="downgrade")
        self.budget(action="downgrade", downgrade_model_id=model.id)
        error = self.refused("11")
        self.assertEqual(error.downgrade_model_id, model.id)
        self.spend("1")  # what still fits goes on as before

    def test_queries(self):
        self.budget()
        self.budget(scope="user", user_id=self.person.id)
        self.spend("1", user=self.person.id)
        # budgets, lock, insert, update, and a savepoint of the test's around them
        with self.assertQueryCount(6):
            reservation = self.reserve("1", user=self.person.id)
        with self.assertQueryCount(6):
            reservation.settle(Decimal(1))


class TestReservation(BudgetKit):
    def test_error_releases(self):
        budget = self.budget()
        with self.assertRaises(ZeroDivisionError), self.reserve("4"):
            raise ZeroDivisionError
        self.assertEqual(self.standing(budget), (0, 0, 10))

    def test_left_without_settling(self):
        budget = self.budget()
        with self.reserve("4") as reservation:
            pass
        self.assertEqual(self.standing(budget), (0, 0, 10))
        self.assertFalse(reservation.settle(Decimal(4)))

    def test_callers_error_matters_more(self):
        self.budget()
        busy = patch.object(type(self.budgets), "_release", side_effect=Locked("busy"))
        with busy, self.assertRaises(ZeroDivisionError), self.reserve("4"):
            raise ZeroDivisionError
        with busy, self.assertRaises(Locked), self.reserve("4"):
            pass

    def test_settled_once(self):
        budget = self.budget()
        reservation = self.reserve("4")
        elsewhere = self.budgets._reservation(reservation.token)
        self.assertTrue(elsewhere.settle(Decimal(3)))
        self.assertFalse(elsewhere.settle(Decimal(3)))
        self.assertFalse(reservation.settle(Decimal(3)))
        reservation.release()
        self.assertEqual(self.standing(budget), (3, 0, 7))
        self.assertFalse(self.budgets._reservation("nonsense").settle(Decimal(3)))

    def test_more_than_reserved_counts_in_full(self):
        budget = self.budget()
        self.reserve("4").settle(Decimal(14))
        self.assertEqual(self.standing(budget), (14, 0, -4))
        self.assertIn("used up", budget.activity_ids.summary)

    def test_next_one_releases_what_expired(self):
        budget = self.budget()
        reservation = self.reserve("8")
        self.refused("8")
        with self.time(NOON + timedelta(seconds=steward_budget.LEASE_SECONDS + 1)):
            self.reserve("8").settle(Decimal(5))
            self.assertEqual(self.standing(budget), (5, 0, 5))
            # it was alive after all: the money is gone, and counted once
            self.assertTrue(reservation.settle(Decimal(4)))
            self.assertFalse(
                self.budgets._reservation(reservation.token).settle(Decimal(4))
            )
            self.assertEqual(self.standing(budget), (9, 0, 1))

    def test_cron_releases_what_expired(self):
        budget = self.budget()
        self.reserve("8")
        other = self.budgets._reserve(self.subject(), Decimal(1), lease_seconds=3600)
        with self.time(NOON + timedelta(seconds=steward_budget.LEASE_SECONDS + 1)):
            self.budgets._cron_tend()
            self.assertEqual(self.standing(budget), (0, 1, 9))
            self.budgets._cron_tend()
            self.assertEqual(self.standing(budget), (0, 1, 9))
            rows = self.env["steward.reservation"].search(
                [("budget_id", "=", budget.id)]
            )
            self.assertEqual(rows.mapped("state"), ["held", "expired"])
        with self.time(NOON + timedelta(days=31)):
            self.env["steward.reservation"]._gc_reservations()
            self.assertEqual(rows.exists().uuid, other.token)

    def test_settled_where_it_began(self):
        budget = self.budget(period="day")
        reservation = self.reserve("4")
        with self.time(NOON + timedelta(days=1)):
            self.spend("1")
            reservation.settle(Decimal(3))
            self.assertEqual(budget.spent, 1)
            self.assertEqual(budget.period_ids.mapped("spent"), [1, 3])

    def test_deleted_budget(self):
        budget = self.budget()
        reservation = self.reserve("4")
        budget.unlink()
        self.assertFalse(reservation.settle(Decimal(4)))


class TestPeriods(BudgetKit):
    def spans(self, budget):
        return [
            (row.starts_at.isoformat()[5:13], row.ends_at.isoformat()[5:13])
            for row in budget.period_ids
        ]

    def test_midnight_of_the_company(self):
        budgets = [self.budget(period=period) for period in ("day", "week", "month")]
        self.spend("1")
        self.assertEqual(
            [self.spans(budget) for budget in budgets],
            [
                [("11-19T23", "11-20T23")],
                [("11-15T23", "11-22T23")],
                [("10-31T23", "11-30T23")],
            ],
        )
        self.assertEqual(
            [budget.ends_on.isoformat() for budget in budgets],
            ["2026-11-20", "2026-11-22", "2026-11-30"],
        )
        names = [budget.period_ids.display_name for budget in budgets]
        self.assertEqual(names, ["11/20/2026", "Week of 11/16/2026", "November 2026"])

    def test_address_where_there_are_no_working_hours(self):
        self.company.resource_calendar_id = False
        budget = self.budget()
        self.assertEqual(budget.tz, "UTC")
        self.company.partner_id.tz = "Asia/Tokyo"
        self.assertEqual(budget._get_tz(), "Asia/Tokyo")

    def test_new_period_starts_anew(self):
        budget = self.budget(period="day")
        self.spend("10")
        self.refused("1")
        with self.time(NOON.replace(hour=22, minute=59)):
            self.refused("1")
        with self.time(NOON.replace(hour=23)):
            self.spend("1")
            self.assertEqual(self.standing(budget), (1, 0, 9))
            self.assertEqual(budget.refused_calls, 0)

    def test_moved_time_zone_makes_no_overlap(self):
        budget = self.budget(period="day")
        self.spend("10")
        self.company.resource_calendar_id.tz = "America/New_York"
        self.refused("1")  # the day goes on as it began
        for hours in (11, 16, 17, 41):
            with self.time(NOON + timedelta(hours=hours)):
                self.spend("1")
        self.assertEqual(
            self.spans(budget),
            [
                ("11-22T05", "11-23T05"),
                ("11-21T05", "11-22T05"),
                ("11-20T23", "11-21T05"),  # what was left between
                ("11-19T23", "11-20T23"),
            ],
        )

    def test_old_periods_are_forgotten(self):
        budget = self.budget()
        self.spend("1")
        with self.time(NOON + timedelta(days=700)):
            self.env["steward.budget.period"]._gc_periods()
            self.assertTrue(budget.period_ids.exists())
        with self.time(NOON + timedelta(days=760)):
            self.env["steward.budget.period"]._gc_periods()
            self.assertFalse(budget.period_ids.exists())


class TestCharge(BudgetKit):
    def test_each_in_its_own_period(self):
        budget = self.budget(period="day")
        counted = self.budgets._charge(
            [
                (self.subject(), Decimal("1.5"), NOON),
                (self.subject(), "0.25", NOON - timedelta(days=3)),
                (self.subject(), "0.25", NOON - timedelta(days=3, hours=1)),
                (self.subject(), "2", NOON + timedelta(days=3)),  # a clock that is fast
                (self.subject(), None, None),
                (self.subject(), "0", None),
                (self.subject(), "7", NOON - timedelta(days=3000)),  # no longer kept
            ]
        )
        self.assertEqual(counted, 5)
        self.assertEqual(budget.period_ids.mapped("spent"), [3.5, 0.5])
        self.assertEqual(budget.unknown_calls, 1)

    def test_never_refused(self):
        budget = self.budget()
        self.assertEqual(self.charge("25"), 1)
        self.assertEqual(self.standing(budget), (25, 0, -15))
        self.refused("1")

    def test_nothing(self):
        self.assertEqual(self.budgets._charge([]), 0)
        self.assertEqual(self.charge("3"), 0)

    def test_batch_costs_no_more_queries(self):
        self.budget(10**6)
        self.budget(10**6, period="day")
        costs = [(self.subject(), "1", NOON - timedelta(minutes=n)) for n in range(500)]
        self.budgets._charge(costs)
        with self.assertQueryCount(7):
            self.budgets._charge(costs)

    def test_history_from_before_the_budget(self):
        budget = self.budget()
        for months in range(1, 4):
            self.charge("3", NOON - timedelta(days=30 * months))
        self.assertEqual(budget.period_count, 4)
        # what is over is told in the chatter only, and bothers nobody
        self.charge("9", NOON - timedelta(days=60))
        self.assertIn("September", budget.message_ids[0].body)
        self.assertFalse(budget.activity_ids)


class TestCurrency(BudgetKit):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.crown = cls.env["res.currency"].create(
            {"name": "XKR", "symbol": "kr", "rounding": 0.01}
        )
        cls.company.currency_id = cls.dollar

    def rate(self, rate, day):
        self.env["res.currency.rate"].create(
            {
                "currency_id": self.crown.id,
                "company_id": self.company.id,
                "rate": rate,
                "name": day,
            }
        )

    def test_refused_without_a_rate(self):
        with self.assertRaises(ValidationError) as caught:
            self.budget(currency_id=self.crown.id)
        self.assertIn("no rate between them and XKR is known", str(caught.exception))
        self.rate(10, "2026-01-01")
        self.budget(currency_id=self.crown.id)

    def test_rate_of_the_day(self):
        self.rate(10, "2026-01-01")
        self.rate(12, "2026-11-20")
        budget = self.budget(1000, currency_id=self.crown.id)
        self.charge("2", NOON - timedelta(days=2))
        self.assertEqual(budget.spent, 20)
        with self.reserve("5") as reservation:
            self.assertEqual(budget.reserved, 60)
            self.rate(20, "2026-11-21")
            reservation.settle(Decimal(5))
        self.assertEqual(budget.spent, 80)

    def test_rate_that_went_away(self):
        """Unknown is not zero, and not one."""
        self.rate(10, "2026-01-01")
        budget = self.budget(1000, currency_id=self.crown.id)
        self.crown.rate_ids.unlink()
        self.reserve("5").settle(Decimal(5))
        self.charge("5")
        self.assertEqual((budget.spent, budget.unknown_calls), (0, 2))


class TestTelling(BudgetKit):
    def told(self, budget):
        """What the chatter says, oldest first, apart from what Odoo itself says."""
        messages = budget.message_ids.sorted("id")
        return [body for body in messages.mapped("body") if " of " in body]

    def test_each_threshold_once(self):
        budget = self.budget(100)
        for _call in range(20):
            self.spend("5")
        told = self.told(budget)
        self.assertEqual(len(told), 3, told)
        for words, body in zip(("50 %", "80 %", "is used up"), told, strict=True):
            self.assertIn(words, body)
        self.assertIn(
            "$\N{NO-BREAK SPACE}100.00 of", told[-1].replace("&nbsp;", "\xa0")
        )
        # one activity is open, the last one; the older ones made room
        self.assertEqual(budget.activity_ids.user_id, self.person)
        self.assertEqual(
            budget.activity_ids.summary, "The budget Assistants is used up"
        )

    def test_a_jump_is_told_once(self):
        budget = self.budget(100)
        self.charge("85")
        self.assertEqual(len(self.told(budget)), 1)
        self.assertIn("80 %", self.told(budget)[0])
        self.charge("1")
        self.assertEqual(len(self.told(budget)), 1)

    def test_reserved_is_not_spent(self):
        budget = self.budget()
        self.reserve("9").release()
        self.assertFalse(self.told(budget))

    def test_first_refusal(self):
        budget = self.budget()
        self.spend("4")
        for _call in range(3):
            self.refused("7")
        self.assertEqual(len(self.told(budget)), 1)
        self.assertIn("refused a call", self.told(budget)[0])
        self.assertEqual(budget.refused_calls, 3)

    def test_used_up_needs_no_word_of_refusals(self):
        budget = self.budget()
        self.spend("10")
        self.refused("1")
        self.budgets._cron_tend()
        self.assertEqual(len(self.told(budget)), 1)
        self.assertIn("is used up:", self.told(budget)[0])

    def test_again_in_the_next_period(self):
        budget = self.budget(period="day")
        for days in range(3):
            with self.time(NOON + timedelta(days=days)):
                self.spend("6")
        self.assertEqual(len(self.told(budget)), 3)

    def test_new_limit_is_watched_anew(self):
        budget = self.budget()
        self.spend("10")
        budget.limit_amount = 20
        self.assertEqual(budget.state, "ok")
        self.spend("5")
        self.assertEqual(len(self.told(budget)), 1)  # 75 %: 50 was passed before
        self.spend("2")
        self.assertEqual(len(self.told(budget)), 2)
        self.assertEqual(budget.period_ids.limit_amount, 20)
        budget.limit_amount = 15
        self.refused("1")

    def test_pause(self):
        self.budget(100, name="All")
        budget = self.budget(
            action="pause", scope="user", user_id=self.person.id, name="One"
        )
        paused = []
        hook = lambda _self, subject: paused.append(subject)  # noqa: E731
        with patch.object(type(self.budgets), "_pause_subject", hook):
            self.spend("9", user=self.person.id)
            self.assertEqual(paused, [])
            self.reserve("1", user=self.person.id).settle(Decimal(2))
            self.spend("1")
        subject = {"company": self.company.id, "user": self.person.id}
        self.assertEqual(paused, [subject])
        self.assertEqual(self.refused("1", **subject).action, "pause")
        self.assertEqual(self.refused("1", **subject).budget_id, budget.id)

    def test_administrator_where_nobody_may_hear(self):
        budget = self.budget(responsible_id=False)
        self.spend("6")
        told = budget.activity_ids.user_id
        self.assertTrue(told.has_group("steward.group_administrator"))
        self.person.active = False
        budget = self.budget(name="Other")
        self.assertTrue(budget._get_told().has_group("steward.group_administrator"))

    def test_failure_to_tell_fails_no_call(self):
        budget = self.budget()
        broken = patch.object(
            type(self.budgets), "_announce", side_effect=ZeroDivisionError
        )
        with broken, self.assertLogs("odoo.addons.steward_llm", "WARNING"):
            self.spend("6")
        self.assertEqual(budget.spent, 6)
        self.assertFalse(self.told(budget))
        self.budgets._cron_tend()
        self.assertEqual(len(self.told(budget)), 1)
        self.budgets._cron_tend()
        self.assertEqual(len(self.told(budget)), 1)

    def test_names_are_text(self):
        budget = self.budget(name="<script>alert(1)</script>' OR 1=1 --")
        self.spend("6")
        self.assertIn("&lt;script&gt;", self.told(budget)[0])
        self.assertIn("<script>", self.refused("9").sentence)

    def test_by_whoever_spends(self):
        """An employee who may see no budget spends, is refused, and makes it told."""
        employee = new_test_user(
            self.env, "spender", groups="base.group_user", company_id=self.company.id
        )
        budget = self.budget()
        budgets = self.budgets.with_user(employee)
        budgets._reserve(self.subject(), Decimal(9)).settle(Decimal(9))
        self.assertEqual(len(self.told(budget)), 1)
        with self.assertRaises(BudgetExhausted):
            budgets._reserve(self.subject(), Decimal(9))
        budgets._charge([(self.subject(), "1", None)])
        self.assertEqual(budget.spent, 10)


class TestLocks(BudgetKit):
    def test_waits_for_its_turn(self):
        answers = [Locked("busy"), Locked("busy"), "done"]

        def work(word):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return word + answer

        with patch.object(steward_budget.time, "sleep") as sleep:
            self.assertEqual(self.budgets._in_turn(work, "well "), "well done")
            self.assertEqual(sleep.call_count, 2)
            answers[:] = [Locked("busy")] * 100
            with self.assertRaises(Locked):
                self.budgets._in_turn(work, "never ")
            self.assertEqual(len(answers), 100 - steward_budget.TRIES)


class TestRights(BudgetKit):
    def test_nothing_is_forged(self):
        budget = self.budget()
        reservation = self.reserve("4")
        period = budget.period_ids
        row = self.env["steward.reservation"].search([])
        for record, vals in (
            *((period, {name: 0}) for name in ("spent", "reserved", "told")),
            (period, {"limit_amount": 10**6}),
            (row, {"amount": 0}),
            (row, {"state": "expired"}),
        ):
            with self.subTest(vals=vals):
                with self.assertRaises(Refused):
                    record.with_user(self.admin).write(vals)
                with self.assertRaises(Refused):
                    record.write(vals)
        with self.assertRaises(AccessError):
            period.with_user(self.admin).write({"tz": "UTC"})
        with self.assertRaises(Refused):
            self.env["steward.budget.period"].create(
                {
                    "budget_id": budget.id,
                    "starts_at": "2020-01-01",
                    "starts_on": "2020-01-01",
                    "ends_at": "2020-02-01",
                    "tz": "UTC",
                    "spent": 5,
                }
            )
        for name in ("spent", "reserved", "left"):  # not stored: changes nothing
            budget.with_user(self.admin).write({name: 0})
        self.env.invalidate_all()
        self.assertEqual(self.standing(budget), (0, 4, 6))
        reservation.release()

    def test_only_our_code_moves_money(self):
        for name in (
            "_reserve",
            "_charge",
            "_settle",
            "_release",
            "_cron_tend",
            "_tell",
        ):
            with self.subTest(name=name), self.assertRaises(AccessError):
                get_public_method(self.budgets, name)

    def test_who_sees_and_sets(self):
        budget = self.budget()
        self.assertEqual(budget.with_user(self.person).limit_amount, 10)
        with self.assertRaises(AccessError):
            budget.with_user(self.person).limit_amount = 99
        budget.with_user(self.admin).limit_amount = 99
        self.spend("1")
        budget.with_user(self.admin).limit_amount = 98
        self.assertEqual(budget.period_ids.limit_amount, 98)
        stranger = new_test_user(
            self.env, "stranger", groups="steward.group_administrator"
        )
        for records in (budget, budget.period_ids):
            with self.assertRaises(AccessError):
                records.with_user(stranger).read(["display_name"])

    def test_what_was_counted_keeps_its_meaning(self):
        budget = self.budget()
        budget.period = "week"
        self.spend("1")
        for vals in (
            {"period": "day"},
            {"scope": "user", "user_id": self.person.id},
            {"currency_id": self.env.ref("base.EUR").id},
            {"company_id": self.env.company.id},
        ):
            with self.subTest(vals=vals), self.assertRaises(Invalid):
                budget.write(vals)
        budget.write({"period": "week", "name": "Renamed", "scope": "company"})

    def test_scope_needs_somebody(self):
        for scope in ("user", "provider"):
            with self.subTest(scope=scope), self.assertRaises(ValidationError):
                self.budget(scope=scope)

    @mute_logger("odoo.sql_db")
    def test_limit_is_above_zero(self):
        for limit in (0, -1):
            with self.assertRaises(Exception), self.env.cr.savepoint():  # noqa: B017
                self.budget(limit).flush_recordset()

    def test_copy_starts_empty(self):
        budget = self.budget()
        self.spend("9")
        copy = budget.copy()
        self.assertEqual((copy.spent, copy.period_count), (0, 0))


class TestScreens(BudgetKit):
    def test_state_and_its_search(self):
        made = {
            name: self.budget(100, name=name, scope="user", user_id=user.id)
            for name, user in (("ok", self.person), ("near", self.admin))
        }
        made["over"] = self.budget(80, name="over")
        made["quiet"] = self.budget(1, name="quiet", company_id=self.env.company.id)
        self.spend("79", user=self.person.id)
        self.budgets._charge([(self.subject(user=self.admin.id), "80", None)])
        self.assertEqual(made["over"].state, "over")
        self.assertEqual(made["near"].state, "near")
        self.assertEqual(made["ok"].state, "ok")
        every = self.budgets.concat(*made.values())
        for states, names in (
            (["over"], ["over"]),
            (["near", "over"], ["near", "over"]),
            (["ok"], ["ok", "quiet"]),
            (["ok", "near"], ["ok", "near", "quiet"]),
        ):
            found = every.search([("id", "in", every.ids), ("state", "in", states)])
            self.assertEqual(sorted(found.mapped("name")), sorted(names))
        kept = every.search([("id", "in", every.ids), ("state", "!=", "over")])
        self.assertEqual(len(kept), 3)

    def test_forecast(self):
        budget = self.budget(500)
        self.assertIn("Too early", budget.forecast_sentence)
        self.assertEqual(budget.forecast, "unknown")
        days = [(self.subject(), "10", NOON - timedelta(days=n)) for n in range(1, 10)]
        self.budgets._charge(days)
        self.env.invalidate_all()
        # eleven days of November are left, and of its first nothing is known
        self.assertIn("200.00 of", budget.forecast_sentence)
        self.assertIn("range is unknown", budget.forecast_sentence)
        self.assertEqual(budget.likely_range, "unknown")
        days = [(self.subject(), "10", NOON - timedelta(days=n)) for n in range(10, 60)]
        self.budgets._charge(days)
        self.env.invalidate_all()
        self.assertIn("likely between", budget.forecast_sentence)
        self.assertIn("300.00", budget.likely_range)
        self.assertEqual(self.budgets._forecasts(), {})

    def test_history_graph(self):
        budget = self.budget()
        self.assertEqual(json.loads(budget.history_graph)[0]["values"], [])
        self.charge("2")
        self.charge("3", NOON - timedelta(days=30))
        self.env.invalidate_all()
        bars = json.loads(budget.history_graph)[0]["values"]
        self.assertEqual(
            [(bar["label"], bar["value"], bar["type"]) for bar in bars],
            [("October 2026", 3.0, "past"), ("November 2026", 2.0, "future")],
        )

    def test_lists_cost_no_query_each(self):
        names = ["spent", "state", "forecast", "likely_range", "history_graph", "tz"]
        budgets = self.budget()
        self.spend("1")

        def read():
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            budgets.read(names)
            return self.env.cr.sql_log_count - before

        read()
        one = read()
        for number in range(20):
            budgets |= self.budget(name=str(number))
        self.spend("1")
        self.assertLessEqual(read(), one + 1)

    def test_actions(self):
        budget = self.budget()
        reservation = self.reserve("1")
        for action in (budget.action_history(), budget.action_reservations()):
            rows = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(len(rows), 1)
        self.assertEqual(rows.amount, 1)
        reservation.release()
