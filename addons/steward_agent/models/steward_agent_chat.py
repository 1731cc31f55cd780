import json

from odoo import Command, api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused, StewardError
from odoo.addons.steward.kernel.schema import (
    Document,
    Problem,
    Problems,
    SchemaProblem,
    load,
    validate,
)
from odoo.exceptions import ValidationError

from ..kernel import specification as kernel
from ..kernel.control import ENDED
from ..kernel.conversation import begin, carried
from ..kernel.pictures import pictures_of
from ..kernel.playbook import given_inputs
from ..kernel.untrusted import new_boundary

TASK_LIMIT = 100_000  # characters of a task or of what a person says


class StewardAgent(models.Model):
    """Agents that think: with a model, tools, and a playbook for when none answers."""

    _inherit = "steward.agent"

    model_id = fields.Many2one(
        "steward.model",
        "Thinks with",
        domain="[('can_chat', '=', True), ('company_id', 'in', [company_id, False])]",
        ondelete="restrict",
        index="btree_not_null",
        tracking=True,
        help="Without one: the cheapest connected model that can do it.",
    )
    prompt_id = fields.Many2one(
        "steward.prompt",
        "Prompt",
        domain="[('company_id', 'in', [company_id, False])]",
        ondelete="restrict",
        index="btree_not_null",
        tracking=True,
        help="What it is told to be and to do, in the version that bears the label"
        " production. Without one: its description.",
    )
    max_tokens = fields.Integer(
        default=200_000,
        help="Of one run, in and out together. 0: no limit.",
    )
    output_schema = fields.Json(
        "Answer's schema", help="JSON Schema of the answer, when it shall be no text."
    )
    output_schema_text = fields.Text(
        "Answer's JSON Schema",
        compute="_compute_output_schema_text",
        inverse="_inverse_output_schema_text",
        help="What the answer has to look like when a program reads it.",
    )
    context_share = fields.Selection(
        list(kernel.SHARES.items()),
        string="Is told what is known",
        required=True,
        default="100",
        tracking=True,
        help="Before it begins, it is told what documents and experience say about its"
        " task. With a part of the runs you can measure what that is good for.",
    )

    _tokens_sensible = models.Constraint(
        "CHECK (max_tokens >= 0)", "A limit of tokens is not below zero."
    )

    @api.depends("output_schema")
    def _compute_output_schema_text(self):
        for agent in self:
            schema = agent.output_schema
            agent.output_schema_text = schema and json.dumps(schema, indent=2)

    def _inverse_output_schema_text(self):
        for agent in self:
            try:
                text = (agent.output_schema_text or "").strip()
                agent.output_schema = load(text).value if text else False
            except SchemaProblem as error:
                raise ValidationError(
                    self.env._(
                        "The schema of the answer is none: %(problem)s",
                        problem=error.problem,
                    )
                ) from error

    @api.constrains("kind", "output_schema")
    def _check_output_schema(self):
        for agent in self.filtered("output_schema"):
            try:
                validate(Document(None, {}), agent.output_schema)
            except SchemaProblem as error:
                raise ValidationError(
                    self.env._(
                        "The schema of the answer is none: %(problem)s",
                        problem=error.problem.message,
                    )
                ) from error

    @api.constrains("kind", "playbook_id", "active")
    def _check_fallback(self):
        """A playbook that stands in for a model has nobody to ask for its inputs."""
        for agent in self.filtered(lambda a: a.kind == "chat" and a.playbook_id):
            missing = [
                name
                for name, wanted in agent.playbook_id._inputs().items()
                if wanted.required
            ]
            if missing:
                raise ValidationError(
                    self.env._(
                        "%(playbook)s cannot stand in for a model: it has to be told"
                        " %(names)s.",
                        playbook=agent.playbook_id.name,
                        names=", ".join(missing),
                    )
                )

    @api.constrains("model_id", "prompt_id", "company_id")
    def _check_model(self):
        for agent in self:
            # sudo: steward.agent - also a model and a prompt that one does not see
            model, prompt = (seen := agent.sudo()).model_id, seen.prompt_id
            for record in (*model, *prompt):
                if record.company_id and record.company_id != agent.company_id:
                    raise ValidationError(
                        self.env._(
                            "%(name)s belongs to another company than %(agent)s.",
                            name=record.display_name,
                            agent=agent.name,
                        )
                    )
            if model and not model.can_chat:
                raise ValidationError(
                    self.env._("%(name)s does not chat.", name=model.display_name)
                )

    # -- beginning -------------------------------------------------------------------

    def _prepare(self, task, input, session=None, record=None, pictures=()):
        if self.sudo().kind != "chat":  # sudo: steward.agent - its account may not see
            return super()._prepare(task, input, session, record, pictures)
        text = str(task or "").strip()
        if not (text or pictures) or len(text) > TASK_LIMIT:
            raise Invalid(
                self.env._(
                    "Say what to do, in at most %(most)s characters.", most=TASK_LIMIT
                )
            )
        # sudo: steward.agent - the right to run is checked at the door
        agent = self.sudo()
        before, sources, boundary = [], [], new_boundary()
        if session:
            earlier = agent._latest_of(str(session))
            if earlier:
                earlier._check_continuable()
                self._check_about(earlier)
                record = record or earlier._about()
                memory = earlier._memory()
                before = carried(memory, boundary)
                if any(pictures_of(before)):
                    agent._check_sees()
                sources = memory.get("#sources", [])
        about = None if record is None else self._told_about(record)
        system, values = agent._system(input)
        seen = self.env["steward.run"]._keep_pictures(pictures)
        variables = begin(system, text, boundary, about, before, seen)
        variables["#strategy"] = "chat"
        variables["#playbooks"] = {}
        if sources:
            variables["#sources"] = sources
        if about:
            variables["#record"] = about
        if playbook := agent.playbook_id:
            variables["#playbooks"] = playbook._pinned(agent.company_id)
            if (inputs := playbook._given(input)) is not None:
                variables["#fallback"] = inputs
        links = [Command.link(picture["attachment"]) for picture in seen]
        told = {"session": session and str(session), "picture_ids": links}
        return {**values, **told}, variables

    def _system(self, input):
        """What the agent is told to be, and what the run is to remember of that. Hook.

        :param input: values, of which those that the prompt knows go into it
        :return: text, values of the run
        """
        if not self.prompt_id:
            return self.description or self.name, {}
        version = self.prompt_id._version()
        known = version._prompt().variables
        text = version._render({name: input[name] for name in known if name in input})
        told = {"prompt_version_id": version.id, "prompt_version": version._reference()}
        return text, told

    def _check_about(self, run):
        """Refuse to go on about a record that the caller may not read."""
        if about := run._about():
            self._told_about(about)

    def _told_about(self, record):
        """A record, as the agent is told of it: who asks may read it, and so may it.


        :param record: ``{"model", "id"}``
        """
        if not isinstance(record, dict) or not isinstance(record.get("id"), int):
            raise Invalid(self.env._("A record is told as its model and its id."))
        name, number = str(record.get("model")), record["id"]
        # sudo: steward.agent - the caller need not see the list
        agent = self.sudo()
        toolbox = self.env["steward.toolbox"]
        try:
            if not self.env.su:
                toolbox._records(name, [number])
            found = (
                toolbox.with_user(agent.user_id)
                .with_context(allowed_company_ids=agent.company_id.ids)
                ._records(name, [number])
            )
        except StewardError:
            raise
        except Exception as error:
            raise Refused(
                self.env._(
                    "%(agent)s cannot be asked about this: you or it may not read it.",
                    agent=agent.name,
                )
            ) from error
        # sudo: res.company - the name of one that the caller may not see
        company = "company_id" in found._fields and found.sudo().company_id
        if company and company != agent.company_id:
            raise Refused(
                self.env._(
                    "This belongs to %(theirs)s, and %(agent)s works for %(ours)s.",
                    theirs=company.name,
                    agent=agent.name,
                    ours=agent.company_id.name,
                )
            )
        return {"model": name, "id": number, "name": found.display_name}

    def _latest_of(self, session):
        """The newest run of a session, which the next one goes on from."""
        runs = self.env["steward.run"].search([("session", "=", session)])
        if runs.filtered(lambda run: run.company_id != self.company_id):
            raise Refused(
                self.env._("This session belongs to another company; begin a new one.")
            )
        latest = runs.filtered(lambda run: run.agent_id == self)[:1]
        if runs and not latest:
            raise Refused(
                self.env._("This session is another agent's; begin a new one.")
            )
        if latest and latest.state not in ENDED:
            raise Refused(
                self.env._(
                    "%(agent)s is still at work in this session: say it there.",
                    agent=self.name,
                )
            )
        return latest

    # -- as a document -----------------------------------------------------------------

    def _specification(self):
        found = super()._specification()
        if self.kind != "chat":
            return found
        # sudo: steward.agent - names of what it is made of
        agent = self.sudo()
        if agent.model_id:
            found["model"] = agent.model_id.name
        if agent.prompt_id:
            found["prompt"] = agent.prompt_id.code
        found["context"] = int(agent.context_share)
        if agent.output_schema:
            found["output"] = agent.output_schema
        found["limits"]["tokens"] = agent.max_tokens
        return found

    @api.model
    def _values_of(self, specification, text, company=None):
        values = super()._values_of(specification, text, company)
        company = company or self.company_id or self.env.company
        shared = [("company_id", "in", [company.id, False])]

        def found(model, field, key, *domain):
            name = specification.get(key)
            record = self.env[model].search([(field, "=", name), *domain, *shared])
            if name and not record:
                sentence = self.env._("%(name)s is not in this database", name=name)
                place = kernel.position(text, f"/{key}")
                raise Problems([Problem(*place, f"/{key}", sentence)])
            return (record.filtered("company_id")[:1] or record[:1]).id

        return {
            **values,
            "model_id": found(
                "steward.model", "name", "model", ("can_chat", "=", True)
            ),
            "prompt_id": found("steward.prompt", "code", "prompt"),
            "context_share": str(specification.get("context", 100)),
            "output_schema": specification.get("output", False),
            "max_tokens": specification.get("limits", {}).get("tokens", 200_000),
        }


class StewardPlaybook(models.Model):
    _inherit = "steward.playbook"

    def _given(self, input):
        """Its inputs as far as somebody told them; None when some are missing."""
        version = self._current_version()
        known = {
            name: input[name] for name in version._parsed().inputs if name in input
        }
        try:
            return given_inputs(version._parsed(), version._checked_input(known))
        except (StewardError, ValueError):
            return None
