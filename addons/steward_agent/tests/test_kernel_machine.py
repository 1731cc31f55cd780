import doctest
import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import machine
from ..kernel.machine import Act, Ask, Done, Failed, Machine, Variables, Wait, inputs_of
from ..kernel.playbook import parse


class Broken(Exception):
    def __init__(self, category="external", retry_after=None):
        super().__init__(category)
        self.category, self.retry_after = category, retry_after


class Walk:
    """Drives a machine with tools in Python; may change the process at each step."""

    def __init__(self, text, tools=None, others=(), resume=False, **inputs):
        self.playbooks = {"": parse(text)}
        self.playbooks |= {code: parse(other) for code, other in dict(others).items()}
        self.tools = tools or {}
        self.resume = resume
        self.machine = Machine(self.playbooks, {}, inputs_of(inputs), {"task": "t"})
        self.now = 1_800_000_000.0
        self.log = []
        self.waits = []
        self.once = set()  # tools that may not be called again

    def move(self):
        if self.resume:
            values = dict(self.machine.variables)
            self.machine = Machine(
                self.playbooks,
                json.loads(json.dumps(self.machine.position)),
                Variables(json.loads(json.dumps(values))),
                {"task": "t"},
            )
        return self.machine.next(self.now)

    def run(self, answers=None):
        while True:
            move = self.move()
            match move:
                case Wait():
                    self.waits.append(round(move.until - self.now))
                    self.now = move.until
                case Ask():
                    self.log.append(("ask", move.question))
                    answer = (answers or {}).get(move.step, "approve")
                    self.machine.succeed({"answer": answer})
                case Act():
                    self.act(move)
                case _:
                    return move

    def act(self, move):
        self.log.append((move.tool, move.arguments))
        tool = self.tools.get(move.tool, lambda **arguments: arguments)
        try:
            value = tool(**move.arguments)
        except Broken as error:
            self.machine.fail(
                error.category,
                str(error),
                self.now,
                retry_after=error.retry_after,
                may_repeat=move.tool not in self.once,
            )
        else:
            self.machine.succeed(value)

    @property
    def called(self):
        return [name for name, _arguments in self.log]


def failing(times, category="external", value="fine"):
    left = [times]

    def tool(**_arguments):
        if left[0]:
            left[0] -= 1
            raise Broken(category)
        return value

    return tool


