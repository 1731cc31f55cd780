import threading
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata
from unittest.mock import patch

from odoo.tests import BaseCase

from ..kernel import price_book
from ..kernel.pricing import Rates, cost
from ..kernel.usage import Usage

AT = datetime(2026, 6, 1, tzinfo=UTC)


class TestPriceBook(BaseCase):
    def test_same_as_the_package(self):
        """For every model with tokens only: our arithmetic says what theirs says."""
        from genai_prices import Usage as TheirUsage

        used = [Usage(1000, 100), Usage(300_000, 5000, 100_000)]
        compared = 0
        for provider in price_book._book().providers:
            if provider.id not in ("openai", "anthropic", "google", "mistral"):
                continue
            for info in provider.models:
                theirs = info.get_prices(AT)
                fields = {k for k, v in theirs.__dict__.items() if v is not None}
                known = {"input_mtok", "output_mtok", "cache_read_mtok"}
                other = {"web_searches_kcount", "storage_searches_kcount"}
                if not {"input_mtok", "output_mtok"} <= fields <= known | other:
                    continue
                price, is_all = price_book._convert(theirs.__dict__)
                self.assertTrue(is_all)
                for usage in used:
                    told = TheirUsage(
                        input_tokens=usage.tokens_in,
                        output_tokens=usage.tokens_out,
                        cache_read_tokens=usage.tokens_cached,
                    )
                    expected = theirs.calc_price(told)["total_price"]
                    self.assertEqual(cost(usage, price), expected, info.id)
                    compared += 1
        self.assertGreater(compared, 100)

    def test_tiers(self):
        price, _all = price_book.find("claude-sonnet-4-5", "anthropic").price(AT)
        self.assertEqual([tier.above for tier in price], [0, 200_000])
        low, high = (tier.rates for tier in price)
        self.assertEqual(low[:4], (3, 15, Decimal("0.3"), Decimal("3.75")))
        self.assertTrue(all(a < b for a, b in zip(low[:4], high[:4], strict=True)))

    def test_price_at_its_time(self):
        """A price that changed is what it was on the day."""
        changed = [
            info
            for provider in price_book._book().providers
            for info in provider.models
            if isinstance(info.prices, list)
            and any(hasattr(p.constraint, "start_date") for p in info.prices)
        ]
        self.assertTrue(changed)
        entry = price_book.Entry("p", "m", True, None, changed[0])
        before = entry.price(datetime(2020, 1, 1, tzinfo=UTC))
        after = entry.price(datetime(2030, 1, 1, tzinfo=UTC))
        self.assertNotEqual(before, after)

    def test_names(self):
        for model, provider, expected in [
            ("gpt-4o", "openai", ("openai", "gpt-4o", True)),
            ("GPT-4o", "OpenAI", ("openai", "gpt-4o", True)),
            ("gemini-2.5-pro", "gcp.gemini", ("google", "gemini-2.5-pro", True)),
            ("openai/gpt-4o", "litellm", ("openai", "gpt-4o", False)),
            ("gpt-4o", "", ("openai", "gpt-4o", False)),
        ]:
            with self.subTest(model=model, provider=provider):
                self.assertEqual(price_book.find(model, provider)[:3], expected)
        self.assertIsNone(price_book.find("our-own", "our-server"))
        self.assertIsNone(price_book.find("", "openai"))

    def test_fee_for_each_call(self):
        _price, is_all = price_book._convert({"requests_kcount": Decimal(5)})
        self.assertFalse(is_all)
        price, is_all = price_book._convert({"input_mtok": Decimal(5)})
        self.assertTrue(is_all)
        self.assertEqual(price[0].rates, Rates(Decimal(5)))

    def test_without_the_package(self):
        missing = patch.object(
            metadata, "version", side_effect=metadata.PackageNotFoundError
        )
        price_book.version.cache_clear()
        price_book.find.cache_clear()
        self.addCleanup(price_book.version.cache_clear)
        self.addCleanup(price_book.find.cache_clear)
        with missing:
            self.assertEqual(price_book.version(), "")
            self.assertIsNone(price_book.find("gpt-4o", "openai"))

    def test_never_updates_itself(self):
        """No thread, and not what another part of the process downloaded."""
        from genai_prices import data_snapshot

        before = set(threading.enumerate())  # some of them may end meanwhile
        downloaded = data_snapshot.DataSnapshot(providers=[], from_auto_update=True)
        data_snapshot.set_custom_snapshot(downloaded)
        self.addCleanup(data_snapshot.set_custom_snapshot, None)
        price_book.find.cache_clear()
        self.assertTrue(price_book.find("gpt-4o", "openai"))
        self.assertFalse(set(threading.enumerate()) - before)
