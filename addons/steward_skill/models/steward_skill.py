from odoo import fields, models

KINDS = [("instruction", "Instruction"), ("playbook", "Playbook")]
STATES = [
    ("draft", "Draft"),
    ("review", "In review"),
    ("approved", "Approved"),
    ("deprecated", "Deprecated"),
]
ORIGINS = [
    ("written", "Written"),
    ("imported", "Imported"),
    ("harvested", "From runs"),
]


class StewardSkill(models.Model):
    """How a kind of task is done well: written down, reviewed, found by agents.

    Its document is a ``SKILL.md`` of the open Agent Skills format. The state is that
    of the newest version; agents use ``approved_version_id``, whatever is being
    written or reviewed meanwhile.
    """

    _name = "steward.skill"
    _inherit = ["steward.versioned.mixin", "mail.thread", "mail.activity.mixin"]
    _description = "Skill"
    _order = "title, id"
    _rec_name = "title"
    _rec_names_search = ("title", "name")
    _steward_own_fields = (
        *("version_id", "state", "approved_version_id", "origin", "playbook_id"),
        *("review_since", "confidence", "use_count", "last_used_at"),
        *("source_run_ids", "source_traces", "harvest_id", "duplicate_of_id"),
    )

    # the document; see kernel/skill_format.py
    name = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="How agents call it: small letters, digits and dashes, 64 at most.",
    )
    title = fields.Char(required=True, tracking=True)
    description = fields.Text(
        required=True,
        help="What it does and when to use it: agents choose by this. 1024 characters"
        " at most.",
    )
    kind = fields.Selection(KINDS, required=True, default="instruction")
    text = fields.Text("SKILL.md", required=True, readonly=True)
    body = fields.Text("Instructions", help="Markdown.")
    trigger_words = fields.Char(help="Words and phrases, with commas between them.")
    tool_names = fields.Char("Tools it needs", help="Their names, with spaces between.")
    depends_on = fields.Char(
        "Skills it needs", help="Their names, with spaces between."
    )
    playbook = fields.Text("Playbook (YAML)")
    inputs = fields.Text("Inputs (JSON Schema)")
    outputs = fields.Text("Outputs (JSON Schema)")
    file_ids = fields.Many2many("steward.skill.file", string="Files")

    # where it belongs
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    owner_id = fields.Many2one(
        "res.users", default=lambda self: self.env.user, tracking=True
    )
    group_ids = fields.Many2many(
        "res.groups", string="Only for", help="Empty: for everybody of the company."
    )
    category = fields.Char(index=True)
    tag_ids = fields.Many2many("steward.skill.tag", string="Tags")

    # how it stands
    state = fields.Selection(
        STATES, required=True, readonly=True, default="draft", copy=False, tracking=True
    )
    review_since = fields.Datetime(readonly=True, copy=False)
    version_id = fields.Many2one(
        "steward.skill.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.skill.version", "skill_id", "Versions", readonly=True
    )
    approved_version_id = fields.Many2one(
        "steward.skill.version",
        "In use",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The version that agents are told.",
    )
    dependency_ids = fields.Many2many(
        "steward.skill",
        "steward_skill_dependency_rel",
        "skill_id",
        "needed_id",
        string="Needs",
        compute="_compute_dependency_ids",
    )
    playbook_id = fields.Many2one(
        "steward.playbook", readonly=True, copy=False, ondelete="restrict"
    )

    # where it comes from
    origin = fields.Selection(
        ORIGINS, required=True, readonly=True, default="written", copy=False
    )
    harvest_id = fields.Many2one(
        "steward.skill.harvest", readonly=True, copy=False, index="btree_not_null"
    )
    source_run_ids = fields.Many2many(
        "steward.run", string="Learnt from", readonly=True, copy=False
    )
    source_traces = fields.Json(
        readonly=True,
        copy=False,
        help="[{trace_id, steps: [span_id]}]; stays when the runs are gone.",
    )
    duplicate_of_id = fields.Many2one(
        "steward.skill", "Much like", readonly=True, copy=False, ondelete="set null"
    )

    # what it is good for
    confidence = fields.Float(readonly=True, copy=False, default=0.5, aggregator="avg")
    use_count = fields.Integer("Uses", readonly=True, copy=False)
    last_used_at = fields.Datetime("Last used", readonly=True, copy=False)
    trial_share = fields.Integer(
        "Runs without it (%)",
        default=10,
        help="That many of the runs it fits are not told it, so that its effect can be"
        " measured. 0: no trial.",
    )

    _name_uniq = models.UniqueIndex(
        "(name, COALESCE(company_id, 0))", "There is a skill with this name already."
    )
    _share_bounds = models.Constraint(
        "CHECK (trial_share BETWEEN 0 AND 90)", "Between 0 and 90 percent."
    )

    def _compute_dependency_ids(self):
        self.dependency_ids = False

    def _definition(self):
        return self.text or ""

    def _definition_values(self, text):
        return {"text": text}


class StewardSkillTag(models.Model):
    """A word by which people group skills."""

    _name = "steward.skill.tag"
    _description = "Tag of a Skill"
    _order = "name"

    name = fields.Char(required=True)
    color = fields.Integer()

    _name_uniq = models.UniqueIndex("(lower(name))", "There is this tag already.")
