from odoo import api, fields, models
from odoo.tools import SQL

from ..kernel.entities import KINDS, Found, Known, entities, folded

MOST_NAMES = 50_000  # of records of one model that are looked for
_KNOWN = {}  # by database and company: the stamp of what is known, and what is


class StewardEntity(models.Model):
    """A thing that documents name: a model, an error, a product, a customer."""

    _name = "steward.entity"
    _inherit = "steward"
    _description = "Name in Documents"
    _order = "name, kind, id"
    _log_access = False
    _steward_own_fields = ("kind", "name", "res_model", "res_id", "document_ids")

    kind = fields.Selection(
        [
            ("model", "Model"),
            ("module", "Module"),
            ("field", "Field"),
            ("version", "Version"),
            ("error", "Error"),
            ("product", "Product"),
            ("company", "Company"),
            ("person", "Person"),
        ],
        required=True,
        index=True,
    )
    name = fields.Char(required=True, index=True)
    res_model = fields.Char()
    res_id = fields.Many2oneReference(string="Record", model_field="res_model")
    document_ids = fields.Many2many(
        "steward.document",
        "steward_document_entity_rel",
        "entity_id",
        "document_id",
        string="Documents",
    )
    document_count = fields.Integer(
        string="In Documents", compute="_compute_document_count"
    )

    _name_uniq = models.UniqueIndex(
        "(kind, name, COALESCE(res_model, ''), COALESCE(res_id, 0))"
    )

    @api.depends("document_ids")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_document_count(self):
        counts = dict(
            self.env["steward.document"]._read_group(
                [("entity_ids", "in", self.ids)], ["entity_ids"], ["__count"]
            )
        )
        for entity in self:
            entity.document_count = counts.get(entity, 0)

    def action_open_documents(self) -> dict:
        """Show the documents that name it."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_knowledge.action_document"
        )
        title = self.env._("Documents about %(name)s", name=self.name)
        domain = [("entity_ids", "in", self.ids)]
        return {**action, "name": title, "domain": domain, "context": {}}

    # -- finding them ----------------------------------------------------------------

    @api.model
    def _link(self, documents):
        """Find what documents name, and link it: a few queries for all of them."""
        found = {
            document.id: entities(f"{document.name}\n\n{document.text or ''}", known)
            for company, some in documents.grouped("company_id").items()
            for known in [self._known(company)]
            for document in some
        }
        ids = self._ids_of({each for several in found.values() for each in several})
        pairs = [(doc, ids[each]) for doc, several in found.items() for each in several]
        self._replace_links(list(found), pairs)

    @api.model
    def _ids_of(self, wanted):
        """Return the ids of things, made where they are new."""
        if not wanted:
            return {}
        rows = [(e.kind, e.name, *self._record(e)) for e in wanted]
        values = SQL(", ").join(SQL("(%s, %s, %s, %s::int)", *row) for row in rows)
        same = SQL(
            "e.kind = v.kind AND e.name = v.name"
            " AND COALESCE(e.res_model, '') = COALESCE(v.res_model, '')"
            " AND COALESCE(e.res_id, 0) = COALESCE(v.res_id, 0)"
        )
        # in one order for all workers, so that they do not wait for each other
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO steward_entity (kind, name, res_model, res_id)
                SELECT v.* FROM (VALUES %s) AS v (kind, name, res_model, res_id)
                 WHERE NOT EXISTS (SELECT FROM steward_entity e WHERE %s)
                 ORDER BY 1, 2, 3, 4
                ON CONFLICT DO NOTHING
                """,
                values,
                same,
            )
        )
        found = self.env.execute_query(
            SQL(
                "SELECT e.id, e.kind, e.name, e.res_model, e.res_id"
                " FROM (VALUES %s) AS v (kind, name, res_model, res_id)"
                " JOIN steward_entity e ON %s",
                values,
                same,
            )
        )
        return {
            Found(kind, name, f"{model},{record}" if model else ""): entity
            for entity, kind, name, model, record in found
        }

    @api.model
    def _record(self, entity):
        model, _comma, record = entity.key.partition(",")
        return (model, int(record)) if model else (None, None)

    @api.model
    def _replace_links(self, documents, pairs):
        if not documents:
            return
        values = SQL(", ").join(SQL("(%s, %s)", *pair) for pair in pairs)
        kept = SQL("SELECT * FROM (VALUES %s) AS v (document_id, entity_id)", values)
        if not pairs:
            kept = SQL("SELECT 0, 0")
        self.env.cr.execute(
            SQL(
                "DELETE FROM steward_document_entity_rel WHERE document_id = ANY(%s)"
                " AND (document_id, entity_id) NOT IN (%s)",
                documents,
                kept,
            )
        )
        if pairs:
            self.env.cr.execute(
                SQL(
                    "INSERT INTO steward_document_entity_rel (document_id, entity_id)"
                    " %s ON CONFLICT DO NOTHING",
                    kept,
                )
            )
        self.env["steward.document"].invalidate_model(["entity_ids"], flush=False)
        self.invalidate_model(["document_ids", "document_count"], flush=False)

    @api.autovacuum
    def _gc_unnamed(self):
        """Forget what no document names any longer."""
        self.env.cr.execute(
            SQL(
                "DELETE FROM steward_entity e WHERE NOT EXISTS ("
                " SELECT FROM steward_document_entity_rel r WHERE r.entity_id = e.id)"
            )
        )

    # -- what the database knows by name ---------------------------------------------

    @api.model
    def _known(self, company):
        """Return the names to look for in documents of a company; empty: of all."""
        key = (self.env.cr.dbname, company.id)
        stamp = self._stamp()
        told = _KNOWN.get(key)
        if told is None or told[0] != stamp:
            told = _KNOWN[key] = (stamp, self._read_known(company))
        return told[1]

    @api.model
    def _stamp(self):
        """Return what changes when names come, go or change."""
        self.env.flush_all()
        tables = ["ir_model", "ir_model_fields", "ir_module_module", "ir_rule"]
        tables += [self.env[model]._table for model, _name in self._named_models()]
        query = SQL(", ").join(
            SQL("(SELECT (count(*), max(write_date))::text FROM %s)", SQL.identifier(t))
            for t in tables
        )
        return self.env.execute_query(SQL("SELECT %s", query))[0]

    @api.model
    def _read_known(self, company):
        # sudo: steward.entity - technical names, and records that each employee may
        known = self.sudo()  # sudo: res.partner - read anyway (see _open_domain)
        rows = known.env.execute_query(
            SQL(
                "SELECT 'model', model FROM ir_model UNION"
                " SELECT 'field', name FROM ir_model_fields WHERE name LIKE %s UNION"
                " SELECT 'module', name FROM ir_module_module",
                r"%\_%",
            )
        )
        technical = {kind: set() for kind in KINDS}
        for kind, name in rows:
            technical[kind].add(name)
        names = {}
        for model, field in known._named_models():
            domain = known._open_domain(model, company)
            if domain is None:
                continue
            records = known.env[model].search(domain, limit=MOST_NAMES)
            for record in records:
                if name := folded(record[field] or ""):
                    kind = known._kind_of(record)
                    entity = Found(kind, record[field], f"{model},{record.id}")
                    names[name] = (*names.get(name, ()), entity)
        return Known(
            frozenset(technical["model"]),
            # a word that each table has says nothing
            frozenset(
                technical["field"] - {"create_date", "write_date", "display_name"}
            ),
            frozenset(technical["module"]),
            names,
        )

    @api.model
    def _named_models(self):
        """Return models whose records documents may name, and the field of the name."""
        wanted = (("res.partner", "name"), ("product.template", "name"))
        return [(model, name) for model, name in wanted if model in self.env]

    @api.model
    def _kind_of(self, record):
        if record._name != "res.partner":
            return "product"
        return "company" if record.is_company else "person"

    @api.model
    def _open_domain(self, model, company):
        """Return which records each employee of a company may read; None if unsure.

        A link must not tell anybody of a record that they may not see. So where access
        to a model is any finer than by company, its names are not looked for; and of
        persons only colleagues are.
        """
        employee = self.env.ref("base.group_user")
        access = self.env["ir.model.access"].search_count(
            [
                ("model_id.model", "=", model),
                ("perm_read", "=", True),
                ("group_id", "in", [False, employee.id, *employee.all_implied_ids.ids]),
            ],
            limit=1,
        )
        rules = self.env["ir.rule"].search(
            [("model_id.model", "=", model), ("perm_read", "=", True)]
        )
        for rule in rules:
            if rule.groups and not rule.groups & (employee | employee.all_implied_ids):
                continue  # of groups that may have more, or are nobody's employees
            if "company" not in (rule.domain_force or "company"):
                return None
        if not access:
            return None
        domain = [("active", "=", True)]
        if "company_id" in self.env[model]._fields:
            domain.append(("company_id", "in", [company.id, False]))
        if model == "res.partner":
            domain += ["|", ("is_company", "=", True), ("user_ids.share", "=", False)]
        return domain
