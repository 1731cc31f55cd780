from odoo import fields, models

from ..kernel.control import VERDICTS

SCORES = [
    ("0", "Not said"),
    ("1", "Very bad"),
    ("2", "Bad"),
    ("3", "Fair"),
    ("4", "Good"),
    ("5", "Very good"),
]


class StewardRunJudgement(models.TransientModel):
    """What a person thinks of a run."""

    _name = "steward.run.judgement"
    _description = "Judge a Run"

    run_id = fields.Many2one("steward.run", required=True, readonly=True)
    task = fields.Text(related="run_id.task")
    output = fields.Text("Result", related="run_id.output")
    verdict = fields.Selection(VERDICTS, required=True)
    score = fields.Selection(SCORES, default="0")
    comment = fields.Text(help="Why? The run keeps it.")
    intent = fields.Text(
        "What was meant", help="If the agent misunderstood: what it should have done."
    )

    def action_judge(self) -> None:
        """Keep it with the run."""
        for judgement in self:
            run = judgement.run_id
            # two companies may each have a run of that name
            self.env["steward.run"].with_company(run.company_id).feedback(
                run.trace_id,
                judgement.verdict,
                int(judgement.score or 0) or None,
                judgement.comment or None,
                judgement.intent or None,
            )
