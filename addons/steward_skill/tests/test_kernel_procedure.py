import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.fingerprint import parameterize
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import draft as drafts
from ..kernel.procedure import (
    _collapsed,
    groups,
    procedure,
    signature,
    type_of,
)
from ..kernel.trace import Step, Trace


def call(tool, given, result=None, **more):
    return Step("s", "tool_call", tool, given=given, result=result, **more)


def trace(number, task, *steps, **more):
    steps = [step._replace(span=f"s{n}") for n, step in enumerate(steps)]
    return Trace(f"t{number}", task, tuple(steps), **more)


def plain(text):
    return text


def enter(number, name, **values):
    given = {"model": "res.partner", "values": {"name": name, **values}}
    return trace(number, f"Enter {name}", call("create_record", given, {"id": number}))


class TestCollapsing(BaseCase):
    @given(st.lists(st.sampled_from("abc"), max_size=12))
    def test_nothing_is_lost(self, keys):
        blocks = _collapsed(keys)
        self.assertEqual(
            [key for block, rounds in blocks for key in block * rounds], keys
        )

    def test_rounds_of_two_steps(self):
        steps = [call("find", {}), *[call("a", {}), call("b", {})] * 3]
        self.assertEqual(signature(trace(1, "x", *steps)), ("find", "a", "b"))

    def test_failed_calls_are_no_part_of_it(self):
        steps = [call("a", {}), call("b", {}, ok=False)]
        self.assertEqual(signature(trace(1, "x", *steps)), ("a",))


class TestGroups(BaseCase):
    def test_by_what_they_did_and_what_for(self):
        runs = [enter(n, f"Ann {n}") for n in range(4)]
        other = [
            trace(
                9 + n,
                "Clean up the warehouse list",
                call("create_record", {"model": "res.partner", "values": {}}),
            )
            for n in range(2)
        ]
        found = groups([*runs, *other, trace(99, "nothing")], parameterize)
        self.assertEqual([len(group) for group in found], [4, 2])

    def test_by_meaning(self):
        runs = [trace(n, text, call("a", {})) for n, text in enumerate("xyz")]
        near = {"x": (1.0, 0.0), "y": (0.9, 0.4), "z": (0.0, 1.0)}
        found = groups(runs, plain, near)
        self.assertEqual([len(group) for group in found], [2, 1])

    def test_endless_runs_teach_nothing(self):
        steps = [call("a", {"n": n}) for n in range(70)]
        self.assertEqual(groups([trace(1, "x", *steps)], plain), [])


class TestProcedure(BaseCase):
    def test_values_that_stay_and_values_that_vary(self):
        found = procedure([enter(n, f"P{n}", lang="en", age=n) for n in range(3)])
        [line] = found.steps()
        self.assertEqual(
            line.arguments["values"],
            {"name": "{{ name }}", "lang": "en", "age": "{{ age }}"},
        )
        self.assertEqual(found.inputs["name"], ["P0", "P1", "P2"])
        self.assertEqual(found.given(1), {"name": "P1", "age": 1})
        self.assertEqual(found.tools(), ["create_record"])

    def test_what_is_not_always_there_is_left_out(self):
        runs = [enter(0, "A"), enter(1, "B", city="X"), enter(2, "C")]
        [line] = procedure(runs).steps()
        self.assertNotIn("city", line.arguments["values"])

    def test_a_value_from_an_earlier_result(self):
        runs = [
            trace(
                n,
                "x",
                call("find", {"q": str(n)}, {"records": [{"id": n + 50}]}),
                call("post", {"id": n + 50, "body": f"Hello {n + 500}"}),
            )
            for n in range(3)
        ]
        found = procedure(runs)
        post = found.blocks[1].steps[0]
        self.assertEqual(post.arguments["id"], "{{ found.records[0].id }}")
        self.assertEqual(found.inputs["body"][0], "Hello 500")

    def test_the_longest_known_text_is_recognised(self):
        runs = [
            trace(
                n,
                "x",
                call("find", {"city": city}, {"name": f"{city} Bakery"}),
                call("post", {"body": f"Dear {city} Bakery of {city}"}),
            )
            for n, city in enumerate(("Ghent", "Bruges", "Ostend"))
        ]
        body = procedure(runs).blocks[1].steps[0].arguments["body"]
        self.assertEqual(body, "Dear {{ found.name }} of {{ city }}")

    def test_a_loop_over_nothing_known_has_gaps(self):
        runs = [
            trace(n, "x", *[call("post", {"id": n * 10 + m}) for m in range(2)])
            for n in range(3)
        ]
        found = procedure(runs)
        self.assertTrue(found.blocks[0].is_loop)
        self.assertEqual(found.gaps, ["id"])
        self.assertEqual(drafts.as_playbook("x", found), "")

    def test_what_was_not_kept(self):
        self.assertIsNone(procedure([trace(1, "x", call("a", None))]))

    def test_a_run_of_another_shape_is_left_out(self):
        runs = [enter(1, "A"), trace(2, "x", call("b", {})), enter(3, "B")]
        self.assertEqual(len(procedure(runs).traces), 2)
        self.assertEqual(
            len(procedure([*runs, trace(4, "y", call("b", {}), call("c", {}))]).traces),
            2,
        )

    def test_a_result_that_is_a_list(self):
        runs = [
            trace(
                n,
                "x",
                call("list", {}, [{"id": n}, {"id": n + 9}]),
                call("post", {"id": n}),
                call("post", {"id": n + 9}),
            )
            for n in range(3)
        ]
        self.assertEqual(procedure(runs).blocks[1].over, "done")

    def test_names_of_inputs(self):
        def run(n):
            domain = [["x_1", "=", n], ["partner_id.city", "=", f"c{n}"]]
            return trace(n, "x", call("find", {"domain": domain, "9": f"v{n}"}))

        self.assertEqual(
            list(procedure([run(1), run(2)]).inputs), ["x_1", "partner_id", "value"]
        )

    def test_types(self):
        self.assertEqual(type_of([[1]]), "list")
        self.assertEqual(type_of([{}]), "object")
        self.assertEqual(type_of(["a", 1]), "text")
        self.assertEqual(type_of([None]), "text")

    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from("ab"),
                st.integers(0, 3) | st.sampled_from(["x", "yy", "{{ a }}"]),
                min_size=1,
            ),
            min_size=1,
            max_size=4,
        )
    )
    def test_what_is_written_as_a_playbook_does_it_again(self, arguments):
        """Whatever the runs were: nothing is called a playbook that is none."""
        runs = [
            trace(n, f"do {n}", call("act", one)) for n, one in enumerate(arguments)
        ]
        found = procedure(runs)
        made = drafts.draft(found, [], plain, plain)
        if made.playbook:
            for number, run in enumerate(found.traces):
                given_ = found.given(number)
                self.assertEqual(drafts.replay(made.playbook, run, given_), "")


