# ruff: noqa: E501 - a table is read by its lines
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form

from .agent_common import AgentCase

TEXT = """\
name: Count
steps:
  # how many there are
  - tool: count_records
    arguments: {model: res.partner}
    save: partners
  - stop: "{{ partners.count }} partners"
"""


class PlaybookCase(AgentCase):
    def playbook(self, code="count", text=TEXT, **values):
        return (
            self.env["steward.playbook"]
            .with_user(self.admin)
            .create({"name": code, "code": code, "text": text, **values})
        )


class TestPlaybook(PlaybookCase):
    def test_shipped_ones_are_sound(self):
        playbooks = self.env["steward.playbook"].with_context(active_test=False)
        shipped = playbooks.search([("company_id", "=", False)])
        self.assertGreaterEqual(len(shipped), 4)
        for playbook in shipped:
            with self.subTest(playbook.code):
                self.assertFalse(playbook.problems)
                self.assertTrue(playbook.description)
                self.assertTrue(playbook.steps)

    def test_a_missing_app_is_told(self):
        sale = self.env.ref("steward_agent.playbook_stale_quotations")
        if "sale.order" in self.env:
            self.skipTest("the app is installed")
        self.assertFalse(sale.active)
        self.assertIn("which is not installed", sale.missing)
        with self.assertRaises(ValidationError) as caught:
            sale.active = True
        self.assertIn("sale", caught.exception.args[0])
        with self.assertRaises(Refused):
            sale._current_version()._check_can_run()

    def test_problems_by_line(self):
        for text, told in (
            ("name: a\nsteps: [", "line 2"),
            (TEXT.replace("count_records", "count_recrods"), "line 4, column 5: steps.0.tool: there is no tool 'count_recrods'; did you mean 'count_records'?"),
            (TEXT.replace("save:", "sav:"), "line 6, column 5: steps.0: 'sav' is not known here; did you mean 'save'?"),
            (TEXT.replace("partners.count", "partner.count"), "there is no variable 'partner'; did you mean 'partners'?"),
            (TEXT + "  - playbook: nobody", "there is no playbook 'nobody'"),
        ):  # fmt: skip
            with self.subTest(text), self.assertRaises(ValidationError) as caught:
                self.playbook(text=text)
            self.assertIn(told, caught.exception.args[0])
        playbook = self.playbook()
        self.assertEqual(playbook.check_text(TEXT), [])
        [problem] = playbook.check_text(TEXT + "  - wait: soon\n")
        self.assertIn("line 8", problem)
        with Form(playbook) as form:
            form.text = "name: a"
            self.assertIn("'steps' is missing", form.problems)
            form.text = TEXT
            self.assertFalse(form.problems)

    def test_circles(self):
        one = self.playbook("one")
        two = self.playbook("two", TEXT + "  - playbook: one\n")
        self.playbook("three", TEXT + "  - playbook: two\n")
        with self.assertRaises(ValidationError) as caught:
            one.text = TEXT + "  - playbook: three\n"
        self.assertIn("one → three → two → one", caught.exception.args[0])
        with self.assertRaises(ValidationError):
            one.text = TEXT + "  - playbook: one\n"
        self.assertEqual(two._parsed().calls(), {"one"})
        self.assertEqual(two._tools_called(self.company), {"count_records"})

    def test_the_own_one_goes_before_the_shared_one(self):
        shared = self.playbook("both")
        own = self.playbook("both", company_id=self.company.id)
        playbooks = self.env["steward.playbook"]
        self.assertEqual(playbooks._by_code("both", self.company), own)
        self.assertEqual(playbooks._by_code("both", self.other_company), shared)
        with self.assertRaises(Invalid):
            playbooks._by_code("none", self.company)

    def test_inputs(self):
        text = TEXT + "inputs: {n: {type: integer}}\n"
        version = self.playbook(text=text)._current_version()
        self.assertEqual(version._checked_input({"n": 3}), {"n": 3})
        for given in ({}, {"n": "3"}, {"m": 3}):
            with self.subTest(given), self.assertRaises(Invalid):
                version._checked_input(given)

    def test_steps_for_the_screen(self):
        playbook = self.playbook()
        self.assertEqual(
            [(row["key"], row["title"], row["depth"]) for row in playbook.steps],
            [
                ("1", "count_records", 0),
                ("2", "Stop: {{ partners.count }} partners", 0),
            ],
        )

    def test_moving_a_step(self):
        playbook = self.playbook()
        moved = playbook.move_step(TEXT, 1, 0)
        self.assertLess(moved.index("- stop"), moved.index("# how many"))
        self.assertLess(moved.index("# how many"), moved.index("- tool"))
        self.assertEqual(playbook.move_step(moved, 0, 1), TEXT)
        with self.assertRaises(Invalid):
            playbook.move_step(TEXT, 0, 7)
        with self.assertRaises(Invalid):
            playbook.move_step("name: [", 0, 1)

    def test_who_may(self):
        for user in (self.viewer, self.operator):
            playbook = self.playbook(f"of-{user.id}").with_user(user)
            self.assertTrue(playbook.text)
            with self.assertRaises(AccessError):
                playbook.text = TEXT + "  - wait: 3\n"
        with self.assertRaises(AccessError):
            self.playbook("hidden").with_user(self.employee).read(["text"])
        with self.assertRaises(AccessError):
            self.env["steward.playbook"].with_user(self.employee).check_text("x")


