from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.contrast import Proposal, contrast, guard_of, proposal
from ..kernel.guardrail import (
    OPERATORS,
    Before,
    Call,
    Condition,
    Guard,
    Guards,
    Tried,
    problems,
    tried,
)
from ..kernel.trace import Step, Trace

values = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab*", max_size=3)
trees = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner)
    ),
    max_leaves=6,
)
OPERANDS = {
    "among": ["a", 1],
    "not_among": ["a", 1],
    "above": 1,
    "below": 1,
    "longer": 1,
    "like": "a*",
    "kind": "text",
    "not_kind": "text",
}


def block(number, **definition):
    return Guard.of(number, "block", {"tool": "pay", **definition})


def call(arguments, ok=True, span="1", tool="pay", message=""):
    return Step(span, "tool_call", tool, ok, arguments, None, "", message)


def trace(*steps, ok=None, **more):
    ok = all(step.ok for step in steps) if ok is None else ok
    return Trace("t", "A task", steps, ok, **more)


class TestGuard(BaseCase):
    @given(st.sampled_from(sorted(OPERATORS)), trees)
    def test_whatever_is_there_can_be_looked_at(self, operator, arguments):
        condition = Condition(("x",), operator, OPERANDS.get(operator))
        self.assertIn(condition.holds({"x": arguments}), (True, False))
        self.assertIn(condition.holds(arguments), (True, False))

    def test_operators(self):
        for operator, value, fits, other in (
            ("present", None, {"x": None}, {}),
            ("missing", None, {}, {"x": 1}),
            ("empty", None, {"x": []}, {"x": 0}),
            ("equal", 1, {"x": 1}, {"x": True}),
            ("different", 1, {"x": "1"}, {"x": 1}),
            ("among", [1, 2], {"x": 2}, {"x": 3}),
            ("not_among", [1, 2], {"x": 3}, {"x": 2}),
            ("above", 5, {"x": 6}, {"x": "6"}),
            ("below", 5, {"x": 4}, {"x": None}),
            ("longer", 2, {"x": [1, 2, 3]}, {"x": "ab"}),
            ("like", "a*", {"x": "ab"}, {"x": "ba"}),
            ("kind", "number", {"x": 1.5}, {"x": True}),
            ("not_kind", "list", {"x": 1}, {"y": 1}),
        ):
            with self.subTest(operator):
                condition = Condition(("x",), operator, value)
                self.assertTrue(condition.holds(fits))
                self.assertFalse(condition.holds(other))

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "tool": st.sampled_from(["pay", "p*", "sell"]),
                    "arguments": st.lists(
                        st.fixed_dictionaries(
                            {
                                "path": st.sampled_from(["x", "y"]),
                                "is": st.just("equal"),
                                "value": st.sampled_from(["a", 1]),
                            }
                        ),
                        max_size=2,
                    ),
                }
            ),
            max_size=8,
        ),
        st.dictionaries(st.sampled_from("xy"), st.sampled_from(["a", 1, None])),
    )
    def test_the_index_finds_what_asking_each_finds(self, definitions, arguments):
        guards = [
            Guard.of(n, "block", definition) for n, definition in enumerate(definitions)
        ]
        wanted = [
            guard.id
            for guard in guards
            if guard.tool in ("pay", "p*") and guard.meets(Call("pay", arguments))
        ]
        index = Guards(guards)
        self.assertEqual([g.id for g in index.met(Call("pay", arguments))], wanted)
        self.assertEqual(len(index), len(guards))

    def test_whom_it_is_for(self):
        guard = block(1, context={"agents": ["a"], "kinds": ["chat"]})
        for fits, agent, kind in (
            (True, "a", "chat"),
            (False, "b", "chat"),
            (False, "a", "playbook"),
        ):
            self.assertIs(guard.meets(Call("pay", {}, agent, kind)), fits)
        own = Guard.of(1, "block", {"tool": "pay"}, company=3)
        self.assertTrue(own.meets(Call("pay", {}, company=3)))
        self.assertFalse(own.meets(Call("pay", {}, company=4)))

    def test_what_was_before_is_asked_last(self):
        def before():
            raise AssertionError("asked for nothing")

        rule = {"path": "x", "is": "present"}
        guard = block(1, arguments=[rule], context={"failures": 1})
        self.assertFalse(guard.meets(Call("pay", {}, before=before)))
        self.assertFalse(guard.meets(Call("pay", {"x": 1})))
        failed = Before([("pay", "", False)])
        self.assertTrue(guard.meets(Call("pay", {"x": 1}, before=lambda: failed)))

    def test_changes_into_what_is_no_group(self):
        change = {"set": {"a.b": 1, "a.c.d": 2}, "drop": ["a.x", "y.z", "q"]}
        guard = Guard(1, "rewrite", "pay", change=change)
        self.assertEqual(guard.changed({"a": 5}), {"a": 5})
        self.assertEqual(guard.changed({"q": 5}), {"a": {"b": 1, "c": {"d": 2}}})


