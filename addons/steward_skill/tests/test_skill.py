import base64

import psycopg2

from odoo import Command
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..kernel import skill_format as kernel
from .common import COUNTING, DUNNING, SkillCase


@tagged("post_install", "-at_install")
class TestSkill(SkillCase):
    def test_the_document_and_its_parts_say_the_same(self):
        skill = self.skill()
        self.assertEqual(skill.name, "remind-late-payers")
        self.assertEqual(skill.title, "Remind late payers")
        self.assertEqual(skill.trigger_words, "late payment, dunning")
        self.assertEqual(skill.kind, "instruction")
        skill.write({"title": "Dun", "tool_names": "find_records", "body": "Do it."})
        said = kernel.parse(skill.text)
        self.assertEqual(
            (said.title, said.tools, said.body), ("Dun", ("find_records",), "Do it.")
        )
        self.assertIn("author: Ann", skill.text)
        skill.text = DUNNING
        self.assertEqual((skill.title, skill.tool_names), ("Remind late payers", ""))

    def test_written_in_a_form(self):
        form = Form(self.skills.with_user(self.author))
        form.title = "Close a Period!"
        self.assertEqual(form.name, "close-a-period")
        form.description = "Closes a period. Use at the end of a month."
        form.body = "1. Close it."
        skill = form.save()
        self.assertEqual(skill.state, "draft")
        self.assertEqual(kernel.parse(skill.text).title, "Close a Period!")
        with Form(skill) as form:
            form.description = "Closes it."
        self.assertIn("description: Closes it.", skill.text)
        self.assertEqual(skill.version_number, 2)

    def test_what_is_no_skill_is_refused(self):
        for values in (
            {"text": "# Nothing"},
            {"text": DUNNING.replace("remind-late-payers", "Remind Late")},
            {"title": "!!", "description": "x"},
            {"title": "A", "description": " "},
            {"title": "A", "description": "b" * 1025},
            {"title": "A", "body": "x" * 300_000},
            {"title": "A", "playbook": "name: a\nsteps: [{tool: nothing}]"},
            {"title": "A", "inputs": "{"},
            {"title": "A", "outputs": "[1]"},
        ):
            with self.subTest(values), self.assertRaises(ValidationError):
                self.skill(**values)

    def test_versions(self):
        skill = self.skill()
        first = skill.version_id
        skill.write({"category": "Accounting", "trial_share": 20})
        self.assertEqual(skill.version_id, first)
        skill.write({"playbook": COUNTING, "change_note": "with steps"})
        second = skill.version_id
        self.assertEqual((second.number, second.note), (2, "with steps"))
        self.assertEqual(second.kind, "playbook")
        diff = "\n".join(second._diff_from(first))
        self.assertIn("@ playbook.yaml", diff)
        self.assertNotIn("SKILL.md", diff)
        first.action_restore()
        self.assertFalse(skill.playbook)
        for user in (self.author, self.reviewer):
            with self.assertRaises(UserError):
                second.with_user(user).write({"text": "x"})
            with self.assertRaises(UserError):
                second.with_user(user).write({"approver_id": user.id})
        with self.assertRaises(Refused):
            second.write({"approver_id": self.author.id, "text": "x"})

    def test_nobody_forges(self):
        skill = self.skill()
        for name, value in (
            ("state", "approved"),
            ("approved_version_id", skill.version_id.id),
            ("confidence", 1.0),
            ("origin", "harvested"),
        ):
            with self.subTest(name), self.assertRaises(Refused):
                skill.write({name: value})
            with self.subTest(name), self.assertRaises(Refused):
                self.skill(title="B", **{name: value})
            with self.assertRaises(Refused):
                self.skills.with_context(**{f"default_{name}": value}).create(
                    {"title": "C", "description": "c"}
                )

    def test_names(self):
        self.skill()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.skill()
        theirs = self.skill(text=DUNNING, company_id=self.env.company.id)
        self.assertEqual(self.skills._named("remind-late-payers"), theirs)
        other = self.skills.with_company(self.other_company)
        self.assertNotEqual(other._named("remind-late-payers"), theirs)
        copied = theirs.copy()
        self.assertNotEqual(copied.name, theirs.name)
        self.assertEqual(kernel.parse(copied.text).name, copied.name)
        with self.assertRaises(Invalid):
            self.skills._named("nobody")

    def test_circles_and_order(self):
        one = self.skill(title="One")
        two = self.skill(title="Two", depends_on="one")
        three = self.skill(title="Three", depends_on="two, one missing")
        self.assertEqual(two.dependency_ids, one)
        self.assertEqual(three._in_order(), ["one", "two", "missing", "three"])
        self.assertEqual(three._lacking(), ["missing"])
        with self.assertRaises(ValidationError) as caught:
            one.depends_on = "three"
        self.assertIn("one → three → one", caught.exception.args[0])
        with self.assertRaises(ValidationError):
            one.depends_on = "one"

    def test_who_sees_what(self):
        skill = self.skill()
        for user in (self.robot, self.employee):
            self.assertFalse(self.skills.with_user(user).search([]) & skill)
            with self.assertRaises(AccessError):
                skill.with_user(user).read(["text"])
            with self.assertRaises(AccessError):
                skill.version_id.with_user(user).read(["text"])
        self.assertTrue(skill.with_user(self.viewer).text)
        self.approved(skill)
        for user in (self.robot, self.employee):
            self.assertTrue(skill.with_user(user).version_id.text)
            with self.assertRaises(AccessError):  # it may be a draft by now
                skill.with_user(user).read(["body"])
            with self.assertRaises(AccessError):
                skill.with_user(user).title = "Mine"
        skill.sudo().group_ids = self.env.ref("base.group_erp_manager")
        with self.assertRaises(AccessError):
            skill.with_user(self.employee).read(["title"])
        skill.sudo().write(
            {"group_ids": [Command.clear()], "company_id": self.other_company.id}
        )
        with self.assertRaises(AccessError):
            skill.with_user(self.employee).read(["title"])
        with self.assertRaises(AccessError):
            skill.version_id.with_user(self.viewer).read(["text"])

    def test_deleted(self):
        skill = self.approved(title="A", playbook=COUNTING)
        self.env["steward.skill.file"]._kept(skill, [kernel.File("a.txt", b"x")])
        playbook = skill.playbook_id
        with self.assertRaises(AccessError):
            skill.with_user(self.operator).unlink()
        skill.with_user(self.env.ref("base.user_admin")).unlink()
        self.assertFalse(playbook.active)
        self.assertFalse(
            self.env["steward.skill.file"].search([("path", "=", "a.txt")])
        )


