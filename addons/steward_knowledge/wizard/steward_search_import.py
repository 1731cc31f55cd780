import base64
import csv
import io
import json

from odoo import fields, models
from odoo.addons.steward.exceptions import Invalid

MOST_BYTES = 10_000_000
SHOWN = 20  # rejected lines that are told one by one


class StewardSearchImport(models.TransientModel):
    """Test questions from a file."""

    _name = "steward.search.import"
    _description = "Import Test Questions"

    file = fields.Binary(required=True, attachment=False)
    file_name = fields.Char()
    source_id = fields.Many2one(
        "steward.source",
        help="Where the right documents are; empty: anywhere.",
    )
    set_name = fields.Char(
        string="Set", help="Of the questions whose line names none; empty: the file."
    )
    result = fields.Text(readonly=True)

    def action_import(self) -> dict:
        """Take the questions of the file; those that are here already are updated.

        :return: an action: the same window, which says what became of each line
        """
        self.ensure_one()
        rows = self._rows(self._text())
        told = self.env["steward.search.case"]._import(
            rows, self.source_id, self.set_name or self.file_name
        )
        self.result = self._sentence(told)
        return {
            "type": "ir.actions.act_window",
            "name": self._description,
            "res_model": self._name,
            "res_id": self.id,
            "views": [[False, "form"]],
            "target": "new",
        }

    def _text(self):
        data = base64.b64decode(self.file)
        if len(data) > MOST_BYTES:
            raise Invalid(self.env._("The file is larger than 10 MB. Cut it in two."))
        try:
            return data.decode("utf-8-sig").replace("\0", "")
        except UnicodeDecodeError as error:
            raise Invalid(self.env._("The file is not text in UTF-8.")) from error

    def _rows(self, text):
        """Read a JSON list, a JSON object a line, or CSV with a line of titles."""
        start = text.lstrip()[:1]
        try:
            if start == "[":
                return json.loads(text)
            if start == "{":
                return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise Invalid(
                self.env._("The file is no sound JSON: %(error)s.", error=error)
            ) from error
        rows = csv.DictReader(io.StringIO(text))
        if not {"query", "q"} & set(rows.fieldnames or ()):
            raise Invalid(
                self.env._(
                    "The first line of a CSV file has the titles: query, expected, and"
                    " perhaps excluded, weight, language, set."
                )
            )
        return list(rows)

    def _sentence(self, told):
        parts = [
            self.env._(
                "%(new)s new, %(changed)s updated, %(rejected)s rejected.",
                new=told["new"],
                changed=told["changed"],
                rejected=len(told["rejected"]),
            )
        ]
        parts += [
            self.env._(
                "Question %(number)s: %(reason)s",
                number=row["index"] + 1,
                reason=row["reason"],
            )
            for row in told["rejected"][:SHOWN]
        ]
        return "\n".join(parts)