class TestProblems(BaseCase):
    def test_what_is_wrong_is_told(self):
        for action, definition, words in (
            ("block", [], "an object"),
            ("block", {}, "tool: is missing"),
            ("block", {"tool": "a[b]"}, "characters"),
            ("block", {"tool": "a", "if": 1}, "if: is not known"),
            ("block", {"tool": "a", "arguments": {}}, "a list of at most"),
            ("block", {"tool": "a", "arguments": [1]}, "arguments 1"),
            ("block", {"tool": "a", "arguments": [{"is": "empty"}]}, "“path”"),
            (
                "block",
                {"tool": "a", "arguments": [{"path": "x", "is": "above"}]},
                "“value” should be a number",
            ),
            (
                "block",
                {"tool": "a", "arguments": [{"path": "x", "is": "kind", "value": "z"}]},
                "one of text, number",
            ),
            (
                "block",
                {"tool": "a", "arguments": [{"path": "x", "is": "empty", "y": 1}]},
                "y: is not known",
            ),
            ("block", {"tool": "a", "context": []}, "context: should"),
            ("block", {"tool": "a", "context": {"agents": "a"}}, "list of texts"),
            ("block", {"tool": "a", "context": {"failures": True}}, "failures"),
            ("block", {"tool": "a", "context": {"hour": 1}}, "context.hour"),
            ("block", {"tool": "a", "change": {"drop": ["x"]}}, "only what puts right"),
            ("rewrite", {"tool": "a", "change": []}, "change: should"),
            ("rewrite", {"tool": "a", "change": {"drop": [1]}}, "list of paths"),
            ("rewrite", {"tool": "a", "change": {"set": [1]}}, "path and value"),
            ("retry", {"tool": "a"}, "wait: is missing"),
            ("retry", {"tool": "a", "wait": -1}, "should be seconds"),
        ):
            with self.subTest(words):
                self.assertIn(words, " ".join(problems(action, definition)))

    def test_what_is_right(self):
        rule = {"path": "x.y", "is": "among", "value": [1]}
        for action, definition in (
            ("block", {"tool": "a*", "arguments": [rule]}),
            ("rewrite", {"tool": "a", "change": {"set": {"x": 1}, "drop": ["y"]}}),
            ("retry", {"tool": "a", "wait": 5, "context": {"failures": 1}}),
        ):
            self.assertEqual(problems(action, definition), [])

    @given(trees, st.sampled_from(["block", "rewrite", "retry", "warn", "approve"]))
    def test_whatever_is_sound_can_be_checked(self, tree, action):
        for definition in (
            tree,
            {"tool": "pay", "arguments": tree},
            {"tool": "pay", "context": tree, "change": tree, "wait": tree},
        ):
            if not problems(action, definition):
                guard = Guard.of(1, action, definition)
                guard.changed({"x": {"y": 1}})
                Guards([guard]).met(Call("pay", tree))


class TestPast(BaseCase):
    def test_with_runs_of_the_past(self):
        guard = block(1, arguments=[{"path": "x", "is": "above", "value": 5}])
        failed = trace(call({"x": 1}), call({"x": 9}, ok=False))
        elsewhere = trace(call({"x": 9}), call({"x": 1}, ok=False))
        good = [trace(call({"x": 1})), trace(call({"x": 7})), trace(call(None))]
        self.assertEqual(tried(guard, [failed, elsewhere], good), (1, 2, 1, 3))

    def test_after_failures_of_the_same_run(self):
        guard = block(1, context={"failures": 1})
        failed = trace(call({}, ok=False), call({}, ok=False))
        self.assertTrue(tried(guard, [failed], []).caught)
        self.assertFalse(tried(guard, [trace(call({}, ok=False))], []).caught)

    def test_of_going_in_circles(self):
        guard = block(1, context={"repeats": 2})
        circle = trace(call({"x": 1}), call({"x": 1}), call({"x": 1}), ok=False)
        straight = trace(call({"x": 1}), call({"x": 2}), call({"x": 3}))
        self.assertEqual(tried(guard, [circle], [straight]), (1, 1, 0, 1))

    def test_when_it_may_be_used(self):
        self.assertTrue(Tried(0, 0, 0, 10).passes(0.5))
        self.assertFalse(Tried(0, 1, 0, 10).passes(0.5))
        self.assertFalse(Tried(1, 2, 0, 10).passes(0.5))
        self.assertTrue(Tried(1, 1, 5, 10).passes(0.5))
        self.assertFalse(Tried(1, 1, 6, 10).passes(0.5))
        self.assertTrue(Tried(1, 1, 0, 0).passes(0.5))
        self.assertIsNone(Tried(1, 1, 0, 0).share)


