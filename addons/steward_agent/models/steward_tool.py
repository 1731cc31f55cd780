import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg2
from markupsafe import Markup

from odoo import api, fields, models, tools
from odoo.addons.steward.exceptions import (
    Bug,
    Exhausted,
    Invalid,
    Refused,
    StewardError,
    converted,
)
from odoo.addons.steward.kernel.schema import (
    Document,
    SchemaProblem,
    from_signature,
    validate,
)
from odoo.exceptions import AccessError, ValidationError
from odoo.service.model import get_public_method

from ..kernel.expression import near
from ..kernel.specification import TOOL

MAX_ARGUMENTS = 256 * 1024  # characters of the arguments as JSON
RISKS = [
    ("read", "Reads"),
    ("write", "Writes"),
    ("destructive", "Destroys"),
    ("external", "Leaves the database"),
]
KEY = "idempotency_key"  # a parameter that the engine fills in, never the agent
UNSAFE_PARAMETERS = frozenset({"cr", "uid", "env", "context", "su"})
# what rules over rights, code, other agents and what they may do
CLOSED_MODELS = ("ir.", "base.", "queue.", "res.users", "res.groups")
CLOSED_MODELS += ("steward.approval", "steward.run", "steward.secret", "steward.tool")
CLOSED_MODELS += ("steward.prompt",)
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
IDS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "minItems": 1,
    "maxItems": 1000,
    "description": "the records to do it with",
}


@dataclass(frozen=True)
class ToolResult:
    """What a tool answered.

    :param value: plain JSON
    :param more: arguments that read on where the answer was cut, or None
    """

    value: Any
    more: dict | None = None


