# ruff: noqa: RUF001 - other alphabets
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.entities import MOST, Found, Known, entities, folded
from ..kernel.language import language_of
from ..kernel.topics import Classifier, parsed

SENTENCES = {
    "en": "The quotation becomes an order once the customer has confirmed it in"
    " writing, and the warehouse prepares the goods for delivery.",
    "fr": "Le devis devient une commande dès que le client l'a confirmé par écrit, et"
    " l'entrepôt prépare les marchandises pour la livraison.",
    "de": "Das Angebot wird zum Auftrag, sobald der Kunde es schriftlich bestätigt hat,"
    " und das Lager bereitet die Ware für den Versand vor.",
    "es": "El presupuesto se convierte en pedido cuando el cliente lo confirma por"
    " escrito, y el almacén prepara la mercancía para la entrega.",
    "nl": "De offerte wordt een bestelling zodra de klant deze schriftelijk heeft"
    " bevestigd, en het magazijn bereidt de goederen voor.",
    "ar": "يصبح عرض السعر طلبًا بمجرد أن يؤكده العميل كتابيًا، ويقوم المستودع بتحضير"
    " البضائع للتسليم.",
    "zh": "客户书面确认后，报价单即成为订单，仓库会准备好货物以供交付。"
    "发票将在月底发送给客户，"
    "并在三十天内付款。",
    "ru": "Предложение становится заказом, как только клиент подтвердит его письменно,"
    " и склад готовит товар к отправке.",
}


class TestLanguage(BaseCase):
    def test_sentences(self):
        for language, text in SENTENCES.items():
            self.assertEqual(language_of(text), language)
            # what is written counts more than what its source said
            self.assertEqual(language_of(text, "it"), language)

    def test_too_little_to_tell(self):
        self.assertEqual(language_of("OK", "fr_BE"), "fr")
        self.assertEqual(language_of("", ""), "")
        code = "```\n" + "for item in the list of things do print the item\n" * 9
        self.assertEqual(language_of(code, "de"), "de")
        self.assertEqual(language_of("https://example.com/the/way " * 9, "de"), "de")

    def test_rare_languages_only_where_they_are_expected(self):
        icelandic = (
            "Tilboðið verður að pöntun þegar viðskiptavinurinn hefur staðfest það"
            " skriflega og vöruhúsið undirbýr vörurnar til afhendingar."
        )
        self.assertEqual(language_of(icelandic, expected=["is_IS"]), "is")
        self.assertNotEqual(language_of(icelandic), "is")

    @given(st.text(), st.text(max_size=5))
    def test_any_text(self, text, hint):
        self.assertLessEqual(len(language_of(text, hint)), 3)


class TestTopics(BaseCase):
    def told(self, title="", text="", **places):
        topics = {
            "accounting": "journal entry: 3\ninvoice\npath: /accounting/\ntag: acc",
            "sales": "sales order: 3\nquotation: 2\ninvoice",
        }
        known = Classifier({key: parsed(rules) for key, rules in topics.items()})
        guess = known.guess(title, text, **places)
        return guess and guess.key

    def test_words_places_and_tags(self):
        for arguments, topic in (
            ({"title": "Journal entries"}, "accounting"),
            ({"text": "Send QUOTATIONS and a sales order"}, "sales"),
            ({"url": "https://x/Accounting/y"}, "accounting"),
            ({"tags": ["Acc"]}, "accounting"),
            ({"tags": ["account"]}, None),
            ({"text": "journal of an entry"}, None),
            ({"text": "invoice " * 50}, None),  # both would do
            ({"text": "soup"}, None),
            ({}, None),
        ):
            self.assertEqual(self.told(**arguments), topic, arguments)

    def test_scores(self):
        known = Classifier({"one": parsed("alpha: 3"), "two": parsed("beta: 2")})
        sure, unsure = known.guess("alpha", "alpha " * 9), known.guess("alpha", "beta")
        self.assertEqual((sure.key, unsure.key), ("one", "one"))
        self.assertTrue(1 >= sure.score > unsure.score > 0)

    def test_rules_that_are_none(self):
        for text in ("a b c d e", "word: 11", "word: 0", "...", "fine\n:"):
            with self.assertRaises(ValueError, msg=text):
                parsed(text)
        self.assertEqual(parsed("\n \n"), [])

    @given(st.text())
    def test_any_rule(self, text):
        try:
            rules = parsed(text)
        except ValueError as error:
            self.assertIn(error.args[0], text)
        else:
            Classifier({1: rules}).guess(text, text, text, [text])


