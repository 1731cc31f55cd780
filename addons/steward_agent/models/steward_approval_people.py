from odoo import Command, api, models
from odoo.addons.steward.exceptions import Invalid, Refused, StewardError


class StewardApproval(models.Model):
    """Whom an approval is asked of, and how they hear of it."""

    _inherit = "steward.approval"

    # -- the API -------------------------------------------------------------------

    @api.model
    def delegate(self, id: int, to: str, note: str = "") -> dict:
        """Let somebody else decide.

        :param id: of the approval
        :param to: login of a Reviewer of the company
        :param note: what they should know
        :return: ``{"id", "asked": [logins]}``
        """
        self._check_may_decide()
        approval = self.search([("id", "=", id)])
        if not approval:
            raise Invalid(self.env._("There is no approval %(id)s.", id=id))
        user = self.env["res.users"].search([("login", "=", to)])
        approval._delegate(user, note)
        return {"id": id, "asked": approval.asked_ids.mapped("login")}

    def action_delegate(self) -> dict:
        """Choose who shall decide instead."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_delegate"
        )
        action["context"] = {"default_approval_id": self.id}
        return action

    # -- how it is done --------------------------------------------------------------

    def _decide_all(self, decision):
        """Decide these, as far as it can be; one that cannot stops no other."""
        self._check_may_decide()
        told = []
        for approval in self:
            try:
                with self.env.cr.savepoint():
                    approval._decide(decision, "")
            except StewardError as error:
                told.append(f"{approval.question}: {error.sentence}")
                if len(told) == len(self):
                    raise
        if not told:
            return None
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "sticky": True,
                "title": self.env._("Not all could be decided"),
                "message": "\n".join(told),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _delegate(self, user, note=""):
        """Ask somebody else instead of who does it; the activity moves."""
        self.ensure_one()
        self.check_access("read")
        self._check_is_mine()
        # sudo: steward.approval - the right to decide is checked by who calls
        approval = self.sudo()
        if not approval._is_open():
            raise Refused(self.env._("There is nothing to decide any more."))
        if not user or not self._may_decide(user, approval.run_id):
            raise Invalid(
                self.env._(
                    "%(name)s cannot decide this: only Reviewers of %(company)s can,"
                    " and not who the agent runs as.",
                    name=user.name or self.env._("Nobody"),
                    company=approval.company_id.name,
                )
            )
        if approval.decider_ids:
            approval._write_own({"decider_ids": [Command.link(user.id)]})
        asked = approval.activity_ids
        mine = asked.filtered(lambda activity: activity.user_id == self.env.user)
        (mine or asked).filtered(lambda activity: activity.user_id != user).unlink()
        if user not in approval.activity_ids.user_id:
            approval._ask_people(user)
        approval.message_post(
            author_id=self.env.user.partner_id.id,
            body=self.env._(
                "%(person)s asks %(other)s to decide. %(note)s",
                person=self.env.user.name,
                other=user.name,
                note=note,
            ).strip(),
        )

    def _is_open(self):
        """Whether it can still be decided."""
        return bool(self.filtered_domain(self._get_pending_domain()))

    def _ask_people(self, people):
        """Let people know that they are asked: an activity, and a mail with a link."""
        for user in people:
            # the activity's own mail would lead past our page
            approval = self.with_context(
                lang=user.lang, mail_activity_quick_update=True
            )
            subject = approval.env._(
                "%(agent)s waits for you", agent=self.run_id.agent_name
            )
            approval.activity_schedule(
                "mail.mail_activity_data_todo", summary=subject, user_id=user.id
            )
            approval.message_notify(
                partner_ids=user.partner_id.ids,
                subject=subject,
                body=approval.env["ir.qweb"]._render(
                    "steward_agent.approval_mail", {"approval": approval}
                ),
                email_layout_xmlid="mail.mail_notification_light",
            )

    def _page_url(self):
        """The page where a person may decide; its address proves nothing."""
        return f"{self.get_base_url()}/steward/approval/{self.id}"
