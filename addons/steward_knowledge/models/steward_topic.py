import logging

from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import ValidationError

from ..kernel.topics import Classifier, parsed

_logger = logging.getLogger(__name__)

LEAD = 1_200  # characters of a document that are compared with a topic
SAMPLE = 40  # documents that a topic is learned from
NEAR = 0.45  # cosine from which on a document is taken for one of a topic
AHEAD = 0.04  # by how much it must be nearer than the next topic
RECLASSIFIED = 500  # documents at once


class StewardTopic(models.Model):
    """What documents are about. Rules tell it, or likeness to others, or a person."""

    _name = "steward.topic"
    _inherit = "steward"
    _description = "Topic"
    _order = "sequence, name, id"
    _steward_own_fields = ("centroid", "centroid_of", "learned_from")

    name = fields.Char(required=True, translate=True)
    display_name = fields.Char(recursive=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", index=True, help="Only this company's documents; empty: all."
    )
    parent_id = fields.Many2one("steward.topic", index=True, ondelete="restrict")
    child_ids = fields.One2many("steward.topic", "parent_id", string="Narrower Topics")
    rules = fields.Text(
        help="One a line: words, “path: /part/of/its/address” or “tag: name”; each with"
        " a weight behind it where it says more than others, as in “journal entry: 3”."
    )
    document_ids = fields.One2many("steward.document", "topic_id")
    document_count = fields.Integer(compute="_compute_document_count")
    centroid = fields.Binary(attachment=False, groups=fields.NO_ACCESS)
    centroid_of = fields.Char(groups=fields.NO_ACCESS)
    learned_from = fields.Integer(
        string="Learned from",
        readonly=True,
        help="Documents that tell what others of this topic look like.",
    )

    _name_uniq = models.UniqueIndex(
        "(name, COALESCE(parent_id, 0), COALESCE(company_id, 0))",
        "There is a topic of this name already.",
    )

    @api.depends("name", "parent_id.display_name")
    def _compute_display_name(self):
        for topic in self:
            above = topic.parent_id.display_name
            topic.display_name = f"{above} / {topic.name}" if above else topic.name

    @api.depends("document_ids")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_document_count(self):
        counts = dict(
            self.env["steward.document"]._read_group(
                [("topic_id", "in", self.ids)], ["topic_id"], ["__count"]
            )
        )
        for topic in self:
            topic.document_count = counts.get(topic, 0)

    @api.constrains("parent_id")
    def _check_parent(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A topic cannot be a part of itself."))

    @api.constrains("rules")
    def _check_rules(self):
        for topic in self:
            try:
                parsed(topic.rules or "")
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "“%(line)s” is no rule. A rule is at most four words, or"
                        " “path:” or “tag:” and a text; a weight behind it goes up to"
                        " 10.",
                        line=error.args[0],
                    )
                ) from error

    # -- telling ---------------------------------------------------------------------

    @api.model
    def _classify(self, documents):
        """Tell the topics of documents, but of those that a person told."""
        todo = documents.filtered(lambda document: document.topic_by != "person")
        for company, some in todo.grouped("company_id").items():
            topics = self.search([("company_id", "in", [company.id, False])])
            rules = {topic: parsed(topic.rules or "") for topic in topics}
            classifier = Classifier(rules)
            found = {}
            for document in some:
                guess = classifier.guess(
                    document.name,
                    document.text or "",
                    document.url or document.external_id,
                    [tag.strip() for tag in (document.tags or "").split(",")],
                )
                if guess:
                    found[document] = (guess.key, guess.score, "rules")
            rest = some.filtered(lambda document, found=found: document not in found)
            found |= topics._nearest(rest)
            for document in some:
                topic, score, by = found.get(document, (self.browse(), 0, False))
                document._write_own(
                    {"topic_id": topic.id, "topic_score": score, "topic_by": by}
                )

    def _nearest(self, documents):
        """Tell which of these topics documents resemble, where one is clearly nearest.

        :return: ``{document: (topic, cosine, "centroid")}``
        """
        import numpy as np

        model = self._embedder()
        if not model or not documents or not self:
            return {}
        try:
            centroids = self._centroids(model)
            vectors = model._embed([self._lead(document) for document in documents])
        except StewardError:
            # the rules have been asked; likeness is asked again at the next change
            return {}
        scores = vectors @ centroids.T
        found = {}
        for document, row in zip(documents, scores, strict=True):
            order = np.argsort(-row)
            best = float(row[order[0]])
            second = float(row[order[1]]) if len(order) > 1 else 0.0
            if best >= NEAR and best - second >= AHEAD:
                found[document] = (self[int(order[0])], round(best, 3), "centroid")
        return found

    @api.model
    def _embedder(self):
        """Return the model whose vectors are compared: the one that search uses."""
        space = self.env["steward.space"].search([("state", "=", "active")], limit=1)
        return space.model_id or self.env["steward.model"]._default_embedding()

    def _lead(self, document):
        lead = f"{document.name}\n{(document.text or '')[:LEAD]}".strip()
        return lead or document.external_id

    # -- learning --------------------------------------------------------------------

    def _centroids(self, model):
        """Return the vectors of these topics; those that have none learn it now."""
        import numpy as np

        space = self._space_of(model)
        lacking = self.filtered(lambda topic: topic.centroid_of != space)
        lacking._learn(model)
        return np.array(
            [np.frombuffer(topic.centroid, "<f2").astype(np.float32) for topic in self]
        )

    def _space_of(self, model):
        return f"{model.id}/{model.name}/{model.dimensions}"

    def _learn(self, model=None):
        """Learn what documents of these topics look like.

        Those that a person told count first, then those that the rules are surest of;
        a topic without any is what its name and its rules say.
        """
        import numpy as np

        model = model or self._embedder()
        for topic in self:
            examples = self.env["steward.document"].search(
                [
                    ("topic_id", "=", topic.id),
                    ("topic_by", "in", ["person", "rules"]),
                    ("state", "=", "ready"),
                ],
                order="topic_by, topic_score DESC, id",
                limit=SAMPLE,
            )
            words = [rule.text for rule in parsed(topic.rules or "")]
            texts = [
                f"{topic.display_name}\n{', '.join(words)}",
                *(self._lead(document) for document in examples),
            ]
            vectors = model._embed(texts)
            mean = vectors.mean(axis=0)
            mean /= np.linalg.norm(mean) or 1
            topic._write_own(
                {
                    "centroid": mean.astype("<f2").tobytes(),
                    "centroid_of": self._space_of(model),
                    "learned_from": len(examples),
                }
            )

    @api.model
    def _cron_learn(self):
        """Learn from the documents that came, and from what people corrected."""
        try:
            self.search([("active", "=", True)])._learn()
        except StewardError as error:  # tomorrow the embedder may be there
            _logger.info("topics were not learned: %s", error.sentence)

    # -- applying rules to what is there ---------------------------------------------

    def action_apply(self) -> dict:
        """Tell the topics of all documents anew, in the background.

        Operators only. What a person told is kept.

        :return: a notification
        """
        self.browse().check_access("write")
        self._apply_later()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": self.env._(
                    "The topics of all documents are told anew in the background."
                ),
            },
        }

    @api.model
    def _apply_later(self, after=0):
        self.with_user(SUPERUSER_ID).with_delay(
            channel=CHANNEL_HEAVY,
            identity_key=f"steward.topic/{after}",
            description=self.env._("Topics of documents"),
        )._job_apply(after)

    @api.model
    def _job_apply(self, after):
        """Tell the topics of the documents behind one, and go on in another job."""
        documents = self.env["steward.document"].search(
            [("id", ">", after), ("state", "in", ("understood", "chunked", "ready"))],
            order="id",
            limit=RECLASSIFIED,
        )
        self._classify(documents.try_lock_for_update())
        if len(documents) == RECLASSIFIED:
            self._apply_later(documents[-1].id)

    # -- for the dashboard -----------------------------------------------------------

    @api.model
    def _coverage(self):
        """Return how many searchable documents of the user each topic has.

        :return: ``[{"topic_id", "name", "documents"}]``, most first; those without a
            topic come last, with ``False`` for it
        """
        groups = self.env["steward.document"]._read_group(
            [("state", "=", "ready")], ["topic_id"], ["__count"]
        )
        counts = dict(groups)
        without = counts.pop(self.browse(), 0)
        found = [
            {"topic_id": topic.id, "name": topic.display_name, "documents": count}
            for topic, count in sorted(counts.items(), key=lambda each: -each[1])
        ]
        if without:
            name = self.env._("Without a topic")
            found.append({"topic_id": False, "name": name, "documents": without})
        return found