@tagged("post_install", "-at_install")
class TestTransfer(SkillCase):
    def setUp(self):
        super().setUp()
        self.mine = self.skills.with_user(self.author)

    def packed(self, *folders):
        return base64.b64encode(kernel.as_zip(folders)).decode()

    def test_round_trip_loses_nothing(self):
        folder = kernel.Folder(
            "remind-late-payers",
            DUNNING.replace("author: Ann", "author: Ann  # who\n  x: [1, {y: null}]"),
            (
                kernel.File("assets/logo.png", b"\x89PNG\0\xff"),
                kernel.File(kernel.INPUTS, b'{"type": "object"}\n'),
                kernel.File(kernel.PLAYBOOK, COUNTING.encode()),
                kernel.File("references/a.md", b"# A\r\n"),
                kernel.File("scripts/run.py", b"import os\n"),
                kernel.File("scripts/run.sh", b"exit\n", True),
            ),
        )
        packed = self.packed(folder)
        answer = self.mine.import_folder(packed)
        self.assertEqual(
            answer,
            {
                "skills": [
                    {"name": "remind-late-payers", "version": 1, "state": "draft"}
                ],
                "ignored": [],
            },
        )
        self.assertEqual(
            self.mine.export(["remind-late-payers"]),
            {"file": "remind-late-payers.zip", "content": packed},
        )
        self.assertEqual(self.mine.import_folder(packed)["skills"][0]["version"], 1)
        skill = self.mine._named("remind-late-payers")
        self.assertEqual(skill.origin, "imported")
        self.assertEqual(skill.version_id.note, "Imported")
        self.assertEqual(len(skill.version_id.file_ids), 4)
        files = [file._replace(executable=False) for file in folder.files]
        packed = self.packed(folder._replace(files=tuple(files)))
        self.assertEqual(self.mine.import_folder(packed)["skills"][0]["version"], 2)
        self.assertEqual(self.mine.export([skill.name])["content"], packed)

    def test_where_it_is_filed_goes_with_it(self):
        skill = self.skill(title="A", category="Sales")
        skill.tag_ids = self.env["steward.skill.tag"]._named(["Big", "New"])
        self.assertEqual(skill.version_number, 1)
        packed = self.mine.export(["a"])["content"]
        skill.sudo().unlink()
        self.mine.import_folder(packed)
        again = self.mine._named("a")
        self.assertEqual(again.category, "Sales")
        self.assertEqual(sorted(again.tag_ids.mapped("name")), ["Big", "New"])
        self.assertEqual(self.mine.export(["a"])["content"], packed)

    def test_what_comes_in_is_no_more_than_a_draft(self):
        skill = self.approved(text=DUNNING)
        before = skill.approved_version_id
        files = (kernel.File("scripts/x.sh", b"rm -rf /"),)
        folder = kernel.Folder("x", DUNNING.replace("friendly", "harsh"), files)
        [told] = self.mine.import_folder(self.packed(folder))["skills"]
        self.assertEqual((told["version"], told["state"]), (2, "draft"))
        self.assertEqual(skill.approved_version_id, before)
        self.assertIn(
            "friendly", self.skills.with_user(self.robot).get(skill.name)["markdown"]
        )
        [file] = skill.file_ids
        self.assertEqual((file.path, file._bytes()), ("scripts/x.sh", b"rm -rf /"))
        for user in (self.author, self.reviewer):
            with self.assertRaises(UserError):
                file.with_user(user).write({"path": "y"})
            with self.assertRaises(UserError):
                file.with_user(user).create(
                    {"skill_id": skill.id, "path": "a", "content": b""}
                )

    def test_one_document(self):
        content = base64.b64encode(DUNNING.encode()).decode()
        [told] = self.mine.import_folder(content, "SKILL.md")["skills"]
        self.assertEqual(told["name"], "remind-late-payers")

    def test_the_same_name_in_two_companies(self):
        packed = self.packed(kernel.Folder("x", DUNNING))
        self.author.company_ids += self.other_company
        mine = self.mine.with_context(
            allowed_company_ids=(self.env.company + self.other_company).ids
        )
        mine.import_folder(packed)
        mine.with_company(self.other_company).import_folder(packed)
        found = self.skills.search([("name", "=", "remind-late-payers")])
        self.assertEqual(found.company_id, self.env.company + self.other_company)

    def test_hostile_uploads(self):
        for content, told in (
            ("no base64!", "not in base64"),
            (base64.b64encode(b"\xff\xfe").decode(), "no text in UTF-8"),
            (base64.b64encode(b"x" * (5 * 2**20 + 1)).decode(), "too large"),
            (base64.b64encode(b"# a\n").decode(), "begins with its name"),
            (self.packed(kernel.Folder("..", DUNNING)), "leads out"),
            (
                self.packed(
                    kernel.Folder(
                        "x", DUNNING, (kernel.File("playbook.yaml", b"\xff"),)
                    )
                ),
                "no text in UTF-8",
            ),
            (self.packed(kernel.Folder("x", "---\nname: [\n---\n")), "x/SKILL.md"),
        ):
            with self.subTest(told), self.assertRaises(Invalid) as caught:
                self.mine.import_folder(content)
            self.assertIn(told, caught.exception.sentence)
        for user in (self.viewer, self.robot, self.employee):
            with self.assertRaises(AccessError):
                self.skills.with_user(user).import_folder(
                    self.packed(kernel.Folder("x", DUNNING))
                )
        self.assertFalse(self.skills.search([("name", "=", "remind-late-payers")]))

    def test_files_over_rpc_are_none(self):
        context = {"steward_files": [["a.txt", "x"]]}
        skill = self.mine.with_context(**context).create({"text": DUNNING})
        self.assertFalse(skill.file_ids)

    def test_export_shows_only_what_one_may_read(self):
        self.skill()
        for user in (self.robot, self.employee):
            with self.assertRaises(Invalid):
                self.skills.with_user(user).export(["remind-late-payers"])
        with self.assertRaises(Invalid):
            self.mine.export([])