class TestEntities(BaseCase):
    KNOWN = Known(
        frozenset({"sale.order", "res.partner"}),
        frozenset({"partner_id", "amount_total"}),
        frozenset({"sale", "stock", "sale_management", "mail"}),
        {
            "azure interior": (Found("company", "Azure Interior", "res.partner,9"),),
            "desk 4000": (Found("product", "Desk 4000", "product.template,2"),),
        },
    )

    def named(self, text, kind):
        found = entities(text, self.KNOWN)
        return sorted(each.name for each in found if each.kind == kind)

    def test_models(self):
        for text, names in (
            ("the model sale.order, and `res.partner`", ["res.partner", "sale.order"]),
            ("sale.order.amount_total is a sum", ["sale.order"]),
            ("`hr.shift.plan` is our own", ["hr.shift.plan"]),
            ("hr.shift.plan is not written as code", []),
            ("`self.env`, `record.partner_id`, `models.py`, `www.odoo.com`", []),
            ("end of sentence.start of the next", []),
            ("mail to joe.doe@sale.order.com", []),
        ):
            self.assertEqual(self.named(text, "model"), names, text)

    def test_modules(self):
        for text, names in (
            ("install `sale` and sale_management", ["sale", "sale_management"]),
            ("the stock module", ["stock"]),
            ("our stock is low, the sale goes well by mail", []),
            ("`sale.order` is a model", []),
        ):
            self.assertEqual(self.named(text, "module"), names, text)

    def test_fields(self):
        text = "partner_id, order.amount_total and no_such_field"
        self.assertEqual(self.named(text, "field"), ["amount_total", "partner_id"])

    def test_versions(self):
        for text, names in (
            ("from Odoo 17 to 18.0", ["17.0", "18.0"]),
            ("saas-17.4, saas~18.1", ["saas-17.4", "saas-18.1"]),
            ("version 16.0", ["16.0"]),
            ("version 3, Odoo 2, v4", []),
            ("costs $12.0 or 12.0 % or 12.05", []),
        ):
            self.assertEqual(self.named(text, "version"), names, text)

    def test_errors(self):
        for text, names in (
            ("ValidationError: no", ["ValidationError"]),
            (
                "error code: E-1234 and STEWARD-RATE-LIMITED",
                ["E-1234", "STEWARD-RATE-LIMITED"],
            ),
            ("it answers HTTP 503, error 404", ["HTTP 404", "HTTP 503"]),
            ("XML-RPC, UTF-8, ISO-9001, INV-2024", []),
        ):
            self.assertEqual(self.named(text, "error"), names, text)

    def test_records(self):
        text = "Sold to AZURE  Interior: one Desk 4000."
        self.assertEqual(self.named(text, "company"), ["Azure Interior"])
        self.assertEqual(self.named(text, "product"), ["Desk 4000"])
        self.assertEqual(self.named("azure sea, interior design", "company"), [])

    def test_names_that_are_mere_words(self):
        for name, expected in (
            ("Azure  Interior", "azure interior"),
            ("Chair", ""),
            ("E-COM07", "e-com07"),
            ("a b c d e f g h i", ""),
            ("", ""),
        ):
            self.assertEqual(folded(name), expected)

    def test_not_more_than_a_person_reads(self):
        text = " ".join(
            f"Code{chr(97 + n // 26)}{chr(97 + n % 26)}Error" for n in range(300)
        )
        text += " CodeabError" * 3
        found = entities(text, Known())
        self.assertEqual(len(found), MOST)
        self.assertIn(Found("error", "CodeabError"), found)

    @given(st.text())
    def test_any_text(self, text):
        self.assertLessEqual(len(entities(f"`{text}` sale.order", self.KNOWN)), MOST)
