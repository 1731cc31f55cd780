from odoo import SUPERUSER_ID
from odoo.tests import HttpCase, new_test_user, tagged

from .chat_common import ChatCase, says

COUNT = ("count_records", {"model": "res.partner"})
COUNT_USERS = ("count_records", {"model": "res.users"})
MAKE = ("create_record", {"model": "res.partner", "values": {"name": "Ann X"}})


@tagged("post_install", "-at_install")
class TestChatTour(ChatCase, HttpCase):
    def setUp(self):
        super().setUp()
        # no runner here: the job is done at once
        runs = self.env.registry["steward.run"]
        self.patch(runs, "_enqueue", _work)
        groups = "steward.group_operator,steward.group_reviewer"
        self.boss = new_test_user(self.env, "boss_b", groups, password="boss_b")

    def test_a_conversation_with_an_approval(self):
        agent = self.chat_agent(name="Customer desk")
        self.answers(
            says("Let me count.", COUNT),
            says("There are **many**."),
            says("", MAKE),
            says("She is there now."),
        )
        self.start_tour(
            "/odoo/steward-runs", "steward_chat", login="boss_b", timeout=180
        )
        first, second = self.env["steward.run"].search(
            [("agent_id", "=", agent.id)], order="id"
        )
        self.assertEqual(second.session, first.trace_id)
        self.assertEqual((first.verdict, second.verdict), (False, "approved"))
        self.assertEqual(second.approval_ids.decided_by_id, self.boss)
        self.assertTrue(self.partners.search([("name", "=", "Ann X")]))

    def test_a_conversation_with_a_picture(self):
        self.model.can_vision = True
        agent = self.chat_agent(name="Customer desk")
        self.answers(says("It is black."))
        self.start_tour("/odoo/steward-runs", "steward_chat_picture", login="boss_b")
        run = self.env["steward.run"].search([("agent_id", "=", agent.id)])
        self.assertEqual(run.picture_ids.mimetype, "image/png")
        parts = self.asked[0]["messages"][-1]["content"]
        self.assertEqual([part["type"] for part in parts], ["text", "image"])

    def test_two_runs_side_by_side(self):
        agent = self.chat_agent()
        self.answers(
            says("", COUNT), says("Some."), says("", COUNT_USERS), says("More.")
        )
        for task in ("Count them", "Count again"):
            self.ask(agent, task)
        self.start_tour(
            "/odoo/steward-runs", "steward_compare", login="boss_b", timeout=180
        )

    def test_who_may_not_chat_sees_no_door(self):
        new_test_user(self.env, "vera_v", "steward.group_viewer", password="vera_v")
        self.start_tour("/odoo", "steward_no_chat", login="vera_v", timeout=180)


def _work(runs, eta=None):
    for run in runs:
        # as the job would: as the superuser
        run.with_user(SUPERUSER_ID)._execute()
