from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..adapters.files import Files
from ..adapters.git import Git
from ..adapters.github import GitHub
from ..adapters.odoo_docs import OdooDocs
from ..adapters.push import Push
from ..adapters.records import Records
from ..adapters.structure import Structure
from ..adapters.website import Forum, Website
from ..const import PAGE_LIMIT, REQUESTS_PER_MINUTE
from ..exceptions import SourceInvalid

ADAPTERS = {
    "files": Files,
    "website": Website,
    "forum": Forum,
    "odoo_docs": OdooDocs,
    "github": GitHub,
    "git": Git,
    "structure": Structure,
    "records": Records,
    "push": Push,
}
VERSIONS = [
    ("19.0", "19.0"),
    ("18.0", "18.0"),
    ("17.0", "17.0"),
    ("16.0", "16.0"),
    ("master", "Development"),
]
RECORD_FIELDS = {"kind", "record_model", "record_domain", "record_title", "record_body"}
OUTSIDE = ("website", "forum", "odoo_docs", "github", "git")


class StewardSource(models.Model):
    _inherit = "steward.source"

    # -- where ---------------------------------------------------------------------
    url = fields.Char(
        string="Address",
        tracking=True,
        help="Where it begins: a page, a repository, or GitHub's interface if it is"
        " your own server.",
    )
    repository = fields.Char(tracking=True, help="owner/name, as odoo/documentation.")
    branch = fields.Char(help="Empty: the repository's own choice.")
    version = fields.Selection(VERSIONS, default="19.0")
    folder = fields.Char(
        string="Checkout",
        help="A folder of this server with a copy of the documentation's repository;"
        " empty: the web. An administrator allows folders in the settings.",
    )
    secret_id = fields.Many2one(
        "steward.secret",
        string="Token",
        groups="steward.group_administrator",
        index="btree_not_null",
        help="Where the token is kept. Its value is never stored or shown.",
    )

    # -- what ----------------------------------------------------------------------
    discovery = fields.Selection(
        [
            ("auto", "Its sitemap, else its links"),
            ("sitemap", "Its sitemap"),
            ("crawl", "Its links"),
        ],
        string="Find pages by",
        default="auto",
        required=True,
    )
    sitemaps = fields.Text(
        help="Addresses, one a line; empty: those that the site names itself."
    )
    include = fields.Text(
        string="Only",
        help="Patterns of paths, one a line, as /docs/*; empty: all below the start.",
    )
    exclude = fields.Text(string="Leave out", help="Patterns, one a line, as */print/*")
    max_depth = fields.Integer(
        string="Links deep", default=8, help="How many links away from the start."
    )
    page_limit = fields.Integer(
        string="At most", default=PAGE_LIMIT, help="Pages, threads or records."
    )
    alike_limit = fields.Integer(
        string="Of one pattern",
        default=500,
        help="Pages whose addresses differ in numbers only: calendars never end.",
    )
    with_issues = fields.Boolean(string="Issues", default=True)
    with_pulls = fields.Boolean(string="Pull requests")
    with_discussions = fields.Boolean(string="Discussions")
    with_docs = fields.Boolean(string="READMEs and documentation", default=True)
    with_docstrings = fields.Boolean(string="Docstrings", default=True)
    with_manifests = fields.Boolean(string="Manifests of addons", default=True)
    with_models = fields.Boolean(string="Models and fields", default=True)
    with_views = fields.Boolean(string="Views", default=True)
    with_menus = fields.Boolean(string="Menus", default=True)
    with_actions = fields.Boolean(string="Server actions, automations", default=True)
    record_model = fields.Selection(
        selection="_list_record_models", string="Records of", tracking=True
    )
    record_domain = fields.Char(string="Which", default="[]")
    record_title = fields.Char(string="Title", default="{display_name}")
    record_body = fields.Text(
        string="Text",
        help="Markdown with fields in braces, as {name}. Stored fields of the record"
        " itself that its readers may see.",
    )
    record_lang = fields.Selection(
        selection=lambda self: self.env["res.lang"].get_installed(), string="Language"
    )
    record_user_id = fields.Many2one(
        "res.users",
        string="Read with the rights of",
        readonly=True,
        copy=False,
        help="Who chose the records.",
    )
    is_live = fields.Boolean(
        string="Kept current",
        default=True,
        help="A record that is changed here is harvested at once.",
    )
    since = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)

    # -- how -----------------------------------------------------------------------
    requests_per_minute = fields.Integer(
        default=REQUESTS_PER_MINUTE, help="To one host. A site may ask for fewer."
    )
    user_agent = fields.Char(
        string="Introduces itself as", help="Empty: Steward and Odoo's version."
    )
    max_page_mb = fields.Float(
        string="Largest page", default=5, help="Megabytes; larger ones are left out."
    )
    page_seconds = fields.Integer(
        string="Longest wait", default=30, help="Seconds for one page."
    )
    max_minutes = fields.Integer(
        string="Longest harvest", default=120, help="Minutes of work."
    )

    _limits_positive = models.Constraint(
        "CHECK (max_depth BETWEEN 0 AND 100 AND page_limit BETWEEN 1 AND 1000000"
        " AND alike_limit >= 1 AND requests_per_minute BETWEEN 1 AND 60000"
        " AND max_page_mb > 0 AND max_page_mb <= 100"
        " AND page_seconds BETWEEN 1 AND 600 AND max_minutes BETWEEN 1 AND 10080)",
        "A limit is out of bounds: all are above zero; a page has at most 100 MB and"
        " ten minutes, a harvest a week.",
    )

    @api.model
    def _list_record_models(self):
        """The models whose records the user may read, by what people call them."""
        found = [
            (name, f"{model._description} ({name})")
            for name, model in self.env.items()
            if not (model._abstract or model._transient or name.startswith("steward."))
            and model._auto
            and model.has_access("read")
        ]
        return sorted(found, key=lambda pair: pair[1].lower())

    # -- checks --------------------------------------------------------------------

    @api.onchange("kind")
    def _onchange_kind(self):
        if self.kind == "forum":  # threads are many, and much alike
            self.page_limit = max(self.page_limit, 5000)
            self.alike_limit = max(self.alike_limit, 5000)
            self.discovery = "auto"

    @api.constrains(
        *("kind", "url", "repository", "folder", "with_discussions", "secret_id"),
        *("record_model", "record_title", "record_body", "record_domain", "group_ids"),
    )
    def _check_settings(self):
        for source in self:
            try:
                # sudo: steward.source - the token's place is the administrator's
                source.sudo()._adapter().check()
            except SourceInvalid as error:
                raise ValidationError(error.sentence) from error

    @api.constrains("company_id", "secret_id")
    def _check_secret_company(self):
        for source in self:
            # sudo: steward.secret - whoever changes the company need not see secrets
            owner = source.sudo().secret_id.company_id
            if owner and owner != source.company_id:
                raise ValidationError(
                    self.env._(
                        "The token belongs to %(company)s alone: let the source belong"
                        " to that company, or share the token.",
                        company=owner.name,
                    )
                )

    # -- CRUD ----------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        sources = super().create(vals_list)
        sources.filtered(lambda source: source.kind == "records")._chosen_by_user()
        return sources

    def write(self, vals):
        done = super().write(vals)
        if RECORD_FIELDS & vals.keys():
            self.filtered(lambda source: source.kind == "records")._chosen_by_user()
        return done

    def _chosen_by_user(self):
        """Records are read with the rights of who chose them, and no others."""
        for source in self:
            if not self.env[source.record_model].has_access("read"):
                raise AccessError(
                    self.env._(
                        "You may not read the records of %(model)s yourself.",
                        model=source.record_model,
                    )
                )
        if self:
            self._write_own({"record_user_id": self.env.uid})

    # -- for adapters --------------------------------------------------------------

    def _get_adapters(self):
        """Return the adapter's class for each kind. Called for each use."""
        return ADAPTERS

    def _adapter(self, memory=None):
        """The way to get at this source.

        :param dict memory: of its harvest
        :rtype: Adapter
        """
        self.ensure_one()
        return self._get_adapters()[self.kind](self, memory)

    def _has_key(self):
        # sudo: steward.secret - whoever harvests need not see the secret
        return bool(self.sudo().secret_id)

    def _key(self):
        """The token's value, or None. Never hand it to a field, a log or a screen."""
        # sudo: steward.secret - whoever harvests need not see the secret
        secret = self.sudo().secret_id.with_env(self.env)
        return secret._resolve() if secret else None

    def _set_rate(self, host, delay=None):
        """Make a host's rate limit as its sources want it; a site may ask for less.

        In a transaction of its own, because the limiter looks at it in one.
        """
        self.ensure_one()
        per_minute = self.requests_per_minute
        for other in self.search([("kind", "in", OUTSIDE), ("url", "like", host)]):
            if urlsplit(other.url).hostname == host:
                per_minute = min(per_minute, other.requests_per_minute)
        if delay:
            per_minute = min(per_minute, 60 / delay)
        values = {
            "rate": per_minute,
            "per": 60,
            "burst": 1 if delay else max(1, min(10, per_minute / 10)),
        }
        name = f"harvest/{host}"
        with self._own_transaction() as cr:
            # sudo: steward.rate.limit - its settings are this source's
            limits = self.env(cr=cr)["steward.rate.limit"].sudo()
            limit = limits.search([("name", "=", name)], limit=1)
            if not limit:
                limits.create({"name": name, **values})
            elif (limit.rate, limit.burst) != (values["rate"], values["burst"]):
                limit.write(values)
            limits.env.flush_all()
