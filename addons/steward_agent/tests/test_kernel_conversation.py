import doctest
import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import conversation
from ..kernel.conversation import (
    DENIED,
    POOR,
    SAME,
    Conversation,
    Recall,
    Think,
    as_text,
    begin,
    carried,
    mended,
    messages_of,
    news,
    shortened,
    spoken,
)
from ..kernel.machine import MAX_MOVES, Act, Done, Failed, Variables, Wait

NOW = 1_800_000_000.0
BOUNDARY = "00ff00ff00ff00ff"
COUNT = {"id": "a", "name": "count", "arguments": {"model": "res.partner"}}


def call(name, call_id="", **arguments):
    return {"id": call_id, "name": name, "arguments": arguments}


def says(text="", *calls, finish="stop", **more):
    return {"text": text, "tool_calls": list(calls), "finish": finish, **more}


class Talk:
    """Leads a conversation with answers that are written down beforehand.

    :param answers: of the model; an exception is what `fail` is told
    :param tools: name -> result of a call; an exception is what `fail` is told
    """

    def __init__(self, answers, tools=None, resume=False, context=""):
        self.answers, self.tools = list(answers), tools or {}
        self.resume, self.context = resume, context
        self.talk = Conversation({}, begin("You help.", "Do it.", BOUNDARY))
        self.now, self.waits, self.called = NOW, [], []
        self.thoughts = 0

    def move(self):
        if self.resume:
            self.talk = Conversation(
                json.loads(json.dumps(self.talk.position)),
                Variables(json.loads(json.dumps(dict(self.talk.variables)))),
            )
        return self.talk.next(self.now)

    def run(self):
        while True:
            move = self.move()
            match move:
                case Recall():
                    self.talk.succeed(self.context)
                case Wait():
                    self.waits.append(round(move.until - self.now))
                    self.now = move.until
                case Think():
                    self.thoughts += 1
                    self.tell(self.answers.pop(0) if self.answers else says("Done."))
                case Act():
                    self.called.append((move.iteration, move.tool, move.arguments))
                    self.tell(self.tools.get(move.tool, "fine"))
                case _:
                    return move

    def tell(self, outcome):
        if isinstance(outcome, Broken):
            self.talk.fail(*outcome.args, self.now, **outcome.how)
        else:
            self.talk.succeed(outcome)

    def said(self, role):
        return [m["content"] for m in self.talk.messages if m["role"] == role]


class Broken(Exception):
    def __init__(self, category="external", message="away", **how):
        super().__init__(category, message)
        self.how = how


ANSWERS = st.lists(
    st.one_of(
        st.just(says("", finish="stop")),
        st.just(says("half", finish="length")),
        st.builds(
            lambda calls: says("thinking", *calls, finish="tool_calls"),
            st.lists(
                st.builds(
                    lambda name, call_id, problem: {
                        **call(name, call_id, n=1),
                        **({"problem": problem} if problem else {}),
                    },
                    st.sampled_from(["count", "fails", "denied", ""]),
                    st.sampled_from(["", "a", "b"]),
                    st.sampled_from(["", "", "no JSON"]),
                ),
                min_size=1,
                max_size=5,
            ),
        ),
        st.just(Broken(may_repeat=True)),
    ),
    max_size=6,
)
TOOLS = {
    "fails": Broken("tool", "That did not work."),
    "denied": Broken("rights", "Not on the list."),
}


