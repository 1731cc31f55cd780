import base64
import io
import json
from unittest.mock import patch

from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..kernel import foreign_vectors
from ..models import steward_space_import
from .space_common import SpaceCase

WORDS = ["quotation", "delivery", "invoice", "payment", "holiday", "contract"]


def point(number, vector, text=None):
    text = text or f"All about the {WORDS[number % len(WORDS)]} number {number}."
    return {"id": number, "vector": vector, "payload": {"text": text}}


def unit(n, size=8):
    return [1.0 if n % size == m else 0.0 for m in range(size)]


@tagged("post_install", "-at_install")
class TestImport(SpaceCase):
    def setUp(self):
        super().setUp()
        self.jobs, self.filled = [], []
        self.patch(
            type(self.spaces),
            "_import_later",
            lambda space, *args: self.jobs.append((space, args)),
        )
        self.patch(
            type(self.spaces),
            "_fill_later",
            lambda space, after=0: self.filled.append(space),
        )
        self.admin = new_test_user(
            self.env, "imports", groups="steward.group_administrator,base.group_user"
        )

    def upload(self, *points, name="points.jsonl", data=None, user=None, **values):
        data = data or "".join(json.dumps(each) + "\n" for each in points).encode()
        wizard = self.env["steward.vector.import"].with_user(user or self.admin)
        form = {"file": base64.b64encode(data), "file_name": name, "name": "Old"}
        return wizard.create(form | values).action_import()

    def run_jobs(self):
        while self.jobs:
            space, (attachment, kind, source, *place) = self.jobs.pop(0)
            space._job_import(attachment.id, kind, source.id, *(place and place[0]))

    def space(self):
        return self.spaces.search([("name", "=", "Old")])

    def test_points(self):
        action = self.upload(*(point(n, unit(n)) for n in range(5)))
        space = self.space()
        self.assertEqual(action["res_id"], space.id)
        self.assertEqual((space.dimensions, space.state), (8, "building"))
        self.run_jobs()
        self.assertEqual((space.imported_count, space.rejected_count), (5, 0))
        [(chunk, score)] = space._nearest(unit(3), 1)
        passage = self.env["steward.chunk"].browse(chunk)
        self.assertIn("payment number 3", passage.text)
        self.assertGreater(score, 0.999)
        self.assertEqual(passage.document_id.source_id.name, "Old")
        self.assertEqual(passage.document_id.external_id, "3")
        self.assertTrue(passage.document_id.untrusted)
        self.assertFalse(
            self.env["ir.attachment"].search([("res_model", "=", "steward.space")])
        )
        self.assertEqual(self.filled, [])  # nobody said how questions are embedded

    def test_the_embedder_is_named(self):
        model = self.make_model("theirs", 8)
        self.upload(*(point(n, unit(n)) for n in range(3)), model_id=model.id)
        self.run_jobs()
        self.assertEqual(self.filled, [self.space()])
        self.assertFalse(self.space().is_paused)
        with self.assertRaises(Exception) as caught:
            self.upload(point(1, [1, 0]), model_id=model.id)
        self.assertIn("not the embedder that made", str(caught.exception))

    def test_bad_rows_are_told(self):
        data = b"\n".join(
            [
                json.dumps(point(0, unit(0))).encode(),
                b"{broken",
                json.dumps(point(2, [1, 0])).encode(),
                json.dumps({"id": 3, "vector": unit(3)}).encode(),
                json.dumps(point(4, unit(4))).encode(),
            ]
        )
        self.upload(data=data)
        self.run_jobs()
        space = self.space()
        self.assertEqual((space.imported_count, space.rejected_count), (2, 3))
        told = space.import_report.splitlines()
        self.assertEqual(told[0], "Line 2: it is no JSON.")
        self.assertEqual(told[1], "Line 3: 2 dimensions instead of 8.")
        self.assertEqual(told[2], "Line 4: it has no text.")

    def test_reports_have_an_end(self):
        rows = [point(0, unit(0)), *({"id": n} for n in range(300))]
        self.upload(*rows)
        self.run_jobs()
        self.assertEqual(self.space().rejected_count, 300)
        self.assertEqual(len(self.space().import_report.splitlines()), 100)

    def test_portions(self):
        """A killed job goes on where the last one ended, and nothing is there twice."""
        rows = [point(n, unit(n)) for n in range(7)]
        with patch.object(steward_space_import, "PORTION", 3):
            self.upload(*rows)
            space, (attachment, kind, source) = self.jobs.pop()
            patched = patch.object(
                type(space)._import_rows, "__defaults__", (foreign_vectors.Place(), 3)
            )
            with patched:
                space._job_import(attachment.id, kind, source.id)
                self.assertEqual(space.imported_count, 3)
                self.run_jobs()
        self.assertEqual(space.imported_count, 7)
        self.assertEqual(space.vector_count, 7)

    def test_twice(self):
        rows = [point(n, unit(n)) for n in range(3)]
        source = self.env["steward.source"].create({"name": "Both", "kind": "push"})
        for name in ("Old", "Older"):
            self.upload(*rows, name=f"{name}.jsonl", source_id=source.id)
            self.run_jobs()
        spaces = self.space()
        self.assertEqual(spaces.mapped("vector_count"), [3, 3])
        self.assertEqual(source.document_count, 3)

    def test_csv_and_its_ending(self):
        table = b'id,content,embedding\n1,One,"[1,0]"\n'
        self.upload(data=table, name="table.CSV")
        self.assertEqual(self.jobs[0][1][1], "csv")
        self.run_jobs()
        self.assertEqual(self.space().vector_count, 1)

    def test_files_of_no_use(self):
        for data, words in (
            (b"", "empty"),
            (b"\x89PNG\r\n\x1a\n\x00", "it is no JSON"),
            (b'{"id": 1}\n', "it has no text"),
        ):
            with self.subTest(words), self.assertRaises(Invalid) as caught:
                self.upload(data=data or b"\n")
            self.assertIn(words, caught.exception.sentence)

    def test_parquet_without_pyarrow(self):
        def missing(*_args):
            raise ImportError("pyarrow")

        with (
            patch.object(foreign_vectors, "_parquet", missing),
            self.assertRaises(Invalid) as caught,
        ):
            self.upload(data=b"PAR1", name="rows.parquet")
        self.assertIn("pip install pyarrow", caught.exception.sentence)

    def test_streams(self):
        """No more is read at once than a portion needs."""
        space = self.make_space(model_id=False, dimensions=8)
        rows = (json.dumps(point(n, unit(n))).encode() + b"\n" for n in range(1_000))
        file = io.BytesIO(b"".join(rows))
        space._import_rows(file, "jsonl", self.source, most=5)
        self.assertEqual(space.imported_count, 5)
        self.assertLess(file.tell(), 2_000)

    def test_administrators_alone(self):
        operator = new_test_user(self.env, "operates", groups="steward.group_operator")
        with self.assertRaises(AccessError):
            self.upload(point(1, [1.0]), user=operator)
        self.assertFalse(self.space())