class StewardTool(models.Model):
    """A public method of a model that agents may call, as their own user."""

    _name = "steward.tool"
    _inherit = ["steward", "mail.thread"]
    _description = "Tool"
    _order = "name"

    name = fields.Char(
        required=True, tracking=True, help="How agents call it, as find_records."
    )
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    kind = fields.Selection(
        [("method", "Method"), ("action", "Server action")],
        required=True,
        default="method",
    )
    model = fields.Char(
        help="The technical name of the model with the method, as sale.order."
    )
    method = fields.Char(tracking=True, help="A public method with type hints.")
    action_id = fields.Many2one(
        "ir.actions.server",
        "Server action",
        ondelete="restrict",
        tracking=True,
        domain=[("state", "=", "code"), ("group_ids", "=", False)],
        help="Executes code, has no groups, and is a system administrator's work.",
    )
    description = fields.Text(
        compute="_compute_description",
        store=True,
        readonly=False,
        help="What agents are told that it does.",
    )
    risk = fields.Selection(RISKS, required=True, default="write", tracking=True)
    timeout = fields.Integer(
        "Time limit (s)",
        required=True,
        default=30,
        help="A query of the tool that takes longer is cut off.",
    )
    rate_limit_id = fields.Many2one(
        "steward.rate.limit", ondelete="restrict", help="Each call takes from it."
    )
    idempotent = fields.Boolean(
        help="Calling it twice does no more than calling it once."
    )
    max_characters = fields.Integer(
        "Longest answer",
        required=True,
        default=200_000,
        help="Characters of JSON; a list is cut there, and can be read on.",
    )
    problem = fields.Char(
        "Cannot be used", compute="_compute_problem", help="Why, and what to do."
    )
    schema = fields.Json("Arguments", compute="_compute_problem")
    schema_text = fields.Text("Arguments (JSON Schema)", compute="_compute_problem")
    agent_ids = fields.Many2many("steward.agent", string="Agents")
    agent_count = fields.Integer(compute="_compute_agent_count")

    _name_uniq = models.UniqueIndex(
        "(name, COALESCE(company_id, 0))", "There is a tool with this name already."
    )
    _sensible = models.Constraint(
        "CHECK (timeout BETWEEN 1 AND 3600 AND max_characters >= 1000)",
        "A tool has from 1 to 3600 seconds, and answers with 1000 characters or more.",
    )

    @api.depends("model", "method", "action_id", "kind")
    def _compute_description(self):
        for tool in self:
            try:
                tool.description = tool._schema().get("description")
            except StewardError:
                tool.description = tool.action_id.name

    @api.depends("model", "method", "action_id", "kind", "name")
    def _compute_problem(self):
        for tool in self:
            schema = None
            problem = False
            try:
                schema = tool._schema()
            except StewardError as error:
                problem = error.sentence
            tool.problem = problem
            tool.schema = schema or False
            tool.schema_text = schema and json.dumps(schema, indent=2)

    @api.depends("agent_ids")
    def _compute_agent_count(self):
        for tool in self:
            tool.agent_count = len(tool.agent_ids)

    @api.constrains("name")
    def _check_name(self):
        for tool in self:
            if not re.fullmatch(TOOL, tool.name):
                raise ValidationError(
                    self.env._(
                        "%(name)s cannot be a tool's name: take small letters, digits"
                        " and underscores, as find_records.",
                        name=tool.name,
                    )
                )

    @api.constrains("kind", "model", "method", "action_id", "active")
    def _check_definition(self):
        for tool in self.filtered("active"):
            try:
                tool._schema()
            except StewardError as error:
                raise ValidationError(error.sentence) from error

    # -- what it is --------------------------------------------------------------

    def _schema(self):
        """The JSON Schema of the arguments.

        :raises StewardError: when this can be no tool, with a sentence
        """
        self.ensure_one()
        if self.kind == "action":
            self._check_action()
            return {
                "type": "object",
                "description": self.action_id.name,
                "properties": {"ids": IDS},
                "required": ["ids"],
                "additionalProperties": False,
            }
        return self._method_schema(self.model or "", self.method or "")

    @api.model
    @tools.ormcache("model", "name")
    def _method_schema(self, model, name):
        method = self._checked_method(model, name)
        try:
            schema = from_signature(method)
        except SchemaProblem as error:
            raise Invalid(
                self.env._(
                    "%(model)s.%(method)s cannot be described to an agent: %(problem)s",
                    model=model,
                    method=name,
                    problem=error.problem.message,
                )
            ) from error
        properties = dict(schema["properties"])
        on_records = not getattr(method, "_api_model", False)
        unsafe = UNSAFE_PARAMETERS | ({"ids"} if on_records else set())
        if given := sorted(unsafe & set(properties)):
            raise Refused(
                self.env._(
                    "%(model)s.%(method)s takes %(names)s, which no agent may give.",
                    model=model,
                    method=name,
                    names=", ".join(given),
                )
            )
        properties.pop(KEY, None)
        required = [one for one in schema["required"] if one != KEY]
        if on_records:
            properties = {"ids": IDS, **properties}
            required = ["ids", *required]
        return {**schema, "properties": properties, "required": required}

    def _checked_method(self, model, name):
        """A method that may be a tool, or a refusal.

        The ORM's own methods are none: they take commands, contexts and other users.
        """
        if model not in self.env:
            raise Invalid(
                self.env._(
                    "There is no model %(name)s%(hint)s.",
                    name=repr(model),
                    hint=near(model, self.env),
                )
            )
        records = self.env[model]
        if model.startswith(CLOSED_MODELS) and model != "steward.toolbox":
            raise Refused(
                self.env._(
                    "%(model)s rules over rights, code or agents: no tool does.",
                    model=model,
                )
            )
        if hasattr(type(self.env["base"]), name):
            raise Refused(
                self.env._(
                    "%(method)s is a method of every model and no tool. Use"
                    " find_records, create_record, write_records and the like.",
                    method=name,
                )
            )
        try:
            return get_public_method(records, name)
        except AccessError as error:
            raise Refused(
                self.env._("%(model)s.%(method)s is private.", model=model, method=name)
            ) from error
        except AttributeError as error:
            known = [n for n in dir(type(records)) if not n.startswith("_")]
            raise Invalid(
                self.env._(
                    "%(model)s has no method %(name)s%(hint)s.",
                    model=model,
                    name=repr(name),
                    hint=near(name, known),
                )
            ) from error

    def _check_action(self):
        """Refuse a server action that would give its caller more than its own rights.

        With groups, it is run for who has no right to the records at all.
        """
        # sudo: ir.actions.server - looked at here; it runs with the caller's rights
        action = self.action_id.sudo()
        reason = None
        if not action.exists():
            reason = self.env._("It is gone.")
        elif action.state != "code":
            reason = self.env._("It does not execute code.")
        elif action.group_ids:
            reason = self.env._("It has groups: whoever is in one, has all rights.")
        else:
            for user in action.create_uid | action.write_uid:
                if not user._is_superuser() and not user._has_group(
                    "base.group_system"
                ):
                    reason = self.env._(
                        "%(user)s wrote it, who is no system administrator.",
                        user=user.name,
                    )
        if reason:
            raise Refused(
                self.env._(
                    "The server action %(name)s cannot be a tool. %(reason)s",
                    name=action.display_name or "",
                    reason=reason,
                )
            )

    # -- calling -------------------------------------------------------------------

    def _call(self, arguments, key=None, timeout=None):
        """Call the tool as the user of the environment, within its companies.

        Nothing of what it did stays if it fails; the transaction can go on.

        :param dict arguments: as its schema asks
        :param str key: tells services that it is the same call again
        :param timeout: seconds, if less than the tool's own time limit
        :rtype: ToolResult
        :raises StewardError: whatever goes wrong
        """
        tool = self._callable(arguments)
        if tool.rate_limit_id:
            limit = tool.rate_limit_id
            self.env["steward.rate.limit"]._take(limit.name, company=limit.company_id)
        seconds = min(tool.timeout, timeout or tool.timeout)
        value = self._performed(tool, arguments, key, seconds)
        return self._capped(tool, value, arguments)

    def _callable(self, arguments):
        """The tool's definition, if it may be called so; else a refusal."""
        self.ensure_one()
        if self.env.su:
            raise Refused(self.env._("Tools are never called with all rights."))
        # sudo: steward.tool - its definition; the call itself is the caller's own
        tool = self.sudo()
        if not tool.active:
            raise Refused(self.env._("The tool %(name)s is archived.", name=tool.name))
        if tool.company_id and tool.company_id not in self.env.companies:
            raise Refused(self.env._("The tool is another company's."))
        self._check_arguments(tool._schema(), arguments)
        return tool

    def _performed(self, tool, arguments, key, seconds):
        """Do it, or leave no trace of it."""
        try:
            with self.env.cr.savepoint(), self._statement_timeout(seconds):
                value = self._perform(tool, arguments, key)
                self.env.flush_all()  # what is wrong shows here, not in the next step
        except psycopg2.errors.QueryCanceled as error:
            raise Exhausted(
                self.env._(
                    "The tool %(name)s was cut off after %(seconds)s seconds. Ask for"
                    " less, or raise its time limit.",
                    name=tool.name,
                    seconds=seconds,
                ),
                detail=repr(error),
            ) from error
        except (psycopg2.DataError, psycopg2.IntegrityError) as error:
            message = self.env["base"]._sql_error_to_message(error)
            raise Invalid(message, detail=repr(error)) from error
        except Exception as error:
            raise converted(error) from error
        return value

    def _statement_timeout(self, seconds):
        return _Timeout(self.env.cr, seconds)

    def _check_arguments(self, schema, arguments):
        if not isinstance(arguments, dict):
            raise Invalid(self.env._("Arguments are a group of keys."))
        try:
            text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise Invalid(self.env._("Arguments are plain JSON.")) from error
        if len(text) > MAX_ARGUMENTS:
            raise Invalid(
                self.env._(
                    "The arguments are longer than %(most)s characters.",
                    most=MAX_ARGUMENTS,
                )
            )
        if UNSTORABLE.search(text) or "\\u0000" in text:
            raise Invalid(self.env._("A character in the arguments cannot be stored."))
        problems = validate(Document(arguments, {}), schema)
        if problems:
            told = [
                f"{problem.path.strip('/').replace('/', '.')}: {problem.message}"
                if problem.path
                else problem.message
                for problem in problems[:5]
            ]
            raise Invalid(
                self.env._(
                    "The arguments are not what the tool asks for: %(problems)s.",
                    problems="; ".join(told),
                )
            )

    def _perform(self, tool, arguments, key):
        if tool.kind == "action":
            return self._perform_action(tool.action_id, arguments["ids"])
        method = self._checked_method(tool.model, tool.method)
        arguments = dict(arguments)
        records = self.env[tool.model]
        if not getattr(method, "_api_model", False):
            records = records.browse(arguments.pop("ids")).exists()
            records.check_access("read")
        if key and KEY in from_signature(method)["properties"]:
            arguments[KEY] = key
        return getattr(records, tool.method)(**arguments)

    def _perform_action(self, action, ids):
        model = action.model_id.model
        records = self.env["steward.toolbox"]._records(model, ids)
        # without the rights of sudo(): run() checks those of the caller
        run = action.with_env(self.env).with_context(
            active_model=model, active_id=records[0].id, active_ids=records.ids
        )
        run.run()
        return {"done": len(records)}

    # -- what comes out --------------------------------------------------------------

    def _capped(self, tool, value, arguments):
        """The answer as plain JSON, cut where it gets too long."""
        value = self._as_json(value)
        more = value.pop("more", None) if isinstance(value, dict) else None
        limit = tool.max_characters
        if len(_dumped(value)) <= limit:
            return ToolResult(value, more)
        key = _longest_list(value)
        rows = value[key] if key is not None else value
        if isinstance(rows, list):
            kept = _fitting(rows, limit)
            value = {**value, key: rows[:kept]} if key is not None else rows[:kept]
            properties = tool._schema()["properties"]
            if "offset" in properties and kept:
                offset = arguments.get("offset", 0) + kept
                return ToolResult(value, {"offset": offset, "limit": kept})
            return ToolResult(value, {"left_out": len(rows) - kept})
        text = value if isinstance(value, str) else _dumped(value)
        return ToolResult(text[:limit], {"left_out_characters": len(text) - limit})

    def _as_json(self, value):
        match value:
            case None | bool() | int() | float():
                return value
            case Markup() | str():
                return str(value)
            case datetime():
                return fields.Datetime.to_string(value)
            case date():
                return fields.Date.to_string(value)
            case models.BaseModel():
                names = self.env["steward.toolbox"]._names(value)
                return [{"id": r.id, "name": names.get(r.id, "")} for r in value]
            case dict():
                return {str(name): self._as_json(part) for name, part in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._as_json(item) for item in value]
        raise Bug(
            self.env._(
                "The tool answered with something that is not data (%(type)s).",
                type=type(value).__name__,
            )
        )


class _Timeout:
    """A limit on each query, for a ``with`` block within a savepoint."""

    def __init__(self, cr, seconds):
        self.cr = cr
        self.milliseconds = f"{seconds * 1000}"

    def __enter__(self):
        # PostgreSQL evaluates these from left to right
        self.cr.execute(
            "SELECT current_setting('statement_timeout'),"
            " set_config('statement_timeout', %s, true)",
            [self.milliseconds],
        )
        self.before, _now = self.cr.fetchone()

    def __exit__(self, kind, error, traceback):
        if error is None:  # else the savepoint's rollback brings it back
            self.cr.execute(
                "SELECT set_config('statement_timeout', %s, true)", [self.before]
            )


def _dumped(value):
    return json.dumps(value, ensure_ascii=False)


def _longest_list(value):
    lists = {
        key: len(part)
        for key, part in (value.items() if isinstance(value, dict) else ())
        if isinstance(part, list)
    }
    return max(lists, key=lists.get) if lists else None


def _fitting(rows, limit):
    """How many of the rows fit into so many characters."""
    size = 2
    for number, row in enumerate(rows):
        size += len(_dumped(row)) + 2
        if size > limit:
            return number
    return len(rows)
