import re

from odoo import api, fields, models, tools
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, ValidationError

from ..kernel import prompt as kernel
from ..kernel.specification import CODE, as_yaml


class StewardPrompt(models.Model):
    """What a model is told to be and to do: a text with variables, in versions."""

    _name = "steward.prompt"
    _inherit = ["steward.versioned.mixin", "mail.thread"]
    _description = "Prompt"
    _order = "name"
    _rec_names_search = ("name", "code")

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True,
        copy=False,
        help="How programs call it: small letters, digits and dashes.",
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        default=lambda self: self.env.user,
        tracking=True,
        help="Who knows what it is meant to do.",
    )
    description = fields.Char(help="What it is for, in one sentence.")
    text = fields.Text(
        required=True,
        help="{{ customer }} stands for a variable; what expressions can do in"
        " playbooks they can do here.",
    )
    variables = fields.Text(
        help="A line for each variable that is not simply a text that has to be given,"
        " as\ndays: {type: integer, default: 14, description: How long ago}",
    )
    variable_names = fields.Char(
        "Needs to know", compute="_compute_content", help="Its variables."
    )
    problem = fields.Char(compute="_compute_content")
    version_id = fields.Many2one(
        "steward.prompt.version", "Newest version", readonly=True, copy=False
    )
    version_number = fields.Integer("Version", related="version_id.number")
    version_ids = fields.One2many(
        "steward.prompt.version", "prompt_id", "Versions", readonly=True
    )
    label_ids = fields.One2many(
        "steward.prompt.label", "prompt_id", "Labels", readonly=True
    )
    move_ids = fields.One2many(
        "steward.prompt.move", "prompt_id", "History of labels", readonly=True
    )
    production_id = fields.Many2one(
        "steward.prompt.version", "In production", compute="_compute_production_id"
    )
    is_released = fields.Boolean(compute="_compute_production_id")

    _code_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))", "There is a prompt with this code already."
    )

    @api.depends("text", "variables")
    def _compute_content(self):
        for prompt in self:
            try:
                known = prompt._parse().variables
            except kernel.PromptError as error:
                prompt.problem = str(error)
                prompt.variable_names = False
            else:
                prompt.problem = False
                prompt.variable_names = ", ".join(known)

    @api.depends("label_ids.version_id", "version_id")
    def _compute_production_id(self):
        for prompt in self:
            label = prompt._label(kernel.PRODUCTION)
            prompt.production_id = label.version_id
            prompt.is_released = bool(label) and label.version_id == prompt.version_id

    @api.constrains("code")
    def _check_code(self):
        for prompt in self:
            if not re.fullmatch(CODE, prompt.code):
                raise ValidationError(
                    self.env._(
                        "%(code)s cannot be a code: take small letters, digits and"
                        " dashes, as answer-customers.",
                        code=prompt.code,
                    )
                )

    @api.constrains("text", "variables")
    def _check_text(self):
        for prompt in self:
            try:
                prompt._parse()
            except kernel.PromptError as error:
                raise ValidationError(
                    self.env._("The prompt cannot be used. %(why)s", why=error)
                ) from error

    def copy_data(self, default=None):
        rows = super().copy_data(default)
        for prompt, row in zip(self, rows, strict=True):
            row.setdefault("code", f"{prompt.code[:50]}-{self.search_count([]) + 1}")
            if "name" not in (default or {}):
                row["name"] = self.env._("%(name)s (copy)", name=prompt.name)
        return rows

    # -- versions --------------------------------------------------------------------

    def _parse(self):
        self.ensure_one()
        return kernel.Prompt.of(self.text or "", self.variables or "")

    def _definition(self):
        return self._parse().written()

    def _definition_values(self, text):
        prompt = kernel.Prompt.loaded(text)
        described = prompt.described()
        return {
            "text": prompt.text,
            "variables": as_yaml(described) if described else False,
        }

    def _label(self, name):
        return self.label_ids.filtered(lambda label: label.name == name)

    def _version(self, label=kernel.PRODUCTION):
        """The version that bears a label.

        :raises Refused: when none does
        """
        self.ensure_one()
        # sudo: steward.prompt.label - an executor asks for any run
        version = self.sudo()._label(label).version_id
        if not version:
            raise Refused(
                self.env._(
                    "No version of the prompt %(name)s bears the label %(label)s: a"
                    " Reviewer gives it.",
                    name=self.name,
                    label=label,
                )
            )
        return version.with_env(self.env)

    # -- labels ----------------------------------------------------------------------

    @api.model
    def move_label(self, prompt: str, label: str, version: int, note: str = "") -> dict:
        """Let a version of a prompt bear a label, and no other.

        :param prompt: its code
        :param label: ``production``, ``candidate`` or any other; agents use production
        :param version: its number
        :param note: why; kept in the history
        :return: ``{"prompt", "label", "version", "before"?}``
        """
        found = self.search([("code", "=", prompt)])
        found = found.filtered(lambda p: p.company_id == self.env.company) or found
        if not found:
            raise Invalid(
                self.env._("There is no prompt with the code %(code)s.", code=prompt)
            )
        chosen = found[0].version_ids.filtered(lambda v: v.number == version)
        if not chosen:
            raise Invalid(
                self.env._(
                    "%(name)s has no version %(number)s.",
                    name=found[0].name,
                    number=version,
                )
            )
        move = chosen._bear(label, note)
        told = {"prompt": prompt, "label": label, "version": version}
        return {**told, "before": move.before_id.number} if move.before_id else told

    def action_release(self) -> dict:
        """Ask whether the newest version shall be the one in production."""
        self.ensure_one()
        return self._current_version().action_label(kernel.PRODUCTION)

    def action_try(self) -> dict:
        """Open the playground: the version in production beside the newest one."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_prompt_playground"
        )
        newest = self._current_version()
        action["context"] = {
            "default_prompt_id": self.id,
            "default_left_version_id": (self.production_id or newest).id,
            "default_right_version_id": newest.id,
        }
        return action


class StewardPromptVersion(models.Model):
    """A prompt at one time: what runs are pinned to."""

    _name = "steward.prompt.version"
    _inherit = "steward.version.mixin"
    _description = "Version of a Prompt"
    _version_of = "prompt_id"

    prompt_id = fields.Many2one(
        "steward.prompt", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="prompt_id.company_id", store=True)
    label_ids = fields.One2many("steward.prompt.label", "version_id", readonly=True)
    content = fields.Text(
        "Text", compute="_compute_content", help="As models are told it."
    )

    _number_uniq = models.UniqueIndex("(prompt_id, number)")

    @api.depends("text")
    def _compute_content(self):
        for version in self:
            version.content = version._prompt().text

    @api.depends("number", "prompt_id.code")
    def _compute_display_name(self):
        for version in self:
            version.display_name = version._reference()

    def _reference(self):
        """How the ledger calls it, as ``answer-customers@3``."""
        return f"{self.prompt_id.code}@{self.number}"

    def _prompt(self):
        """The prompt of this version; what was sound when it was saved stays so.

        :rtype: kernel.Prompt
        """
        self.ensure_one()
        # sudo: steward.prompt.version - an executor reads it for any run
        return self._prompt_of(self.id, self.sudo().checksum)

    @tools.ormcache("version_id", "checksum")
    def _prompt_of(self, version_id, checksum):  # noqa: ARG002 - part of the key
        # sudo: steward.prompt.version - as above
        return kernel.Prompt.loaded(self.sudo().text)

    def _render(self, variables):
        """The text with these values in it; what they hold stays what it is.

        :raises Invalid: for what is unknown, missing or of another type
        """
        now = fields.Datetime.to_string(fields.Datetime.now())
        try:
            return self._prompt().render(variables, now)
        except kernel.PromptError as error:
            raise Invalid(str(error)) from error

    def action_label(self, label: str = "candidate") -> dict:
        """Ask which label this version shall bear.

        :param label: proposed
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_prompt_label"
        )
        action["context"] = {"default_version_id": self.id, "default_name": label}
        return action

    def action_try(self) -> dict:
        """Open the playground: these versions side by side."""
        if len(self) > 2 or len(self.prompt_id) > 1:
            raise Invalid(self.env._("Choose one or two versions of one prompt."))
        left, right = self.sorted("number")[0], self.sorted("number")[-1]
        action = left.prompt_id.action_try()
        action["context"] |= {
            "default_left_version_id": left.id,
            "default_right_version_id": right.id,
        }
        return action

    # -- labels ----------------------------------------------------------------------

    def _bear(self, name, note=""):
        """Give this version a label, which leaves whatever version bore it.

        :return: the entry in the label's history
        """
        self.ensure_one()
        self.check_access("read")
        if not re.fullmatch(kernel.LABEL, name or ""):
            raise Invalid(
                self.env._(
                    "%(name)s cannot be a label: take small letters, digits and"
                    " dashes, as candidate.",
                    name=repr(name),
                )
            )
        # sudo: steward.prompt.label - moved by this method alone
        labels = self.env["steward.prompt.label"].sudo()
        label = labels.search(
            [("prompt_id", "=", self.prompt_id.id), ("name", "=", name)]
        )
        is_protected = label.is_protected or name == kernel.PRODUCTION
        self._check_may_move(name, is_protected)
        before = label.version_id
        if label:
            label._write_own({"version_id": self.id})
        else:
            labels._create_own(
                {
                    "prompt_id": self.prompt_id.id,
                    "name": name,
                    "version_id": self.id,
                    "is_protected": is_protected,
                }
            )
        # sudo: steward.prompt.move - the history, written by this method alone
        moves = self.env["steward.prompt.move"].sudo()
        return moves._create_own(
            {
                "prompt_id": self.prompt_id.id,
                "label": name,
                "before_id": before.id,
                "version_id": self.id,
                "user_id": self.env.uid,
                "note": note or False,
            }
        )

    @api.model
    def _check_may_move(self, name, is_protected):
        user = self.env.user
        if self.env.su:
            return
        if user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents move no labels: people do."))
        if is_protected and not user.has_group("steward.group_reviewer"):
            raise AccessError(
                self.env._("Only Reviewers move the label %(name)s.", name=name)
            )
        if not (
            user.has_group("steward.group_reviewer")
            or user.has_group("steward.group_operator")
        ):
            raise AccessError(self.env._("Only Operators and Reviewers move labels."))


