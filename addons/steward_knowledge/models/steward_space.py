import logging
from contextlib import suppress
from typing import NamedTuple

import psycopg2

from odoo import api, fields, models, tools
from odoo.addons.steward.exceptions import Invalid, Locked, Refused
from odoo.exceptions import ValidationError
from odoo.tools import SQL, sql

_logger = logging.getLogger(__name__)

STATES = [
    ("building", "Being built"),
    ("ready", "Ready"),
    ("active", "In use"),
]
QUANTIZATIONS = [("half", "Half precision"), ("binary", "Binary, rescored")]
MAX_DIMENSIONS = 4_000  # of an index of half precision; a row still fits in a page
PROBE = "A quotation waits for an answer."
FIXED = {"dimensions", "quantization"}
FACTS = {"state", "model_id", "has_index"} | FIXED  # remembered between searches
# what words count beside a model's vectors; see docs/spaces.md for the measurements
WEIGHT_LEXICAL = 0.35
WEIGHTS_LEXICAL = {"static": 0.5, "hash": 0.8}


class Facts(NamedTuple):
    """What a search has to know of a space."""

    id: int
    model_id: int
    dimensions: int
    quantization: str
    has_index: bool
    rows: int  # in the index, when it was built or analysed last


class StewardSpace(models.Model):
    """One embedder's vectors of all passages, with an index of their own."""

    _name = "steward.space"
    _inherit = ["steward", "mail.thread"]
    _description = "Embedding Space"
    _order = "id"
    _steward_own_fields = (
        "state",
        "has_index",
        "is_paused",
        "served_until",
        "last_error",
        "comparison",
        "import_report",
        "imported_count",
        "rejected_count",
    )

    name = fields.Char(required=True, tracking=True)
    model_id = fields.Many2one(
        "steward.model",
        string="Embedder",
        index=True,
        ondelete="restrict",
        tracking=True,
        domain="[('can_embedding', '=', True)]",
        help="Turns passages and questions into vectors. Imported vectors can be"
        " searched in words only when it is named, and is the one that made them.",
    )
    dimensions = fields.Integer(
        required=True,
        readonly=True,
        help="Length of each vector: that of the embedder when the space was made.",
    )
    quantization = fields.Selection(
        QUANTIZATIONS,
        string="Index",
        required=True,
        default="half",
        help="Binary: a quarter of the memory, and slower. For millions of passages.",
    )
    state = fields.Selection(
        STATES,
        required=True,
        readonly=True,
        copy=False,
        default="building",
        index=True,
        tracking=True,
    )
    is_paused = fields.Boolean(
        string="Paused",
        default=True,
        readonly=True,
        copy=False,
        help="Nothing is embedded for it until somebody says so.",
    )
    has_index = fields.Boolean(string="Indexed", readonly=True, copy=False)
    served_until = fields.Datetime(
        readonly=True,
        copy=False,
        help="When another one took over; the last of these is what one goes back to.",
    )
    last_error = fields.Char(string="Last problem", readonly=True, copy=False)
    weight_lexical = fields.Float(
        string="Weight of words",
        compute="_compute_weights",
        store=True,
        precompute=True,
        readonly=False,
        help="How much it counts that a passage has the words of the question.",
    )
    weight_vector = fields.Float(
        string="Weight of meaning",
        compute="_compute_weights",
        store=True,
        precompute=True,
        readonly=False,
        help="How much the vectors count beside the words.",
    )

    _active_uniq = models.UniqueIndex(
        "(state) WHERE state = 'active'", "One space is in use, not two."
    )
    _weights_bounds = models.Constraint(
        "CHECK (LEAST(weight_lexical, weight_vector) >= 0"
        " AND weight_lexical + weight_vector > 0)",
        "Weights are not negative, and not both zero.",
    )
    _dimensions_bounds = models.Constraint(
        f"CHECK (dimensions BETWEEN 1 AND {MAX_DIMENSIONS})",
        f"Vectors have 1 to {MAX_DIMENSIONS} dimensions.",
    )

    # -- what is fixed -----------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create([self._completed(vals) for vals in vals_list])

    def _completed(self, vals):
        """Fill in what the embedder knows."""
        vals = dict(vals)
        model = self.env["steward.model"].browse(vals.get("model_id"))
        if model and not vals.get("dimensions"):
            vals["dimensions"] = model.dimensions or model._embed([PROBE]).shape[1]
        return vals

    @api.depends("model_id")
    def _compute_weights(self):
        for space in self:
            # sudo: steward.model - the name of a built-in one, no more
            model = space.model_id.sudo()
            lexical = WEIGHT_LEXICAL
            if model.provider_id.kind == "local":
                lexical = WEIGHTS_LEXICAL.get(model.name, lexical)
            space.weight_lexical, space.weight_vector = lexical, 1 - lexical

    def write(self, vals):
        if FACTS & vals.keys():
            self.env.registry.clear_cache()
        for space in self:
            changed = {
                name
                for name in FIXED & vals.keys()
                if space[name] and space[name] != vals[name]
            }
            model = space.model_id
            if model and model.id != vals.get("model_id", model.id):
                changed.add("model_id")
            if changed:
                raise Invalid(
                    self.env._(
                        "%(name)s keeps its embedder and its index. Make another"
                        " space beside it, and switch when that one is ready.",
                        name=space.name,
                    )
                )
        return super().write(vals)

    @api.constrains("model_id", "dimensions")
    def _check_model(self):
        for space in self:
            # sudo: steward.model - whether it fits, no more
            model = space.model_id.sudo()
            if model and not model.can_embedding:
                raise ValidationError(
                    self.env._("%(name)s does not embed.", name=model.display_name)
                )
            if model.dimensions and model.dimensions != space.dimensions:
                raise ValidationError(
                    self.env._(
                        "%(model)s makes vectors of %(theirs)s dimensions, and those"
                        " of %(space)s have %(ours)s: it is not the embedder that made"
                        " them.",
                        model=model.display_name,
                        theirs=model.dimensions,
                        space=space.name,
                        ours=space.dimensions,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_unless_active(self):
        if any(space.state == "active" for space in self):
            raise Refused(
                self.env._("The space in use stays. Switch to another one first.")
            )

    def unlink(self):
        self.env.registry.clear_cache()
        self._drop_indexes()
        return super().unlink()

    # -- the extension -----------------------------------------------------------

    @api.model
    @tools.ormcache()
    def _available(self) -> bool:
        """Whether this database can keep vectors; without, search goes by words."""
        return sql.column_exists(self.env.cr, "steward_vector", "embedding")

    @api.model
    def _ensure_extension(self) -> bool:
        """Have the extension ``vector`` in this database, if the server brings it.

        Called at each installation and update, and by the button of the spaces.
        """
        cr = self.env.cr
        cr.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        if cr.rowcount:
            return True
        cr.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
        if not cr.rowcount:
            _logger.info("no extension 'vector' on this server: search goes by words")
            return False
        try:
            with cr.savepoint(flush=False):
                cr.execute("CREATE EXTENSION vector", log_exceptions=False)
        except psycopg2.Error as error:  # its files may be broken as well as forbidden
            _logger.info("the extension 'vector' is not to be had: %s", error)
            return False
        return True

    @api.model
    def _enable_vectors(self) -> bool:
        """Make what lacks since there was no extension; hook for whoever needs it.

        :return: whether there is one by now
        """
        if not self._ensure_extension():
            return False
        self.env["steward.vector"]._add_column()
        self.env.registry.clear_cache()
        return True

    def _rows(self):
        self.env.cr.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
            [self._index_name()],
        )
        found = self.env.cr.fetchone()
        return max(found[0], 0) if found else 0

    # -- which one ---------------------------------------------------------------

    @api.model
    def _active(self):
        """The space that serves searches; empty when there is none.

        :rtype: steward.space
        """
        facts = self._active_facts()
        # sudo: steward.space - whoever searches need not see spaces
        return self.sudo().browse(facts and facts.id)

    @api.model
    @tools.ormcache()
    def _active_facts(self) -> Facts | None:
        if not self._available():
            return None
        # sudo: steward.space - whoever searches need not see spaces
        return self.sudo().search([("state", "=", "active")])._facts()

    def _facts(self) -> Facts | None:
        if not self:
            return None
        return Facts(
            self.id,
            self.model_id.id,
            self.dimensions,
            self.quantization,
            self.has_index,
            self._rows() if self.has_index else 0,
        )

    @api.model
    def _fed(self):
        """The spaces for which passages are embedded; the default one is made now."""
        if not self._available():
            return self.browse()
        self._make_default()
        # sudo: steward.space - documents are embedded whoever brings them
        return self.sudo().search(
            [("is_paused", "=", False), ("model_id", "!=", False)]
        )

    @api.model
    def _make_default(self):
        """Have a space from the first minute, with nothing to configure."""
        # sudo: steward.space - made for whoever comes first
        spaces = self.sudo()
        if not self._available() or spaces.search_count([], limit=1):
            return
        # sudo: steward.model - as above
        model = self.env["steward.model"].sudo()._default_embedding()
        if model:
            values = {
                "name": model.label or model.name,
                "model_id": model.id,
                "state": "active",
                "is_paused": False,
            }
            spaces._create_own([values])

    # -- problems ----------------------------------------------------------------

    def _note(self, error):
        """Keep in a sentence what went wrong, whatever becomes of the transaction."""
        sentence = error.sentence if error else None
        # somebody else notes the same
        with suppress(Locked), self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "UPDATE steward_space SET last_error = %s"
                    " WHERE id = ANY(%s) AND last_error IS DISTINCT FROM %s",
                    *(sentence, list(self.ids), sentence),
                ),
                log_exceptions=False,
            )
        self.invalidate_recordset(["last_error"])
