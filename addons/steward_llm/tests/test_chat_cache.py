from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Refused
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from ..models import steward_chat_answer
from . import openai_server as speaks
from .openai_server import CHAT, call, refuse
from .test_chat import FIND, HELLO, SCHEMA, ChatKit

MB = 1024 * 1024


@tagged("-at_install", "post_install")
class TestChatCache(ChatKit):
    """The same question twice, and what is not the same."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.answers = cls.env["steward.chat.answer"]

    def ask(self, messages=HELLO, cache=True, **arguments):
        return super().ask(messages, cache=cache, **arguments)

    def asked(self):
        return len(self.server.asked(CHAT))

    def days(self):
        days = self.env["steward.chat.answer.day"].search([])
        return [(d.hits, d.misses, d.tokens, d.saved) for d in days]

    def test_known(self):
        budget = self.budget(10_000)
        self.server.reply("fine and you")
        first = self.ask()
        again = self.ask(on_delta=self.told.append)
        self.assertEqual((first.cached, again.cached), (False, True))
        self.assertEqual(again.answer, first.answer)
        self.assertEqual([delta.text for delta in self.told], ["fine and you"])
        self.assertEqual((again.cost.amount, budget.spent), (0, 6))
        self.assertEqual((self.asked(), len(self.usage())), (1, 1))
        self.assertEqual(self.days(), [(1, 1, 6, 6)])
        self.ask()
        self.assertEqual(self.days(), [(2, 1, 12, 12)])
        row = self.answers.search([])
        self.assertEqual((row.hits, row.tokens, row.cost), (2, 6, 6))

    def test_only_who_asks_for_it(self):
        self.ask(cache=False)
        self.assertFalse(self.answers.search([]))
        self.ask()
        self.assertFalse(self.ask(cache=False).cached)
        self.assertEqual(self.asked(), 3)

    def test_another_picture_is_another_question(self):
        self.chat.can_vision = True
        picture = {"type": "image", "media_type": "image/png", "data": "iVBORw0K"}
        known = [
            self.ask([{"role": "user", "content": [{**picture, "data": data}]}]).cached
            for data in ("iVBORw0K", "iVBORw0L", "iVBORw0K", "iVBORw0L")
        ]
        self.assertEqual(known, [False, False, True, True])

    def test_what_is_not_the_same(self):
        self.ask()
        others = (
            {"messages": [{"role": "user", "content": "how are we"}]},
            {"tools": [FIND]},
            {"schema": SCHEMA},
            {"max_tokens": 9},
        )
        for arguments in others:
            with self.subTest(arguments=arguments):
                self.assertFalse(self.ask(**arguments).cached)
                self.assertTrue(self.ask(**arguments).cached)
        self.chat.name = "gpt-next"
        self.server.models.append("gpt-next")
        self.addCleanup(self.server.models.remove, "gpt-next")
        self.assertFalse(self.ask().cached)

    def test_value_and_calls(self):
        first = self.ask(schema=SCHEMA)
        self.assertEqual(self.ask(schema=SCHEMA).value, first.value)
        self.server.reply(tools=[call("find", n=1)])
        first = self.ask(tools=[FIND])
        self.assertEqual(self.ask(tools=[FIND]).answer, first.answer)

    def test_never_across_companies(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.ask()
        self.assertFalse(self.ask(subject={"company": other.id}).cached)
        self.assertTrue(self.ask(subject={"company": other.id}).cached)
        rows = self.answers.search([])
        administrator = new_test_user(
            self.env, "c_admin", groups="steward.group_administrator"
        )
        mine = rows.with_user(administrator).search([])
        self.assertEqual(mine.company_id, self.env.company)
        with self.assertRaises(AccessError):
            (rows - mine).with_user(administrator).action_empty()

    def test_what_is_not_kept(self):
        self.server.reply("Once upon", finish="length")
        self.ask()
        self.failing(refuse(404))
        self.spare_server.fail(CHAT, refuse(404))
        self.error_of(Exception)
        self.assertFalse(self.answers.search([]))
        with patch.object(steward_chat_answer, "MAX_BYTES", 10):
            self.ask()
        self.assertFalse(self.answers.search([]))

    def test_who_stood_in_is_not_taken_for_the_model(self):
        self.failing(speaks.garbage)
        self.assertEqual(self.ask().model, self.spare)
        self.assertEqual(self.ask().model, self.chat)
        self.failing(refuse(404))
        self.ask([{"role": "user", "content": "another"}])
        self.assertEqual(len(self.spare_server.requests), 2)

    def test_too_old(self):
        self.ask()
        self.env["ir.config_parameter"].set_param("steward.chat.cache_days", "2")
        row = self.answers.search([])
        row._write_own({"made_at": fields.Datetime.now() - timedelta(days=3)})
        row.flush_recordset()
        self.assertFalse(self.ask().cached)
        self.assertTrue(self.ask().cached)  # it is new again
        row._write_own({"made_at": fields.Datetime.now() - timedelta(days=3)})
        self.trim()
        self.assertFalse(self.answers.search([]))

    def test_too_much(self):
        self.env["ir.config_parameter"].set_param("steward.chat.cache_mb", "2")
        for number, used in enumerate((5, 1, 3, 2)):  # hours ago
            self.ask([{"role": "user", "content": f"question {number}"}])
            self.answers.search([], limit=1)._write_own(
                {
                    "size": MB * 0.9,
                    "used_at": fields.Datetime.now() - timedelta(hours=used),
                }
            )
        with patch.object(steward_chat_answer, "TRIM_AT_ONCE", 1):
            self.trim()
        left = self.answers.search([])
        hours = [
            round((fields.Datetime.now() - row.used_at).total_seconds() / 3600)
            for row in left
        ]
        self.assertEqual(hours, [1, 2])

    def test_old_counts(self):
        self.ask()
        day = self.env["steward.chat.answer.day"].search([])
        self.assertEqual(day.rate, 0)
        day._write_own({"day": fields.Date.today() - timedelta(days=402)})
        self.trim()
        self.assertFalse(day.exists())

    def trim(self):
        self.env.flush_all()
        commit = lambda *_arguments, **_more: 1  # noqa: E731 - a stand-in
        with patch.object(type(self.env["ir.cron"]), "_commit_progress", commit):
            self.answers._cron_trim()
        self.env.invalidate_all()

    # -- who may -----------------------------------------------------------------------

    def test_nobody_reads_answers(self):
        self.ask()
        row = self.answers.search([])
        for group in ("viewer", "administrator"):
            user = new_test_user(
                self.env, f"c_{group}", groups=f"steward.group_{group}"
            )
            for field in ("content", "digest"):
                with self.assertRaises(AccessError):
                    row.with_user(user).read([field])
            with self.assertRaises(AccessError):
                row.with_user(user).unlink()
        with self.assertRaises(Refused):
            row.write({"content": b"forged"})

    def test_empty(self):
        self.ask()
        row = self.answers.search([])
        viewer = new_test_user(self.env, "e_viewer", groups="steward.group_viewer")
        with self.assertRaises(AccessError):
            row.with_user(viewer).action_empty()
        administrator = new_test_user(
            self.env, "e_admin", groups="steward.group_administrator"
        )
        row.with_user(administrator).action_empty()
        self.assertFalse(row.exists())
        self.assertFalse(self.ask().cached)

    def test_settings(self):
        settings = self.env["res.config.settings"]
        for field in ("steward_chat_cache_mb", "steward_chat_cache_days"):
            with self.assertRaises(ValidationError):
                settings.create({field: 0})
        settings.create({"steward_chat_cache_days": 3}).execute()
        self.assertEqual(self.answers._max_days(), 3)
