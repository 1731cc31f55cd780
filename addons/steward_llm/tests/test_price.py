from datetime import date
from decimal import Decimal

from psycopg2 import IntegrityError

from odoo.addons.steward.exceptions import Refused
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..kernel.usage import Usage
from .common import ModelKit, utc

AT = utc(2026, 6, 15, 12)
MILLION = Usage(10**6)


@tagged("-at_install", "post_install")
class TestPrice(ModelKit):
    def price(self, rate=1, name="gpt-test", **values):
        values.setdefault("valid_from", "2026-01-01")
        return self.env["steward.price"].create(
            {"model_name": name, "rate_input": rate, **values}
        )

    def cost(self, name="gpt-test", code="loopback", usage=MILLION, at=AT, **more):
        return self.env["steward.price"]._cost(name, code, usage, at, **more)

    # -- precedence ---------------------------------------------------------------

    def test_provided_then_computed_then_estimated_then_unknown(self):
        own = self.price(3, "gpt-4o")
        told = self.cost("gpt-4o", "openai", provided=Decimal("0.5"))
        self.assertEqual(told[:3], (Decimal("0.5"), "provided", None))
        found = self.cost("gpt-4o", "openai")
        self.assertEqual(found, (3, "computed", own.id, f"#{own.id} v1"))
        own.active = False
        book = self.cost("gpt-4o", "openai")
        self.assertEqual(book[:3], (Decimal("2.5"), "computed", None))
        self.assertRegex(book.version, r"genai-prices .*: openai/gpt-4o")
        borrowed = self.cost("gpt-4o", "some-gateway")
        self.assertEqual(borrowed[:2], (Decimal("2.5"), "estimated"))
        self.assertEqual(self.cost(), (None, "unknown", None, ""))

    def test_nonsense_that_is_provided(self):
        self.price(3)
        for told in (Decimal(-1), Decimal("NaN")):
            self.assertEqual(self.cost(provided=told)[:2], (3, "computed"))
        self.assertEqual(self.cost(provided=Decimal(0))[:2], (0, "provided"))

    def test_counted_by_us_is_an_estimate(self):
        self.price(3)
        usage = Usage(10**6, estimated=True)
        self.assertEqual(self.cost(usage=usage)[:2], (3, "estimated"))

    def test_free_of_charge(self):
        self.provider.is_free = True
        self.assertEqual(self.cost()[:2], (0, "computed"))
        self.price(3)
        self.assertEqual(self.cost().amount, 3)

    def test_preset_names_the_book(self):
        self.provider.preset = "azure"
        self.assertEqual(self.cost("gpt-4o").source, "computed")
        self.provider.preset = "litellm"
        self.assertEqual(self.cost("gpt-4o").source, "estimated")

    def test_more_to_the_point_wins(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.price(1, "gpt-*")
        self.assertEqual(self.cost().amount, 1)
        self.price(2, "gpt-te*")
        self.assertEqual(self.cost().amount, 2)
        self.price(3, "GPT-test")
        self.assertEqual(self.cost().amount, 3)
        self.price(4, "gpt-*", provider_code="Loopback")
        self.assertEqual(self.cost().amount, 4)
        self.price(5, "gpt-*", company_id=self.env.company.id)
        self.assertEqual(self.cost().amount, 5)
        self.price(6, company_id=other.id)
        self.assertEqual(self.cost().amount, 5)
        prices = self.env["steward.price"].with_company(other)
        self.assertEqual(prices._cost("gpt-test", "", MILLION, AT).amount, 6)

    def test_price_of_its_day(self):
        self.price(1, valid_from="2026-01-01", valid_to="2026-06-14")
        self.price(2, valid_from="2026-06-15", valid_to="2026-06-15")
        for at, amount in [
            (utc(2026, 6, 14, 23, 59, 59), 1),
            (utc(2026, 6, 15), 2),
            (utc(2026, 6, 15, 23, 59, 59), 2),
            (utc(2026, 6, 16), None),
            (utc(2025, 12, 31), None),
        ]:
            with self.subTest(at=at):
                self.assertEqual(self.cost(at=at).amount, amount)

    def test_tiers(self):
        self.price(1)
        self.price(2, above_tokens=1000)
        self.assertEqual(self.cost(usage=Usage(1000)).amount, Decimal("0.001"))
        self.assertEqual(self.cost(usage=Usage(1001)).amount, Decimal("0.002002"))

    def test_tier_without_a_base(self):
        self.price(2, above_tokens=1000)
        self.assertEqual(self.cost(usage=Usage(2000)).source, "unknown")

    def test_rate_that_is_missing(self):
        own = self.price(1)
        found = self.cost(usage=Usage(1, 1))
        self.assertEqual(found[:3], (None, "unknown", own.id))

    def test_a_change_is_seen_at_once(self):
        price = self.price(1)
        self.assertEqual(self.cost().amount, 1)
        price.rate_input = 2
        self.assertEqual(self.cost()[::3], (2, f"#{price.id} v2"))
        price.origin = "contract"
        self.assertEqual(price.version, 2)
        price.unlink()
        self.assertIsNone(self.cost().amount)

    def test_no_query_for_the_second(self):
        self.price(1)
        self.cost()
        with self.assertQueryCount(0):
            self.cost()
            self.cost(usage=Usage(5, 0, 3))

    # -- sound --------------------------------------------------------------------

    def test_no_overlap(self):
        """The database holds it, because two who save at once see only their own."""
        self.price(valid_to="2026-03-31")
        for values in [
            {},
            {"valid_from": "2026-03-31"},
            {"name": "GPT-Test"},
            {"valid_from": "2025-01-01"},
            {"valid_from": "2025-01-01", "valid_to": "2026-01-01"},
        ]:
            with (
                self.subTest(values=values),
                self.assertRaises(IntegrityError) as caught,
                mute_logger("odoo.sql_db"),
            ):
                self.price(**values)
            message = self.env["steward.price"]._sql_error_to_message(caught.exception)
            self.assertIn("Another price", message)
        for values in [
            {"valid_from": "2026-04-01"},
            {"valid_from": "2025-01-01", "valid_to": "2025-12-31"},
            {"above_tokens": 5},
            {"provider_code": "openai"},
            {"company_id": self.env.company.id},
            {"active": False},
        ]:
            with self.subTest(values=values):
                self.price(**values)

    def test_refused_values(self):
        for values in (
            {"rate": -1},
            {"rate": False},
            {"valid_to": "2025-01-01"},
            {"above_tokens": -1},
        ):
            with (
                self.subTest(values=values),
                self.assertRaises(IntegrityError),
                mute_logger("odoo.sql_db"),
            ):
                self.price(**values)
        for name in ("*", "g*t"):
            with self.subTest(name=name), self.assertRaises(ValidationError):
                self.price(name=name)

    def test_version_cannot_be_forged(self):
        with self.assertRaises(Refused):
            self.price().version = 7

    # -- the screen ---------------------------------------------------------------

    def lookup(self, **values):
        form = Form(self.env["steward.price.lookup"])
        form.model_name, form.provider_code = "gpt-4o", "openai"
        form.at = AT
        for name, value in values.items():
            setattr(form, name, value)
        return form.save()

    def test_lookup_says_why(self):
        self.price(9, "gpt-4o", valid_from=date(2026, 7, 1))
        self.price(4, "gpt-*", valid_to=date(2026, 12, 31))
        lookup = self.lookup(tokens_in=10**6, tokens_out=0)
        self.assertEqual((lookup.cost, lookup.cost_source), (4, "computed"))
        self.assertEqual(
            [(line.kind, line.applies, line.why) for line in lookup.line_ids],
            [
                ("own", False, "Not yet valid on that day."),
                ("own", True, "Entered here: goes before every list."),
                ("book", False, "Stands behind a better one."),
            ],
        )
        self.assertIn("genai-prices", lookup.book)

    def test_lookup_of_what_nobody_knows(self):
        lookup = self.lookup(model_name="our-own", provider_code="")
        self.assertEqual((lookup.cost, lookup.cost_source), (False, "unknown"))
        self.assertFalse(lookup.line_ids)

    def test_lookup_of_a_known_model(self):
        lookup = self.lookup(model_id=self.chat)
        self.assertEqual(lookup.display_name, "gpt-test")
        self.assertEqual(lookup.model_name, "gpt-test")
        self.assertEqual(lookup.provider_code, "loopback")

    def test_summary_on_the_model(self):
        self.assertFalse(self.chat.price_summary)
        self.price(Decimal("2.5"), rate_output=10)
        self.chat.invalidate_recordset()
        self.assertEqual(self.chat.price_summary, "$2.50 in, $10.00 out")
        self.price(1, "embed-test")
        self.embedder.invalidate_recordset()
        self.assertEqual(self.embedder.price_summary, "$1.00 in")
        self.price(5, above_tokens=9)
        self.provider.is_free = True
        self.chat.invalidate_recordset()
        self.assertIn("more for long inputs", self.chat.price_summary)
        self.env["steward.price"].search([]).unlink()
        self.chat.invalidate_recordset()
        self.assertEqual(self.chat.price_summary, "free of charge")

    def test_who_may(self):
        price = self.price()
        viewer = new_test_user(self.env, "p_viewer", groups="steward.group_viewer")
        as_viewer = price.with_user(viewer)
        self.assertEqual(as_viewer.rate_input, 1)
        for refused in (
            lambda: as_viewer.write({"rate_input": 0}),
            as_viewer.action_reprice,
            as_viewer.unlink,
        ):
            self.assertRaises(AccessError, refused)
        Form(self.env["steward.price.lookup"].with_user(viewer)).save()
        employee = new_test_user(self.env, "p_employee", groups="base.group_user")
        with self.assertRaises(AccessError):
            Form(self.env["steward.price.lookup"].with_user(employee))
        # whose call it was need not see prices to be charged
        prices = self.env["steward.price"].with_user(employee)
        self.assertEqual(prices._cost("gpt-test", "", MILLION, AT).amount, 1)