class StewardPromptLabel(models.Model):
    """A name that one version of a prompt bears: agents use ``production``."""

    _name = "steward.prompt.label"
    _inherit = "steward"
    _description = "Label of a Prompt"
    _order = "name"
    _steward_own_fields = ("prompt_id", "name", "version_id")

    prompt_id = fields.Many2one(
        "steward.prompt", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="prompt_id.company_id", store=True)
    name = fields.Char("Label", required=True, readonly=True)
    version_id = fields.Many2one(
        "steward.prompt.version",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    is_protected = fields.Boolean(
        "Protected", help="Only Reviewers move it. Production always is."
    )

    _name_uniq = models.UniqueIndex("(prompt_id, name)")

    @api.constrains("is_protected")
    def _check_protected(self):
        for label in self:
            if label.name == kernel.PRODUCTION and not label.is_protected:
                raise ValidationError(
                    self.env._("The label production is always protected.")
                )


class StewardPromptMove(models.Model):
    """When a label moved, from which version to which, and why."""

    _name = "steward.prompt.move"
    _inherit = "steward"
    _description = "Move of a Label"
    _order = "id desc"
    _rec_name = "label"
    _steward_own_fields = (
        *("prompt_id", "label", "before_id", "version_id", "user_id", "note"),
    )

    prompt_id = fields.Many2one(
        "steward.prompt", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="prompt_id.company_id", store=True)
    label = fields.Char(required=True, readonly=True)
    before_id = fields.Many2one("steward.prompt.version", "From", readonly=True)
    version_id = fields.Many2one(
        "steward.prompt.version", "To", required=True, readonly=True, ondelete="cascade"
    )
    user_id = fields.Many2one("res.users", "By", readonly=True)
    note = fields.Char("Why", readonly=True)
