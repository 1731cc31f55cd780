import logging
from dataclasses import dataclass

from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ..kernel import metrics

_logger = logging.getLogger(__name__)

GATE_CASES = 200  # that are asked at most before a change of ranking is allowed
WORSE_MOST = 0.02  # of nDCG@10 that a change may cost; less than that is noise


@dataclass(frozen=True)
class Trial:
    """A space and weights to search with, for one call: no caller over RPC has one."""

    space_id: int | None = None
    weights: tuple[float, float] | None = None  # of words, of meaning


class StewardSearchCase(models.Model):
    """A question whose right answers are known: search is judged by it."""

    _name = "steward.search.case"
    _inherit = "steward"
    _description = "Test Question"
    _order = "set_name, id"
    _rec_name = "query"

    query = fields.Char(string="Question", required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", index=True, help="Searched in this company; empty: in all."
    )
    source_id = fields.Many2one(
        "steward.source",
        index="btree_not_null",
        ondelete="cascade",
        help="Where the right documents are; empty: anywhere.",
    )
    expected = fields.Text(
        string="Right documents",
        required=True,
        help="One a line: what its source calls it, or its address. Any of them is a"
        " right answer.",
    )
    excluded = fields.Text(
        string="Not counted",
        help="One a line: documents that are neither right nor wrong, such as the page"
        " that the question was taken from.",
    )
    weight = fields.Float(default=1.0, help="2 counts twice as much as 1.")
    language = fields.Char(help="Two letters as in ISO 639: en, fr, ar.")
    set_name = fields.Char(
        string="Set",
        index="btree_not_null",
        help="Such as the file that it was imported from.",
    )
    document_ids = fields.Many2many(
        "steward.document", string="Found", compute="_compute_document_ids"
    )
    is_known = fields.Boolean(
        string="Can be judged",
        compute="_compute_document_ids",
        help="At least one of its right documents is here.",
    )

    _weight_positive = models.Constraint(
        "CHECK (weight > 0)", "A question's weight is more than 0."
    )
    _query_uniq = models.UniqueIndex(
        "(lower(query), COALESCE(company_id, 0), COALESCE(source_id, 0))",
        "This question is a test question already.",
    )

    @api.depends("expected", "source_id")
    def _compute_document_ids(self):
        names = self._documents_by_name("expected")
        for case in self:
            case.document_ids = case._named(names, case.expected)
            case.is_known = bool(case.document_ids)

    @api.constrains("query", "expected")
    def _check_words(self):
        for case in self:
            if not case.query.strip():
                raise ValidationError(self.env._("A question has at least one word."))
            if not lines(case.expected):
                raise ValidationError(
                    self.env._(
                        "Name at least one right document of “%(query)s”: what its"
                        " source calls it, or its address.",
                        query=case.query,
                    )
                )

    # -- which documents are meant -----------------------------------------------------

    def _documents_by_name(self, *names):
        """Return which documents have which name, of all that these cases name."""
        wanted = sorted(
            {line for case in self for n in names for line in lines(case[n])}
        )
        documents = self.env["steward.document"]
        if not wanted:
            return {}
        found = {}
        for document in documents.search_fetch(
            Domain("external_id", "in", wanted) | Domain("url", "in", wanted),
            ["external_id", "url", "source_id", "duplicate_of_id"],
        ):
            for name in {document.external_id, document.url}:
                found[name] = found.get(name, documents) | document
        return found

    def _named(self, found, text):
        """Return the documents that a text names, in the case's source."""
        documents = self.env["steward.document"].union(
            *(found[line] for line in lines(text) if line in found)
        )
        if self.source_id:
            documents = documents.filtered(lambda d: d.source_id == self.source_id)
        return documents

    # -- judging -----------------------------------------------------------------------

    @api.model
    def _ask_all(self, trial=None):
        """Ask these questions, and score the answers.

        :param trial: a `Trial`, to search otherwise than people do now
        :return: {case: (score, the document in front or none)}; a case whose right
            documents are not here is left out
        """
        # sudo: res.company - search is judged in all of them
        companies = self.env["res.company"].sudo().search([])  # pylint: disable=no-search-all
        asker = self.with_user(SUPERUSER_ID).with_context(
            allowed_company_ids=companies.ids, steward_trial=trial
        )
        names = asker._documents_by_name("expected", "excluded")
        answers = {}
        for case, asked in zip(self, asker, strict=True):
            right = asked._named(names, asked.expected)
            # a duplicate is not indexed: whoever finds the original is right
            right = set((right | right.duplicate_of_id).ids)
            if not right:
                continue
            ignored = set(asked._named(names, asked.excluded).ids)
            found = [
                document_id
                for document_id in asked._found(metrics.DEPTH + len(ignored))
                if document_id not in ignored
            ]
            score = metrics.judge(found, right)
            answers[case] = score, found[0] if found else None
        return answers

    def _found(self, limit):
        documents = self.env["steward.document"]
        if self.company_id:
            documents = documents.with_context(allowed_company_ids=self.company_id.ids)
        answer = documents._find(self.query, limit=limit, log=False)
        return [result["document_id"] for result in answer["results"]]

    @api.model
    def _evaluate(self, space=None, weights=None, cases=None):
        """Judge search by the test questions.

        :param space: a `steward.space` to search with instead of the one in use
        :param weights: of words and of meaning, instead of the space's
        :param cases: which questions; none: all
        :return: ``{"cases", "ndcg", "mrr", "recall", "zero"}``; only ``{"cases": 0}``
            when nothing could be judged
        """
        cases = self.search([]) if cases is None else cases  # pylint: disable=no-search-all
        return figures(cases._ask_all(self._trial(space, weights)))

    @api.model
    def _trial(self, space, weights):
        if space is None and weights is None:
            return None
        return Trial(space.id if space else None, tuple(weights) if weights else None)

    # -- the gate ----------------------------------------------------------------------

    @api.model
    def _check_change(self, space=None, weights=None, reason=None):
        """Refuse a change that would find worse, as far as that can be told.

        Called before another space is used, and before weights change.

        :param space: the space to be used; none: the one in use
        :param weights: of words and of meaning; none: the space's
        :param reason: why an Administrator goes on all the same
        :return: ``{"cases", "before", "after", "sentence"}``
        :raises Refused: when it worsens nDCG@10 by more than the setting allows
        """
        cases = self.search([], limit=GATE_CASES)
        before = cases._ask_all()
        after = cases._ask_all(self._trial(space, weights)) if before else {}
        told = {
            "cases": len(after),
            "before": figures(before).get("ndcg", 0.0),
            "after": figures(after).get("ndcg", 0.0),
        }
        if told["cases"] < metrics.ENOUGH:
            told["sentence"] = self.env._(
                "%(cases)s test questions are too few to tell whether this finds better"
                " or worse: %(enough)s are needed.",
                cases=told["cases"],
                enough=metrics.ENOUGH,
            )
            return told
        told["sentence"] = self.env._(
            "By %(cases)s test questions, quality (nDCG@10) goes from %(before).3f to"
            " %(after).3f.",
            **told,
        )
        worse = metrics.worsens(
            told["before"], told["after"], told["cases"], self._worse_most()
        )
        if worse and not self._is_overridden(reason):
            raise Refused(
                self.env._(
                    "%(sentence)s That is worse by more than the %(most)s that Settings"
                    " allow, so nothing was changed. An Administrator can go on all the"
                    " same, and say why.",
                    sentence=told["sentence"],
                    most=self._worse_most(),
                )
            )
        if worse:
            _logger.warning(
                "search: a change for the worse was made by %s: %s",
                self.env.user.login,
                reason,
            )
        return told

    @api.model
    def _is_overridden(self, reason):
        if not (reason or "").strip():
            return False
        if not self.env.user.has_group("steward.group_administrator"):
            raise Refused(
                self.env._("Only an Administrator goes on against the test questions.")
            )
        return True

    @api.model
    def _worse_most(self):
        # sudo: ir.config_parameter - a setting of ours
        parameters = self.env["ir.config_parameter"].sudo()
        told = parameters.get_param("steward.search.worse_most")
        return float(told) if told else WORSE_MOST

    # -- making cases ------------------------------------------------------------------

    @api.model
    def _import(self, rows, source=None, set_name=None):
        """Take questions as dictionaries; those that are here already are updated.

        :param rows: ``{"query" or "q", "expected" or "rel", "excluded" or "exclude"?,
            "weight"?, "language"?, "set"?}``, lists or lines of text
        :return: ``{"new": n, "changed": n, "rejected": [{"index", "reason"}]}``
        """
        told = {"new": 0, "changed": 0, "rejected": []}
        known = {
            case.query.lower(): case
            for case in self.with_context(active_test=False).search(
                [("source_id", "=", source.id if source else False)]
            )
        }
        new = {}
        for index, row in enumerate(rows):
            try:
                values = self._row_values(row, source, set_name)
            except Invalid as error:
                told["rejected"].append({"index": index, "reason": error.sentence})
                continue
            key = values["query"].lower()
            if key in known:
                known[key].write(values)
                told["changed"] += 1
            else:
                new[key] = values
        self.create(list(new.values()))
        told["new"] = len(new)
        return told

    @api.model
    def _row_values(self, row, source, set_name):
        if not isinstance(row, dict):
            raise Invalid(self.env._("A question is told by names and values."))
        query = row.get("query") or row.get("q")
        expected = as_lines(row.get("expected") or row.get("rel"))
        if not isinstance(query, str) or not query.strip():
            raise Invalid(self.env._("There is no question."))
        if not expected:
            raise Invalid(self.env._("No right document is named."))
        try:
            weight = float(row.get("weight") or 1)
        except (TypeError, ValueError) as error:
            raise Invalid(self.env._("The weight is no number.")) from error
        if not 0 < weight < float("inf"):
            raise Invalid(self.env._("A question's weight is more than 0."))
        return {
            "query": " ".join(query.split()),
            "expected": expected,
            "excluded": as_lines(row.get("excluded") or row.get("exclude")),
            "weight": weight,
            "language": row.get("language") or False,
            "set_name": row.get("set") or set_name or False,
            "source_id": source.id if source else False,
        }


def lines(text):
    """Cut a text into its lines that say something."""
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def as_lines(value):
    """Make lines of a list, or of a text that may have them already."""
    if isinstance(value, list | tuple):
        return "\n".join(str(member) for member in value)
    return "\n".join(lines(str(value or "").replace("|", "\n")))


def figures(answers):
    """Sum up answers of `_ask_all` in plain numbers."""
    total = metrics.summary(
        (case.weight, score) for case, (score, _front) in answers.items()
    )
    if total is None:
        return {"cases": 0}
    return {
        "cases": total.cases,
        "ndcg": total.ndcg,
        "mrr": total.reciprocal,
        "recall": total.recall,
        "zero": total.zero,
    }