@tagged("post_install", "-at_install")
class TestMachine(BaseCase):
    def test_doctests(self):
        self.assertFalse(doctest.testmod(machine).failed)

    def test_values_go_from_step_to_step(self):
        walk = Walk(
            """
            name: a
            inputs: {days: {type: integer, default: 2}}
            steps:
              - {tool: find, arguments: {n: "{{ days + 1 }}"}, save: found}
              - set: {double: "{{ found.n * 2 }}", again: "{{ double + 1 }}"}
              - {tool: tell, arguments: {what: "{{ run.task }}: {{ again }}"}}
            """,
            days=2,
        )
        self.assertEqual(walk.run(), Done({"what": "t: 7"}))
        self.assertEqual(walk.log, [("find", {"n": 3}), ("tell", {"what": "t: 7"})])

    def test_conditions_and_branches(self):
        text = """
            name: a
            inputs: {n: {type: integer}}
            steps:
              - {tool: never, when: n > 100}
              - choose:
                  - {when: n > 10, do: [{tool: large}]}
                  - {when: n > 5, do: [{tool: middle}]}
                  - do: [{tool: small}]
              - {if: n == 7, then: [{tool: seven}]}
            """
        self.assertEqual(self._called(text, n=20), ["large"])
        self.assertEqual(self._called(text, n=7), ["middle", "seven"])
        self.assertEqual(self._called(text, n=1), ["small"])

    def _called(self, text, **inputs):
        walk = Walk(text, **inputs)
        self.assertIsInstance(walk.run(), Done)
        return walk.called

    def test_loops_within_loops_and_what_they_save(self):
        walk = Walk(
            """
            name: a
            steps:
              - for_each: [[1, 2], [], [3]]
                as: row
                save: rows
                do:
                  - for_each: row
                    as: n
                    save: doubled
                    do: [{tool: double, arguments: {n: "{{ n + index }}"}}]
              - {tool: end, arguments: {rows: "{{ rows }}"}}
            """,
            {"double": lambda n: n * 2},
        )
        self.assertEqual(walk.run(), Done({"rows": [[2, 6], [], [6]]}))

    def test_called_playbooks_are_told_apart(self):
        """The same step of the same playbook, called twice: two steps of the run."""
        inner = parse("name: Inner\nsteps: [{tool: greet}]", {"greet"})
        outer = parse(
            "name: Outer\nsteps: [{tool: greet}, {playbook: inner}, {playbook: inner}]",
            {"greet"},
            {"inner": []},
        )
        machine = Machine({"": outer, "inner": inner}, {}, Variables({}))
        seen = []
        while isinstance(move := machine.next(0.0), Act):
            seen.append((move.step, move.iteration))
            machine.succeed(None)
        self.assertEqual(seen, [("1", ""), ("1", "/2"), ("1", "/3")])

    def test_iterations_tell_rounds_apart(self):
        walk = Walk(
            """
            name: a
            steps:
              - for_each: [1, 2]
                do: [{for_each: [1, 2], do: [{tool: t}]}]
            """
        )
        seen = []
        while isinstance(move := walk.move(), Act):
            seen.append((move.step, move.iteration))
            walk.machine.succeed(None)
        self.assertEqual(len(set(seen)), 4)
        self.assertEqual([i for _key, i in seen], ["0.0", "0.1", "1.0", "1.1"])

    def test_a_loop_goes_through_a_list_of_bounded_length(self):
        walk = Walk("name: a\nsteps: [{for_each: '5', do: [{tool: t}]}]")
        self.assertIn("goes through a list", walk.run().message)
        walk = Walk("name: a\nsteps: [{for_each: [1, 2, 3], max: 2, do: [{tool: t}]}]")
        self.assertIn("3 rounds are more than 2", walk.run().message)

    def test_retries_wait_twice_as_long_each_time(self):
        text = """
            name: a
            steps: [{tool: t, retry: {times: 3, wait: 10}, save: x}]
            """
        walk = Walk(text, {"t": failing(3)})
        self.assertEqual(walk.run(), Done("fine"))
        self.assertEqual(walk.waits, [10, 20, 40])
        walk = Walk(text, {"t": failing(4)})
        self.assertEqual(walk.run(), Failed("external", "external", "1"))

    def test_retries_only_where_they_help(self):
        text = "name: a\nsteps: [{tool: t, retry: {times: 3}}]"
        walk = Walk(text, {"t": failing(1, "rights")})
        self.assertEqual(walk.run(), Failed("rights", "rights", "1"))
        self.assertEqual(walk.waits, [])

    def test_without_a_word_the_category_decides(self):
        text = "name: a\nsteps: [{tool: t}]"
        walk = Walk(text, {"t": failing(2)})
        self.assertIsInstance(walk.run(), Done)
        self.assertEqual(walk.waits, [2, 4])
        walk = Walk(text, {"t": failing(1, "tool")})
        self.assertEqual(walk.run(), Failed("tool", "tool", "1"))

    def test_what_may_have_worked_is_not_repeated_unasked(self):
        walk = Walk("name: a\nsteps: [{tool: t}]", {"t": failing(1)})
        walk.once = {"t"}
        self.assertEqual(walk.run(), Failed("external", "external", "1"))
        walk = Walk("name: a\nsteps: [{tool: t, retry: {times: 1}}]", {"t": failing(1)})
        walk.once = {"t"}
        self.assertIsInstance(walk.run(), Done)

    def test_who_failed_may_ask_for_a_longer_wait(self):
        def tool():
            raise Broken(retry_after=99)

        walk = Walk("name: a\nsteps: [{tool: t, retry: {times: 1}}]", {"t": tool})
        walk.run()
        self.assertEqual(walk.waits, [99])

    def test_fallbacks_and_going_on(self):
        walk = Walk(
            """
            name: a
            steps:
              - {tool: bad, on_error: continue}
              - tool: bad
                on_error:
                  - {tool: other, arguments: {why: "{{ error.category }}"}}
              - {tool: last}
            """,
            {"bad": failing(9, "tool")},
        )
        self.assertIsInstance(walk.run(), Done)
        self.assertEqual(walk.called, ["bad", "bad", "other", "last"])
        self.assertEqual(walk.log[2][1], {"why": "tool"})

    def test_a_fallback_that_fails_fails_the_step(self):
        walk = Walk(
            """
            name: a
            steps:
              - for_each: [1, 2]
                on_error: [{tool: around}]
                do: [{tool: bad, on_error: [{tool: worse}]}]
            """,
            {"bad": failing(9, "tool"), "worse": failing(9, "tool")},
        )
        self.assertIsInstance(walk.run(), Done)
        self.assertEqual(walk.called, ["bad", "worse", "around"])

    def test_what_was_done_is_taken_back_the_latest_first(self):
        walk = Walk(
            """
            name: a
            steps:
              - for_each: [1, 2]
                as: n
                do:
                  - tool: make
                    arguments: {n: "{{ n }}"}
                    save: made
                    rollback:
                      - {tool: unmake, arguments: {n: "{{ made.n }}"}}
              - {tool: bad}
            on_failure:
              - {tool: tell, arguments: {what: "{{ error.message }}"}}
            """,
            {"bad": failing(1, "tool")},
        )
        self.assertEqual(walk.run(), Failed("tool", "tool", "2"))
        self.assertEqual(
            walk.log[2:],
            [
                ("bad", {}),
                ("unmake", {"n": 2}),
                ("unmake", {"n": 1}),
                ("tell", {"what": "tool"}),
            ],
        )

    def test_taking_back_may_be_many_steps(self):
        walk = Walk(
            """
            name: a
            steps:
              - set: {n: 1, names: [x, y]}
              - playbook: inner
                save: got
                rollback:
                  - if: n == 1
                    then: [{tool: one, rollback: [{tool: never}]}]
                  - {for_each: names, do: [{tool: each, arguments: {n: "{{ item }}"}}]}
                  - {tool: when, when: got == "in" and n == 1}
              - {fail: no}
            """,
            others={"inner": "name: b\nsteps: [{tool: in}]"},
            tools={"in": lambda: "in"},
        )
        self.assertEqual(walk.run(), Failed("prompt", "no", "3"))
        self.assertEqual(walk.called, ["in", "one", "each", "each", "when"])

    def test_what_cannot_be_taken_back_is_told(self):
        walk = Walk(
            """
            name: a
            steps:
              - {tool: one, rollback: [{tool: undo_one}]}
              - {tool: two, rollback: [{tool: undo_two}]}
              - {fail: no more}
            """,
            {"undo_two": failing(1, "rights")},
        )
        self.assertIn("no more (and then, while taking back: rights)", walk.run()[1])
        self.assertEqual(walk.called, ["one", "two", "undo_two", "undo_one"])

    def test_another_playbook_has_variables_of_its_own(self):
        walk = Walk(
            """
            name: a
            steps:
              - set: {n: 1}
              - for_each: [10, 20]
                as: m
                do:
                  - {playbook: inner, inputs: {m: "{{ m }}"}, save: got}
              - {tool: end, arguments: {n: "{{ n }}", got: "{{ got }}"}}
            """,
            others={
                "inner": """
                    name: b
                    inputs: {m: {type: integer}}
                    steps:
                      - {if: m == 10, then: [{set: {n: 5}}]}
                      - {tool: t, arguments: {m: "{{ m }}", n: "{{ default(n, 0) }}"}}
                    """
            },
        )
        self.assertEqual(walk.run(), Done({"n": 1, "got": {"m": 20, "n": 0}}))
        self.assertEqual(walk.log[0], ("t", {"m": 10, "n": 5}))

    def test_another_playbook_gets_what_it_asks_for(self):
        walk = Walk(
            "name: a\nsteps: [{playbook: inner}]",
            others={
                "inner": "name: b\ninputs: {m: {type: integer}}\nsteps: [{tool: t}]"
            },
        )
        self.assertIn("the input 'm' is missing", walk.run().message)
        walk = Walk("name: a\nsteps: [{playbook: gone}]")
        self.assertIn("playbook gone", walk.run().message)

    def test_waiting(self):
        walk = Walk(
            """
            name: a
            steps:
              - wait: 2 hours
              - {wait: "30 + 3"}
              - wait: {until: "now() >= '2027-01-15 12:00:00'", every: 1 hour}
              - wait: {until: "'2027-01-15 15:00:00'"}
              - stop: enough
              - {tool: never}
            """
        )
        walk.now = 1_800_000_000.0  # 2027-01-15 08:00:00
        self.assertEqual(walk.run(), Done("enough"))
        self.assertEqual(walk.waits[:4], [7200, 33, 3600, 3600])
        self.assertEqual(walk.waits[4:], [10767])  # exactly until then

    def test_waiting_in_vain(self):
        walk = Walk('name: a\nsteps: [{wait: {until: "1 > 2"}, timeout: 90}]')
        self.assertEqual(walk.run()[::2], ("context", "1"))
        self.assertEqual(walk.waits, [60, 60])

    def test_a_wait_needs_a_number(self):
        walk = Walk("name: a\nsteps: [{wait: \"'soon'\"}]")
        self.assertIn("no number of seconds", walk.run().message)

    def test_people(self):
        walk = Walk(
            """
            name: a
            steps:
              - {id: ask, human: "Go {{ run.task }}?", choices: [a, b], save: said}
              - {tool: t, arguments: {said: "{{ said.answer }}"}}
            """
        )
        self.assertEqual(walk.run({"ask": "b"}), Done({"said": "b"}))
        self.assertEqual(walk.log[0], ("ask", "Go t?"))

    def test_the_same_move_until_told(self):
        walk = Walk("name: a\nsteps: [{tool: t}]")
        self.assertEqual(walk.move(), walk.move())

    def test_it_ends(self):
        walk = Walk(
            """
            name: a
            steps:
              - for_each: [1,2,3,4,5,6,7,8,9,10,11]
                on_error: continue
                do:
                  - {for_each: "range_", max: 1000, do: [{set: {x: 1}}]}
            inputs: {range_: {type: list}}
            """,
            range_=list(range(1000)),
        )
        self.assertIn("more than 10000 steps", walk.run().message)

    def test_an_expression_that_fails_is_the_playbooks_fault(self):
        walk = Walk(
            "name: a\ninputs: {o: {type: object}}\n"
            "steps: [{tool: t, arguments: {x: '{{ o.missing }}'}}]",
            o={},
        )
        failed = walk.run()
        self.assertEqual((failed.category, failed.step), ("prompt", "1"))

    @given(st.data())
    def test_who_is_interrupted_does_the_same(self, data):
        """Another process at each step, and failures: never another sequence."""
        text = """
            name: a
            steps:
              - {tool: find, save: found, retry: {times: 1, wait: 1}}
              - for_each: [1, 2, 3]
                as: n
                save: all
                on_error: [{tool: rescue}]
                do:
                  - if: n == 2
                    then:
                      - tool: two
                        rollback: [{tool: untwo, arguments: {n: "{{ n }}"}}]
                    else: [{tool: other, retry: {times: 2, wait: 1}}]
                  - {playbook: inner, inputs: {n: "{{ n }}"}, save: got}
              - tool: end
                arguments: {all: "{{ default(all, 0) }}"}
                on_error: continue
              - {tool: very_end}
            on_failure: [{tool: tell}]
            """
        inner = """
            name: b
            inputs: {n: {type: integer}}
            steps: [{tool: deep, arguments: {n: "{{ n }}"}, rollback: [{tool: undeep}]}]
            """
        fails = data.draw(st.lists(st.booleans(), min_size=40, max_size=40))

        walk_tools = ["find", "two", "untwo", "other", "deep", "undeep", "rescue"]
        walk_tools += ["end", "very_end", "tell"]

        def walked(resume):
            left = iter(fails)

            def tool(**arguments):
                if next(left, False):
                    raise Broken
                return arguments

            tools = dict.fromkeys(walk_tools, tool)
            walk = Walk(text, tools, {"inner": inner}, resume=resume)
            return walk.run(), walk.log, walk.waits

        self.assertEqual(walked(resume=False), walked(resume=True))
