from itertools import count

from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel.bucketing import bucket
from odoo.addons.steward_agent.models.steward_guard import AT_WORK, RunId
from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..models.steward_skill_find import Found
from .common import COUNTING, DUNNING, SkillCase

CALL = """\
- tool: run_skill
  arguments: {{name: {name}, inputs: {inputs}}}
  save: answer
- stop: "{{{{ answer.output }}}}"
"""
WEBHOOK = "  - tool: call_webhook\n    arguments: {webhook: a, payload: {}}\n"


@tagged("post_install", "-at_install")
class TestRun(SkillCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.belgium = cls.env.ref("base.be")

    def playbook(self, title, steps, **values):
        return self.approved(
            title=title, playbook=f"name: A\nsteps:\n{steps}", **values
        )

    def call(self, name, inputs="{}", **values):
        return self.run_agent(
            self.agent(CALL.format(name=name, inputs=inputs), **values)
        )

    def test_without_a_model(self):
        skill = self.approved(title="Count", playbook=COUNTING)
        country = self.env["res.country"].create({"name": "Nowhere", "code": "QQ"})
        self.partners.create([{"name": n, "country_id": country.id} for n in "ab"])
        run = self.call("count", "{country: QQ}")
        self.assertEqual((run.state, run.output), ("completed", "2 partners"))
        inner, outer = self.steps_of(run)
        self.assertEqual((inner.name, outer.name), ("count_records", "run_skill"))
        self.assertEqual(inner.step_key, "count/1")
        self.assertEqual(inner.attributes["skill"], "count@1")
        self.assertIn('"version": 1', outer.output)
        [use] = self.env["steward.skill.use"].search([("skill_id", "=", skill.id)])
        self.assertEqual((use.run_id, use.arm), (run, "with"))

    def test_as_a_playbook_of_others(self):
        count = COUNTING.replace("  - stop:", "  - set: {said:").replace('s"', 's"}')
        self.approved(title="Count", playbook=count)
        agent = self.agent("- playbook: count\n- stop: counted")
        run = self.run_agent(agent)
        self.assertEqual((run.state, run.output), ("completed", "counted"))
        self.assertEqual(self.steps_of(run).mapped("name"), ["count_records"])

    def test_all_or_nothing(self):
        self.playbook(
            "Make two",
            "  - tool: create_record\n"
            "    arguments: {model: res.partner, values: {name: First of two}}\n"
            "  - tool: create_record\n"
            "    arguments: {model: res.partner, values: {nme: Second}}\n",
        )
        run = self.call("make-two")
        self.assertEqual(run.state, "failed")
        self.assertIn("nme", run.error)
        self.assertFalse(self.partners.search([("name", "=", "First of two")]))
        self.assertEqual(self.steps_of(run).mapped("name"), ["run_skill"])

    def test_each_step_is_guarded(self):
        self.playbook(
            "Make one",
            "  - tool: create_record\n"
            "    arguments: {model: res.partner, values: {name: One}}\n",
        )
        tools = self.env["steward.tool"].search([("name", "=", "run_skill")])
        run = self.call("make-one", tool_ids=[(6, 0, tools.ids)])
        self.assertEqual(run.state, "failed")
        self.assertIn("not on this agent's list", run.error)
        self.robot.group_ids -= self.env.ref("base.group_partner_manager")
        run = self.call("make-one")
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        run = self.call("make-one", may_write=False)
        self.assertIn("may not do", run.error)

    def test_what_people_have_to_allow(self):
        self.playbook(
            "Make one",
            "  - tool: create_record\n"
            "    arguments: {model: res.partner, values: {name: One}}\n",
        )
        tool = self.env.ref("steward_agent.tool_create_record")
        self.env["steward.approval.rule"].create({"tool_id": tool.id, "agents": "all"})
        run = self.call("make-one")
        self.assertEqual(run.state, "failed")
        self.assertIn("A person has to say yes", run.error)

    def test_what_takes_people_time_or_the_world(self):
        for title, steps, told in (
            ("Ask", "  - human: Really?\n    to: responsible\n", "asks a person"),
            ("Wait", "  - wait: 2 days\n", "asks a person or waits"),
            ("Out", WEBHOOK, "leaves this database"),
            ("No", "  - fail: It does not fit\n", "It does not fit"),
        ):  # fmt: skip
            self.playbook(title, steps)
            with self.subTest(title):
                run = self.call(title.lower(), may_call_out=True)
                self.assertEqual(run.state, "failed")
                self.assertIn(told, run.error)

    def test_inputs(self):
        self.approved(title="Count", playbook=COUNTING)
        for inputs, told in (
            ("{land: BE}", "no input 'land'"),
            ("{country: 3}", "text"),
        ):
            run = self.call("count", inputs)
            self.assertIn(told, run.error)

    def test_skills_that_run_each_other(self):
        call = "  - tool: run_skill\n    arguments: {{name: {}}}\n"
        self.playbook("One", call.format("two"))
        self.playbook("Two", call.format("one"))
        run = self.call("one")
        self.assertIn("one → two → one", run.error)
        self.approved(title="Count", playbook=COUNTING)
        self.playbook("Outer", call.format("count"))
        run = self.call("outer")
        self.assertEqual(run.state, "completed")
        names = self.steps_of(run).mapped("name")
        self.assertEqual(names, ["count_records", "run_skill", "run_skill"])

    def test_too_many_steps(self):
        self.playbook(
            "Loop",
            "  - for_each: [1, 2, 3]\n    do:\n      - tool: count_records\n"
            "        arguments: {model: res.partner}\n",
        )
        run = self.call("loop", max_steps=2)
        self.assertIn("More than 2 steps", run.error)

    def test_only_by_an_agent_at_work(self):
        self.approved(title="Count", playbook=COUNTING)
        run = self.start(self.agent("- stop: a"))
        for context in ({}, {AT_WORK: run.id}):
            skills = self.skills.with_user(self.robot).with_context(**context)
            with self.assertRaises(Refused):
                skills.run("count")

    def test_what_is_no_playbook_or_not_approved(self):
        self.approved(text=DUNNING)
        self.assertIn("is no playbook", self.call("remind-late-payers").error)
        self.skill(title="Draft", playbook=COUNTING)
        self.assertIn("There is no skill", self.call("draft").error)


@tagged("post_install", "-at_install")
class TestUse(SkillCase):
    def setUp(self):
        super().setUp()
        self.dunning = self.approved(text=DUNNING)
        self.uses = self.env["steward.skill.use"]

    def runs(self, count):
        agent = self.agent("- stop: done")
        return [self.start(agent) for _n in range(count)]

    def halves(self, count_each):
        """Runs of which a trial of a half leaves so many without, and as many not."""
        salt = f"skill-{self.dunning.approved_version_id.id}"
        traces = {True: [], False: []}
        for number in count():
            trace = f"trace-{number}"
            half = traces[bucket(trace, salt) < 0.5]
            if len(half) < count_each:
                half.append(trace)
            elif min(map(len, traces.values())) == count_each:
                break
        runs = self.runs(2 * count_each)
        for run, trace in zip(runs, traces[True] + traces[False], strict=True):
            run.sudo()._write_own({"trace_id": trace})
        return runs

    def test_a_stable_share_is_left_without(self):
        self.dunning.trial_share = 50
        found = self.skills._find("dunning")
        told = {}
        for run in self.halves(20):
            told[run] = bool(self.uses._allotted(run, found))
            self.assertEqual(bool(self.uses._allotted(run, found)), told[run])
        arms = self.uses.search([("skill_id", "=", self.dunning.id)]).mapped("arm")
        self.assertEqual(len(arms), 40)
        self.assertEqual(arms.count("with"), sum(told.values()))
        self.assertEqual(arms.count("without"), 20)
        self.dunning.trial_share = 0
        self.assertTrue(all(self.uses._allotted(run, found) for run in told))
        first = self.uses.search([("skill_id", "=", self.dunning.id)]).mapped("arm")
        self.assertEqual(first, arms)

    def test_what_is_withheld_is_not_found_in_that_run(self):
        self.dunning.trial_share = 50
        seen = set()
        for run in self.halves(3):
            skills = self.skills.with_user(self.robot)
            skills = skills.with_context(**{AT_WORK: RunId(run.id)})
            names = [row["name"] for row in skills.find("dunning")]
            [use] = self.uses.search([("run_id", "=", run.id)])
            self.assertEqual(bool(names), use.arm == "with")
            seen.add(use.arm)
        self.assertEqual(seen, {"with", "without"})

    def test_how_runs_went_is_kept(self):
        run, unfinished = self.runs(2)
        row = Found(self.dunning.id, self.dunning.approved_version_id.id, 0.8)
        for one in (run, unfinished):
            self.uses._note(one, [(row, "with")])
        self.uses._note(run, [])
        self.work(run)
        self.assertEqual(self.uses._refresh(), 1)
        use = self.uses.search([("run_id", "=", run.id)])
        self.assertEqual((use.state, use.verdict), ("completed", False))
        self.assertEqual(self.dunning.use_count, 2)
        self.assertTrue(self.dunning.last_used_at)
        self.env["steward.run"].with_user(self.operator).feedback(
            run.trace_id, "approved"
        )
        self.uses._cron_refresh()
        self.assertEqual(use.verdict, "approved")
        trace = run.trace_id
        run.sudo().unlink()
        self.assertEqual((use.trace_id, use.state), (trace, "completed"))
        self.assertFalse(use.run_id)
        self.assertEqual(self.uses._refresh(), 0)
        action = self.dunning.with_user(self.viewer).action_uses()
        self.assertEqual(self.uses.search_count(action["domain"]), 2)

    def test_nobody_forges_uses(self):
        for user in (self.robot, self.operator, self.reviewer):
            with self.assertRaises(AccessError):
                self.uses.with_user(user).check_access("create")
        with self.assertRaises(Refused):
            self.uses.create({"skill_id": self.dunning.id, "arm": "with"})

    def test_source_runs_may_go(self):
        [run] = self.runs(1)
        self.dunning._write_own(
            {
                "source_run_ids": [(6, 0, run.ids)],
                "source_traces": [{"trace_id": run.trace_id, "steps": []}],
            }
        )
        action = self.dunning.action_source_runs()
        self.assertEqual(self.env["steward.run"].search(action["domain"]), run)
        trace = run.trace_id
        run.sudo().unlink()
        self.assertFalse(self.dunning.source_run_ids)
        self.assertEqual(self.dunning.source_traces[0]["trace_id"], trace)


@tagged("post_install", "-at_install")
class TestContext(SkillCase):
    def setUp(self):
        super().setUp()
        self.dunning = self.approved(text=DUNNING)

    def told(self, task, user=None, **arguments):
        agents = self.env["steward.agent"].with_user(user or self.robot)
        return agents.context(task, **arguments)

    def test_the_best_is_told_whole(self):
        other = self.approved(
            text=DUNNING.replace("remind-late", "remind-more").replace(
                "friendly", "short"
            )
        )
        other._write_own({"confidence": 0.0})
        first, second = self.told("dunning")["skills"]
        self.assertEqual((first["name"], first["version"]), (self.dunning.name, 1))
        self.assertIn("Write a friendly reminder", first["text"])
        self.assertNotIn("Write a short reminder", second["text"])
        self.assertIn("read_skill", second["text"])
        self.assertIn("## Skills", self.told("dunning")["text"])
        self.assertEqual(self.told("paint the fence")["skills"], [])

    def test_a_long_one_is_hinted_at(self):
        self.dunning.body = "word " * 3000
        self.approved(self.dunning)
        [skill] = self.told("dunning")["skills"]
        self.assertIn("read_skill", skill["text"])
        self.assertLess(len(skill["text"]), 400)

    def test_a_playbook_is_run(self):
        self.approved(
            title="Count partners", trigger_words="how many", playbook=COUNTING
        )
        [skill] = self.told("how many partners")["skills"]
        self.assertIn("run_skill", skill["text"])

    def test_only_what_one_may_read(self):
        self.dunning.sudo().group_ids = self.env.ref("base.group_erp_manager")
        self.assertEqual(self.told("dunning")["skills"], [])

    def test_asking_outside_of_a_run_counts_nothing(self):
        self.told("dunning")
        self.assertFalse(self.env["steward.skill.use"].search([]))
        with self.assertRaises(Invalid):
            self.told("dunning", token_budget=1)
