# ruff: noqa: E501 - a table is read by its lines
import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.schema import Problems
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import playbook as kernel
from ..kernel.playbook import Branch, Input, Retry, from_json, given_inputs, parse

EVERYTHING = """\
name: Everything
description: Each kind of step once.
inputs:
  days: {type: integer, default: 14, description: How old}
  who: {type: text}
steps:
  - id: find
    name: Find them
    tool: find_records
    arguments: {model: res.partner, domain: [["id", ">", "{{ days }}"]]}
    save: found
    timeout: 30
    retry: {times: 3, wait: 1 minute, on: [external]}
    on_error:
      - set: {found: {records: []}}
    rollback:
      - tool: post_message
        arguments: {body: "{{ error.message }} in {{ run.task }}"}
  - set: {total: "{{ len(found.records) }}", twice: "{{ total * 2 }}"}
  - for_each: found.records
    as: partner
    max: 50
    do:
      - if: partner.email
        then:
          - tool: post_message
            arguments: {id: "{{ partner.id }}", body: "{{ index }}"}
            on_error: continue
        else:
          - fail: "{{ partner.name }} has no e-mail"
  - choose:
      - when: total > 10
        do: [{human: "{{ total }} at once?", to: steward.group_reviewer,
              choices: [go, leave it], expires: 2 days, save: answer}]
      - do: [{wait: 5 minutes}, {wait: days * 60}, {wait: 90}]
  - wait: {until: "now() > '2026-01-01'", every: 10 minutes}
    timeout: 1 day
  - playbook: other
    inputs: {n: "{{ total }}"}
    save: result
    when: total > 0
  - stop: Done with {{ result }}.
on_failure:
  - tool: post_message
    arguments: {body: "{{ error.message }}"}
"""
TOOLS = {"find_records", "post_message"}


