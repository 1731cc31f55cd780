from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .answers_common import AnswersCase


@tagged("post_install", "-at_install")
class TestDaily(AnswersCase):
    """A night with what a night finds."""

    @classmethod
    def make_document(cls, *arguments, **values):
        return super().make_document(*arguments, state="ready", **values)

    def part(self, daily, name):
        return next(p for p in daily.parts if p["name"] == name)

    def night(self):
        daily = self.env["steward.daily"]._begin()
        for _job in range(30):
            if daily.state != "running":
                break
            daily._work()
            # what its parts have begun, as their jobs would go on
            for evaluation in self.env["steward.search.evaluation"].search(
                [("state", "=", "running")]
            ):
                evaluation._ask_next()
            for space in self.env["steward.space"]._fed():
                space._job_fill()
        return daily

    def test_a_quiet_night(self):
        self.env["steward.document"].search([]).unlink()
        self.env["steward.search.case"].search([]).unlink()
        self.env["steward.source"].search([]).write({"interval": "manual"})
        daily = self.night()
        self.assertEqual(daily.state, "done", daily.parts)
        self.assertIn("There was nothing to do.", daily.report)

    def test_what_lacks_vectors_gets_them(self):
        page = self.make_document(text="A quotation waits.")
        page._make_chunks()
        self.assertTrue(self.env["steward.space"]._fed()._missing(page))
        daily = self.night()
        self.assertEqual(self.part(daily, "embed")["state"], "done")
        self.assertFalse(self.env["steward.space"]._fed()._missing(page))

    def test_questions_are_asked(self):
        page = self.make_document(external_id="right")
        self.env["steward.search.case"].create(
            {"query": "how long?", "expected": "right"}
        )
        self.answers["how long?"] = [page]
        daily = self.night()
        [line] = self.part(daily, "evaluate")["lines"]
        self.assertIn("nDCG@10 1.00", line)

    def test_long_gone_is_deleted(self):
        old, recent = self.make_document("Old"), self.make_document("Recent")
        (old + recent)._write_own({"active": False})
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE steward_document SET write_date = %s WHERE id = %s",
            [fields.Datetime.now() - timedelta(days=200), old.id],
        )
        self.env.invalidate_all()
        daily = self.night()
        self.assertFalse(old.exists())
        self.assertTrue(recent.exists())
        [line] = self.part(daily, "prune")["lines"]
        self.assertIn("1 documents", line)

    def test_one_message_tells_what_is_known(self):
        self.make_document()
        daily = self.night()
        [message] = daily.message_ids.filtered("subject")
        self.assertIn("documents can be searched", message.body)