class TestDraft(BaseCase):
    def made(self, runs=None, failed=(), redact=plain):
        found = procedure(runs or [enter(n, f"P{n}") for n in range(3)])
        return drafts.draft(found, failed, redact, parameterize)

    def test_what_it_says(self):
        broken = call("create_record", {}, ok=False, message="no field 'fax'")
        made = self.made(failed=[trace(9, "x", broken), trace(8, "x", broken)])
        self.assertEqual(made.title, "Enter <name>")
        self.assertEqual((made.name, made.kind), ("enter-name", "playbook"))
        self.assertIn("failed (2 times): no field 'fax'", made.body)
        self.assertIn("Task: Enter P0", made.body)
        self.assertEqual(made.inputs["properties"]["name"]["type"], "string")
        self.assertIn("enter", made.triggers)

    def test_what_is_masked_cannot_be_followed(self):
        made = self.made(redact=lambda text: text.replace("partner", "[…]"))
        self.assertEqual((made.kind, made.playbook), ("instruction", ""))

    def test_tasks_that_say_nothing(self):
        runs = [trace(n, "", call("a", {"x": 1})) for n in range(3)]
        made = self.made(runs)
        self.assertEqual(made.title, "a")
        self.assertEqual(drafts._name("…"), "procedure")

    def test_a_loop_in_words(self):
        runs = [
            trace(n, "x", *[call("post", {"id": n * 10 + m}) for m in range(3)])
            for n in range(3)
        ]
        body = self.made(runs).body
        self.assertIn("For each item of what was found", body)
        self.assertIn("Decide from the task at hand: `id`", body)
        self.assertIn("and 1 more calls", body)

    def test_replay_tells_where_it_differs(self):
        made = self.made()
        run = enter(0, "P0")
        given_ = {"name": "P0"}
        self.assertIn("It calls", drafts.replay(made.playbook, enter(0, "Q"), given_))
        twice = trace(0, "x", *run.steps, *run.steps)
        self.assertIn("It ends before", drafts.replay(made.playbook, twice, given_))
        nothing = trace(0, "x")
        self.assertIn("goes on", drafts.replay(made.playbook, nothing, given_))
        self.assertIn("line", drafts.replay("steps: 1", run, given_))

    def test_twins(self):
        known = [drafts.Known(1, "Enter a name", frozenset({"create_record"}))]
        self.assertEqual(
            drafts.twin_of("Enter <name>", ["create_record"], known), known[0]
        )
        self.assertIsNone(drafts.twin_of("Pay a bill", ["pay"], known))
        self.assertIsNone(drafts.twin_of("Pay a bill", ["pay"], []))

    def test_a_models_words(self):
        made = self.made()
        self.assertIsNone(
            drafts.worded(
                made, {"title": "Two\nlines of enter", "description": "x" * 50}
            )
        )
        self.assertEqual(json.loads(json.dumps(drafts.WORDING))["type"], "object")