class TestParse(BaseCase):
    def setUp(self):
        super().setUp()
        self.playbook = parse(EVERYTHING, TOOLS, {"other": []}, "everything")

    def step(self, key):
        (found,) = (step for step in self.playbook.walk() if step.key == key)
        return found

    def test_steps_and_keys(self):
        self.assertEqual(
            [(step.key, step.kind) for step in self.playbook.walk()],
            [
                ("find", "tool"),
                ("find.error.1", "set"),
                ("find.rollback.1", "tool"),
                ("2", "set"),
                ("3", "for_each"),
                ("3.1", "choose"),
                ("3.1.1.1", "tool"),
                ("3.1.2.1", "fail"),
                ("4", "choose"),
                ("4.1.1", "human"),
                ("4.2.1", "wait"),
                ("4.2.2", "wait"),
                ("4.2.3", "wait"),
                ("5", "wait"),
                ("6", "playbook"),
                ("7", "stop"),
                ("failure.1", "tool"),
            ],
        )

    def test_what_they_say(self):
        find = self.step("find")
        self.assertEqual((find.name, find.line, find.save), ("Find them", 7, "found"))
        self.assertEqual(find.retry, Retry(3, 60, ("external",)))
        self.assertEqual((find.timeout, find.on_error), (30, "fallback"))
        self.assertEqual(find.arguments["domain"], [["id", ">", "{{ days }}"]])
        loop = self.step("3")
        self.assertEqual((loop.items, loop.item), ("found.records", "partner"))
        self.assertEqual(loop.most, 50)
        self.assertEqual(self.step("3.1.1.1").on_error, "continue")
        choice = self.step("4")
        self.assertEqual([way.when for way in choice.branches], ["total > 10", None])
        human = self.step("4.1.1")
        self.assertEqual(human.question, "{{ total }} at once?")
        self.assertEqual(human.to, "steward.group_reviewer")
        self.assertEqual(human.choices, ("go", "leave it"))
        self.assertEqual(human.expires, 2 * 86400)
        waits = [self.step(f"4.2.{n}").seconds for n in (1, 2, 3)]
        self.assertEqual(waits, [300, "days * 60", 90])
        wait = self.step("5")
        self.assertEqual((wait.until, wait.every), ("now() > '2026-01-01'", 600))
        self.assertEqual(wait.timeout, 86400)
        call = self.step("6")
        self.assertEqual((call.playbook, call.values), ("other", {"n": "{{ total }}"}))
        self.assertEqual(call.when, "total > 0")
        self.assertEqual(self.step("7").message, "Done with {{ result }}.")
        self.assertEqual(
            self.playbook.inputs["days"], Input("integer", False, 14, "How old")
        )
        self.assertEqual(self.playbook.tools(), TOOLS)
        self.assertEqual(self.playbook.calls(), {"other"})

    def test_nothing_is_lost_on_the_way_through_json(self):
        text = json.dumps(self.playbook.to_json())
        self.assertEqual(from_json(json.loads(text)), self.playbook)

    def test_usual_values(self):
        playbook = parse(
            "name: a\nsteps: [{human: Go now}, {for_each: [1, 2], do: [{stop: b}]}]"
        )
        human, loop = playbook.steps
        self.assertEqual(
            (human.to, human.choices), ("responsible", ("approve", "refuse"))
        )
        self.assertEqual(loop.items, [1, 2])
        self.assertEqual(loop.item, "item")
        self.assertEqual(from_json(playbook.to_json()), playbook)
        retried = parse(
            "name: a\nsteps: [{tool: b, retry: {times: 2}, on_error: fail}]"
        )
        self.assertEqual(retried.steps[0].retry, Retry(2))
        self.assertEqual(from_json(retried.to_json()), retried)
        plain = parse("name: a\nsteps: [{if: true, then: [{stop: b}]}]")
        self.assertEqual(plain.steps[0].branches[0].when, "true")
        self.assertIsInstance(plain.steps[0].branches[0], Branch)

    @given(st.recursive(
        st.sampled_from(["{stop: b}", "{wait: 3}", "{set: {v: 1}}", "{tool: t, save: s}"]),
        lambda inner: st.one_of(
            inner.map(lambda s: f"{{for_each: [1], do: [{s}, {s}]}}"),
            st.tuples(inner, inner).map(lambda p: f"{{if: 1, then: [{p[0]}], else: [{p[1]}]}}"),
            inner.map(lambda s: f"{{tool: t, on_error: [{s}], rollback: [{s}]}}"),
            inner.map(lambda s: f"{{choose: [{{when: 1 > 0, do: [{s}]}}]}}"),
        ),
        max_leaves=8,
    ))  # fmt: skip
    def test_any_tree(self, step):
        playbook = parse(f"name: a\nsteps: [{step.replace('if: 1', 'if: true')}]")
        keys = [step.key for step in playbook.walk()]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(
            from_json(json.loads(json.dumps(playbook.to_json()))), playbook
        )


