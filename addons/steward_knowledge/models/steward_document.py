from odoo import api, fields, models
from odoo.fields import Domain

STATES = [
    ("fetched", "Fetched"),
    ("extracted", "Extracted"),
    ("understood", "Understood"),
    ("chunked", "Cut into passages"),
    ("ready", "Searchable"),
    ("duplicate", "Duplicate"),
    ("failed", "Failed"),
]


class StewardDocument(models.Model):
    """A page, file, thread or record as it was harvested, and what is known of it.

    A document that was built from a record is its reader's only as far as the record
    is: see `readable`, on which the record rule stands.
    """

    _name = "steward.document"
    _inherit = "steward"
    _description = "Knowledge Document"
    _order = "id desc"

    name = fields.Char(string="Title", required=True)
    source_id = fields.Many2one(
        "steward.source", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="source_id.company_id", store=True, index=True)
    external_id = fields.Char(
        required=True, help="What its source calls it: an address, a path, a number."
    )
    url = fields.Char(string="Address")
    active = fields.Boolean(
        default=True, help="A page that is gone at its source is archived, not lost."
    )
    state = fields.Selection(STATES, required=True, default="fetched", index=True)
    text = fields.Text(help="Markdown.")
    language = fields.Char(help="Two letters as in ISO 639: en, fr, ar.")
    version = fields.Char(help="Of what it describes: 19.0.")
    date = fields.Datetime(help="When its source last changed it.")
    res_model = fields.Char(string="Record's Model", index="btree_not_null")
    res_id = fields.Many2oneReference(string="Record", model_field="res_model")
    duplicate_of_id = fields.Many2one(
        "steward.document", index="btree_not_null", ondelete="set null"
    )
    chunk_ids = fields.One2many("steward.chunk", "document_id", string="Passages")
    readable = fields.Boolean(compute="_compute_readable", search="_search_readable")

    _external_id_uniq = models.UniqueIndex(
        "(source_id, external_id)", "The source has this document already."
    )
    _record_idx = models.Index("(res_model, res_id) WHERE res_model IS NOT NULL")

    @api.depends_context("uid", "allowed_company_ids")
    @api.depends("source_id.group_ids", "res_model", "res_id")
    def _compute_readable(self):
        domain = self._readable_domain()
        # sudo: steward.document - the domain is the reader's, and the rule asks it
        documents = self.sudo().with_context(active_test=False)
        readable = set(documents._search(Domain("id", "in", self.ids) & domain))
        for document in self:
            document.readable = document.id in readable

    def _search_readable(self, operator, value):
        if operator != "in":
            return NotImplemented
        domain = self._readable_domain()
        return domain if True in value else ~domain

    @api.model
    def _readable_domain(self):
        """Return which documents the user may read: readers' groups, and records."""
        # sudo: steward.document - none of it: the rule is asked in the reader's name
        reader = self.sudo(False)
        groups = reader.env.user.all_group_ids.ids
        allowed = Domain("source_id.group_ids", "=", False) | Domain(
            "source_id.group_ids", "in", groups
        )
        records = Domain("res_model", "=", False)
        for name in self._record_models():
            model = reader.env.get(name)
            if model is not None and model.has_access("read"):
                ids = model.with_context(active_test=False)._search([])
                records |= Domain("res_model", "=", name) & Domain("res_id", "in", ids)
        return allowed & records

    @api.model
    def _record_models(self):
        """Return the names of the models that documents were built from."""
        self.flush_model(["res_model"])
        # from one name to the next in the index: each search asks
        self.env.cr.execute(
            """
            WITH RECURSIVE models AS (
                SELECT min(res_model) AS name FROM steward_document
                 WHERE res_model IS NOT NULL
             UNION ALL
                SELECT (SELECT min(res_model) FROM steward_document
                         WHERE res_model > models.name)
                  FROM models WHERE models.name IS NOT NULL
            )
            SELECT name FROM models WHERE name IS NOT NULL
            """
        )
        return [name for (name,) in self.env.cr.fetchall()]
