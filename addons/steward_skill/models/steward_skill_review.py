from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.kernel.redactor import REDACTOR
from odoo.exceptions import AccessError

from ..kernel import skill_format as kernel

REVIEW = "mail.mail_activity_data_todo"
REVIEW_DAYS = 3  # in which a review is due, unless the setting says otherwise
PASSED, WARNED, FAILED = "passed", "warned", "failed"


class StewardSkill(models.Model):
    """From a draft to what agents use: a person who did not write it says so."""

    _inherit = "steward.skill"

    review_due = fields.Datetime(
        compute="_compute_review_due", help="When it should be decided."
    )
    is_overdue = fields.Boolean(
        compute="_compute_review_due", search="_search_is_overdue"
    )
    may_approve = fields.Boolean(compute="_compute_may_approve")
    checks = fields.Json(related="version_id.checks")
    checks_shown = fields.Html(related="version_id.checks_shown")
    side_by_side = fields.Html(related="version_id.side_by_side")

    @api.depends("review_since")
    def _compute_review_due(self):
        days, now = self._review_days(), fields.Datetime.now()
        for skill in self:
            since = skill.review_since
            skill.review_due = since and since + timedelta(days=days)
            skill.is_overdue = bool(since) and skill.review_due < now

    def _search_is_overdue(self, operator, value):
        if operator != "in" or set(value) != {True}:
            return NotImplemented
        before = fields.Datetime.now() - timedelta(days=self._review_days())
        return [("state", "=", "review"), ("review_since", "<", before)]

    @api.depends("state", "version_id")
    @api.depends_context("uid")
    def _compute_may_approve(self):
        for skill in self:
            skill.may_approve = skill.state == "review" and not skill._why_not_approve()

    @api.model
    def _review_days(self):
        # sudo: ir.config_parameter - a limit that holds for everybody
        get = self.env["ir.config_parameter"].sudo().get_param
        return int(get("steward.skill_review_days") or REVIEW_DAYS)

    # -- quality gates -----------------------------------------------------------------

    @api.model
    def _get_gates(self):
        """Return what is looked at before people are asked: name -> (title, method).

        A method takes a version and returns a state and a sentence; one that ``failed``
        keeps it from review, one that ``warned`` is shown to the Reviewer. Hook.
        """
        return {
            "secrets": (self.env._("No secrets"), self._gate_secrets),
            "needs": (self.env._("Skills it needs"), self._gate_needs),
            "tools": (self.env._("Tools it needs"), self._gate_tools),
        }

    def _run_gates(self):
        """Look at the newest version of each, and keep what was found."""
        for skill in self:
            version = skill._current_version()
            found = []
            for name, (title, method) in self._get_gates().items():
                state, sentence = method(version)
                found.append(
                    {"name": name, "title": title, "state": state, "sentence": sentence}
                )
            # sudo: steward.skill.version - what is found out about it is our code's
            version.sudo()._write_own({"checks": found})

    def _check_gates(self):
        """Run the gates, and refuse what one of them refuses."""
        self._run_gates()
        for skill in self:
            failed = [
                f"{check['title']}: {check['sentence']}"
                for check in skill.version_id.checks
                if check["state"] == FAILED
            ]
            if failed:
                raise Refused(
                    self.env._(
                        "%(title)s is not ready. %(why)s",
                        title=skill.title,
                        why=" ".join(failed),
                    )
                )

    @api.model
    def _gate_secrets(self, version):
        texts = version._documents().values()
        if any(REDACTOR.redact(text) != text for text in texts):
            return FAILED, self.env._("It holds a password, a key or a card's number.")
        return PASSED, self.env._("None was found.")

    @api.model
    def _gate_needs(self, version):
        skill = version.skill_id
        if lacking := skill._lacking():
            return FAILED, self.env._(
                "There is no skill %(names)s.", names=", ".join(lacking)
            )
        names = set(skill._in_order()) - {skill.name}
        # sudo: steward.skill - what is in use, also of those one does not see
        known = self.sudo()._by_names(names, skill.company_id)
        waiting = known.filtered(lambda needed: not needed.approved_version_id)
        if waiting:
            return FAILED, self.env._(
                "%(names)s must be approved first.",
                names=", ".join(waiting.mapped("name")),
            )
        return PASSED, self.env._("All are there.")

    @api.model
    def _gate_tools(self, version):
        # sudo: steward.tool - that a tool exists is no secret to who writes skills
        tools = self.env["steward.tool"].sudo().search([])
        wanted = kernel.names_of(version.tool_names or "")
        lacking = sorted(set(wanted) - set(tools.mapped("name")))
        if lacking:
            # a skill from elsewhere names the tools of elsewhere
            return WARNED, self.env._(
                "There is no tool %(names)s here.", names=", ".join(lacking)
            )
        return PASSED, self.env._("All are there.")

    # -- asking ------------------------------------------------------------------------

    def action_submit(self) -> None:
        """Ask Reviewers to look at the newest version."""
        self.check_access("write")
        for skill in self:
            if skill.state != "draft":
                raise Refused(
                    self.env._(
                        "%(title)s is no draft: nothing waits for a review.",
                        title=skill.title,
                    )
                )
            skill._check_gates()
            skill._write_own({"state": "review", "review_since": fields.Datetime.now()})
            skill._ask_reviewer()

    def _ask_reviewer(self):
        """Give the review to somebody: the Reviewer with the fewest open ones."""
        self.ensure_one()
        person = self._pick_reviewer()
        if person:
            self.activity_schedule(
                REVIEW,
                date_deadline=self.review_due.date(),
                summary=self.env._("Review the skill"),
                user_id=person.id,
            )

    def _pick_reviewer(self):
        # sudo: res.groups - who may approve
        people = self.env.ref("steward.group_reviewer").sudo().all_user_ids
        author = self.version_id.author_id
        company = self.company_id or self.env.company
        people = people.filtered(
            lambda user: (
                user.active
                and user.id != SUPERUSER_ID
                and company in user.company_ids
                and (self._authors_approve() or user != author)
            )
        )
        # sudo: mail.activity - how much each has to do
        counts = dict(
            self.env["mail.activity"]
            .sudo()
            ._read_group(
                [("res_model", "=", self._name), ("user_id", "in", people.ids)],
                ["user_id"],
                ["__count"],
            )
        )
        return people.sorted(lambda user: (counts.get(user, 0), user.id))[:1]

    # -- deciding ----------------------------------------------------------------------

    @api.model
    @api.readonly
    def pending(self, limit: int = 20) -> list[dict]:
        """Tell which skills wait for a review, the longest first.

        :return: ``[{"name", "title", "version", "author", "since", "checks"}]``
        """
        waiting = self.search(
            [("state", "=", "review")], order="review_since, id", limit=limit
        )
        return [
            {
                "name": skill.name,
                "title": skill.title,
                "version": skill.version_number,
                "author": skill.version_id.author_id.name or "",
                "since": fields.Datetime.to_string(skill.review_since),
                "checks": skill.checks or [],
            }
            for skill in waiting
        ]

    @api.model
    def approve(self, name: str, version: int, note: str = "") -> dict:
        """Let agents use a version of a skill. For Reviewers, who did not write it.

        :param name: of the skill
        :param version: the number that was read; a newer one is another one
        :param note: kept in the discussion
        :return: ``{"name", "version", "state"}``
        """
        skill = self._named(name)
        skill._approve(version, note)
        return {"name": skill.name, "version": version, "state": skill.state}

    @api.model
    def send_back(self, name: str, reason: str) -> dict:
        """Tell the author of a skill what to change; it is a draft again.

        :return: ``{"name", "state"}``
        """
        skill = self._named(name)
        skill._send_back(reason)
        return {"name": skill.name, "state": skill.state}

    def action_approve(self) -> dict | None:
        """Approve the version that the screen shows; several are listed once more."""
        seen = self.env.context.get("seen_version")
        if len(self) == 1 and seen:
            return self._approve(seen)
        return self.action_decide("approve")

    def action_decide(self, decision: str = "send_back") -> dict:
        """Ask for a word about it, before these are approved or sent back."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_skill.action_skill_decision"
        )
        versions = self.filtered(lambda skill: skill.state == "review").version_id
        if not versions:
            raise Invalid(self.env._("None of these waits for a review."))
        return {
            **action,
            "context": {
                "default_decision": decision,
                "default_version_ids": versions.ids,
            },
        }

    def _approve(self, number, note=""):
        self.ensure_one()
        self.check_access("read")
        version = self.version_id
        if self.state != "review":
            raise Refused(
                self.env._("%(title)s waits for no review.", title=self.title)
            )
        if version.number != number:
            raise Refused(
                self.env._(
                    "%(title)s was changed meanwhile: you read version %(seen)s, and"
                    " %(author)s wrote version %(number)s. Look at that one.",
                    title=self.title,
                    seen=number,
                    author=version.author_id.name,
                    number=version.number,
                )
            )
        if reason := self._why_not_approve():
            raise AccessError(reason)
        self._check_gates()
        # sudo: steward.skill.version - the approval is this method's to write
        version.sudo()._write_own(
            {"approver_id": self.env.uid, "approved_at": fields.Datetime.now()}
        )
        # sudo: steward.skill - as above
        self.sudo()._write_own(
            {
                "state": "approved",
                "review_since": False,
                "approved_version_id": version.id,
            }
        )
        self._on_approved()
        self._settle(self.env._("Version %(n)s is approved.", n=version.number), note)

    def _on_approved(self):
        """What has to follow when agents may use a version. Hook."""
        self.ensure_one()
        # sudo: steward.skill.version - what it is found by
        self.approved_version_id.sudo()._try_learn()

    def _send_back(self, reason):
        self.ensure_one()
        self.check_access("read")
        if self.state != "review":
            raise Refused(
                self.env._("%(title)s waits for no review.", title=self.title)
            )
        if not (reason or "").strip():
            raise Invalid(self.env._("Say what has to change."))
        self._check_reviewer()
        # sudo: steward.skill - the decision is this method's to write
        self.sudo()._write_own({"state": "draft", "review_since": False})
        version = self.version_id
        self._settle(
            self.env._("Version %(n)s is sent back.", n=version.number), reason
        )
        if self.owner_id and self.owner_id != self.env.user:
            # sudo: mail.activity - on a skill that the Reviewer need not own
            self.sudo().activity_schedule(
                REVIEW,
                summary=self.env._("Change what the review asks for"),
                note=reason,
                user_id=self.owner_id.id,
            )

    def action_deprecate(self) -> None:
        """Let agents use these no longer. What was approved can be read in versions."""
        self._check_reviewer()
        for skill in self:
            if skill.state == "deprecated":
                continue
            # sudo: steward.skill - the decision is this method's to write
            skill.sudo()._write_own(
                {
                    "state": "deprecated",
                    "review_since": False,
                    "approved_version_id": False,
                }
            )
            skill._on_deprecated()
            skill._settle(self.env._("Agents use it no longer."))

    def _on_deprecated(self):
        """What has to follow when agents use a skill no longer. Hook."""

    def action_redraft(self) -> None:
        """Bring deprecated skills back as drafts, to be reviewed anew."""
        self.check_access("write")
        self.filtered(lambda skill: skill.state == "deprecated")._write_own(
            {"state": "draft"}
        )

    def _settle(self, body, note=""):
        """Say what was decided, and close what people were asked for."""
        # sudo: mail.activity - whoever it was given to, it is decided
        self.sudo().activity_unlink([REVIEW])
        # sudo: mail.message - a Reviewer tells what he decided
        self.sudo().message_post(
            body=f"{body}\n{note}" if note else body,
            author_id=self.env.user.partner_id.id,
        )

    # -- who may -----------------------------------------------------------------------

    @api.model
    def _check_reviewer(self):
        user = self.env.user
        if self.env.su:
            return
        if user.has_group("steward.group_agent"):
            raise AccessError(self.env._("Agents decide about no skill: people do."))
        if not user.has_group("steward.group_reviewer"):
            raise AccessError(self.env._("Only Reviewers decide about skills."))

    def _why_not_approve(self):
        """Why the user may not approve the newest version, or nothing."""
        self.ensure_one()
        try:
            self._check_reviewer()
        except AccessError as error:
            return error.args[0]
        is_own = self.version_id.author_id == self.env.user
        if is_own and not self.env.su and not self._authors_approve():
            return self.env._("Who wrote a version does not approve it: ask somebody.")
        return ""

    @api.model
    def _authors_approve(self):
        # sudo: ir.config_parameter - a rule that holds for everybody
        get = self.env["ir.config_parameter"].sudo().get_param
        return bool(get("steward.skill_authors_approve"))

    def _on_changed(self):
        super()._on_changed()
        if self.state == "review":
            # the review goes on, about what is there now
            self._run_gates()


class StewardDaily(models.Model):
    _inherit = "steward.daily"

    def _get_parts(self):
        title = self.env._("Skills that wait for a review")
        return {**super()._get_parts(), "skill_review": (title, self._part_review)}

    @api.model
    def _part_review(self, _daily):
        """Tell what waits too long, and see that somebody was asked."""
        overdue = self.env["steward.skill"].search(
            [("is_overdue", "=", True)], order="review_since, id"
        )
        for skill in overdue:
            if not skill.activity_ids:
                skill._ask_reviewer()
        if overdue:
            yield self.env._(
                "%(count)s skills wait longer than %(days)s days, the longest since"
                " %(day)s: %(title)s.",
                count=len(overdue),
                days=self.env["steward.skill"]._review_days(),
                day=overdue[0].review_since.date(),
                title=overdue[0].title,
            )
