from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Locked, Refused
from odoo.exceptions import AccessError
from odoo.fields import Domain

DECISIONS = {"approve": "approved", "refuse": "refused"}
YES_OR_NO = list(DECISIONS)
MAX_PENDING = 200  # in one answer of `pending`
MAX_PEOPLE = 10  # who are asked at once


class StewardApproval(models.Model):
    """A question to a person, for which a run waits without holding a worker."""

    _name = "steward.approval"
    _inherit = ["steward", "mail.thread", "mail.activity.mixin"]
    _description = "Approval"
    _order = "state_order, id desc"
    _rec_name = "question"
    _steward_own_fields = (
        *("run_id", "company_id", "step_key", "iteration", "question", "choices"),
        *("state", "choice", "comment", "decided_by_id", "decided_at", "expires_at"),
        *("kind", "used", "tool_id", "tool_name", "risk", "rule_id", "arguments"),
        *("fingerprint", "changes", "decider_ids"),
    )

    run_id = fields.Many2one(
        "steward.run", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    agent_id = fields.Many2one(related="run_id.agent_id", store=True)
    task = fields.Text(related="run_id.task")
    kind = fields.Selection(
        [("question", "Question"), ("tool", "Use of a tool")],
        required=True,
        readonly=True,
        default="question",
    )
    step_key = fields.Char(required=True, readonly=True)
    iteration = fields.Char(readonly=True)
    question = fields.Text(required=True, readonly=True)
    choices = fields.Json(readonly=True, help="What may be chosen with an approval.")
    state = fields.Selection(
        [
            ("pending", "Waits"),
            ("approved", "Approved"),
            ("refused", "Refused"),
            ("expired", "Expired"),
            ("moot", "No longer needed"),
            ("void", "Void: something else is asked now"),
        ],
        required=True,
        readonly=True,
        default="pending",
    )
    state_order = fields.Integer(compute="_compute_state_order", store=True)
    choice = fields.Char(readonly=True)
    comment = fields.Text("Reason", readonly=True)
    decided_by_id = fields.Many2one("res.users", "Decided by", readonly=True)
    decided_at = fields.Datetime(readonly=True)
    decider_ids = fields.Many2many(
        "res.users",
        string="Only they decide",
        readonly=True,
        help="Named by the rule, or asked by somebody who is. None of them can any"
        " more: all Reviewers may.",
    )
    expires_at = fields.Datetime("Expires", readonly=True)
    used = fields.Boolean(readonly=True, help="The run went on with the answer.")

    has_choices = fields.Boolean(compute="_compute_has_choices")

    _open_uniq = models.UniqueIndex(
        "(run_id, step_key, iteration) WHERE state != 'void' AND used IS NOT TRUE"
    )
    _pending = models.Index("(company_id, expires_at) WHERE state = 'pending'")

    @api.depends("state")
    def _compute_state_order(self):
        for approval in self:
            approval.state_order = 0 if approval.state == "pending" else 1

    @api.depends("choices")
    def _compute_has_choices(self):
        for approval in self:
            approval.has_choices = approval.choices != YES_OR_NO

    # -- the API -------------------------------------------------------------------

    @api.model
    def pending(self, limit: int = 20) -> list[dict]:
        """Tell what waits for a decision, the oldest first.

        :param limit: how many at most
        :return: ``[{"id", "question", "agent", "task", "trace_id", "asked_at",
            "choices", "expires_at"?}]``
        """
        self._check_may_decide()
        waiting = self.search(
            self._get_pending_domain(),
            order="id",
            limit=max(0, min(limit, MAX_PENDING)),
        )
        return [approval._as_json() for approval in waiting]

    @api.model
    def decide(self, id: int, decision: str, reason: str = "") -> dict:
        """Decide what a run waits for; it goes on at once.

        :param id: of the approval
        :param decision: ``approve``, ``refuse``, or one of its choices
        :param reason: why; the run's trace keeps it
        :return: ``{"id", "state", "trace_id"}``
        """
        self._check_may_decide()
        approval = self.search([("id", "=", id)])
        if not approval:
            raise Invalid(self.env._("There is no approval %(id)s.", id=id))
        approval._decide(decision, reason)
        return {
            "id": approval.id,
            "state": approval.state,
            "trace_id": approval.run_id.trace_id,
        }

    def action_approve(self) -> dict | None:
        """Approve all of these.

        :return: nothing, or what tells which could not be
        """
        return self._decide_all("approve")

    def action_refuse(self) -> dict | None:
        """Refuse all of these.

        :return: nothing, or what tells which could not be
        """
        return self._decide_all("refuse")

    def action_decide(self) -> dict:
        """Decide with a reason, or among several choices."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_decide"
        )
        action["context"] = {"default_approval_id": self.id}
        return action

    def action_open_run(self) -> dict:
        """Show the run that waits."""
        self.ensure_one()
        return self.run_id._get_open_action()

    # -- how it is done --------------------------------------------------------------

    @api.model
    def _get_pending_domain(self):
        now = fields.Datetime.now()
        return Domain("state", "=", "pending") & (
            Domain("expires_at", "=", False) | Domain("expires_at", ">", now)
        )

    @api.model
    def _check_may_decide(self):
        user = self.env.user
        if user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents approve nothing: people do."))
        if not (self.env.su or user.has_group("steward.group_reviewer")):
            raise AccessError(self.env._("Only Reviewers approve."))

    @api.model
    def _may_decide(self, user, run):
        """Whether a user may decide about a run; asked before they are bothered."""
        return (
            user.active
            and not user._is_superuser()
            and user != run.user_id
            and run.company_id in user.company_ids
            and user._has_group("steward.group_reviewer")
            and not user._has_group("steward.group_agent")
        )

    def _is_for(self, user):
        """Whether nobody else is named to decide this."""
        self.ensure_one()
        able = self.decider_ids.filtered(lambda one: self._may_decide(one, self.run_id))
        return not able or user in able

    def _check_is_mine(self):
        """Refuse who is not named, where somebody is."""
        # sudo: steward.approval - whom it names
        approval = self.sudo()
        if not approval._is_for(self.env.user):
            raise Refused(
                self.env._(
                    "Only %(names)s may decide this.",
                    names=", ".join(approval.decider_ids.mapped("name")),
                )
            )

    def _decide(self, decision, reason):
        self.ensure_one()
        self.check_access("read")
        # sudo: steward.approval - the right to decide is checked by who calls
        approval = self.sudo()
        words = [word for word, _label in approval._decisions()]
        if decision not in words:
            raise Invalid(
                self.env._("Decide with one of: %(words)s.", words=", ".join(words))
            )
        if approval.run_id.user_id == self.env.user:
            raise Refused(self.env._("Nobody approves what runs in their own name."))
        self._check_is_mine()
        # whoever comes second must see what the first decided
        if not approval.try_lock_for_update():
            raise Locked(self.env._("Somebody else is deciding this right now."))
        approval.invalidate_recordset(["state"])
        if approval.state != "pending":
            state = dict(self._fields["state"]._description_selection(self.env))
            raise Refused(
                self.env._(
                    "This is decided already: %(state)s.", state=state[approval.state]
                )
            )
        if approval.expires_at and approval.expires_at <= fields.Datetime.now():
            raise Refused(self.env._("The time to decide this is over."))
        approval._settle(
            DECISIONS.get(decision, "approved"),
            choice=decision,
            comment=reason or False,
            decided_by_id=self.env.uid,
            decided_at=fields.Datetime.now(),
        )
        approval.run_id._go_on()

    def _decisions(self):
        """What may be decided: word and label. Refusing always may."""
        self.ensure_one()
        labels = {"approve": self.env._("Approve"), "refuse": self.env._("Refuse")}
        words = dict.fromkeys([*(self.choices or YES_OR_NO), "refuse"])
        return [(word, labels.get(word, word)) for word in words]

    def _answer(self):
        """What the run goes on with: a value, or the error that says why not."""
        self.ensure_one()
        if self.state == "approved":
            return {
                "answer": self.choice,
                "comment": self.comment or "",
                "by": self.decided_by_id.login,
            }, None
        if self.state == "refused":
            return None, Refused(
                self.env._(
                    "%(person)s refused. %(reason)s",
                    person=self.decided_by_id.name,
                    reason=self.comment or "",
                ).strip()
            )
        return None, Refused(self.env._("Nobody decided in time."))

    def _settle(self, state, **values):
        self._write_own({"state": state, **values})
        self.activity_unlink(["mail.mail_activity_data_todo"])

    def _as_json(self):
        self.ensure_one()
        values = {
            "id": self.id,
            "question": self.question,
            "agent": self.run_id.agent_name,
            "task": self.run_id.task,
            "trace_id": self.run_id.trace_id,
            "asked_at": self.create_date.isoformat() + "Z",
            "choices": self.choices or [],
            "expires_at": self.expires_at and self.expires_at.isoformat() + "Z",
        }
        return {name: value for name, value in values.items() if value is not False}

    # -- what the executor calls -------------------------------------------------------

    @api.model
    def _of_step(self, run, step_key, iteration):
        """What was asked at a step and counts there still; a step may come again."""
        return self.search(
            [
                ("run_id", "=", run.id),
                ("step_key", "=", step_key),
                ("iteration", "=", iteration),
                ("state", "!=", "void"),
                ("used", "=", False),
            ]
        )

    def _use_up(self):
        """The run went on with the answer: it is asked again if that comes again."""
        self._write_own({"used": True})

    @api.model
    def _ask(self, run, question):
        """Make the record a run waits for, and tell who shall decide.

        :param question: an `Ask` of the machine
        """
        return self._open(
            run,
            question,
            self._people_for(run, question.to),
            question=question.question,
            choices=list(question.choices),
            expires_at=question.expires and _in(seconds=question.expires),
        )

    @api.model
    def _open(self, run, move, people, **values):
        approval = self._create_own(
            {
                "run_id": run.id,
                "company_id": run.company_id.id,
                "step_key": move.step,
                "iteration": move.iteration,
                **values,
            }
        )
        approval._ask_people(people)
        return approval

    @api.model
    def _people_for(self, run, to):
        """Whom a question is for. Hook.

        :param to: a login, the xml id of a group, or empty: who looks after Steward,
            or else all Reviewers
        """
        if to and "." in to and (group := self.env.ref(to, raise_if_not_found=False)):
            return group.all_user_ids.filtered(
                lambda user: user.active and run.company_id in user.company_ids
            )[:MAX_PEOPLE]
        if to and (user := self.env["res.users"].search([("login", "=", to)])):
            return user
        contact = self.env["res.config.settings"]._steward_contact()
        if contact and self._may_decide(contact, run):
            return contact
        # sudo: res.groups - whose members are no secret to who asks them
        reviewers = self.env.ref("steward.group_reviewer").sudo().all_user_ids
        able = reviewers.filtered(lambda user: self._may_decide(user, run))
        return able[:MAX_PEOPLE]

    @api.model
    def _cron_expire(self):
        """Let runs go on whose question nobody answered in time."""
        late = self.search(
            [("state", "=", "pending"), ("expires_at", "<=", fields.Datetime.now())],
            limit=500,
        ).try_lock_for_update()
        for approval in late:
            approval._settle("expired")
            approval.run_id._go_on()


def _in(**time_):
    return fields.Datetime.now() + timedelta(**time_)