class TestProblems(BaseCase):
    def problems(self, text, **more):
        return [str(p) for p in kernel.problems(text, **more)]

    def test_a_line_for_each(self):
        for step, told in {
            "{}": "line 3, column 5: steps.0: a step has one of: tool, set,",
            "{toll: a}": "line 3, column 6: steps.0: 'toll' is not known here; did you mean 'tool'?",
            "{tool: a, wait: 3}": "line 3, column 15: steps.0: 'wait' is not known here",
            "{tool: a, argments: {}}": "did you mean 'arguments'?",
            "{tool: serach}": "column 6: steps.0.tool: there is no tool 'serach'; did you mean 'search'?",
            "{tool: search, arguments: {a: {b: ['{{ nobody }}']}}}": "steps.0.arguments.a.b.0: there is no variable 'nobody'",
            "{tool: search, arguments: {a/b: '{{ 1 + }}'}}": "steps.0.arguments.a/b: this is no expression",
            "{tool: search, retry: {times: 99}}": "steps.0.retry.times: should be at most 20",
            "{tool: search, on_error: maybe}": "should be 'fail', 'continue' or a list",
            "{tool: search, timeout: 5 moons}": "steps.0.timeout: should match the pattern",
            "{tool: search, timeout: 0}": "steps.0.timeout: should be more than 0",
            "{tool: search, save: Upper}": "steps.0.save: should match the pattern",
            "{tool: search, save: error}": "'error' is set by the run itself",
            "{set: {}}": "steps.0.set: should not be empty",
            "{set: {B: 1}}": "'B' is no name of a variable",
            "{set: {b: '{{ b }}'}}": "there is no variable 'b'",
            "{stop: a, when: limt > 3}": "steps.0.when: there is no variable 'limt'; did you mean 'limit'?",
            "{stop: a, when: os.system('x')}": "things have no methods",
            "{if: limit}": "steps.0: 'then' is missing",
            "{for_each: limit}": "steps.0: 'do' is missing",
            "{for_each: ['{{ x }}'], do: [{stop: a}]}": "steps.0.for_each.0: there is no variable 'x'",
            "{for_each: limit, as: run, do: [{stop: a}]}": "'run' is set by the run itself",
            "{for_each: limit, do: [{}]}": "steps.0.do.0: a step has one of",
            "{choose: [{do: [{stop: a}]}, {do: [{}]}]}": "steps.0.choose.1.do.0: a step has one of",
            "{choose: [{do: [{stop: a}]}, {do: [{stop: a}]}]}": "steps.0.choose.0: only the last",
            "{human: a, choices: [a, a]}": "lists the same thing twice",
            "{wait: soon}": "steps.0.wait: there is no variable 'soon'",
            "{wait: -1}": "should be from 0 to",
            "{wait: {until: now(), evry: 3}}": "did you mean 'every'?",
            "{playbook: nope}": "steps.0.playbook: there is no playbook 'nope'",
            "{stop: ''}": "steps.0.stop: should not be empty",
            "3": "steps.0: should be a group of keys, not the number 3",
        }.items():  # fmt: skip
            with self.subTest(step):
                text = (
                    f"name: a\ninputs: {{limit: {{type: integer}}}}\nsteps: [   {step}]"
                )
                found = self.problems(
                    text.replace("steps: [   ", "steps:\n  - ").removesuffix("]"),
                    tools=["search"],
                    playbooks={"daily": []},
                )
                self.assertEqual(len(found), 1, found)
                self.assertIn(told.replace("line 3", "line 4"), found[0])

    def test_the_document(self):
        for text, told in {
            "": "should be a group of keys, not empty",
            "name: a": "'steps' is missing",
            "name: a\nsteps: []": "steps: should not be empty",
            "name: [": "line 1",
            "name: a\nsteps: [{stop: b}]\ninputs: {run: {type: text}}": "set by the run itself",
            "name: a\nsteps: [{stop: b}]\ninputs: {n: {type: integer, default: x}}": "inputs.n.default: should be a whole number",
            "name: a\nsteps: [{stop: b}]\ninputs: {n: {typ: integer}}": "did you mean 'type'?",
            "name: a\nsteps: [{stop: b, id: x}, {stop: c, id: x}]": "'x' is taken; see line 2",
            "name: a\nsteps:\n" + "- stop: b\n" * 501: "more than 500 steps",
        }.items():  # fmt: skip
            with self.subTest(text[:60]):
                self.assertIn(told, "\n".join(self.problems(text)))

    def test_data_that_looks_like_steps(self):
        text = "name: a\nsteps: [{tool: t, arguments: {do: [{}], if: 1, steps: [{}]}}]"
        self.assertEqual(self.problems(text), [])

    def test_circles(self):
        text = "name: a\nsteps:\n  - stop: x\n  - playbook: b"
        for calls, way in {
            (("b", ()),): None,
            (("b", ("a",)),): "a → b → a",
            (("b", ("c", "d")), ("c", ("d",)), ("d", ("a",))): "a → b → d → a",
            (("b", ("c",)), ("c", ("b",))): None,  # theirs, told where they are written
        }.items():
            with self.subTest(calls):
                found = self.problems(text, playbooks=dict(calls), code="a")
                told = f"the playbooks call each other in a circle: {way}"
                self.assertEqual(found, [f"line 4, column 1: {told}"] if way else [])
        self.assertIn(
            "a → a", self.problems("name: a\nsteps: [{playbook: a}]", code="a")[0]
        )

    def test_without_tools_nothing_is_said_about_them(self):
        self.assertEqual(
            self.problems("name: a\nsteps: [{tool: x}, {playbook: y}]"), []
        )

    @given(st.text(max_size=200))
    def test_any_text(self, text):
        try:
            parse(text)
        except Problems as error:
            self.assertTrue(error.problems)


