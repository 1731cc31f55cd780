import re
from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from ..kernel import neighbours
from ..kernel.language import language_of
from .signature import Signature

_NUMBER = re.compile(r"\d+")
_LIVE = ("understood", "chunked", "ready")


class StewardDocument(models.Model):
    _inherit = "steward.document"

    duplicate_ids = fields.One2many(
        "steward.document", "duplicate_of_id", string="Duplicates"
    )
    text_hash = fields.Char(help="Equal for texts that say the same, word for word.")
    signature = Signature(groups=fields.NO_ACCESS)
    topic_id = fields.Many2one(
        "steward.topic",
        index="btree_not_null",
        ondelete="set null",
        help="Change it if it is wrong: what a person says is kept.",
    )
    topic_score = fields.Float(
        string="Fit", digits=(3, 2), help="How well it fits: 1 is beyond doubt."
    )
    topic_by = fields.Selection(
        [
            ("rules", "Rules"),
            ("centroid", "Similar documents"),
            ("model", "Language model"),
            ("person", "A person"),
        ],
        string="Topic Told by",
    )
    entity_ids = fields.Many2many(
        "steward.entity",
        "steward_document_entity_rel",
        "document_id",
        "entity_id",
        string="Names",
    )

    _text_hash_idx = models.Index("(text_hash) WHERE text_hash IS NOT NULL")
    # entered at once: each look would go through the whole list of pending ones
    _signature_idx = models.Index("USING gin (signature) WITH (fastupdate = off)")

    def write(self, vals):
        if "topic_id" in vals and "topic_by" not in vals:
            self._refuse_forgery(vals)
            by = {"topic_by": "person", "topic_score": 1.0}
            return self._write_own({**vals, **by})
        return super().write(vals)

    def unlink(self):
        followers = self._followers()
        done = super().unlink()
        followers._reconsider()
        return done

    # -- the stage -------------------------------------------------------------------

    def _stage_understand(self, after):
        """Tell language, duplicates, topic and names of these documents."""
        tokens = {document: neighbours.words(document.text or "") for document in self}
        shingles = {
            document: neighbours.shingles(found) for document, found in tokens.items()
        }
        expected = [code[:2] for code, _name in self.env["res.lang"].get_installed()]
        for document in self:
            text = document.text or ""
            document._write_own(
                {
                    "language": language_of(text, document.language or "", expected),
                    "text_hash": neighbours.fingerprint(
                        tokens[document], document.name
                    ),
                    "signature": neighbours.signature(shingles[document]),
                }
            )
        singles = self._link_duplicates(shingles)
        self.env["steward.topic"]._classify(singles)
        self.env["steward.entity"]._link(singles)
        singles._understand_by_model()
        singles._write_own({"state": after})

    def _understand_by_model(self):
        """Tell topics and names that rules cannot. Called at the end of the stage.

        An addon that has a language model to ask may override it: it writes `topic_id`
        with ``topic_by = "model"`` where `topic_by` is not ``person``, and links
        entities. Here nothing is asked, and nothing is told.
        """

    # -- duplicates --------------------------------------------------------------------

    def _link_duplicates(self, shingles):
        """Link those of these documents that say what another one says already.

        Only documents that the same people may read are compared: nobody's only copy
        is hidden behind one they may not see.

        :param shingles: of each of these documents
        :return: those that are no duplicates
        """
        # who was a duplicate of these may be none any longer
        followers = self._followers()
        near = self._alike(shingles)
        others = self.browse().union(*near.values()) - self
        free = set(others.try_lock_for_update())
        replaced, canonical = {}, {}
        for document in self.sorted(lambda each: each._precedence()):
            # in this order, those of these documents that come first are settled
            found = near[document].filtered(
                lambda each: (
                    canonical.get(each) == each
                    or (each not in self and each not in replaced)
                )
            )
            best = min(found, key=lambda each: each._precedence(), default=None)
            if best is None or (
                best not in self
                and document._precedence() < best._precedence()
                and all(each in free for each in found)
            ):
                canonical[document] = document
                replaced.update(dict.fromkeys(found, document))
            else:
                canonical[document] = best
        for each, instead in replaced.items():
            followers += each._followers()
            canonical[each] = instead
        duplicates = self.browse()
        for each, of in canonical.items():
            if each == of:
                if each.duplicate_of_id:
                    each._write_own({"duplicate_of_id": False})
            else:
                duplicates += each
                each._write_own({"duplicate_of_id": of.id})
        if duplicates:
            duplicates._write_own({"state": "duplicate", "content": False, "tries": 0})
            duplicates._drop_chunks()
        (followers - self)._reconsider()
        return self - duplicates

    def _alike(self, shingles):
        """Return for these documents the others that say the same."""
        rivals = self._rivals()
        near = defaultdict(self.browse)
        shingles = dict(shingles)
        for one, other, same in rivals:
            one, other = self.browse(one), self.browse(other)
            for each in one, other:
                if each not in shingles:
                    tokens = neighbours.words(each.text or "")
                    shingles[each] = neighbours.shingles(tokens)
            alike = neighbours.similarity(shingles[one], shingles[other])
            if same or alike >= neighbours.SIMILAR:
                near[one] += other
        return near

    def _rivals(self):
        """Return pairs that may say the same: ``[(id, other id, word for word)]``."""
        self.flush_model(["text_hash", "signature", "state", "source_id", "active"])
        found = []
        for sources, documents in self._by_readers():
            found += self.env.execute_query(
                SQL(
                    """
                    WITH near AS MATERIALIZED (  -- or it is asked for each pair
                        SELECT mine.id, found.id AS other
                          FROM steward_document mine
                          JOIN LATERAL (
                               SELECT id FROM steward_document
                                WHERE text_hash = mine.text_hash
                                UNION
                               SELECT id FROM steward_document
                                WHERE signature && mine.signature) AS found ON TRUE
                         WHERE mine.id = ANY(%(mine)s) AND found.id != mine.id)
                    SELECT mine.id, other.id, mine.text_hash = other.text_hash
                      FROM near
                      JOIN steward_document mine ON mine.id = near.id
                      JOIN steward_document other ON other.id = near.other
                     WHERE other.active AND other.source_id = ANY(%(sources)s)
                       AND (other.state = ANY(%(live)s) OR other.id = ANY(%(mine)s))
                       AND COALESCE(mine.res_model, '') = COALESCE(other.res_model, '')
                       AND COALESCE(mine.res_id, 0) = COALESCE(other.res_id, 0)
                    """,
                    mine=list(documents.ids),
                    sources=list(sources.ids),
                    live=list(_LIVE),
                )
            )
        return found

    def _by_readers(self):
        """Group these documents with all sources that the same people may read."""
        sources = self.env["steward.source"].search([("active", "=", True)])
        alike = sources.grouped(
            lambda source: (source.company_id, tuple(sorted(source.group_ids.ids)))
        )
        for some in alike.values():
            documents = self.filtered(lambda each, some=some: each.source_id in some)
            if documents:
                yield some, documents

    def _precedence(self):
        """Return what sorts the document that stands for others first.

        The newest version, then the source that counts most, then the first.
        """
        numbers = [-int(number) for number in _NUMBER.findall(self.version or "")[:4]]
        # 18 comes before 17, and any version before none
        version = (0, numbers) if numbers else (1, [])
        return version, -self.source_id.authority, self.id

    def _followers(self):
        """Return the duplicates of these documents that are still there."""
        # sudo: steward.document - links between documents, no contents
        return self.sudo().search([("duplicate_of_id", "in", self.ids)])

    def _release_duplicates(self):
        """Let others take the place of these documents, which are gone."""
        self._followers()._reconsider()

    def _reconsider(self):
        """Look anew what these documents are duplicates of."""
        if self:
            self._write_own(
                {"state": "extracted", "duplicate_of_id": False, "tries": 0}
            )
            self._enqueue()

    @api.model
    def _find_missed_duplicates(self, since):
        """Look again at documents that two workers took on at the same time.

        Neither of them saw the other's.
        """
        recent = self.search([("state", "=", "ready"), ("write_date", ">=", since)])
        missed = self.browse(
            each.id
            for each, others in recent._alike({}).items()
            if each.id > others[0].id
        )
        missed._reconsider()