class TestVersions(PlaybookCase):
    def test_a_change_makes_one_and_nothing_else_does(self):
        playbook = self.playbook()
        self.assertEqual(playbook.version_number, 1)
        playbook.name = "Other name"
        playbook.text = TEXT
        self.assertEqual(playbook.version_number, 1)
        playbook.write({"text": TEXT + "  - wait: 3\n", "change_note": "Slower"})
        newest = playbook.version_id
        self.assertEqual((newest.number, newest.note), (2, "Slower"))
        self.assertEqual(newest.author_id, self.admin)
        self.assertEqual(newest.text, playbook.text)
        self.assertEqual(len(playbook.version_ids), 2)

    def test_difference(self):
        playbook = self.playbook()
        playbook.text = TEXT.replace("res.partner", "res.users")
        newest, oldest = playbook.version_ids.sorted("number", reverse=True)
        lines = newest._diff_from(oldest)
        self.assertIn("-    arguments: {model: res.partner}", lines)
        self.assertIn("+    arguments: {model: res.users}", lines)
        self.assertIn("text-danger", newest.diff)
        self.assertIn("+name: Count", oldest._diff_from(oldest.browse()))
        self.assertEqual(newest.compared_to, 1)
        playbook.text = TEXT
        third = playbook.version_id
        action = (third + oldest).action_compare()
        self.assertEqual(action["res_id"], third.id)
        same = third.with_context(**action["context"])
        self.assertEqual((same.compared_to, same.diff), (1, False))
        with self.assertRaises(Invalid):
            third.action_compare()
        self.assertEqual(
            self.env[playbook.action_versions()["res_model"]].search(
                playbook.action_versions()["domain"]
            ),
            playbook.version_ids,
        )

    def test_markup_in_a_definition_is_text(self):
        playbook = self.playbook(text=TEXT + "  - stop: <script>x</script>\n")
        self.assertIn("&lt;script&gt;", playbook.version_id.diff)
        self.assertNotIn("<script>", playbook.version_id.diff)

    def test_restore(self):
        playbook = self.playbook()
        playbook.text = TEXT + "  - wait: 3\n"
        oldest = playbook.version_ids.filtered(lambda v: v.number == 1)
        oldest.action_restore()
        self.assertEqual(playbook.text, TEXT)
        self.assertEqual(playbook.version_number, 3)
        self.assertEqual(playbook.version_id.note, "As in version 1")
        with self.assertRaises(AccessError):
            oldest.with_user(self.operator).action_restore()

    def test_they_never_change(self):
        playbook = self.playbook()
        version = playbook.version_id
        for user in (self.admin, self.env.user):
            with self.assertRaises(UserError):
                version.with_user(user).write({"text": "x"})
            with self.assertRaises(UserError):
                version.with_user(user).unlink()
        with self.assertRaises(UserError):
            self.env["steward.playbook.version"].with_user(self.admin).create(
                {"playbook_id": playbook.id, "number": 9, "text": "x", "checksum": "x"}
            )
        with self.assertRaises(Refused):
            playbook.version_id = False
        playbook.unlink()
        self.assertFalse(version.exists())

    def test_a_copy_begins_anew(self):
        copy = self.playbook().copy({"code": "copy"})
        self.assertEqual(copy.version_number, 1)
        self.assertEqual(len(copy.version_ids), 1)

    def test_read_once(self):
        version = self.playbook().version_id
        version._parsed()
        with self.assertQueryCount(0):
            self.assertIs(version._parsed(), version._parsed())
