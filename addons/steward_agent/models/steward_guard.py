from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from odoo import api, models
from odoo.addons.steward.exceptions import Refused

AT_WORK = "steward_run"  # in the context of what a run does: its `RunId`


class RunId(int):
    """The id of the run that something is done for. What comes over RPC is none."""


@dataclass(frozen=True)
class Attempt:
    """What an agent is about to do.

    :param run: the run it belongs to; it, its agent and its company are readable
        without limits
    :param tool: the tool's record, or an empty one when there is none of that name
    :param name: how the agent called the tool
    :param env: the environment of the user as whom it would happen
    """

    run: Any
    agent: Any
    company: Any
    tool: Any
    name: str
    arguments: Any
    env: Any


class StewardGuard(models.AbstractModel):
    """The one place that decides whether an agent may do what it is about to do.

    Every door and every strategy goes through ``_watch``. A check is a method that
    raises an error of our tree, and that is all: what is refused is recorded with the
    error's code and sentence by whoever asked.
    """

    _name = "steward.guard"
    _inherit = "steward"
    _description = "Guard"

    @contextmanager
    def _watch(self, attempt):
        """Let an attempt happen inside the block, or raise why it may not.

        :raises StewardError: in the words of the first check that says no
        """
        for check in self._get_checks():
            check(attempt)
        with ExitStack() as stack:
            for enter in self._get_companions():
                stack.enter_context(enter(attempt))
            yield

    @api.model
    def _get_checks(self):
        """Return what is asked before each attempt, the cheapest first. Hook."""
        return [*self._get_rights(), self._check_budget, self._check_rate]

    @api.model
    def _get_rights(self):
        """Return those checks that take nothing: may it be at all? Hook."""
        return [self._check_user, self._check_tool, self._check_risk]

    @api.model
    def _check_rights(self, attempt):
        """Refuse what no person needs to be asked about."""
        for check in self._get_rights():
            check(attempt)

    @api.model
    def _get_companions(self):
        """Return context managers that stay around the attempt. Hook."""
        return [self._circuit_of]

    # -- checks ----------------------------------------------------------------------

    @api.model
    def _check_user(self, attempt):
        """The account must still be one that an agent may have: users change."""
        reason = attempt.agent._why_not_as(attempt.env.user)
        if attempt.env.su:
            reason = self.env._("Agents never work with all rights.")
        if reason:
            raise Refused(reason)

    @api.model
    def _check_tool(self, attempt):
        """Only tools on the agent's own list, and only while they are switched on."""
        if not attempt.tool:
            raise Refused(
                self.env._(
                    "%(tool)s is not on this agent's list of tools.", tool=attempt.name
                )
            )

    @api.model
    def _check_risk(self, attempt):
        """The agent must be allowed what the tool may do at worst."""
        risk = attempt.tool.risk
        if not self._allows_risk(attempt.agent, attempt.tool):
            raise Refused(
                self.env._(
                    "%(tool)s %(risk)s, which this agent may not do.",
                    tool=attempt.name,
                    risk=dict(
                        attempt.tool._fields["risk"]._description_selection(self.env)
                    )[risk].lower(),
                )
            )

    @api.model
    def _allows_risk(self, agent, tool):
        return tool.risk == "read" or agent[_ALLOWANCES[tool.risk]]

    @api.model
    def _check_budget(self, attempt):
        """What may cost something is not begun without money."""
        if attempt.tool.risk == "external":
            self.env["steward.budget"]._check_left(attempt.run._budget_subject())

    @api.model
    def _check_rate(self, attempt):
        """As often as the agent's rate limit allows; a tool looks after its own."""
        self.env["steward.rate.limit"]._take(
            f"agent/{attempt.agent.code}", company=attempt.company
        )

    # -- companions --------------------------------------------------------------------

    @api.model
    def _circuit_of(self, attempt):
        """A tool that fails this agent again and again is left alone for a while."""
        return self.env["steward.circuit"]._guard(
            f"agent/{attempt.agent.code}/{attempt.tool.name}",
            attempt.company,
        )


_ALLOWANCES = {
    "write": "may_write",
    "destructive": "may_destroy",
    "external": "may_call_out",
}
