from odoo import Command, api, fields, models
from odoo.fields import Domain

from ..exceptions import Outdated
from ..kernel.approval import differing, fingerprint
from .steward_approval import MAX_PEOPLE, YES_OR_NO, _in
from .steward_tool import RISKS


class StewardApproval(models.Model):
    """The use of a tool, which people have to approve first."""

    _inherit = "steward.approval"

    tool_id = fields.Many2one("steward.tool", readonly=True, ondelete="set null")
    tool_name = fields.Char("Name of the tool", readonly=True)
    risk = fields.Selection(RISKS, readonly=True)
    rule_id = fields.Many2one(
        "steward.approval.rule", "Asked by rule", readonly=True, ondelete="set null"
    )
    # both hold what whoever approves may perhaps not read
    arguments = fields.Json(groups=fields.NO_ACCESS)
    changes = fields.Json(groups=fields.NO_ACCESS)
    fingerprint = fields.Char(
        readonly=True, help="Of the tool and its arguments: what is approved."
    )

    _approved_once = models.Index("(agent_id, tool_id) WHERE state = 'approved'")

    # -- what the executor calls -------------------------------------------------------

    @api.model
    def _for_attempt(self, attempt, move, asked=True):
        """What people have to say to an attempt; empty: nobody needs to be asked.

        :param attempt: an `Attempt`, of the `Act` that ``move`` is
        :param asked: whether this run has asked anything before
        :return: an approval in whatever state; it may be made by this very call
        :raises Outdated: when what it would change is not what was approved any more
        :raises StewardError: why it cannot be done anyway
        """
        if asked:
            approval = self._of_step(attempt.run, move.step, move.iteration)
            if approval._holds_for(move.arguments, attempt.tool):
                approval._check_as_shown(attempt)
                return approval
            approval._settle("void")
            if refused := self._refused_before(attempt):
                return refused
        rule = self.env["steward.approval.rule"]._needed(attempt)
        if not rule:
            return self.browse()
        self.env["steward.guard"]._check_rights(attempt)
        return self._ask_for(attempt.run, move, attempt.tool, rule, move.arguments)

    @api.model
    def _ask_for(self, run, move, tool, rule, arguments):
        """Ask people whether a tool may be called so.

        :raises StewardError: what the call itself would raise
        """
        deciders = rule._deciders(run)
        return self._open(
            run,
            move,
            deciders[:MAX_PEOPLE] or self._people_for(run, ""),
            kind="tool",
            question=self._question_for(run, tool, arguments),
            choices=YES_OR_NO,
            tool_id=tool.id,
            tool_name=tool.name,
            risk=tool.risk,
            rule_id=rule.id,
            arguments=arguments,
            fingerprint=fingerprint(tool._meaning(), arguments),
            changes=tool.with_env(self._env_of(run))._preview(arguments),
            decider_ids=[Command.set(deciders.ids)],
            expires_at=rule.expires_hours and _in(hours=rule.expires_hours),
        )

    def _holds_for(self, arguments, tool=None):
        """Whether this approval is about exactly this call.

        :param tool: what the name leads to now, if not to the same tool
        """
        tool = self.tool_id if tool is None else tool
        return bool(self and tool) and self.fingerprint == fingerprint(
            tool._meaning(), arguments
        )

    def _check_as_shown(self, attempt):
        """Let nothing be done that people agreed to while it looked different.

        :raises Outdated: which makes this approval void
        """
        if self.state != "approved" or self.changes is False:
            return
        now = attempt.tool.with_env(self._env_of(attempt.run))._preview(
            attempt.arguments
        )
        if fields_ := differing(self.changes, now or ()):
            self._settle("void")
            raise Outdated(
                self.env._(
                    "Somebody changed %(fields)s after people were asked, so nothing"
                    " was done. Look at it again; people are asked again.",
                    fields=", ".join(fields_),
                )
            )

    @api.model
    def _refused_before(self, attempt):
        """The refusal of exactly this call in this run: people are not asked twice."""
        if not attempt.tool:
            return self.browse()
        same = fingerprint(attempt.tool._meaning(), attempt.arguments)
        return self.search(
            Domain("run_id", "=", attempt.run.id)
            & Domain("state", "=", "refused")
            & Domain("fingerprint", "=", same),
            limit=1,
        )

    @api.model
    def _env_of(self, run):
        """The environment in which a run's tools are called."""
        user = run.user_id
        context = {
            "allowed_company_ids": run.company_id.ids,
            "lang": user.lang,
            "tz": user.tz,
        }
        return self.env(user=user.id, su=False, context=context)

    @api.model
    def _question_for(self, run, tool, arguments):
        """What is asked, in one sentence that gives nothing away. Hook."""
        model, ids = tool._target(arguments)
        names = {"agent": run.agent_name, "tool": tool.name}
        if model not in self.env:
            return self.env._("May %(agent)s use %(tool)s?", **names)
        names["what"] = self.env["ir.model"]._get(model).name
        if not ids:
            return self.env._("May %(agent)s use %(tool)s for %(what)s?", **names)
        return self.env._(
            "May %(agent)s use %(tool)s on %(what)s (%(count)s)?",
            count=len(ids),
            **names,
        )


class StewardApprovalRule(models.Model):
    _inherit = "steward.approval.rule"

    def _deciders(self, run):
        """Who alone decides about a run by this rule; empty: all who may at all."""
        approvals = self.env["steward.approval"]
        return self._named().filtered(lambda user: approvals._may_decide(user, run))
