# ruff: noqa: E501 - a table is read by its lines
import base64
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel.schema import Problems
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user

from .agent_common import AgentCase


class TestAgent(AgentCase):
    def test_whom_it_runs_as(self):
        archived = new_test_user(self.env, "a_gone")
        archived.active = False
        foreign = new_test_user(
            self.env,
            "a_foreign",
            company_ids=self.other_company.ids,
            company_id=self.other_company.id,
        )
        for user, words in (
            (self.env["res.users"], "needs a user"),
            (self.admin, "is an administrator"),
            (self.env.ref("base.user_root"), "is an administrator"),
            (self.env.ref("base.user_admin"), "is an administrator"),
            (
                new_test_user(self.env, "a_boss", groups="base.group_erp_manager"),
                "is an administrator",
            ),
            (archived, "is archived"),
            (
                new_test_user(self.env, "a_portal", groups="base.group_portal"),
                "is not an internal user",
            ),
            (foreign, "is not of"),
        ):
            with (
                self.subTest(user.login),
                self.assertRaises(ValidationError) as caught,
            ):
                self.agent(user_id=user.id)
            self.assertIn(words, caught.exception.args[0])
        agent = self.agent()
        # what was right when it was saved may be wrong when it starts
        self.employee.active = False
        self.assertIn("archived", agent._why_not_as(agent.user_id))

    def test_elsewhere(self):
        agent = self.agent(kind="external", user_id=False, playbook_id=False)
        with self.assertRaises(ValidationError):
            agent.playbook_id = self.env.ref("steward_agent.playbook_partner_quality")
        with self.assertRaises(ValidationError):
            agent.write({"schedule_on": True, "schedule_task": "x"})

    def test_other_companies_things(self):
        tool = self.tool("count_records").copy(
            {"name": "theirs", "company_id": self.other_company.id}
        )
        with self.assertRaises(ValidationError):
            self.agent(tool_ids=tool.ids)

    def test_tools(self):
        agent = self.agent(
            tool_ids=(self.tool("find_records") + self.tool("post_message")).ids
        )
        self.assertEqual(
            agent._allowed_tools().mapped("name"), ["find_records", "post_message"]
        )
        self.assertEqual(agent.lacking, "aggregate_records, schedule_activity")
        self.tool("find_records").active = False
        agent.invalidate_recordset()
        self.assertEqual(agent._allowed_tools().mapped("name"), ["post_message"])

    def test_codes_are_unique_within_a_company(self):
        self.agent()
        for code in ("Test", "a b", "", "-a"):
            with self.subTest(code), self.assertRaises(ValidationError):
                self.agent(code=code)
        elsewhere = {"company_id": self.other_company.id, "kind": "external"}
        self.assertTrue(self.agent(**elsewhere, user_id=False, playbook_id=False))

    def test_other_companies_agents(self):
        elsewhere = {"company_id": self.other_company.id, "kind": "external"}
        theirs = self.agent(**elsewhere, user_id=False, playbook_id=False)
        for user in (self.viewer, self.operator, self.admin):
            self.assertFalse(
                self.env["steward.agent"]
                .with_user(user)
                .search([("id", "=", theirs.id)])
            )
            with self.assertRaises(AccessError):
                theirs.version_id.with_user(user).read(["text"])

    def test_who_may(self):
        agent = self.agent()
        for user in (self.viewer, self.operator):
            self.assertTrue(agent.with_user(user).name)
            with self.assertRaises(AccessError):
                agent.with_user(user).max_steps = 3
        for values in ({"version_id": False}, {"schedule_failed": "x"}):
            with self.assertRaises(Refused):
                agent.with_user(self.admin).write(values)

    def test_copy(self):
        agent = self.agent(schedule_on=True, schedule_task="x")
        copy = agent.copy()
        self.assertFalse(copy.schedule_on or copy.next_run)
        self.assertNotEqual(copy.code, agent.code)


