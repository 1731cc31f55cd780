import hashlib
import secrets

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ..kernel.operation import (
    CLOCK_SKEW,
    CODE_VALID,
    RUNNER_SILENT,
    clock_skew,
    is_silent,
)

STATES = [
    ("code", "Waits for its code"),
    ("expired", "Code has expired"),
    ("works", "Works"),
    ("silent", "Silent"),
    ("off", "Switched off"),
]


class StewardRunner(models.Model):
    """A process outside Odoo that does long work, and what it tells of itself.

    The row is written by the runner itself, in plain SQL: docs/operations.md has its
    columns. Its key is in a file of its own; here is only what proves it.
    """

    _name = "steward.runner"
    _inherit = "steward"
    _description = "Runner"
    _order = "seen_at DESC NULLS LAST, id"
    _steward_own_fields = (
        *("key_hash", "key_id", "code_hash", "code_until", "database_uuid"),
        *("database_name", "system_identifier", "seen_at", "version", "hostname"),
        *("facts", "active"),
    )

    name = fields.Char(required=True, default=lambda self: self.env._("Runner"))
    active = fields.Boolean(default=True, required=True, readonly=True)
    key_hash = fields.Char(groups=fields.NO_ACCESS, copy=False)
    key_id = fields.Char("Signing key", readonly=True, copy=False)
    code_hash = fields.Char(groups=fields.NO_ACCESS, copy=False)
    code_until = fields.Datetime("Code valid until", readonly=True, copy=False)
    database_uuid = fields.Char("Its UUID", readonly=True, copy=False)
    database_name = fields.Char("Database", readonly=True, copy=False)
    system_identifier = fields.Char(
        "PostgreSQL cluster",
        readonly=True,
        copy=False,
        help="The number that PostgreSQL gave the cluster: the runner works for no"
        " other, not even for a copy of this database.",
    )
    seen_at = fields.Datetime("Last seen", readonly=True, copy=False)
    version = fields.Char(readonly=True, copy=False)
    hostname = fields.Char("Machine", readonly=True, copy=False)
    facts = fields.Json(readonly=True, copy=False)

    state = fields.Selection(STATES, compute="_compute_state")
    clock_skew = fields.Float(
        "Clock ahead by (s)",
        compute="_compute_clock_skew",
        help="By how much the runner's clock is ahead of the database's.",
    )
    facts_text = fields.Text("What it found", compute="_compute_facts_text")
    code = fields.Char(compute="_compute_code")
    command = fields.Char(compute="_compute_code")

    _seen = models.Index("(seen_at) WHERE active")

    @api.depends("active", "key_hash", "code_until", "seen_at")
    def _compute_state(self):
        now = fields.Datetime.now()
        # sudo: steward.runner - whether there is a key, not which
        for runner in self.sudo():
            if not runner.active:
                runner.state = "off"
            elif not runner.key_hash:
                open_until = runner.code_until and runner.code_until > now
                runner.state = "code" if open_until else "expired"
            else:
                runner.state = "silent" if is_silent(runner.seen_at, now) else "works"

    @api.depends("facts", "seen_at")
    def _compute_clock_skew(self):
        for runner in self:
            clock = (runner.facts or {}).get("clock")
            runner.clock_skew = clock_skew(clock, runner.seen_at or None) or 0.0

    @api.depends("facts")
    def _compute_facts_text(self):
        for runner in self:
            runner.facts_text = "\n".join(self._fact_lines(runner.facts or {})) or False

    @api.model
    def _fact_lines(self, facts, prefix=""):
        for name, value in sorted(facts.items()):
            if isinstance(value, dict):
                yield from self._fact_lines(value, f"{prefix}{name} ")
            elif isinstance(value, list) and all(isinstance(x, dict) for x in value):
                for part in value:
                    yield from self._fact_lines(part, f"{prefix}{name} ")
            elif isinstance(value, list):
                yield f"{prefix}{name}: {', '.join(map(str, value))}"
            else:
                yield f"{prefix}{name}: {value}"

    @api.depends_context("steward_code")
    def _compute_code(self):
        """What was just made, and is nowhere but on this screen."""
        code = self.env.context.get("steward_code") or False
        self.code = code
        self.command = code and f"steward runner enrol --code {code}"

    # -- enrolment --------------------------------------------------

    def action_enrol(self) -> dict:
        """Let another runner in: show the code with which it says who it is, once.

        Administrators only. The code is good for 15 minutes and for one runner.

        :return: the form with the code
        """
        self._check_administrator()
        number = self.with_context(active_test=False).search_count([]) + 1
        # sudo: steward.runner - made by this button alone
        runner = self.sudo()._create_own(
            [{"name": self.env._("Runner %(number)s", number=number)}]
        )
        return runner.with_env(self.env)._show_code()

    def action_rotate(self) -> dict:
        """Make a new code; the key of before is worth nothing from now on.

        :return: the form with the code
        """
        self.ensure_one()
        self._check_administrator()
        self._write_own({"key_hash": False, "key_id": False})
        return self._show_code()

    def action_disable(self) -> bool:
        """Let these runners do nothing more; they may be let in again."""
        self._check_administrator()
        self._write_own({"active": False})
        return True

    def action_enable(self) -> bool:
        """Let these runners work again, with the keys that they have."""
        self._check_administrator()
        self._write_own({"active": True})
        return True

    def _show_code(self):
        code = secrets.token_urlsafe(24)
        # sudo: steward.runner - the code's hash is nobody's to read
        self.sudo()._write_own(
            {
                "code_hash": hashlib.sha256(code.encode()).hexdigest(),
                "code_until": fields.Datetime.now() + CODE_VALID,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Enrol a runner"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(self.env.ref("steward.runner_view_code").id, "form")],
            "target": "new",
            "context": {"steward_code": code},
        }

    def _check_administrator(self):
        self.check_access("write")
        group = "steward.group_administrator"
        if not (self.env.su or self.env.user.has_group(group)):
            raise AccessError(self.env._("Only Administrators decide about runners."))

    # -- what others ask --------------------------------------------------

    @api.model
    def _alive(self):
        """The runners that work now, the one that was heard last first."""
        since = fields.Datetime.now() - RUNNER_SILENT
        return self.search(self._enrolled_domain() & Domain("seen_at", ">=", since))

    @api.model
    def _enrolled_domain(self):
        return Domain("active", "=", True) & Domain("key_hash", "!=", False)

    @api.model
    def _roots(self):
        """The folders in which the runner may keep what it makes, the default first."""
        # sudo: steward.runner - its folders, for whoever looks at storages
        runners = self.sudo()
        runner = runners._alive()[:1] or runners.search(
            self._enrolled_domain() & Domain("seen_at", "!=", False), limit=1
        )
        return list((runner.facts or {}).get("roots") or [])

    def _is_skewed(self):
        return self.filtered(lambda runner: abs(runner.clock_skew) > CLOCK_SKEW)
