from odoo.addons.steward.kernel.schema import SchemaProblem
from odoo.tests import BaseCase

from ..kernel import structured

SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
}


class TestStructured(BaseCase):
    def test_fits(self):
        for text in (
            '{"days": 3}',
            ' ```\n{"days": 3}\n``` ',
            '```JSON\n{"days":3}```',
        ):
            self.assertEqual(structured.read(text, SCHEMA), ({"days": 3}, []))

    def test_does_not_fit(self):
        for text, problem in (
            ("three days", "line 1"),
            ("{}", "'days' is missing"),
            ('{"days": NaN}', "NaN is not JSON"),
            ('{"days": 1, "days": 2}', "days"),
        ):
            value, problems = structured.read(text, SCHEMA)
            self.assertIsNone(value)
            self.assertIn(problem, problems[0])
            self.assertIn(problem, structured.correction(problems)["content"])

    def test_no_schema(self):
        structured.check(SCHEMA)
        for wrong in ({"type": "whole"}, {"$ref": "https://example.com/schema"}):
            with self.assertRaises(SchemaProblem):
                structured.check(wrong)

    def test_instruction_goes_to_the_system(self):
        system = {"role": "system", "content": "Be kind."}
        [told, _user] = structured.instructed(
            [system, {"role": "user", "content": "a"}], SCHEMA
        )
        self.assertTrue(told["content"].startswith("Be kind."))
        self.assertIn('"days"', told["content"])
        self.assertEqual(system["content"], "Be kind.")