class TestSpecification(AgentCase):
    def full(self):
        return self.agent(
            description="Does\nthings: <b>all</b>",
            tool_ids=(self.tool("find_records") + self.tool("post_message")).ids,
            max_steps=7,
            max_seconds=8,
            max_cost=1.5,
            max_runs=3,
            capture="hashed",
            schedule_on=True,
            schedule_every=2,
            schedule_unit="weeks",
            schedule_task="no",
        )

    def values(self, agent):
        names = (
            "name", "code", "kind", "description", "user_id", "playbook_id", "tool_ids",
            "max_steps", "max_seconds", "max_cost", "max_runs", "capture",
            "schedule_on", "schedule_every", "schedule_unit", "schedule_task",
        )  # fmt: skip
        return {name: agent[name] for name in names}

    def wizard(self, text, **values):
        form = Form(self.env["steward.agent.import"].with_user(self.admin))
        form.text = text
        for name, value in values.items():
            form[name] = value
        return form

    def test_round_trip(self):
        agent = self.full()
        before, text = self.values(agent), agent._definition()
        agent.write({"code": "moved", "name": "moved"})
        self.wizard(text).save().action_import()
        copy = self.env["steward.agent"].search([("code", "=", "test-agent")])
        self.assertEqual(self.values(copy), before)
        self.assertEqual(copy._definition(), text)
        self.assertTrue(copy.next_run)

    def test_download(self):
        agent = self.full()
        self.assertIn(agent._definition(), base64.b64decode(agent.export_file).decode())
        self.assertIn(
            "test-agent.yaml", agent.with_user(self.viewer).action_export()["url"]
        )
        with self.assertRaises(AccessError):
            agent.with_user(self.employee).action_export()

    def test_versions(self):
        agent = self.full()
        agent.write({"max_steps": 9, "change_note": "More"})
        agent.write({"next_run": fields.Datetime.now()})
        self.assertEqual(agent.version_number, 2)
        oldest = agent.version_ids.sorted("number")[0]
        self.assertIn("+  steps: 9", agent.version_id._diff_from(oldest))
        oldest.action_restore()
        self.assertEqual((agent.max_steps, agent.version_number), (7, 3))

    def test_preview(self):
        agent = self.full()
        text = agent._definition().replace("steps: 7", "steps: 70")
        form = self.wizard(text)
        self.assertEqual(form.agent_id, agent)
        self.assertFalse(form.problems)
        self.assertIn("+  steps: 70", form.preview)
        self.assertIn("-  steps: 7", form.preview)
        self.assertEqual(agent.max_steps, 7)
        form.save().action_import()
        self.assertEqual(agent.max_steps, 70)
        self.assertEqual(agent.version_id.note, "Imported")
        self.assertFalse(self.wizard(agent._definition()).preview)

    def test_problems_by_line(self):
        for text, told in (
            ("name: [", "line 1"),
            ("name: a\ncode: b\nrunas: c", "line 3, column 1: 'runas' is not known here; did you mean 'run_as'?"),
            ("name: a\ncode: b\nrun_as: a_workr", "line 3, column 1: run_as: 'a_workr' is not in this database; did you mean 'a_worker'?"),
            ("name: a\ncode: b\ntools:\n- find_records\n- nope", "line 5, column 3: tools.1: 'nope' is not in this database"),
            ("name: a\ncode: b\nplaybook: partner-qualty", "did you mean 'partner-quality'?"),
        ):  # fmt: skip
            with self.subTest(text):
                form = self.wizard(text)
                self.assertIn(told, form.problems)
                self.assertFalse(form.preview)
                with self.assertRaises(Invalid):
                    form.save().action_import()
        # what the database's rules refuse is told when it is imported
        wizard = self.wizard("name: a\ncode: b\nrun_as: a_admin").save()
        with self.assertRaises(ValidationError):
            wizard.action_import()

    def test_upload(self):
        document = b'{\n\t"name": "From JSON", "code": "from-json", "kind": "external"}'
        wizard = (
            self.env["steward.agent.import"]
            .with_user(self.admin)
            .create({"file_name": "a.json", "file": base64.b64encode(document)})
        )
        self.assertEqual(wizard.text, document.decode())
        self.assertFalse(wizard.problems)
        wizard.action_import()
        self.assertTrue(self.env["steward.agent"].search([("code", "=", "from-json")]))
        form = self.wizard(False, file=base64.b64encode(b"\xff\x00"))
        self.assertTrue(form.problems)

    def test_administrators_only(self):
        for user in (self.viewer, self.operator, self.employee):
            with self.assertRaises(AccessError):
                self.env["steward.agent.import"].with_user(user).create({})

    def test_names_are_looked_up_in_the_company(self):
        self.tool("count_records").copy(
            {"name": "theirs", "company_id": self.other_company.id}
        )
        text = "name: a\ncode: b\nkind: external\ntools: [theirs]"
        agents = self.env["steward.agent"]
        specification = {
            "name": "a",
            "code": "b",
            "kind": "external",
            "tools": ["theirs"],
        }
        with self.assertRaises(Problems):
            agents._values_of(specification, text, self.company)
        self.assertTrue(agents._values_of(specification, text, self.other_company))


