import io
import json
import zipfile
from base64 import b64encode

from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..models import steward_document_push
from .harvest_common import HarvestCase


def file(name, content=b"# Notes\n\nSome words."):
    return {"name": name, "content": b64encode(content).decode()}


def zipped(*names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return packed.getvalue()


@tagged("post_install", "-at_install")
class TestUpload(HarvestCase):
    def setUp(self):
        super().setUp()
        self.files = self.make_source(kind="files", name="Handbook 2")

    def states(self, *files):
        return {told["name"]: told["state"] for told in self.files.upload(list(files))}

    def test_twenty_files_are_accepted_at_once(self):
        text = b"All work and no play makes Jack a dull boy.\n" * 1200
        files = [file(f"f{n}.md", text + str(n).encode()) for n in range(20)]
        told = self.files.upload(files)
        self.assertEqual({each["state"] for each in told}, {"accepted"})
        self.assertFalse(self.documents(self.files), "the work is done in jobs")
        self.work(self.files.last_harvest_id)
        self.assertEqual(self.files.document_count, 20)

    def test_one_refused_stops_no_other(self):
        states = self.states(
            file("good.md"),
            file("picture.md", b"\x89PNG\r\n\x1a\n" + bytes(50)),
            file("program.txt", b"MZ" + bytes(50)),
            file("sheet.docx", zipped("xl/workbook.xml", "[Content_Types].xml")),
            file("nothing.md", b"  \n"),
            file("tune.mp3", b"just words"),
            {"name": "broken.md", "content": "not base64!"},
            file(""),
            "no file",
            file("word.docx", zipped("word/document.xml", "[Content_Types].xml")),
            file("table.csv", b"a;b\n1;2\n"),
        )
        accepted = {name for name, state in states.items() if state == "accepted"}
        self.assertEqual(accepted, {"good.md", "word.docx", "table.csv"})
        (told,) = self.files.upload([file("p.md", b"\x89PNG\r\n\x1a\n")])
        self.assertIn("picture", told["reason"])

    def test_the_same_again(self):
        self.states(file("a.md"), file("b.md"))
        self.work(self.files.last_harvest_id)
        self.taken.clear()
        self.assertEqual(
            self.states(file("a.md"), file("b.md", b"# Now otherwise")),
            {"a.md": "unchanged", "b.md": "accepted"},
        )
        harvest = self.work(self.files.last_harvest_id)
        self.assertEqual([draft.external_id for draft in self.taken], ["b.md"])
        self.assertEqual((harvest.changed, harvest.unchanged), (1, 1))

    def test_removed_files(self):
        self.states(file("a.md"), file("b.md"))
        self.work(self.files.last_harvest_id)
        items = self.env["steward.source.item"].search(
            [("source_id", "=", self.files.id), ("key", "=", "a.md")]
        )
        items.action_remove_file()
        self.assertFalse(items.exists())
        self.assertEqual(self.documents(self.files).mapped("external_id"), ["b.md"])

    def test_names(self):
        (told,) = self.files.upload([file("..\\..\\etc/./passwd.md")])
        self.assertEqual(told["name"], "etc/passwd.md")

    def test_nobody_downloads_them(self):
        """Readers of a source may be few; its files must not be read another way."""
        self.states(file("secret.md", b"# Salaries"))
        viewer = new_test_user(self.env, "up_viewer", "steward.group_viewer")
        item = self.env["steward.source.item"].search(
            [("source_id", "=", self.files.id)]
        )
        with self.assertRaises(AccessError):
            item.with_user(viewer).read(["file"])
        attachment = self.env["ir.attachment"].search(
            [("res_model", "=", "steward.source.item"), ("res_field", "=", "file")]
        )
        self.assertTrue(attachment)
        with self.assertRaises(AccessError):
            attachment.with_user(viewer).read(["raw"])

    def test_who_may(self):
        operator = new_test_user(self.env, "up_operator", "steward.group_operator")
        mine = self.files.with_user(operator)
        self.assertEqual(mine.upload([file("a.md")])[0]["state"], "accepted")
        self.assertEqual(mine.action_upload()["tag"], "steward_knowledge.upload")
        for group in ("base.group_user", "steward.group_viewer", "steward.group_agent"):
            user = new_test_user(self.env, f"up_{group}", group)
            with self.subTest(group=group), self.assertRaises(AccessError):
                self.files.with_user(user).upload([file("b.md")])
        with self.assertRaises(StewardError):
            self.make_source(kind="push", name="P").upload([file("a.md")])
        with self.assertRaises(StewardError):
            self.files.upload([file("a.md")] * 300)


@tagged("post_install", "-at_install")
class TestPush(HarvestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.agent = new_test_user(cls.env, "push_agent", "steward.group_agent")
        cls.operator = new_test_user(cls.env, "push_op", "steward.group_operator")

    def push(self, *documents, user=None, **arguments):
        model = self.env["steward.document"].with_user(user or self.agent)
        return model.push(list(documents), **arguments)

    def document(self, name="a", **values):
        return {
            "external_id": name,
            "title": f"About {name}",
            "text": "Words",
            **values,
        }

    def test_new_unchanged_changed(self):
        told = self.push(self.document("a"), self.document("b"))
        self.assertEqual(told, {"new": 2, "changed": 0, "unchanged": 0, "rejected": []})
        told = self.push(self.document("a"), self.document("b", text="Other words"))
        self.assertEqual((told["changed"], told["unchanged"]), (1, 1))
        source = self.env.ref("steward_knowledge.source_pushed")
        self.assertEqual(len(self.documents(source)), 2)
        json.dumps(told)

    def test_until_they_are_searchable(self):
        self.push(self.document("w"), wait=True)
        source = self.env.ref("steward_knowledge.source_pushed")
        self.assertEqual(self.documents(source).state, "ready")

    def test_reasons_by_index(self):
        good = self.document("good")
        bad = [
            "nothing",
            {},
            self.document(""),
            self.document(title=""),
            self.document(text=""),
            self.document(html="<p>Both</p>"),
            self.document(text=7),
            self.document(surprise=1),
            self.document(url="javascript:alert(1)"),
            self.document(date="yesterday"),
            self.document(tags="a, b"),
            self.document(tags=["x" * 100]),
            self.document(external_id="x" * 501),
            self.document(text="x" * (steward_document_push.PUSH_MB * 1024**2 + 1)),
            good,
        ]
        told = self.push(good, *bad)
        self.assertEqual(told["new"], 1)
        indexes = [each["index"] for each in told["rejected"]]
        self.assertEqual(indexes, list(range(1, len(bad) + 1)))
        self.assertTrue(all(each["reason"] for each in told["rejected"]))

    def test_all_of_a_document(self):
        self.push(
            self.document(
                url="https://example.com/a",
                language="EN",
                tags=["x", "y", "x"],
                date="2026-01-02T03:04:05+02:00",
                version="19.0",
                text="Nul \x00 byte",
            ),
            {
                "external_id": "h",
                "title": "H",
                "html": "<p>Ω</p>",
                "date": "2026-01-02",
            },
        )
        first, second = self.taken
        self.assertEqual(first.tags, ("x", "y"))
        self.assertEqual(str(first.date), "2026-01-02 01:04:05")
        self.assertNotIn("\x00", first.content)
        self.assertEqual(
            (second.content_type, second.content), ("text/html", "<p>Ω</p>".encode())
        )

    def test_sources(self):
        told = self.push(self.document(), source="CRM notes", user=self.operator)
        self.assertEqual(told["new"], 1)
        source = self.sources.search([("name", "=", "CRM notes")])
        self.assertEqual((source.kind, source.document_count), ("push", 1))
        for name in ("CRM notes", source.id):
            self.assertEqual(self.push(self.document(), source=name)["unchanged"], 1)
        with self.assertRaises(StewardError):
            self.push(self.document(), source="Mine")
        self.set_param("steward.knowledge.agents_make_sources", "True")
        self.assertEqual(self.push(self.document(), source="Mine")["new"], 1)
        website = self.make_source()
        self.set_param("steward.knowledge.agents_make_sources", "")
        for name in (website.id, website.name, 987654321, ""):
            with self.subTest(name=name), self.assertRaises(StewardError):
                self.push(self.document(), source=name)

    def test_other_companies(self):
        company = self.env["res.company"].create({"name": "Others"})
        source = self.make_source(kind="push", name="Theirs", company_id=company.id)
        with self.assertRaises(StewardError):
            self.push(self.document(), source=source.id)

    def test_who_may(self):
        for group in ("base.group_user", "steward.group_viewer"):
            user = new_test_user(self.env, f"push_{group}", group)
            with self.subTest(group=group), self.assertRaises(AccessError):
                self.push(self.document(), user=user)

    def test_too_many(self):
        for documents in ([self.document()] * 1001, "text", {}):
            with self.assertRaises(StewardError):
                self.env["steward.document"].push(documents)
