from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.const import CHANNEL
from odoo.addons.steward.exceptions import Invalid

from ..kernel import metrics

AT_ONCE = 50  # questions in one job; then the screen sees how far it is
STATES = [
    ("running", "Under way"),
    ("done", "Done"),
    ("cancelled", "Cancelled"),
]
VERDICTS = [
    ("better", "Better"),
    ("same", "No difference that chance could not make"),
    ("worse", "Worse"),
    ("unknown", "Too few questions to tell"),
]


class StewardSearchEvaluation(models.Model):
    """How well search answered all test questions, at one time with one setting."""

    _name = "steward.search.evaluation"
    _inherit = "steward"
    _description = "Evaluation of Search"
    _order = "id desc"
    _rec_name = "setting"
    _steward_own_fields = (
        *("setting", "space_id", "weight_lexical", "weight_vector", "state"),
        *("case_total", "case_done", "case_count", "ndcg", "mrr", "recall", "zero"),
        *("ended_at", "last_case_id"),
    )

    setting = fields.Char(
        string="Searched with", readonly=True, required=True, help="Space and weights."
    )
    space_id = fields.Many2one(
        "steward.space",
        string="Space",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    weight_lexical = fields.Float("Weight of words", readonly=True)
    weight_vector = fields.Float("Weight of meaning", readonly=True)
    state = fields.Selection(
        STATES, required=True, readonly=True, default="running", index=True
    )
    ended_at = fields.Datetime("Ended", readonly=True)
    last_case_id = fields.Integer(readonly=True)
    case_total = fields.Integer("Questions", readonly=True, aggregator=None)
    case_done = fields.Integer("Asked", readonly=True, aggregator=None)
    progress = fields.Float(compute="_compute_progress")
    case_count = fields.Integer(
        "Judged",
        readonly=True,
        aggregator=None,
        help="Questions of which a right document is here.",
    )
    # empty until it is done, and when nothing could be judged: unknown is not zero
    ndcg = fields.Float(
        "nDCG@10",
        readonly=True,
        aggregator="avg",
        help="1: all right documents in front; each place further down counts less.",
    )
    mrr = fields.Float(
        "MRR",
        readonly=True,
        aggregator="avg",
        help="1: a right document is the first; .5: the second; .33: the third.",
    )
    recall = fields.Float(
        "Recall@10",
        readonly=True,
        aggregator="avg",
        help="The share of right documents among the first ten.",
    )
    zero = fields.Float(
        "Nothing found",
        readonly=True,
        aggregator="avg",
        help="The share of questions without any answer.",
    )
    baseline_id = fields.Many2one(
        "steward.search.evaluation",
        string="Compared with",
        index="btree_not_null",
        ondelete="set null",
        domain="[('id', '!=', id), ('state', '=', 'done')]",
    )
    change = fields.Float("Change", compute="_compute_change")
    verdict = fields.Selection(VERDICTS, compute="_compute_change")
    change_sentence = fields.Char("In words", compute="_compute_change")
    line_ids = fields.One2many("steward.search.evaluation.line", "evaluation_id")

    @api.depends("case_done", "case_total")
    def _compute_progress(self):
        for one in self:
            one.progress = 100 * one.case_done / one.case_total if one.case_total else 0

    @api.depends("baseline_id", "state", "line_ids.ndcg")
    def _compute_change(self):
        for one in self:
            then = {line.case_id: line.ndcg for line in one.baseline_id.line_ids}
            change = metrics.difference(
                (then[line.case_id], line.ndcg)
                for line in one.line_ids
                if line.case_id in then
            )
            one.change = change.value if change else 0
            one.verdict = metrics.verdict(change) if one.baseline_id else False
            one.change_sentence = one._sentence(change) if one.baseline_id else False

    def _sentence(self, change):
        if change is None:
            return self.env._("They have no question in common.")
        return self.env._(
            "%(change)+.3f (chance alone makes ± %(margin).3f) on %(cases)s questions"
            " that both were asked",
            change=change.value,
            margin=min(change.margin, 1),
            cases=change.cases,
        )

    # -- one evaluation ----------------------------------------------------------------

    @api.model
    def _start(self, space=None, weights=None):
        """Begin an evaluation; it goes on in jobs.

        :param space: to search with; none: as people do now
        :param weights: of words and of meaning; none: the space's
        """
        total = self.env["steward.search.case"].search_count([])
        if not total:
            raise Invalid(
                self.env._(
                    "There is no test question yet. Import some, or make them of what"
                    " people asked (Quality → Questions Asked)."
                )
            )
        space = space or self.env["steward.space"]._active()
        if weights is None:
            weights = (space.weight_lexical, space.weight_vector) if space else (1, 0)
        evaluation = self._create_own(
            [
                {
                    "setting": space.name if space else self.env._("Words alone"),
                    "space_id": space.id,
                    "weight_lexical": weights[0],
                    "weight_vector": weights[1],
                    "case_total": total,
                    "baseline_id": self.search([("state", "=", "done")], limit=1).id,
                }
            ]
        )
        evaluation._enqueue()
        return evaluation

    def _enqueue(self):
        for one in self:
            one.with_user(SUPERUSER_ID).with_delay(
                channel=f"{CHANNEL}.heavy",
                identity_key=f"steward.evaluation.{one.id}.{one.last_case_id}",
                description=self.env._("Evaluate search with %s", one.setting),
            )._ask_next()

    def _ask_next(self, at_once=AT_ONCE):
        """Ask the next questions, as a job; whoever kills it loses only these."""
        self.ensure_one()
        if self.state != "running":
            return
        cases = self.env["steward.search.case"].search(
            [("id", ">", self.last_case_id)], order="id", limit=at_once
        )
        if not cases:
            self._finish()
            return
        answers = cases._ask_all(
            cases._trial(self.space_id, (self.weight_lexical, self.weight_vector))
            if self.space_id
            else None
        )
        self.env["steward.search.evaluation.line"]._create_own(
            [
                {
                    "evaluation_id": self.id,
                    "case_id": case.id,
                    "query": case.query,
                    "weight": case.weight,
                    "rank": score.rank,
                    "ndcg": score.ndcg,
                    "mrr": score.reciprocal,
                    "recall": score.recall,
                    "is_zero": score.zero,
                    "front": front,
                }
                for case, (score, front) in answers.items()
            ]
        )
        self._write_own(
            {
                "last_case_id": cases[-1].id,
                "case_done": self.case_done + len(cases),
            }
        )
        self._enqueue()

    def _finish(self):
        total = metrics.summary(
            (
                line.weight,
                metrics.Score(
                    line.rank, line.ndcg, line.mrr, line.recall, line.is_zero
                ),
            )
            for line in self.line_ids
        )
        values = {"state": "done", "ended_at": fields.Datetime.now()}
        if total:
            values |= {
                "case_count": total.cases,
                "ndcg": total.ndcg,
                "mrr": total.reciprocal,
                "recall": total.recall,
                "zero": total.zero,
            }
        self._write_own(values)

    # -- buttons -----------------------------------------------------------------------

    def action_start(self) -> dict:
        """Evaluate search as it is now.

        :return: an action: the evaluation, which goes on in the background
        """
        self.browse().check_access("create")
        return self._start()._get_records_action()

    def action_cancel(self) -> None:
        """Stop these evaluations; what was asked is kept."""
        self.check_access("write")
        running = self.filtered(lambda one: one.state == "running")
        running._write_own({"state": "cancelled", "ended_at": fields.Datetime.now()})

    @api.readonly
    def action_open_worse(self) -> dict:
        """Show the questions that are answered worse than in the compared one.

        :return: an action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_search_evaluation_lines"
        )
        worse = self.line_ids.filtered(lambda line: line.change < 0)
        return {**action, "domain": [("id", "in", worse.ids)], "context": {}}


class StewardSearchEvaluationLine(models.Model):
    """How one question was answered."""

    _name = "steward.search.evaluation.line"
    _inherit = "steward"
    _description = "Answer to a Test Question"
    _order = "evaluation_id desc, ndcg, id"
    _rec_name = "query"
    _log_access = False
    _steward_own_fields = (
        *("evaluation_id", "case_id", "query", "weight", "rank", "ndcg", "mrr"),
        *("recall", "is_zero", "front"),
    )

    evaluation_id = fields.Many2one(
        "steward.search.evaluation",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    case_id = fields.Many2one(
        "steward.search.case",
        string="Test question",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    query = fields.Char("Question", readonly=True, required=True)
    weight = fields.Float(readonly=True, aggregator=None)
    rank = fields.Integer(
        "Place",
        readonly=True,
        aggregator=None,
        help="Of the first right document; 0: not among the first ten.",
    )
    ndcg = fields.Float("nDCG@10", readonly=True, aggregator="avg")
    mrr = fields.Float("MRR", readonly=True, aggregator="avg")
    recall = fields.Float("Recall@10", readonly=True, aggregator="avg")
    is_zero = fields.Boolean("Nothing found", readonly=True)
    front = fields.Integer("Id of the one in front", readonly=True, aggregator=None)
    front_id = fields.Many2one(
        "steward.document",
        string="In front",
        compute="_compute_front_id",
        help="What search put first, if you may read it.",
    )
    baseline_rank = fields.Integer("Place before", compute="_compute_baseline")
    change = fields.Float(compute="_compute_baseline")

    @api.depends("front")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_front_id(self):
        documents = self.env["steward.document"].with_context(active_test=False)
        readable = set(documents.search([("id", "in", self.mapped("front"))]).ids)
        for line in self:
            line.front_id = line.front if line.front in readable else False

    @api.depends("evaluation_id.baseline_id")
    def _compute_baseline(self):
        then = {
            (line.evaluation_id, line.case_id): line
            for line in self.search(
                [
                    ("evaluation_id", "in", self.evaluation_id.baseline_id.ids),
                    ("case_id", "in", self.case_id.ids),
                ]
            )
        }
        for line in self:
            before = then.get((line.evaluation_id.baseline_id, line.case_id))
            line.baseline_rank = before.rank if before else 0
            line.change = line.ndcg - before.ndcg if before else 0
