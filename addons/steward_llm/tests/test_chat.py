from unittest.mock import patch

from odoo.addons.steward.exceptions import (
    AddressRefused,
    BadAnswer,
    CircuitOpen,
    Invalid,
    Locked,
    RateLimited,
    Refused,
    RemoteError,
    SecretUnavailable,
    TimedOut,
)
from odoo.tests import new_test_user, tagged

from ..const import REPAIR
from ..exceptions import BudgetExhausted, NoAnswer, PriceUnknown, Withheld
from . import openai_server as speaks
from .common import ModelKit
from .openai_server import CHAT, OpenAIServer, call, refuse

HELLO = [{"role": "user", "content": "how are you"}]
FIND = {"name": "find", "description": "", "parameters": {"type": "object"}}
PICTURE = {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="}
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
}


class ChatKit(ModelKit):
    """A model at one provider, and one at another that stands in for it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spare_server = cls.enterClassContext(OpenAIServer(models=["gpt-spare"]))
        cls.spare_provider = cls.provider.copy(
            {"name": "Spare", "code": "spare", "base_url": cls.spare_server.base_url}
        )
        able = dict.fromkeys(["can_tools", "can_json", "can_vision"], True)
        cls.chat.write({**able, "can_streaming": True})
        cls.spare = cls.chat.copy(
            {"name": "gpt-spare", "provider_id": cls.spare_provider.id}
        )
        cls.env["steward.model.fallback"].create(
            {"model_id": cls.chat.id, "fallback_id": cls.spare.id}
        )
        cls.prices = cls.env["steward.price"].create(
            [
                # dollars for a token, so that sums are easy
                {"model_name": name, "rate_input": rate, "rate_output": rate}
                for name, rate in (("gpt-test", 10**6), ("gpt-spare", 10**5))
            ]
        )

    def setUp(self):
        super().setUp()
        self.spare_server.clear()
        self.told = []

    def ask(self, messages=HELLO, **arguments):
        return self.chat._chat(messages, **arguments)

    def failing(self, *faults, times=1):
        self.server.fail(CHAT, *faults, times=times)

    def usage(self):
        return self.env["steward.usage"].search(
            [("model_id", "in", (self.chat | self.spare).ids)], order="id"
        )

    def budget(self, limit, **values):
        return self.env["steward.budget"].create(
            {
                "name": "Talking",
                "currency_id": self.env.ref("base.USD").id,
                "limit_amount": limit,
                **values,
            }
        )

    def error_of(self, error, **arguments):
        # assertRaises would roll back what the refusal leaves behind
        try:
            self.ask(**arguments)
        except error as raised:
            return raised
        raise AssertionError(f"no {error}")


@tagged("-at_install", "post_install")
class TestChat(ChatKit):
    def test_answers(self):
        self.server.reply("fine and you")
        chatted = self.ask(
            subject={"agent_name": "Ada", "prompt_version": "hello@2", "trace": "t1"}
        )
        self.assertEqual(chatted.answer.text, "fine and you")
        self.assertEqual((chatted.model, chatted.tried), (self.chat, []))
        self.assertEqual((chatted.cost.amount, chatted.cost.source), (6, "computed"))
        self.assertEqual(
            (chatted.value, chatted.cached, chatted.repairs), (None, False, 0)
        )
        self.assertGreater(chatted.seconds, 0)
        row = self.usage()
        self.assertEqual((row.tokens_in, row.tokens_out, row.cost), (3, 3, 6))
        self.assertEqual((row.operation, row.user_id), ("chat", self.env.user))
        self.assertEqual(
            (row.agent_name, row.prompt_version, row.trace), ("Ada", "hello@2", "t1")
        )

    def test_streams(self):
        self.server.reply("fine and you")
        self.ask(on_delta=self.told.append)
        self.assertEqual([delta.text for delta in self.told], ["fine", " and", " you"])

    def test_a_model_that_does_not_stream(self):
        self.chat.can_streaming = False
        self.server.reply("fine and you")
        self.ask(on_delta=self.told.append)
        self.assertEqual([delta.text for delta in self.told], ["fine and you"])
        self.assertNotIn("stream", self.server.asked(CHAT)[0])

    def test_somebody_without_rights(self):
        """An agent's user sees no models, and may let them work all the same."""
        user = new_test_user(self.env, "asks", groups="base.group_user")
        self.server.reply("fine")
        chatted = self.chat.with_user(user)._chat(HELLO)
        self.assertEqual(chatted.answer.text, "fine")
        self.assertEqual(chatted.model.env.uid, user.id)
        self.assertFalse(chatted.model.env.su)
        self.assertEqual(self.usage().user_id, user)

    # -- what cannot be asked -------------------------------------------------------

    def test_a_question_that_makes_no_sense(self):
        for arguments, what in (
            ({"messages": []}, "no message"),
            ({"max_tokens": -1}, "at least one token"),
            ({"schema": {"type": "whole"}}, "schema cannot be used"),
        ):
            with self.subTest(what=what), self.assertRaisesRegex(Invalid, what):
                self.ask(**arguments)
        self.assertFalse(self.server.requests)

    def test_models_that_cannot(self):
        picture = [{"role": "user", "content": [PICTURE]}]
        for field, arguments, what in (
            ("can_vision", {"messages": picture}, "lacks what this takes: Pictures"),
            ("can_tools", {"tools": [FIND]}, "lacks what this takes: Tools"),
            ("can_json", {"schema": SCHEMA}, "lacks what this takes: JSON"),
            ("can_chat", {}, "does not chat"),
        ):
            (self.chat | self.spare)[field] = False
            with self.subTest(what=what), self.assertRaisesRegex(Invalid, what):
                self.ask(**arguments)
            (self.chat | self.spare)[field] = True
        self.assertFalse(self.server.requests)
        self.assertEqual(self.ask(picture).model, self.chat)

    def test_context_that_does_not_fit(self):
        (self.chat | self.spare).context_size = 100
        long = [{"role": "user", "content": "word " * 100}]
        with self.assertRaisesRegex(Invalid, "The context does not fit: about 131"):
            self.ask(long)
        with self.assertRaisesRegex(Invalid, "context does not fit"):
            self.ask(max_tokens=99)
        # a longer one may stand in
        self.spare.context_size = 1000
        self.assertEqual(self.ask(long).model, self.spare)
        self.assertFalse(self.server.requests)

    def test_archived(self):
        self.provider.active = False
        self.assertEqual(self.ask().model, self.spare)
        self.spare.active = False
        with self.assertRaisesRegex(Invalid, "archived, and nothing stands in"):
            self.ask()

    def test_another_companys_model(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.chat.fallback_ids.unlink()
        self.provider.company_id = other
        with self.assertRaisesRegex(Invalid, "another company"):
            self.ask()
        self.server.reply("fine")
        self.assertTrue(self.ask(subject={"company": other.id}))
        self.assertEqual(self.usage().company_id, other)

    def test_longest_answer(self):
        self.chat.max_output = 50
        self.ask(max_tokens=70)
        self.ask(max_tokens=30)
        asked = self.server.asked(CHAT)
        self.assertEqual([told["max_tokens"] for told in asked], [50, 30])

    # -- others stand in -------------------------------------------------------------

    def test_the_next_one_answers(self):
        for fault, what in (
            (refuse(401, "revoked"), "does not accept the key"),
            (refuse(404, "gone"), "at the model"),
            (refuse(400), "HTTP 400"),
            (speaks.garbage, "no JSON"),
            (speaks.says({}), "no message"),
        ):
            with self.subTest(what=what):
                self.failing(fault)
                chatted = self.ask()
                self.assertEqual(chatted.model, self.spare)
                [tried] = chatted.tried
                self.assertEqual(tried["model"], self.chat.display_name)
                self.assertIn(what, tried["error"])

    def test_what_passes_is_waited_for_first(self):
        self.failing(refuse(503))
        self.assertEqual(self.ask().model, self.chat)
        self.failing(refuse(429, retry_after=600))
        self.assertEqual(self.ask().model, self.spare)
        self.assertEqual(len(self.pauses), 1)

    def test_a_provider_that_never_answers(self):
        self.provider.timeout = 1
        self.failing(speaks.silence)
        chatted = self.ask()
        self.assertEqual(chatted.model, self.spare)
        self.assertIn("in time", chatted.tried[0]["error"])

    def test_time_for_all_of_it(self):
        self.failing(speaks.silence)
        with self.assertRaises(TimedOut):
            self.ask(seconds=0.4)
        self.assertFalse(self.spare_server.requests)

    def test_what_keeps_a_call_from_being_made(self):
        errors = (
            CircuitOpen("left alone"),
            RateLimited("too many"),
            AddressRefused("private"),
            SecretUnavailable("no key"),
        )
        adapter = type(self.adapter())
        real = adapter.chat
        for error in errors:

            def chat(self, name, *arguments, error=error):
                if name == "gpt-test":
                    raise error
                return real(self, name, *arguments)

            with self.subTest(error=error), patch.object(adapter, "chat", chat):
                self.assertEqual(self.ask().model, self.spare)

    def test_an_open_circuit_is_skipped(self):
        circuits = self.env["steward.circuit"]
        circuits.create({"name": "llm/loopback", "mode": "forced_open"})
        chatted = self.ask()
        self.assertEqual(chatted.model, self.spare)
        self.assertIn("left alone", chatted.tried[0]["error"])
        self.assertFalse(self.server.requests)

    def test_our_own_trouble_is_nobodys_fault(self):
        def reserve(*_arguments):
            raise Locked("busy")

        self.patch(self.registry["steward.budget"], "_reserve", reserve)
        self.assertRaises(Locked, self.ask)

    def test_nobody_answers(self):
        self.failing(refuse(401))
        self.spare_server.fail(CHAT, refuse(429, retry_after=50))
        with self.assertRaises(NoAnswer) as caught:
            self.ask()
        error = caught.exception
        self.assertIn("None of 2 models answered. gpt-test · Loopback: ", str(error))
        self.assertTrue(error.retryable)
        self.assertEqual(error.retry_after, 50)
        self.failing(refuse(401))
        self.spare_server.fail(CHAT, refuse(404))
        with self.assertRaises(NoAnswer) as caught:
            self.ask()
        self.assertFalse(caught.exception.retryable)

    def test_alone_its_own_error(self):
        self.spare.active = False
        self.failing(refuse(401))
        with self.assertRaises(RemoteError) as caught:
            self.ask()
        self.assertEqual(caught.exception.status_code, 401)

    def test_once_a_word_was_told_nobody_else_answers(self):
        self.failing(speaks.half_a_stream)
        self.error_of(Exception, on_delta=self.told.append)
        self.assertEqual([delta.text for delta in self.told], ["one", " two"])
        self.assertFalse(self.spare_server.requests)
        # and what was said is paid
        row = self.usage()
        self.assertEqual((row.tokens_out, row.estimated, row.cost), (2, True, 10))

    def test_who_listens_may_stop_it(self):
        def stop(_delta):
            raise Refused("Enough.")

        with self.assertRaisesRegex(Refused, "Enough"):
            self.ask(on_delta=stop)
        self.assertFalse(self.spare_server.requests)

    # -- which one --------------------------------------------------------------------

    def test_route(self):
        self.chat.fallback_ids.unlink()
        mine = self.chat | self.spare
        route = self.env["steward.model"]._route

        def found(*needs, **arguments):
            return route(frozenset(needs), **arguments) & mine

        self.assertEqual(found("tools"), self.spare | self.chat)
        self.assertEqual(found("tools").ids, [self.spare.id, self.chat.id])
        self.prices[0].rate_input = self.prices[0].rate_output = 1
        self.assertEqual(found().ids, [self.chat.id, self.spare.id])
        self.prices[0].active = False  # nobody knows
        self.assertEqual(found().ids, [self.spare.id, self.chat.id])
        self.spare.can_vision = False
        self.assertEqual(found("vision"), self.chat)
        self.chat.context_size = 1000
        self.assertEqual(found(tokens=1000), self.spare)
        self.spare._write_own({"is_offered": False})
        self.assertEqual(found(), self.chat)
        other = self.env["res.company"].create({"name": "Other"})
        self.provider.company_id = other
        self.assertFalse(found())
        self.assertEqual(found(company=other), self.chat)

    # -- shape -------------------------------------------------------------------------

    def test_shape(self):
        chatted = self.ask(schema=SCHEMA)
        self.assertEqual((chatted.value, chatted.repairs), ({"days": 1}, 0))
        [asked] = self.server.asked(CHAT)
        self.assertEqual(asked["response_format"]["json_schema"]["schema"], SCHEMA)
        self.assertIn('"days"', asked["messages"][0]["content"])

    def test_repair(self):
        self.server.reply("In three days")
        self.server.reply('{"days": "three"}')
        self.server.reply('```json\n{"days": 3}\n```')
        chatted = self.ask(schema=SCHEMA, on_delta=self.told.append)
        self.assertEqual((chatted.value, chatted.repairs), ({"days": 3}, 2))
        *_before, answer, problems = self.server.asked(CHAT)[2]["messages"]
        self.assertEqual(answer, {"role": "assistant", "content": '{"days": "three"}'})
        self.assertIn("days: should be a whole number", problems["content"])
        rows = self.usage()
        self.assertEqual(rows.mapped("purpose"), [False, REPAIR, REPAIR])
        self.assertEqual(chatted.cost.amount, sum(rows.mapped("cost")))
        # repairs are no news to who listens
        self.assertEqual("".join(d.text for d in self.told), "In three days")

    def test_repairs_have_an_end(self):
        for _time in range(9):
            self.server.reply("{}")
        self.spare_server.reply('{"days": 3}')
        chatted = self.ask(schema=SCHEMA)
        self.assertEqual((chatted.model, chatted.value), (self.spare, {"days": 3}))
        self.assertEqual(len(self.server.requests), 3)
        self.assertIn("'days' is missing", chatted.tried[0]["error"])
        self.spare.active = False
        with self.assertRaisesRegex(BadAnswer, "asked 3 times"):
            self.ask(schema=SCHEMA)

    def test_tools_come_before_the_shape(self):
        self.server.reply(tools=[call("find", name="Azure")])
        chatted = self.ask(schema=SCHEMA, tools=[FIND])
        self.assertEqual(chatted.answer.tool_calls[0].arguments, {"name": "Azure"})
        self.assertEqual((chatted.value, chatted.repairs), (None, 0))

    # -- answers that are none ------------------------------------------------------

    def test_cut_off(self):
        self.spare.active = False
        self.server.reply("", finish="length")
        with self.assertRaisesRegex(BadAnswer, "did not come to the end"):
            self.ask()
        self.server.reply('{"days":', finish="length")
        with self.assertRaisesRegex(BadAnswer, "Allow longer answers"):
            self.ask(schema=SCHEMA)
        self.assertEqual(len(self.server.requests), 2)
        self.server.reply("Once upon", finish="length")
        self.assertEqual(self.ask().answer.finish, "length")

    def test_filtered(self):
        self.server.reply("", finish="content_filter")
        error = self.error_of(Withheld)
        self.assertIn("a filter kept it back", error.sentence)
        self.server.reply(refusal="I will not.")
        error = self.error_of(Withheld, schema=SCHEMA)
        self.assertIn("It says: “I will not.”", error.sentence)
        # nobody goes shopping for a model that says it
        self.assertFalse(self.spare_server.requests)
        self.server.reply("As far as", finish="content_filter")
        self.assertEqual(self.ask().answer.finish, "filtered")

    # -- money -----------------------------------------------------------------------

    def test_what_was_spent_counts(self):
        budget = self.budget(10_000)
        self.server.reply("fine")
        self.ask()
        self.assertEqual((budget.spent, budget.reserved), (4, 0))
        # what is useless is paid all the same
        self.server.reply("I am you", role="user")
        self.assertEqual(self.ask().model, self.spare)
        self.assertEqual(len(self.usage()), 3)
        self.assertAlmostEqual(budget.spent, sum(self.usage().mapped("cost")))
        # and what failed before a word costs nothing
        self.failing(refuse(404))
        self.spare_server.fail(CHAT, refuse(404))
        self.error_of(NoAnswer)
        self.assertEqual(len(self.usage()), 3)
        self.assertEqual(budget.reserved, 0)

    def test_too_little_left(self):
        self.budget(50)
        error = self.error_of(BudgetExhausted, max_tokens=100)
        self.assertIn("Talking", error.sentence)
        self.assertFalse(self.server.requests + self.spare_server.requests)
        self.assertEqual(self.ask(max_tokens=20).model, self.chat)

    def test_of_an_answer_without_limit_the_longest_is_put_aside(self):
        budget = self.budget(1000)
        self.error_of(BudgetExhausted)
        self.chat.max_output = 100
        self.assertEqual(self.ask().model, self.chat)
        self.assertGreater(budget.spent, 0)

    def test_downgrade(self):
        dear = self.spare.copy({"name": "gpt-dear"})
        named = self.spare.copy({"name": "gpt-named"})
        self.spare_server.models += ["gpt-dear", "gpt-named"]
        self.env["steward.price"].create(
            [
                {"model_name": name, "rate_input": rate, "rate_output": rate}
                for name, rate in (("gpt-dear", 10**7), ("gpt-named", 10**5))
            ]
        )
        self.env["steward.model.fallback"].create(
            {"model_id": self.chat.id, "fallback_id": dear.id, "sequence": 1}
        )
        budget = self.budget(50, action="downgrade", downgrade_model_id=named.id)
        # the one that the budget names, not the dear one that comes first
        chatted = self.ask(max_tokens=100)
        self.assertEqual((chatted.model, chatted.tried), (named, []))
        named.can_tools = False
        self.assertEqual(self.ask(max_tokens=100, tools=[FIND]).model, self.spare)
        budget.limit_amount = 3
        error = self.error_of(BudgetExhausted, max_tokens=100)
        self.assertEqual(error.budget_id, budget.id)

    def test_a_repair_that_cannot_be_paid(self):
        """What was told already is not told again by another model."""
        named = self.spare.copy({"name": "gpt-named"})
        self.budget(250, action="downgrade", downgrade_model_id=named.id)
        self.server.reply("In three days", usage={"completion_tokens": 60})
        error = self.error_of(
            BudgetExhausted, schema=SCHEMA, max_tokens=70, on_delta=self.told.append
        )
        self.assertIn("Talking", error.sentence)
        self.assertEqual("".join(d.text for d in self.told), "In three days")
        self.assertFalse(self.spare_server.requests)

    def test_unknown_price(self):
        self.prices[0].active = False
        budget = self.budget(1000, unknown_price="refuse")
        chatted = self.ask(max_tokens=10)
        self.assertEqual(chatted.model, self.spare)
        self.assertIn("price is unknown", chatted.tried[0]["error"])
        self.spare.active = False
        self.error_of(PriceUnknown, max_tokens=10)
        budget.unknown_price = "count"
        chatted = self.ask()
        self.assertEqual((chatted.cost.amount, chatted.cost.source), (None, "unknown"))
        self.assertEqual(budget.unknown_calls, 1)

    def test_of_the_user_and_the_provider(self):
        user = new_test_user(self.env, "talks_much", groups="base.group_user")
        self.budget(1, scope="user", user_id=user.id)
        theirs = self.budget(1000, scope="provider", provider_id=self.provider.id)
        self.error_of(BudgetExhausted, max_tokens=10, subject={"user": user.id})
        self.server.reply("fine")
        self.ask(max_tokens=10)
        self.assertEqual(theirs.spent, 4)

    def test_a_listener_that_fails_leaves_the_money_in_order(self):
        budget = self.budget(10_000)

        def stop(_delta):
            raise ZeroDivisionError

        self.error_of(ZeroDivisionError, on_delta=stop)
        self.assertEqual(budget.reserved, 0)
        self.assertGreater(budget.spent, 0)
