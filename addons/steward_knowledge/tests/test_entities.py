from odoo.tests import new_test_user, tagged

from ..kernel.draft import Draft
from .pipeline_common import PipelineCase


@tagged("post_install", "-at_install")
class TestEntities(PipelineCase):
    def told(self, content, source=None, external_id="a"):
        draft = Draft(external_id, content=content)
        document = self.take(draft, source=source)["documents"]
        document._process()
        self.assertEqual(document.state, "ready", document.error)
        return document

    def named(self, document, kind=None):
        found = document.entity_ids.filtered(lambda each: kind in (None, each.kind))
        return sorted(found.mapped("name"))

    def test_what_the_database_knows(self):
        page = self.told(
            "A res.partner has a commercial_partner_id; install `mail`. Since Odoo 18"
            " it raises ValidationError."
        )
        self.assertEqual(
            [(each.kind, each.name) for each in page.entity_ids.sorted("kind")],
            [
                ("error", "ValidationError"),
                ("field", "commercial_partner_id"),
                ("model", "res.partner"),
                ("module", "mail"),
                ("version", "18.0"),
            ],
        )

    def test_links_follow_the_text(self):
        one = self.told("res.partner", external_id="one")
        two = self.told("res.partner and res.users", external_id="two")
        partner = one.entity_ids
        self.assertEqual(len(partner), 1)
        self.assertEqual(partner.document_ids, one + two)
        self.assertEqual(partner.document_count, 2)
        self.told("res.users alone", external_id="two")
        self.assertEqual(self.named(two), ["res.users"])
        self.assertEqual(partner.document_count, 1)
        self.told("nothing", external_id="one")
        self.env["steward.entity"]._gc_unnamed()
        self.assertFalse(partner.exists())
        action = two.entity_ids.action_open_documents()
        self.assertEqual(self.env["steward.document"].search(action["domain"]), two)

    def test_a_few_queries_for_all(self):
        documents = self.env["steward.document"]
        for number in range(20):
            documents += self.told(
                f"res.partner, res.users and Err{'abcdefghijklmnopqrst'[number]}Error",
                external_id=str(number),
            )
        entities = self.env["steward.entity"]
        entities._link(documents)
        documents.mapped("text")
        self.env.flush_all()
        with self.assertQueryCount(5):
            entities._link(documents)
        self.assertEqual(len(documents[3].entity_ids), 3)

    def test_contacts_that_everybody_may_read(self):
        """A link tells of no record that a reader of the document may not see."""
        own, other = self.env["res.company"].create([{"name": "1"}, {"name": "2"}])
        partners = self.env["res.partner"].create(
            [
                {"name": "Azure Interior", "is_company": True},
                {"name": "Secret Holdings", "is_company": True, "company_id": own.id},
                {"name": "Hidden Holdings", "is_company": True, "company_id": other.id},
                {"name": "Joe Customer"},
                {"name": "Gone Holdings", "is_company": True, "active": False},
            ]
        )
        colleague = new_test_user(
            self.env, "colleague", groups="base.group_user", name="Mitchell Colleague"
        )
        text = ", ".join([*partners.mapped("name"), colleague.name])
        shared = self.told(text)
        self.assertEqual(self.named(shared), ["Azure Interior", "Mitchell Colleague"])
        azure = shared.entity_ids.filtered(lambda each: each.kind == "company")
        self.assertEqual(
            (azure.res_model, azure.res_id), ("res.partner", partners[0].id)
        )
        source = self.env["steward.source"].create({"name": "O", "company_id": own.id})
        self.assertEqual(
            self.named(self.told(text, source)),
            ["Azure Interior", "Mitchell Colleague", "Secret Holdings"],
        )
        # a rule that is finer than by company: nobody's names are looked for
        self.env["ir.rule"].create(
            {
                "name": "Mine",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": "[('user_id', '=', user.id)]",
                "groups": [(4, self.env.ref("base.group_user").id)],
            }
        )
        self.assertEqual(self.named(self.told(f"{text}.")), [])

    def test_seen_only_with_a_document(self):
        reader = new_test_user(self.env, "entity_reader", groups="base.group_user")
        few = self.env["steward.source"].create(
            {
                "name": "Few",
                "group_ids": [(0, 0, {"name": "Few"})],
            }
        )
        self.told("Raised: OpenError", external_id="open")
        self.told("Raised: OpenError, HushHushError", source=few, external_id="hush")
        entities = self.env["steward.entity"].with_user(reader)
        found = entities.search([("name", "in", ["OpenError", "HushHushError"])])
        self.assertEqual(found.mapped("name"), ["OpenError"])
        self.assertEqual(found.document_count, 1)