class TestContrast(BaseCase):
    def found(self, failed, worked, message=""):
        return contrast(failed, worked, message)

    def test_limits(self):
        good = [{"limit": n} for n in (5, 20, 80)]
        found = self.found([{"limit": 5000}, {"limit": 2000}], good, "limit: at most")
        self.assertEqual(
            found.conditions, [{"path": "limit", "is": "above", "value": 80}]
        )
        self.assertEqual(found.change, {"set": {"limit": 80}})
        self.assertEqual(found.share, 0)
        found = self.found([{"days": -9000}], [{"days": n} for n in (1, 2, 3)])
        self.assertEqual(found.change, {"set": {"days": 1}})

    def test_what_is_missing(self):
        good = [{"x": n, "unit": "kg"} for n in range(5)]
        found = self.found([{"x": 2}], good, "unit is missing")
        self.assertEqual(found.conditions, [{"path": "unit", "is": "missing"}])
        self.assertEqual(found.change, {"set": {"unit": "kg"}})

    def test_the_wrong_kind(self):
        good = [{"country": n} for n in range(4)]
        found = self.found([{"country": "BE"}, {"country": "FR"}], good, "country")
        self.assertEqual(found.conditions[0]["is"], "not_kind")
        self.assertEqual(found.change, {})

    def test_what_is_empty_or_too_long(self):
        good = [{"body": "b" * n} for n in (3, 4, 5)]
        found = self.found([{"body": ""}], good, "body")
        self.assertEqual(found.conditions, [{"path": "body", "is": "empty"}])
        found = self.found([{"body": "b" * 900}, {"body": "c" * 300}], good, "")
        self.assertEqual(
            found.conditions, [{"path": "body", "is": "longer", "value": 5}]
        )

    def test_two_conditions_together(self):
        good = [
            *({"kind": "a", "level": 1} for _n in range(5)),
            *({"kind": "b", "level": 2} for _n in range(5)),
        ]
        found = self.found([{"kind": "a", "level": 2}], good)
        self.assertEqual(len(found.conditions), 2)
        self.assertEqual(found.share, 0)

    def test_what_cannot_be_told_apart(self):
        good = [{"x": 1}] * 5
        self.assertIsNone(self.found([{"x": 1}], good))
        self.assertIsNone(self.found([{}], [{}] * 5))
        many = [
            dict(zip("abcde", map(int, f"{n:05b}"), strict=True)) for n in range(31)
        ]
        self.assertIsNone(self.found([dict.fromkeys("abcde", 1)], many))
        halves = [{"x": n % 2, "y": n // 2 % 2} for n in range(4)]
        self.assertIsNone(self.found([{"x": 1, "y": 1}], halves))

    def test_without_any_good_call_it_is_as_narrow_as_can_be(self):
        found = self.found([{"a": "x", "b": 1, "fax": "7"}], [], "no field fax")
        paths = [one["path"] for one in found.conditions]
        self.assertEqual(paths[0], "fax")
        self.assertIsNone(found.share)
        self.assertEqual(found.change, {})
        self.assertIsNone(self.found([{}], []))

    @given(
        st.lists(st.dictionaries(st.sampled_from("xy"), values), min_size=1), st.data()
    )
    def test_it_fits_all_that_failed(self, failed, data):
        worked = data.draw(st.lists(st.dictionaries(st.sampled_from("xy"), values)))
        found = contrast(failed, worked, "")
        if found:
            guard = block(1, arguments=found.conditions)
            for arguments in failed:
                self.assertTrue(guard.meets(Call("pay", arguments)))


class TestProposal(BaseCase):
    def failing(self, *arguments, message="x: wrong", **more):
        steps = [call(one, ok=False, message=message) for one in arguments]
        return [trace(step, agent="bot", **more) for step in steps]

    def test_by_category(self):
        good = [trace(call({"x": n, "model": "m"})) for n in range(5)]
        failed = self.failing({"x": 99, "model": "m"})
        for category, action in (
            ("tool", "rewrite"),
            ("rights", "block"),
            ("external", "retry"),
        ):
            made = proposal(category, failed, good)
            self.assertEqual(made.action, action, category)
            self.assertEqual(problems(made.action, made.definition), [])
        self.assertIsNone(proposal("budget", failed, good))

    def test_a_warning_for_thinking_agents(self):
        good = [trace(call({"x": n, "y": n})) for n in range(5)]
        failed = self.failing({"x": "?"}, {"x": "!"})
        self.assertEqual(proposal("prompt", failed, good).action, "warn")
        self.assertEqual(proposal("tool", failed, good).action, "block")

    def test_nothing_to_go_by(self):
        self.assertIsNone(proposal("tool", [trace(ok=False)], []))
        self.assertIsNone(proposal("tool", self.failing(None), []))
        good = [trace(call({"x": 1}))]
        self.assertIsNone(proposal("tool", self.failing({"x": 1}), good))

    def test_other_models_do_not_count(self):
        good = [trace(call({"model": "a", "x": n})) for n in range(5)]
        made = proposal("tool", self.failing({"model": "b", "x": 1}), good)
        self.assertEqual(made.definition["arguments"][0]["value"], "b")

    def test_circles(self):
        steps = [call({"x": 1}, span=str(n)) for n in range(3)]
        failed = [trace(*steps, ok=False, message="More than 3 steps.")]
        made = proposal("prompt", failed, [])
        self.assertEqual(
            made, Proposal("block", {"tool": "pay", "context": {"repeats": 2}})
        )
        self.assertEqual(guard_of(made).repeats, 2)
