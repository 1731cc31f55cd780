import time
import uuid

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..kernel import control
from ..kernel.control import DESIRED, ENDED, Wish


class StewardRunWish(models.Model):
    """What a person wants of a run that somebody works at.

    A row of its own: to wish never collides with the work, and the work never waits
    for a wish.
    """

    _name = "steward.run.wish"
    _inherit = "steward"
    _description = "Wish for a Run"

    run_id = fields.Many2one(
        "steward.run", required=True, readonly=True, index=True, ondelete="cascade"
    )
    desired_state = fields.Selection(DESIRED, readonly=True)
    desired_model = fields.Char(readonly=True)
    version = fields.Integer(required=True, readonly=True, default=0)
    user_id = fields.Many2one("res.users", "By", readonly=True)
    reason = fields.Char(readonly=True)

    _run_uniq = models.UniqueIndex("(run_id)")


class StewardRun(models.Model):
    _inherit = "steward.run"

    wish_ids = fields.One2many("steward.run.wish", "run_id", readonly=True)
    desired_state = fields.Selection(
        DESIRED,
        compute="_compute_wish",
        help="What a person asked for; empty when it is so already.",
    )
    desired_model = fields.Char(compute="_compute_wish")
    control_version = fields.Integer(compute="_compute_wish")

    @api.depends("wish_ids.desired_state", "wish_ids.desired_model", "state")
    def _compute_wish(self):
        for run in self:
            wish = run.wish_ids[:1]
            over = run.state in ENDED
            run.desired_state = not over and wish.desired_state
            run.desired_model = not over and wish.desired_model
            run.control_version = wish.version

    # -- the API -------------------------------------------------------------------

    @api.model
    def pause(self, trace_id: str) -> dict:
        """Let a run pause at its next step.

        :param trace_id: which run
        :return: ``{"trace_id", "state", "desired"?}``
        """
        return self._to_control(trace_id)._ask(Wish.PAUSE)

    @api.model
    def resume(self, trace_id: str) -> dict:
        """Let a paused run go on.

        :param trace_id: which run
        :return: ``{"trace_id", "state", "desired"?}``
        """
        return self._to_control(trace_id)._ask(Wish.RESUME)

    @api.model
    def terminate(self, trace_id: str, reason: str) -> dict:
        """Stop a run for good at its next step. What it did stays done.

        :param trace_id: which run
        :param reason: why; kept in the run's trace
        :return: ``{"trace_id", "state", "desired"?}``
        """
        return self._to_control(trace_id)._ask(Wish.TERMINATE, reason)

    @api.model
    def switch_model(self, trace_id: str, model: str) -> dict:
        """Let a run use another model from its next call on.

        :param trace_id: which run
        :param model: the model's name
        :return: ``{"trace_id", "state", "desired"?, "model"?}``
        """
        run = self._to_control(trace_id)
        run._check_can_switch(model)
        with self._own_transaction() as cr:
            run._write_wish(cr, desired_model=model)
            run._note_of_person(cr, self.env._("Switch to %(model)s", model=model), "")
        run.invalidate_recordset()
        return run._standing()

    # -- buttons -------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause these runs at their next step."""
        self._check_may_control()
        for run in self:
            run._ask(Wish.PAUSE)

    def action_resume(self) -> None:
        """Let these runs go on."""
        self._check_may_control()
        for run in self:
            run._ask(Wish.RESUME)

    def action_terminate(self) -> None:
        """Stop these runs for good at their next step."""
        self._check_may_control()
        for run in self:
            run._ask(Wish.TERMINATE, self.env._("Stopped on the screen."))

    # -- how it is done ------------------------------------------------------------

    @api.model
    def _to_control(self, trace_id):
        """The run of a trace, for who may steer runs."""
        self._check_may_control()
        # sudo: steward.run - given back: what follows is done with the caller's rights
        return self._find_own(trace_id).sudo(False)

    @api.model
    def _check_may_control(self):
        if not (self.env.su or self.env.user.has_group("steward.group_operator")):
            raise AccessError(self.env._("Only Operators steer runs."))

    def _check_can_switch(self, model):
        """Refuse a model that the run cannot use. Hook of strategies with models."""
        if self.state in ENDED:
            raise Invalid(self.env._("This run has ended."))
        if not model:
            raise Invalid(self.env._("Say which model."))
        if self.source == "here":
            raise Refused(
                self.env._("This run follows a playbook, which calls no model.")
            )

    def _ask(self, asked, reason=""):
        """Wish something of a run, and say how it stands then."""
        self.check_access("read")
        with self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "SELECT state, source FROM steward_run WHERE id = %s FOR UPDATE",
                    self.id,
                ),
                log_exceptions=False,
            )
            [(state, source)] = cr.fetchall()
            at_work = state == "running" or source == "reported"
            try:
                wanted = control.wish(state, asked, at_work)
            except control.Ended as error:
                raise Invalid(
                    self.env._("This run has ended already (%(state)s).", state=state)
                ) from error
            self._write_wish(cr, desired_state=wanted.desired, reason=reason)
            if wanted.desired or wanted.state:
                self._note_of_person(cr, _word(self.env, asked), reason)
            if wanted.state:
                run = self.with_env(self.env(cr=cr))
                run._leave_for(wanted.state, reason)
        self.invalidate_recordset()
        if wanted.state or wanted.desired:
            self._tell_screens()
        return self._standing()

    def _write_wish(self, cr, reason="", **wish):
        """Replace part of the wish; its version tells the news from what was read."""
        columns = SQL(", ").join(map(SQL.identifier, wish))
        values = SQL(", ").join(SQL("%s", value) for value in wish.values())
        changes = SQL(", ").join(
            SQL("%s = EXCLUDED.%s", SQL.identifier(name), SQL.identifier(name))
            for name in wish
        )
        cr.execute(
            SQL(
                """
                INSERT INTO steward_run_wish (run_id, version, user_id, reason,
                    create_uid, write_uid, create_date, write_date, %s)
                VALUES (%s, 1, %s, %s, %s, %s, now() AT TIME ZONE 'utc',
                    now() AT TIME ZONE 'utc', %s)
                ON CONFLICT (run_id) DO UPDATE SET
                    version = steward_run_wish.version + 1, user_id = EXCLUDED.user_id,
                    reason = EXCLUDED.reason, write_date = EXCLUDED.write_date, %s
                """,
                columns,
                self.id,
                self.env.uid,
                reason or None,
                self.env.uid,
                self.env.uid,
                values,
                changes,
            )
        )

    def _leave_for(self, state, reason=""):
        """Bring a run nobody works at to another state; in a transaction of its own."""
        # sudo: steward.run - the state is written by our code alone; see the checks
        run = self.sudo()
        if state in ENDED:
            run._end(state, reason)
            return
        values = {"state": state, "reason": reason or False}
        if state == "queued":
            values |= {"waits_for": False, "wakes_at": False}
        run._write_own(values)
        if state == "queued":
            run._enqueue()

    def _fulfil_wish(self):
        """Do what somebody wished while the last worker was letting go."""
        with self._own_transaction() as cr:
            cr.execute(
                SQL(
                    """
                    SELECT run.state, wish.desired_state, wish.reason
                      FROM steward_run AS run
                      JOIN steward_run_wish AS wish ON wish.run_id = run.id
                     WHERE run.id = %s AND wish.desired_state IS NOT NULL
                       FOR UPDATE
                    """,
                    self.id,
                ),
                log_exceptions=False,
            )
            for state, desired, reason in cr.fetchall():
                if desired != state and control.can(state, desired):
                    self._write_wish(cr, desired_state=None)
                    self.with_env(self.env(cr=cr))._leave_for(desired, reason)

    def _note_of_person(self, cr, name, reason):
        """Put into the trace what a person asked of the run."""
        now = time.time() * 1000
        # sudo: steward.run - the ledger's own record of what this user asked
        run = self.with_env(self.env(cr=cr)).sudo()
        run._ingest(
            [],
            [
                {
                    "trace_id": self.trace_id,
                    "span_id": uuid.uuid4().hex[:16],
                    "kind": "human",
                    "name": name,
                    "started_at": now,
                    "duration_ms": 0,
                    "attributes": {
                        "by": self.env.user.login,
                        **({"reason": reason} if reason else {}),
                    },
                }
            ],
        )

    def _standing(self):
        """How a run stands, for programs."""
        standing = {
            "trace_id": self.trace_id,
            "state": self.state,
            "desired": self.desired_state,
            "model": self.desired_model,
        }
        return {name: value for name, value in standing.items() if value}


def _word(env, asked):
    return {
        Wish.PAUSE: env._("Pause"),
        Wish.RESUME: env._("Go on"),
        Wish.TERMINATE: env._("Stop"),
    }[asked]
