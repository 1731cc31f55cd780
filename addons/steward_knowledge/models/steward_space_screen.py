from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused, StewardError
from odoo.addons.steward_llm.kernel.usage import CHARACTERS, Usage

from .steward_space_index import INDEX_FROM

INDEX_STATES = [
    ("unneeded", "Not needed yet"),
    ("waiting", "Waits to be built"),
    ("building", "Being built"),
    ("ready", "Ready"),
]
COMPARED = 50  # recent questions
FIRST = 10  # passages of each


class StewardSpace(models.Model):
    """What people see of spaces, and do with them."""

    _inherit = "steward.space"

    is_available = fields.Boolean(compute="_compute_counts")
    passage_count = fields.Integer("Passages", compute="_compute_counts")
    vector_count = fields.Integer("Embedded", compute="_compute_counts")
    missing_count = fields.Integer("Missing", compute="_compute_counts")
    progress = fields.Float("Done (%)", compute="_compute_counts")
    index_state = fields.Selection(
        INDEX_STATES, "Index state", compute="_compute_index"
    )
    index_progress = fields.Float("Index done (%)", compute="_compute_index")
    index_size = fields.Float("Index (MB)", compute="_compute_index", digits=(12, 1))
    estimate = fields.Char("What it takes", compute="_compute_estimate")
    has_previous = fields.Boolean(compute="_compute_has_previous")
    comparison = fields.Text(readonly=True, copy=False)
    override_reason = fields.Char(
        string="Use it all the same",
        copy=False,
        tracking=True,
        help="Why, when the test questions say that it finds worse.",
    )

    # -- computes ----------------------------------------------------------------

    def _compute_counts(self):
        available = self._available()
        passages, counts = 0, {}
        if available:
            # sudo: steward.chunk - how many there are, no contents
            passages = self.env["steward.chunk"].sudo().search_count([])
            counts = self._vector_counts()
        for space in self:
            done = counts.get(space._origin.id, 0)
            space.is_available = available
            space.passage_count = passages
            space.vector_count = done
            space.missing_count = max(passages - done, 0)
            space.progress = 100 * min(done / passages, 1) if passages else 100
            if space.missing_count:  # not before the last one is there
                space.progress = min(space.progress, 99.9)

    @api.depends("has_index")
    def _compute_index(self):
        indexes = self._indexes() if self._available() else {}
        for space in self:
            index = indexes.get(space._origin.id and space._origin._index_name())
            space.index_size = index.size / 2**20 if index else 0
            space.index_progress = 0
            if index and index.valid:
                space.index_state, space.index_progress = "ready", 100
            elif index and index.pid:
                space.index_state = "building"
                if index.total:
                    space.index_progress = min(99.9, 100 * index.done / index.total)
            elif space.vector_count >= INDEX_FROM:
                space.index_state = "waiting"
            else:
                space.index_state = "unneeded"

    @api.depends("model_id")
    def _compute_estimate(self):
        """Say what embedding would cost, before anybody decides."""
        self.env.cr.execute(
            "SELECT COALESCE(avg(length(text) + COALESCE(length(path), 0)), 0)::float"
            " FROM (SELECT text, path FROM steward_chunk LIMIT 10000) AS sample"
        )
        [length] = self.env.cr.fetchone()
        for space in self:
            # sudo: steward.model - its price, no more
            model = space.model_id.sudo()
            space.estimate = False
            if not model:
                continue
            tokens = round(space.missing_count * length / CHARACTERS)
            cost = model._cost(Usage(tokens_in=tokens)).amount
            names = {"passages": space.missing_count, "tokens": tokens}
            if cost is None:
                space.estimate = self.env._(
                    "%(passages)s passages, about %(tokens)s tokens; nobody knows the"
                    " price of this model.",
                    **names,
                )
            elif not cost:
                space.estimate = self.env._(
                    "%(passages)s passages, free of charge.", **names
                )
            else:
                space.estimate = self.env._(
                    "%(passages)s passages, about %(tokens)s tokens: some $%(cost)s.",
                    cost=f"{cost:.2f}" if cost >= 0.01 else "0.01",
                    **names,
                )

    @api.depends("state")
    def _compute_has_previous(self):
        previous = self._previous()
        for space in self:
            space.has_previous = space.state == "active" and bool(previous)

    @api.model
    def _previous(self):
        """The space that served before the one in use."""
        return self.search(
            [("state", "=", "ready"), ("served_until", "!=", False)],
            order="served_until desc, id desc",
            limit=1,
        )

    # -- actions -----------------------------------------------------------------

    def action_enable(self) -> dict:
        """Have this database keep vectors, once its server has the extension.

        Administrators only.

        :return: a notification
        """
        self.browse().check_access("write")
        if not self._enable_vectors():
            raise Refused(self._sentence_without())
        self._make_default()
        return self._told(self.env._("Vectors can be kept now."))

    @api.model
    def _sentence_without(self):
        return self.env._(
            "This database has no extension “vector”, so search goes by words alone."
            " Ask who runs PostgreSQL to install pgvector there, and to execute CREATE"
            " EXTENSION vector in this database; then press “Look again”."
        )

    def action_build(self) -> dict:
        """Embed all passages in the background, or go on with it.

        Administrators only.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        self._refuse_without_embedder()
        if not self._available():
            raise Refused(self._sentence_without())
        self._write_own({"is_paused": False, "last_error": False})
        self._fill_later()
        return self._told(self.env._("Passages are embedded in the background."))

    def action_pause(self) -> dict:
        """Stop embedding and building for this space; what is done stays.

        Administrators only.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        if self.state == "active":
            raise Refused(
                self.env._("The space in use gets each new passage: it cannot pause.")
            )
        self._write_own({"is_paused": True})
        self._stop_build()
        return self._told(self.env._("Nothing more is embedded for this space."))

    def action_activate(self) -> dict:
        """Let this space serve all searches from now on; the other one stays ready.

        Administrators only. Refused when the test questions say that it finds worse,
        unless a reason is given.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        self._refuse_unfinished()
        judged = self.env["steward.search.case"]._check_change(
            self, reason=self.override_reason
        )
        self._serve()
        return self._told(
            self.env._(
                "Searches go by %(name)s now. %(judged)s",
                name=self.name,
                judged=judged["sentence"],
            )
        )

    def _refuse_unfinished(self):
        self._refuse_without_embedder()
        if self.state == "building" or self.is_paused or self._missing(limit=1):
            raise Refused(
                self.env._(
                    "%(name)s lacks %(missing)s of %(passages)s passages: what is"
                    " missing would not be found. Let it be built first.",
                    name=self.name,
                    missing=self.missing_count,
                    passages=self.passage_count,
                )
            )

    def action_go_back(self) -> dict:
        """Let the space serve again that did before this one.

        Administrators only.

        :return: a notification
        """
        self.check_access("write")
        previous = self._previous()
        if not previous:
            raise Invalid(self.env._("There is no space to go back to."))
        previous._refuse_unfinished()
        previous._serve()  # whatever test questions say: it served before
        return self._told(
            self.env._("Searches go by %(name)s again.", name=previous.name)
        )

    def _serve(self):
        """Switch, in one transaction: there is always one space in use."""
        current = self._active().with_env(self.env)
        if current == self:
            return
        current._write_own({"state": "ready", "served_until": fields.Datetime.now()})
        current.flush_recordset()  # never two of them
        self._write_own({"state": "active", "served_until": False})

    def action_drop(self) -> dict:
        """Delete the space with its vectors and its index; never the one in use.

        Administrators only.

        :return: the list of spaces
        """
        self.unlink()
        return self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_space"
        )

    def action_compare(self) -> dict:
        """Compare what this space finds with what the one in use does.

        Administrators only.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        self._refuse_without_embedder()
        other = self._active().with_env(self.env)
        if not other or other == self:
            raise Invalid(self.env._("Compare a space with the one in use."))
        self._write_own({"comparison": "\n".join(self._compare(other))})
        return self._told(self.env._("Compared; see below."))

    def _refuse_without_embedder(self):
        if not self.model_id:
            raise Invalid(
                self.env._(
                    "Nobody said which embedder made these vectors. Name it first:"
                    " questions have to be embedded the same way."
                )
            )

    def _told(self, message):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # -- comparing ---------------------------------------------------------------

    def _compare(self, other):
        """Say in sentences how this space does beside another one."""
        lines = []
        cases = self.env["steward.search.case"]
        ours, theirs = cases._evaluate(self), cases._evaluate(other)
        if ours["cases"] and theirs["cases"]:
            lines += [
                self.env._(
                    "%(metric)s on %(cases)s test questions: %(ours)s here,"
                    " %(theirs)s in use",
                    metric=label,
                    cases=ours["cases"],
                    ours=f"{ours[name]:.3f}",
                    theirs=f"{theirs[name]:.3f}",
                )
                for name, label in self._metrics().items()
            ]
        questions = self._recent_questions()
        if not questions:
            return [*lines, self.env._("Nobody has searched yet: nothing to compare.")]
        shares = []
        for question in questions:
            try:
                ours, theirs = (
                    {chunk for chunk, _score in space._nearest(question, FIRST)}
                    for space in (self, other)
                )
            except StewardError as error:
                return [*lines, error.sentence]
            if theirs:
                shares.append(len(ours & theirs) / len(theirs))
        share = 100 * sum(shares) / len(shares) if shares else 0
        return [
            *lines,
            self.env._(
                "Of the first %(first)s passages for %(questions)s recent questions,"
                " %(share)s %% are the same.",
                first=FIRST,
                questions=len(questions),
                share=round(share),
            ),
        ]

    @api.model
    def _metrics(self):
        return {
            "ndcg": self.env._("Order of the right ones (nDCG@10)"),
            "recall": self.env._("Found among the first ten (recall@10)"),
            "zero": self.env._("Nothing found"),
        }

    def _recent_questions(self):
        """What people searched for lately, each once."""
        # sudo: steward.search.log - compared, and shown to nobody
        logs = self.env["steward.search.log"].sudo()
        rows = logs.search([("query", "!=", False)], order="id desc", limit=500)
        return list(dict.fromkeys(rows.mapped("query")))[:COMPARED]