class TestInputs(BaseCase):
    def setUp(self):
        super().setUp()
        self.playbook = parse(
            "name: a\nsteps: [{stop: b}]\ninputs:\n"
            "  n: {type: integer, default: 3}\n  who: {type: text}\n"
        )

    def test_defaults(self):
        self.assertEqual(
            given_inputs(self.playbook, {"who": "x"}), {"n": 3, "who": "x"}
        )

    def test_refusals(self):
        for given_, told in (
            ({}, "the input 'who' is missing"),
            ({"who": 3}, "'who' should be text"),
            ({"who": "x", "n": True}, "'n' should be a whole number"),
            ({"who": "x", "nn": 3}, "did you mean 'n'?"),
        ):
            with self.subTest(given_), self.assertRaises(ValueError) as caught:
                given_inputs(self.playbook, given_)
            self.assertIn(told, str(caught.exception))

    def test_types(self):
        values = {
            "text": "a",
            "integer": 3,
            "number": 2.5,
            "boolean": True,
            "date": "2026-01-31",
            "list": [],
            "object": {"a": 1},
            "records": {"model": "res.partner", "ids": [1]},
        }
        self.assertEqual(set(values), set(kernel.INPUT_TYPES))
        for kind, value in values.items():
            self.assertTrue(kernel.fits_input(value, kind))
            self.assertFalse(kernel.fits_input(None, kind))


class TestScreens(BaseCase):
    def test_titles(self):
        titles = [step.title() for step in parse(EVERYTHING).walk()]
        self.assertEqual(
            [titles[n] for n in (0, 1, 4, 5, 7, 9, 10, 13, 14, 15)],
            [
                "find_records",
                "Set found",
                "For each partner of found.records",
                "If partner.email / otherwise",
                "Fail: {{ partner.name }} has no e-mail",
                "Ask steward.group_reviewer: {{ total }} at once?",
                "Wait 300 s",
                "Wait until now() > '2026-01-01'",
                "Playbook other",
                "Stop: Done with {{ result }}.",
            ],
        )

    TEXT = (
        "name: a\n"
        "steps:\n"
        "  # one\n"
        "  - stop: one\n"
        "    # within\n"
        "    when: true\n"
        "\n"
        "  - stop: two\n"
        "  - stop: three\n"
        "# the end\n"
        "on_failure:\n"
        "  - stop: four"
    )

    @given(st.integers(0, 2), st.integers(0, 2))
    def test_moving(self, start, to):
        """The steps change places, and not a line is lost."""
        moved = kernel.moved(self.TEXT, start, to)
        order = [step.message for step in parse(moved).steps]
        expected = ["one", "two", "three"]
        expected.insert(to, expected.pop(start))
        self.assertEqual(order, expected)
        self.assertCountEqual(moved.split("\n"), [*self.TEXT.split("\n"), ""])
        self.assertEqual(kernel.moved(moved, to, start).strip(), self.TEXT.strip())
        before, after = moved.split("\n")[
            moved.split("\n").index("  - stop: one") - 1 :
        ][:2]
        self.assertEqual((before, after), ("  # one", "  - stop: one"))

    def test_what_cannot_be_moved(self):
        for text, start, to in (
            (self.TEXT, 0, 3),
            (self.TEXT, -1, 0),
            ("name: a\nsteps: [{stop: a}, {stop: b}]", 0, 1),
            ("name: a\nsteps:\n - \n  stop: a\n - stop: b", 0, 1),
            ("name: a", 0, 0),
            ("- a", 0, 0),
        ):
            with self.subTest(text), self.assertRaises(ValueError):
                kernel.moved(text, start, to)
        with self.assertRaises(Problems):
            kernel.moved("name: [", 0, 0)
