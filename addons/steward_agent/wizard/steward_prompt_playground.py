import json

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.addons.steward.kernel.schema import SchemaProblem, load
from odoo.addons.steward_llm.fields import Amount

SIDES = ("left", "right")
SECONDS = 60  # that one side may take
MAX_TOKENS = 1000  # of an answer, unless somebody says otherwise


class StewardPromptPlayground(models.TransientModel):
    """Two versions of a prompt, or two models, side by side on one input."""

    _name = "steward.prompt.playground"
    _description = "Playground"

    prompt_id = fields.Many2one("steward.prompt", required=True, readonly=True)
    values = fields.Text(
        "Variables",
        compute="_compute_values",
        store=True,
        readonly=False,
        help="A line for each, as name: value.",
    )
    has_variables = fields.Boolean(compute="_compute_has_variables")
    input = fields.Text("Message", help="What a person would write.")
    max_tokens = fields.Integer("Longest answer (tokens)", default=MAX_TOKENS)

    left_version_id = fields.Many2one(
        "steward.prompt.version", "Version", domain="[('prompt_id', '=', prompt_id)]"
    )
    right_version_id = fields.Many2one(
        "steward.prompt.version",
        "Version on the right",
        domain="[('prompt_id', '=', prompt_id)]",
    )
    left_model_id = fields.Many2one(
        "steward.model",
        "Model",
        domain=[("can_chat", "=", True)],
        default=lambda self: self._default_model(),
    )
    right_model_id = fields.Many2one(
        "steward.model",
        "Model on the right",
        domain=[("can_chat", "=", True)],
        default=lambda self: self._default_model(),
    )
    left_answer = fields.Text("Answer", readonly=True)
    right_answer = fields.Text("Answer on the right", readonly=True)
    left_problem = fields.Char("Problem", readonly=True)
    right_problem = fields.Char("Problem on the right", readonly=True)
    left_used = fields.Char("Tokens", readonly=True)
    right_used = fields.Char("Tokens on the right", readonly=True)
    left_cost = Amount("Cost (USD)", readonly=True)
    right_cost = Amount("Cost on the right (USD)", readonly=True)
    left_seconds = fields.Float("Seconds", readonly=True, digits=(16, 2))
    right_seconds = fields.Float("Seconds on the right", readonly=True, digits=(16, 2))
    left_told = fields.Text("What the model was told", readonly=True)
    right_told = fields.Text("What the model was told on the right", readonly=True)

    @api.model
    def _default_model(self):
        return self.env["steward.model"].search([("can_chat", "=", True)], limit=1)

    @api.depends("prompt_id")
    def _compute_has_variables(self):
        for wizard in self:
            wizard.has_variables = bool(wizard._variables())

    @api.depends("prompt_id")
    def _compute_values(self):
        for wizard in self:
            wizard.values = "\n".join(
                f"{name}: {'' if known.required else json.dumps(known.default)}"
                + (f"  # {known.description}" if known.description else "")
                for name, known in wizard._variables().items()
            )

    def _variables(self):
        """What either version needs to know."""
        versions = self.left_version_id | self.right_version_id
        found = {}
        for version in versions or self.prompt_id.version_id:
            found |= version._prompt().variables
        return found

    # -- trying ------------------------------------------------------------------------

    @api.depends("prompt_id")
    def _compute_display_name(self):
        for wizard in self:
            wizard.display_name = self.env._("Playground")

    def action_try(self) -> None:
        """Ask both sides, one after the other."""
        self.ensure_one()
        self.check_access("write")
        given = self._given()
        found = {}
        for side in SIDES:  # all asking before any writing: a call may take long
            found |= self._tried(side, given)
        self.write(found)

    def action_label(self) -> dict:
        """Give the version on the right a label."""
        self.ensure_one()
        return self.right_version_id.action_label()

    def _given(self):
        try:
            values = load(self.values).value if (self.values or "").strip() else {}
        except SchemaProblem as error:
            raise Invalid(str(error)) from error
        if not isinstance(values, dict):
            raise Invalid(self.env._("Write each variable as name: value."))
        # what is left empty is not given
        return {name: value for name, value in values.items() if value is not None}

    def _tried(self, side, given):
        """One side's answer, or why there is none."""
        version, model = self[f"{side}_version_id"], self[f"{side}_model_id"]
        found = dict.fromkeys(("answer", "problem", "used", "cost", "told"), False)
        found["seconds"] = 0.0
        try:
            if not (version and model):
                raise Invalid(self.env._("Choose a version and a model."))
            known = version._prompt().variables
            told = version._render({n: v for n, v in given.items() if n in known})
            found["told"] = told
            messages = [{"role": "system", "content": told}]
            if self.input:
                messages.append({"role": "user", "content": self.input})
            chatted = model._chat(
                messages,
                max_tokens=self.max_tokens or MAX_TOKENS,
                subject={
                    "purpose": "playground",
                    "prompt_version": version._reference(),
                },
                seconds=SECONDS,
            )
        except StewardError as error:
            found["problem"] = error.sentence
        else:
            usage = chatted.answer.usage
            found |= {
                "answer": chatted.answer.text,
                "used": self.env._(
                    "%(n)s in, %(m)s out", n=usage.tokens_in, m=usage.tokens_out
                ),
                "cost": chatted.cost.amount,
                "seconds": chatted.seconds,
            }
        return {f"{side}_{name}": value for name, value in found.items()}