@tagged("post_install", "-at_install")
class TestConversation(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(conversation).failed)

    # -- what holds for any model ------------------------------------------------

    @given(ANSWERS)
    def test_interrupted_after_any_move(self, answers):
        """Whoever goes on says and does the same as who was never interrupted."""
        at_once, again = Talk(answers, TOOLS), Talk(answers, TOOLS, resume=True)
        self.assertEqual(at_once.run(), again.run())
        self.assertEqual(at_once.talk.messages, again.talk.messages)
        self.assertEqual(at_once.called, again.called)

    @given(ANSWERS)
    def test_each_call_is_answered_once(self, answers):
        talk = Talk(answers, TOOLS)
        talk.run()
        self._check_answers(mended(talk.talk.messages))

    @given(ANSWERS)
    def test_no_answers_are_endless(self, answers):
        talk = Talk(answers * 20, TOOLS)
        self.assertIsInstance(talk.run(), Done | Failed)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant", "tool"]),
                    "content": st.text(max_size=3),
                    "tool_call_id": st.sampled_from(["a", "b"]),
                    "tool_calls": st.just([]),
                }
            )
            | st.just(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [call("x", "a"), call("y", "b")],
                }
            ),
            max_size=8,
        )
    )
    def test_mended(self, messages):
        found = mended(messages)
        self._check_answers(found)
        self.assertEqual(mended(found), found)

    def _check_answers(self, messages):
        waiting = []
        for message in messages:
            if message["role"] == "tool":
                waiting.remove(message["tool_call_id"])
                continue
            self.assertFalse(waiting, messages)
            calls = message.get("tool_calls") or []
            waiting = [one["id"] for one in calls]
            self.assertEqual(len(set(waiting)), len(waiting))
        self.assertFalse(waiting, messages)

    # -- its course --------------------------------------------------------------

    def test_what_is_known_comes_before_the_task(self):
        talk = Talk([], context="Close the period first.")
        self.assertEqual(talk.run(), Done("Done."))
        known, task = talk.said("user")
        self.assertIn("Close the period first.", known)
        self.assertIn(BOUNDARY, known)
        self.assertEqual(task, "Do it.")

    def test_it_goes_on_without_what_is_known(self):
        talk = Talk([])
        talk.talk.fail("bug", "no context", NOW)
        self.assertEqual(talk.run(), Done("Done."))

    def test_forty_calls_at_once_one_after_the_other(self):
        calls = [call("count", f"c{n}", n=n) for n in range(40)]
        talk = Talk([says("", *calls)], {"count": "fine"})
        self.assertEqual(talk.run(), Done("Done."))
        self.assertEqual([args["n"] for _i, _t, args in talk.called], list(range(40)))
        self.assertEqual(talk.called[39][0], "0.39")
        self.assertEqual(talk.thoughts, 2)

    def test_the_same_call_for_ever(self):
        talk = Talk([says("", COUNT)] * 10)
        ended = talk.run()
        self.assertEqual(ended.category, "prompt")
        self.assertIn(f"called count {SAME} times in a row", ended.message)
        self.assertEqual(len(talk.called), SAME)

    def test_the_same_call_with_another_result_goes_on(self):
        results = iter(range(10))

        class Tools(dict):
            def get(self, *_args):
                return next(results)

        talk = Talk([says("", COUNT)] * 5, Tools({"x": 1}))
        self.assertEqual(talk.run(), Done("Done."))

    def test_each_call_has_an_id_of_its_own(self):
        calls = [
            call("count", "call_0_1", n=1),
            call("count", "", n=2),
            call("count", "a" * 3, n=3),
            call("count", "a" * 3, n=4),
            call("no such tool!", 7, n=5),
        ]
        talk = Talk([says("", *calls)])
        self.assertEqual(talk.run(), Done("Done."))
        [asked] = [m for m in talk.talk.messages if m.get("tool_calls")]
        ids = [one["id"] for one in asked["tool_calls"]]
        self.assertEqual(ids, ["call_0_1", "call_0_1_", "aaa", "call_0_3", "call_0_4"])
        self.assertEqual(talk.called[-1][1], "no_such_tool_")

    def test_a_call_that_makes_no_sense(self):
        broken = {**COUNT, "problem": "The arguments are no JSON."}
        talk = Talk([says("", broken, call("count", "b", n=1))])
        self.assertEqual(talk.run(), Done("Done."))
        self.assertEqual([args for *_x, args in talk.called], [{"n": 1}])
        self.assertIn("no JSON", talk.said("tool")[0])

    def test_calls_that_never_make_sense(self):
        broken = {**COUNT, "problem": "No JSON."}
        talk = Talk([says("", {**broken, "arguments": {"n": n}}) for n in range(20)])
        ended = talk.run()
        self.assertIn(f"made {DENIED} calls in a row", ended.message)
        self.assertFalse(talk.called)

    def test_unknown_tools_are_told_and_then_it_ends(self):
        answers = [says("", call("nothing", n=n)) for n in range(20)]
        denied = Broken("rights", "nothing is not on this agent's list of tools.")
        talk = Talk(answers, {"nothing": denied})
        ended = talk.run()
        self.assertEqual((ended.category, ended.step), ("rights", "call"))
        self.assertEqual(len(talk.called), DENIED)
        self.assertIn("not on this agent's list", talk.said("tool")[0])

    def test_a_failure_is_told_to_the_model(self):
        talk = Talk([says("", COUNT)], {"count": Broken("tool", "No such model.")})
        self.assertEqual(talk.run(), Done("Done."))
        self.assertIn("No such model.", talk.said("tool")[0])

    def test_who_is_away_is_called_again(self):
        talk = Talk([says("", COUNT)], {"count": Broken("external", "Away.")})
        self.assertEqual(talk.run(), Done("Done."))
        self.assertEqual(talk.waits, [2, 4, 8])
        self.assertEqual(len(talk.called), 4)

    def test_what_may_have_happened_is_not_called_again(self):
        away = Broken("external", "Away.", may_repeat=False)
        talk = Talk([says("", COUNT)], {"count": away})
        self.assertEqual(talk.run(), Done("Done."))
        self.assertFalse(talk.waits)

    # -- poor answers ------------------------------------------------------------

    def test_empty_answers_are_bounded(self):
        talk = Talk([says(" ")] * 10)
        ended = talk.run()
        self.assertIn("gave nothing", ended.message)
        self.assertEqual(talk.thoughts, POOR + 1)

    def test_an_answer_that_is_cut_off(self):
        talk = Talk([says("Half of", finish="length")])
        self.assertEqual(talk.run(), Done("Done."))
        talk = Talk([says("Half of", finish="length")] * 10)
        self.assertIn("only the beginning", talk.run().message)

    def test_an_answer_that_is_held_back(self):
        ended = Talk([says("", finish="filtered")]).run()
        self.assertEqual(ended.category, "prompt")
        self.assertIn("filter", ended.message)

    def test_a_model_that_does_not_answer(self):
        ended = Talk([Broken("external", "Away.", may_repeat=False)]).run()
        self.assertEqual(ended, Failed("external", "Away.", "think"))

    def test_a_model_that_is_away_for_a_moment(self):
        talk = Talk([Broken("external", "Away.", retry_after=30.0)])
        self.assertEqual(talk.run(), Done("Done."))
        self.assertEqual(talk.waits, [30])

    def test_a_model_that_asks_for_too_much_patience(self):
        ended = Talk([Broken("external", "Away.", retry_after=9000.0)]).run()
        self.assertEqual(ended.message, "Away.")

    def test_a_value_instead_of_a_text(self):
        talk = Talk([says('{"n": 1}', value={"n": 1})])
        self.assertEqual(talk.run(), Done({"n": 1}))

    def test_steps_are_bounded(self):
        talk = Talk([])
        talk.talk.position["moves"] = MAX_MOVES
        self.assertIn("steps", talk.run().message)

    # -- people ------------------------------------------------------------------

    def test_a_person_says_more(self):
        talk = Talk([says("Done."), says("Done again.")])
        talk.run()
        talk.talk.hear("And now?")
        self.assertEqual(talk.run(), Done("Done again."))
        self.assertEqual(talk.said("user"), ["Do it.", "And now?"])

    def test_a_run_goes_on_from_another(self):
        first = Talk([says("", COUNT, call("count", "b"))])
        first.move()
        first.talk.succeed("known")
        first.talk.succeed(says("", COUNT, call("count", "b")))
        first.talk.succeed(1)  # and then it is terminated
        before = carried(first.talk.variables, "1234")
        self._check_answers(before)
        self.assertNotIn(BOUNDARY, json.dumps(before))
        variables = begin("You help.", "Go on.", "1234", about={"id": 7}, before=before)
        messages = messages_of(variables)
        self.assertEqual(messages[-1], {"role": "user", "content": "Go on."})
        self.assertIn('{"id": 7}', messages[-2]["content"])
        self.assertEqual(messages[: len(before)], before)

    def test_pictures_are_carried_as_they_are(self):
        variables = begin("You help.", "Look.", BOUNDARY)
        picture = {"role": "user", "content": [{"type": "image", "data": "aa"}]}
        variables["message:000001"] = picture
        self.assertEqual(carried(variables, "1234")[1], picture)

    # -- length ------------------------------------------------------------------

    def test_old_results_are_left_out_first(self):
        result = {"role": "tool", "tool_call_id": "a", "name": "b", "content": "x" * 99}
        said = {"role": "user", "content": "y" * 99}
        messages = [result, said, result, said, said, said, result]

        def size(found):
            return sum(len(message["content"]) for message in found)

        self.assertEqual(shortened(messages, 10_000, size), messages)
        found = shortened(messages, 640, size)
        self.assertNotEqual(found[0], result)
        self.assertEqual(found[1:], messages[1:])
        found = shortened(messages, 10, size)
        self.assertEqual(found[-1], result)
        self.assertEqual([m["content"] for m in found].count("y" * 99), 4)

    def test_long_results_are_cut(self):
        talk = Talk([says("", COUNT)], {"count": "x" * 100_000})
        talk.run()
        [told] = talk.said("tool")
        self.assertLess(len(told), 41_000)
        self.assertIn("60000 characters cut", told)

    def test_what_it_is_told_first(self):
        talk = Talk([]).talk
        self.assertIn("You help.", talk.system["content"])
        self.assertIn(BOUNDARY, talk.system["content"])

    def test_for_people(self):
        talk = Talk([says("Let me see.", COUNT)], {"count": 7}, context="Known.")
        talk.run()
        messages = talk.talk.messages
        self.assertEqual(
            spoken(messages, BOUNDARY),
            [
                {"by": "person", "text": "Do it."},
                {"by": "agent", "text": "Let me see."},
                {"by": "agent", "text": "Done."},
            ],
        )
        self.assertIn('Let me see.\ncount({"model": "res.partner"})', as_text(messages))
        self.assertEqual(news(messages), [])
        self.assertEqual([m["role"] for m in news(messages[:-1])], ["tool"])
        self.assertEqual(news(messages[:2]), messages[:2])
        picture = {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image"}],
        }
        self.assertEqual(as_text([picture]), "user: Look\n[picture]")
        self.assertEqual(spoken([picture], BOUNDARY)[0]["text"], "Look\n[picture]")