class StartCase(AgentCase):
    @contextmanager
    def started(self, error=None):
        """Note what would be started."""
        calls = []

        def start(agent, task, input=None, key=None):
            calls.append((agent, task, input, key))
            if error:
                raise error

        kind = self.env.registry["steward.agent"]
        with patch.object(kind, "_start", start, create=True):
            yield calls


class TestSchedule(StartCase):
    def test_due(self):
        agent = self.agent(schedule_on=True, schedule_task="Go", schedule_unit="hours")
        now = fields.Datetime.now()
        self.assertAlmostEqual(
            agent.next_run, now + timedelta(hours=1), delta=timedelta(minutes=1)
        )
        agents = self.env["steward.agent"]
        with self.started() as calls:
            agents._cron_start_due()
            self.assertEqual(calls, [])
            planned = now - timedelta(hours=5)
            agent.next_run = planned
            agents._cron_start_due()
            [(who, task, _given, key)] = calls
            self.assertEqual((who, task), (agent, "Go"))
            self.assertIn(planned.isoformat()[:16], key)
            # what was missed is not made up for
            self.assertGreater(agent.next_run, now)
            agents._cron_start_due()
            self.assertEqual(len(calls), 1)

    def test_one_failure_does_not_stop_the_rest(self):
        first = self.agent(schedule_on=True, schedule_task="Go")
        second = self.agent(code="second", schedule_on=True, schedule_task="Go")
        (first + second).write({"next_run": fields.Datetime.now() - timedelta(hours=1)})
        with self.started(Refused("Not today.")) as calls:
            self.env["steward.agent"]._cron_start_due()
        self.assertEqual(len(calls), 2)
        self.assertEqual(first.schedule_failed, "Not today.")
        first.next_run = fields.Datetime.now()
        with self.started():
            self.env["steward.agent"]._cron_start_due()
        self.assertFalse(first.schedule_failed)

    def test_off_and_archived(self):
        agent = self.agent(schedule_on=True, schedule_task="Go")
        agent.schedule_on = False
        self.assertFalse(agent.next_run)
        with self.assertRaises(ValidationError):
            agent.write({"schedule_on": True, "schedule_task": " "})

    def test_few_queries(self):
        self.agent(schedule_on=True, schedule_task="Go")
        self.env.flush_all()
        with self.started(), self.assertQueryCount(1):
            self.env["steward.agent"]._cron_start_due()


class TestServerAction(StartCase):
    def action(self, agent, task="Look after {{ name }} ({{ count }})"):
        return self.env["ir.actions.server"].create(
            {
                "name": "Run it",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "state": "steward_agent",
                "steward_agent_id": agent.id,
                "steward_task": task,
            }
        )

    def with_records(self):
        playbook = self.env["steward.playbook"].create(
            {
                "name": "a",
                "code": "with-records",
                "text": "name: a\ninputs: {partners: {type: records}}\nsteps: [{stop: b}]",
            }
        )
        return self.agent(playbook_id=playbook.id)

    def test_records_are_passed(self):
        partners = self.env["res.partner"].create([{"name": "Azure"}, {"name": "Deco"}])
        agent = self.with_records()
        action = self.action(agent).with_context(
            active_model="res.partner",
            active_ids=partners.ids,
            active_id=partners[0].id,
        )
        with self.started() as calls:
            action.run()
        given = {"partners": {"model": "res.partner", "ids": partners.ids}}
        self.assertEqual(calls, [(agent, "Look after Azure (2)", given, None)])

    def test_without_records(self):
        with self.started() as calls:
            with self.assertRaises(Invalid):
                self.action(self.with_records(), "x").run()
            self.action(self.agent(code="other"), "x").run()
        self.assertEqual([call[1:] for call in calls], [("x", {}, None)])

    def test_automation_rule(self):
        agent = self.with_records()
        automation = self.env["base.automation"].create(
            {
                "name": "New partner",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "trigger": "on_create",
            }
        )
        action = self.action(agent)
        action.write({"usage": "base_automation", "base_automation_id": automation.id})
        with self.started() as calls:
            partner = self.env["res.partner"].create({"name": "New"})
        [(_agent, task, given, _key)] = calls
        self.assertEqual(task, "Look after New (1)")
        self.assertEqual(given["partners"]["ids"], partner.ids)

    def test_refusals(self):
        agent = self.agent()
        for task in ("", "{{ 1 + }}", "{{ secret }}"):
            with self.subTest(task), self.assertRaises(ValidationError):
                self.action(agent, task)
        with self.assertRaises(ValidationError):
            self.action(self.env["steward.agent"])

    def test_name(self):
        action = self.action(self.agent())
        self.assertEqual(action._generate_action_name(), "Run Test agent")
