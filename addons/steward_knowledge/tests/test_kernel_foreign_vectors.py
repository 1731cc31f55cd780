import csv
import importlib.util
import io
import json
import unittest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import foreign_vectors
from ..kernel.foreign_vectors import Bad, Place, Row, read

QDRANT = {
    "id": 7,
    "vector": [0.5, 1],
    "payload": {"text": "A quotation", "title": "Sales", "url": "https://x.org/1"},
}
PGVECTOR = {"id": "7", "content": "A quotation", "embedding": "[0.5,1]"}


def lines(*told):
    return io.BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in told))


def items(file, kind="jsonl"):
    return [item for item, _place in read(file, kind)]


class TestForeignVectors(BaseCase):
    def test_qdrant(self):
        expected = Row(1, "7", "A quotation", [0.5, 1], "Sales", "https://x.org/1")
        self.assertEqual(items(lines(QDRANT)), [expected])
        page = {"result": {"points": [QDRANT, QDRANT], "next_page_offset": 9}}
        self.assertEqual(items(lines(page)), [expected] * 2)
        self.assertEqual(items(lines({"points": [QDRANT]})), [expected])
        named = {**QDRANT, "vector": {"default": [0.5, 1]}}
        self.assertEqual(items(lines(named)), [expected])

    def test_chroma(self):
        page = {
            "ids": ["a", "b", "c"],
            "documents": ["One", "Two", None],
            "embeddings": [[1, 0], [0, 1], [1, 1]],
            "metadatas": [{"source": "https://x.org"}, None, {}],
        }
        first, second, third = items(lines(page))
        self.assertEqual(first, Row(1, "a", "One", [1, 0], "", "https://x.org"))
        self.assertEqual(second, Row(1, "b", "Two", [0, 1]))
        self.assertEqual(third, Bad(1, "it has no text"))

    def test_tables(self):
        expected = Row(1, "7", "A quotation", [0.5, 1])
        self.assertEqual(items(lines(PGVECTOR)), [expected])
        table = io.BytesIO(
            b"\xef\xbb\xbfid,content,embedding,metadata\r\n"
            b'7,"A ""quotation"",\r\nsent","[0.5,1]","{""title"": ""Sales""}"\r\n'
            b"\r\n8,short\r\n9,Two,\r\n"
            b'9,Two,"[1,0]",\r\n'
        )
        first, short, shorter, last = items(table, "csv")
        self.assertEqual(
            first, Row(3, "7", 'A "quotation",\r\nsent', [0.5, 1], "Sales")
        )
        self.assertEqual(short, Bad(5, "it has 2 columns instead of 4"))
        self.assertEqual(shorter, Bad(6, "it has 3 columns instead of 4"))
        self.assertEqual(last, Row(7, "9", "Two", [1, 0]))
        self.assertEqual(items(io.BytesIO(b""), "csv"), [])

    @unittest.skipUnless(importlib.util.find_spec("pyarrow"), "pyarrow is optional")
    def test_parquet(self):
        import pyarrow
        from pyarrow import parquet

        file = io.BytesIO()
        table = {
            "id": [str(n) for n in range(600)],
            "text": [f"text {n}" for n in range(600)],
            "embedding": [[float(n), 1.0] for n in range(600)],
        }
        parquet.write_table(pyarrow.table(table), file)
        found = list(read(file, "parquet"))
        self.assertEqual(len(found), 600)
        self.assertEqual(found[-1][0], Row(600, "599", "text 599", [599.0, 1.0]))
        self.assertEqual(list(read(file, "parquet", found[299][1])), found[300:])

    def test_bad_rows(self):
        vector = {"id": 1, "text": "x"}
        for told, reason in (
            ([], None),
            (7, "no object"),
            ({"vector": [1]}, "no text"),
            ({"text": " ", "vector": [1]}, "no text"),
            (vector, "no vector"),
            ({**vector, "vector": []}, "no vector"),
            ({**vector, "vector": "none"}, "not a list"),
            ({**vector, "vector": [1, None]}, "not a list"),
            ({**vector, "vector": [True]}, "not a list"),
            ({**vector, "vector": [0, 0]}, "no direction"),
            ({**vector, "vector": [1e308, 1e308]}, "no direction"),
            ({**vector, "vector": [10**400]}, "no direction"),
            ({**vector, "vector": [1] * 4_001}, "more than 4000"),
            ({**vector, "vector": {"a": [1], "b": [1]}}, "several vectors"),
            ({**vector, "vector": "[1, "}, "not a list"),
        ):
            with self.subTest(str(told)[:50]):
                found = items(lines(told))
                if reason is None:
                    self.assertEqual(found, [])
                    continue
                [bad] = found
                self.assertIsInstance(bad, Bad)
                self.assertIn(reason, bad.reason)
        for text in (b"{\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"):
            [bad] = items(io.BytesIO(text))
            self.assertEqual(bad, Bad(1, "it is no JSON"))
        not_a_number = b'{"text": "x", "vector": [NaN]}\n'
        self.assertIn("no direction", items(io.BytesIO(not_a_number))[0].reason)

    def test_endless_lines(self):
        limit = foreign_vectors.LONGEST_LINE
        foreign_vectors.LONGEST_LINE = 50
        self.addCleanup(setattr, foreign_vectors, "LONGEST_LINE", limit)
        found = items(io.BytesIO(b"x" * 400 + b'\n{"text": "x", "vector": [1]}\n'))
        self.assertIn("smaller pages", found[0].reason)
        self.assertEqual(found[1], Row(2, "line 2", "x", [1]))

    @given(st.lists(st.tuples(st.text(max_size=5), st.booleans()), max_size=12))
    def test_going_on_anywhere(self, told):
        """Wherever a reader is stopped, another one goes on there."""
        rows = [
            {"id": text, "text": text, "embedding": "[1]" if sound else ""}
            for text, sound in told
        ]
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, ["id", "text", "embedding"])
        writer.writeheader()
        writer.writerows(rows)
        encoded = table.getvalue().encode("utf-8", "replace")
        for kind, file in (("jsonl", lines(*rows)), ("csv", io.BytesIO(encoded))):
            found = list(read(file, kind))
            for n, (_item, place) in enumerate(found):
                self.assertEqual(list(read(file, kind, place)), found[n + 1 :])
        self.assertEqual(list(read(lines(), "jsonl", Place())), [])

    @given(st.binary(max_size=200))
    def test_noise(self, noise):
        for kind in ("jsonl", "csv"):
            for item in items(io.BytesIO(noise), kind):
                self.assertIsInstance(item, Row | Bad)
