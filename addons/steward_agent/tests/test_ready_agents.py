import json
from unittest.mock import patch

from odoo import Command, api
from odoo.addons.steward.exceptions import BadAnswer, Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .chat_common import ChatCase, says

NO_MODEL = BadAnswer("No model answers.")


@tagged("post_install", "-at_install")
class TestReadyAgents(ChatCase):
    """The agents that come along do what they promise, with a model and without."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ready = {
            name: cls.env.ref(f"steward_agent.agent_{name}")
            for name in ("guide", "explainer", "partner_tidier", "system_reviewer")
        }
        cls.operator.group_ids |= cls.env.ref("base.group_partner_manager")

    def test_they_are_ready(self):
        for agent in self.ready.values():
            with self.subTest(agent.code):
                self.assertEqual(agent.kind, "chat")
                self.assertFalse(agent.lacking)
                self.assertFalse(agent.tool_ids.filtered("problem"))
                self.assertFalse(agent._why_not_as(agent.user_id))
                self.assertIn("You", agent._system({})[0])
                self.answers(says("Well."))
                self.assertEqual(self.ask(agent).output, "Well.")
                offered = {tool["name"] for tool in self.asked[0]["tools"]}
                self.assertEqual(offered, set(agent.tool_ids.mapped("name")))

    def test_their_account_is_for_programs(self):
        user = self.env.ref("steward_agent.user_assistant")
        self.assertTrue(user._has_group("steward.group_agent"))
        self.assertFalse(user._has_group("steward.group_operator"))

    # -- other companies ---------------------------------------------------------------

    def test_another_company(self):
        """They work there with what is there, and ask by the same rules."""
        other = self.env["res.company"].create({"name": "Other"})
        admin = new_test_user(
            self.env,
            "boss",
            "steward.group_administrator",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        agents = self.env["steward.agent"].with_user(admin)
        self.assertFalse(agents.search([]))
        codes = [agent.code for agent in self.ready.values()]
        self.assertEqual(agents.add_ready_made(), {"added": codes})
        self.assertEqual(agents.add_ready_made(), {"added": []})
        made = agents.search([])
        self.assertEqual(made.company_id, other)
        self.assertCountEqual(made.mapped("code"), codes)
        tidier = made.filtered(lambda agent: agent.code == "partner-tidier")
        rule = self.env["steward.approval.rule"].search([("agent_id", "=", tidier.id)])
        self.assertEqual((rule.when, rule.company_id), ("always", other))
        theirs, ours = self.partners.create(
            [
                {"name": "Theirs X", "company_id": other.id},
                {"name": "Ours X", "company_id": self.env.company.id},
            ]
        )
        asked = {"model": "res.partner", "domain": [["name", "like", "% X"]]}
        self.answers(says("", ("count_records", asked)))
        guide = made.filtered(lambda agent: agent.code == "guide")
        run = guide.sudo()._start("How many?")
        self.work(run)
        self.assertEqual((run.state, run.company_id), ("completed", other))
        self.assertIn('"count": 1', self.asked[1]["messages"][-1]["content"])
        self.assertTrue(theirs and ours)

    def test_who_adds_them(self):
        for user in (self.viewer, self.operator, self.reviewer, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.env["steward.agent"].with_user(user).add_ready_made()

    def test_adding_them_on_the_screen(self):
        action = (
            self.env["steward.agent"].with_user(self.admin()).action_add_ready_made()
        )
        self.assertEqual(action["res_model"], "steward.agent")

    def admin(self):
        return new_test_user(self.env, "boss", "steward.group_administrator")

    # -- answers with citations --------------------------------------------------------

    def documents(self, rows):
        """As if knowledge was installed, or was not."""
        kind = type(self.env["steward.toolbox"])

        @api.model
        def find_documents(self, query: str, limit: int = 5) -> dict:
            """Find what documents say."""
            if rows is None:
                raise Invalid("No documents are kept here.")
            return {"passages": rows[:limit]}

        return patch.object(kind, "find_documents", find_documents)

    def test_the_guide_without_a_model(self):
        self.answers(*[NO_MODEL] * 3)
        row = {"number": 1, "title": "Closing", "url": "https://x.example.com/c"}
        with self.documents([{**row, "text": "Close the period first."}]):
            run = self.ask(self.ready["guide"], "How do I close a period?")
        self.assertEqual(run.state, "completed", run.error)
        self.assertEqual(
            run.output, "[1] Closing https://x.example.com/c\nClose the period first."
        )
        self.assertEqual(run.degraded, "No model answers.")

    def test_the_guide_without_a_model_and_without_documents(self):
        for rows in (None, []):
            self.answers(NO_MODEL)
            with self.documents(rows):
                run = self.ask(self.ready["guide"], "Where are countries kept?")
            self.assertIn("Country (res.country)", run.output)
        self.answers(NO_MODEL)
        with self.documents([]):
            run = self.ask(self.ready["guide"], "xyzzy")
        self.assertIn("Nothing here is about that", run.output)

    def test_documents_are_found_by_name_only(self):
        toolbox = self.env["steward.toolbox"].with_user(self.robot)
        asked = []

        class Documents:
            def find(self, query, limit):
                asked.append((query, limit))
                return [{"title": "A", "url": False, "text": "b", "score": 1}]

        real = type(self.env).get
        with patch.object(
            type(self.env),
            "get",
            lambda env, name, default=None: (
                Documents() if name == "steward.document" else real(env, name, default)
            ),
        ):
            found = toolbox.find_documents("How?", 99)
        self.assertEqual(asked, [("How?", 20)])
        row = {"number": 1, "title": "A", "url": "", "text": "b"}
        self.assertEqual(found, {"passages": [row]})
        if "steward.document" not in self.env:
            with self.assertRaisesRegex(Invalid, "not installed"):
                toolbox.find_documents("How?")

    # -- why a record looks as it does -------------------------------------------------

    def partner(self):
        partner = self.partners.create({"name": "Ann X", "email": "ann@example.com"})
        partner.message_post(body="Hello")
        return partner

    def test_the_explainer_without_a_model(self):
        partner = self.partner()
        self.answers(NO_MODEL)
        about = {"model": "res.partner", "id": partner.id}
        run = self.ask(self.ready["explainer"], "Why is it so?", record=about)
        self.assertEqual(run.state, "completed", run.error)
        self.assertTrue(run.output.startswith("Ann X\nMade by"), run.output)
        self.assertIn("Views: res.partner.form", run.output)
        self.answers(NO_MODEL)
        run = self.ask(self.ready["explainer"], "Why?")
        self.assertIn("Open the record", run.output)

    def test_the_explainer_with_a_model(self):
        partner = self.partner()
        look = ("explain_record", {"model": "res.partner", "record_id": partner.id})
        self.answers(says("", look), says("Because Ann entered it."))
        run = self.ask(self.ready["explainer"], "Why?")
        self.assertEqual(run.output, "Because Ann entered it.")
        told = self.asked[1]["messages"][-1]["content"]
        self.assertIn('"origin": "entered"', told)

    def explain(self, record, user=None, **options):
        toolbox = self.env["steward.toolbox"].with_user(user or self.operator)
        return toolbox.explain_record(record._name, record.id, **options)

    def test_fields_rules_automations_and_views(self):
        partner = self.partner()
        model = self.env["ir.model"]._get("res.partner")
        automation = {"name": "Greet", "model_id": model.id, "trigger": "on_create"}
        self.env["base.automation"].create(automation)
        rule = {
            "name": "Operators see all",
            "model_id": model.id,
            "domain_force": "[('ref', '!=', 'hush')]",
            "groups": [Command.link(self.env.ref("steward.group_operator").id)],
        }
        self.env["ir.rule"].create(
            [
                rule,
                {
                    **rule,
                    "name": "Not mine",
                    "groups": [Command.link(self.env.ref("base.group_system").id)],
                },
            ]
        )
        told = self.explain(partner)
        found = {field["name"]: field for field in told["fields"]}
        self.assertEqual(found["email"]["value"], "ann@example.com")
        self.assertEqual(found["email"]["origin"], "entered")
        self.assertIn("base", found["email"]["apps"])
        self.assertIn("computed from", found["commercial_partner_id"]["origin"])
        self.assertEqual(told["created"]["by"], self.env.user.name)
        names = [rule["name"] for rule in told["rules"]]
        self.assertIn("Operators see all", names)
        self.assertNotIn("Not mine", names)
        self.assertNotIn("hush", json.dumps(told))  # names only
        self.assertIn("Greet", [a["name"] for a in told["automations"]])
        self.assertIn("res.partner.form", [view["name"] for view in told["views"]])
        self.assertTrue(told["rights"]["write"])
        self.assertFalse(self.explain(partner, self.viewer)["rights"]["write"])

    def test_changes_that_are_kept(self):
        agent = self.env["steward.tool"].search([("name", "=", "find_records")])
        self.env.cr.precommit.run()
        agent.with_context(tracking_disable=False).risk = "write"
        self.env.flush_all()
        self.env.cr.precommit.run()
        [change] = self.explain(agent, fields=["name", "risk"])["changes"]
        self.assertEqual(
            (change["field"], change["before"], change["after"]),
            ("risk", "Reads", "Writes"),
        )

    def test_what_is_not_explained(self):
        partner = self.partner()
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "domain_force": f"[('id', '!=', {partner.id})]",
            }
        )
        with self.assertRaisesRegex(Exception, "access|allowed|rules"):
            self.explain(partner, clerk)
        with self.assertRaises(Refused):
            self.explain(self.env.user, fields=["password"])
        told = json.dumps(self.explain(self.operator))
        self.assertNotIn('"password"', told)

    def test_models_are_found_and_described(self):
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        toolbox = self.env["steward.toolbox"].with_user(clerk)
        found = toolbox.find_models("countries country states")["models"]
        self.assertIn("res.country", [model["model"] for model in found[:3]])
        found = toolbox.find_models("rule secret parameter", 50)["models"]
        names = [model["model"] for model in found]
        self.assertNotIn("steward.secret", names)
        self.assertNotIn("ir.config_parameter", names)
        told = toolbox.describe_model("res.country")
        fields = {field["name"]: field for field in told["fields"]}
        self.assertEqual(fields["state_ids"]["leads_to"], "res.country.state")
        self.assertTrue(fields["code"]["required"])
        users = toolbox.describe_model("res.users")["fields"]
        self.assertNotIn("password", [field["name"] for field in users])
        with self.assertRaises(Exception):  # noqa: B017 - whatever says no
            toolbox.describe_model("ir.config_parameter")

    # -- partners ----------------------------------------------------------------------

    def test_the_tidier_asks_each_time(self):
        one, two = self.partners.create([{"name": "  ANN X "}, {"name": "  BOB X "}])
        write = [
            (
                "write_records",
                {
                    "model": "res.partner",
                    "record_ids": [partner.id],
                    "values": {"name": name},
                },
            )
            for partner, name in ((one, "Ann X"), (two, "Bob X"))
        ]
        self.answers(says("", *write), says("Two corrected."))
        run = self.ask(self.ready["partner_tidier"], "Tidy up")
        for partner, name in ((one, "Ann X"), (two, "Bob X")):
            self.assertEqual((run.state, run.waits_for), ("waiting", "person"))
            self.assertNotEqual(partner.name, name)
            approval = run.approval_ids.filtered(lambda a: a.state == "pending")
            approval.with_user(self.reviewer).action_approve()
            self.work(run)
            self.assertEqual(partner.name, name)
        self.assertEqual(run.output, "Two corrected.")

    def test_a_refusal_is_told_plainly(self):
        partner = self.partners.create({"name": "  ANN X "})
        values = {"record_ids": partner.ids, "values": {"name": "Ann X"}}
        write = ("write_records", {"model": "res.partner", **values})
        self.answers(says("", write), says("", write), says("Then not."))
        run = self.ask(self.ready["partner_tidier"], "Tidy up")
        runs = self.env["steward.approval"].with_user(self.reviewer)
        runs.decide(run.approval_ids.id, "refuse", "She likes it so.")
        self.work(run)
        self.assertEqual(run.output, "Then not.", run.error)
        told = self.asked[1]["messages"][-1]["content"]
        self.assertIn("She likes it so.", told)
        # the same again: refused at once, and nobody is bothered
        self.assertIn("She likes it so.", self.asked[2]["messages"][-1]["content"])
        self.assertEqual(len(run.approval_ids), 1)
        self.assertNotEqual(partner.name, "Ann X")

    def test_who_refuses_again_and_again(self):
        partner = self.partners.create({"name": "  ANN X "})

        def write(name):
            values = {"record_ids": partner.ids, "values": {"name": name}}
            return says("", ("write_records", {"model": "res.partner", **values}))

        self.answers(*map(write, "abcdef"))
        run = self.ask(self.ready["partner_tidier"], "Tidy up")
        while run.state == "waiting":
            approval = run.approval_ids.filtered(lambda a: a.state == "pending")
            approval.with_user(self.reviewer).action_refuse()
            self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertEqual(len(run.approval_ids), 3)

    def test_the_tidier_without_a_model(self):
        self.partners.search([("is_company", "=", True)]).write(
            {"email": "a@example.com", "country_id": self.env.ref("base.be").id}
        )
        silent = self.partners.create({"name": "Silent Ltd", "is_company": True})
        self.answers(NO_MODEL)
        run = self.ask(self.ready["partner_tidier"], "Tidy up")
        while run.state == "waiting":  # people agree to what it wants to do first
            approval = run.approval_ids.filtered(lambda a: a.state == "pending")
            approval.with_user(self.reviewer).action_approve()
            self.work(run)
        self.assertEqual(run.state, "completed", run.error)
        self.assertIn("1 without e-mail address", run.output)
        self.assertTrue(silent.activity_ids)

    # -- the system --------------------------------------------------------------------

    def test_the_reviewer(self):
        tell = ("tell_contact", {"summary": "Mail", "note": "Nothing goes out."})
        self.answers(says("", ("check_health", {})), says("", tell), says("Told."))
        run = self.ask(self.ready["system_reviewer"], "How is it?")
        self.assertIn('"parts"', self.asked[1]["messages"][-1]["content"])
        # the first time that it writes, people are asked
        run.approval_ids.with_user(self.reviewer).action_approve()
        self.work(run)
        self.assertEqual(run.output, "Told.", run.error)
        activity = self.env["mail.activity"].search([("summary", "=", "Mail")])
        self.assertTrue(activity)

    def test_the_reviewer_without_a_model(self):
        self.answers(NO_MODEL)
        run = self.ask(self.ready["system_reviewer"], "How is it?")
        if run.state == "waiting":
            run.approval_ids.with_user(self.reviewer).action_approve()
            self.work(run)
        self.assertRegex(run.output, r"All is well|things to look at")
