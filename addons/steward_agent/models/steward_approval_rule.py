from functools import partial

from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from ..kernel import approval as kernel
from .steward_tool import RISKS


class StewardApprovalRule(models.Model):
    """When people have to agree before an agent uses a tool."""

    _name = "steward.approval.rule"
    _inherit = ["steward", "mail.thread"]
    _description = "Approval Rule"
    _order = "sequence, id"
    _rec_name = "summary"

    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index="btree_not_null", tracking=True)
    agents = fields.Selection(
        list(kernel.AGENTS.items()),
        string="For",
        required=True,
        default="chat",
        tracking=True,
        help="Agents that think choose themselves what to do; others follow a playbook"
        " that people wrote.",
    )
    agent_id = fields.Many2one(
        "steward.agent",
        "Only this agent",
        ondelete="cascade",
        index="btree_not_null",
        tracking=True,
    )
    tool_id = fields.Many2one(
        "steward.tool",
        "Tool",
        ondelete="cascade",
        index="btree_not_null",
        tracking=True,
        help="Without one: all tools of this risk.",
    )
    risk = fields.Selection(
        RISKS,
        tracking=True,
        help="What the tool does at worst. Empty: whatever it does.",
    )
    when = fields.Selection(
        list(kernel.WHEN.items()),
        string="Ask",
        required=True,
        default="always",
        tracking=True,
        help="The first time: until people have approved this agent's use of this tool"
        " once.",
    )
    amount = fields.Char(
        "Amount in",
        tracking=True,
        help="Where it stands in the tool's arguments, as values.amount_total. A list"
        " counts by its length: record_ids is how many records.",
    )
    threshold = fields.Float("Above", tracking=True)
    user_ids = fields.Many2many(
        "res.users",
        string="Only these decide",
        domain=lambda self: [
            ("all_group_ids", "in", self.env.ref("steward.group_reviewer").ids)
        ],
        help="They are asked, and nobody else decides. Nobody named: Steward's contact"
        " is asked, or else all Reviewers are, and any Reviewer decides.",
    )
    group_id = fields.Many2one(
        "res.groups",
        "Only members of",
        ondelete="restrict",
        tracking=True,
        help="Of them, the Reviewers are asked, and nobody else decides.",
    )
    expires_hours = fields.Integer(
        "Expires after (hours)",
        help="Nobody decided by then: it counts as no. 0: never.",
    )
    summary = fields.Char("Rule", compute="_compute_summary")

    _sensible = models.Constraint(
        "CHECK (threshold >= 0 AND expires_hours >= 0)",
        "Neither the amount nor the time can be below zero.",
    )

    @api.depends("when", "agents", "agent_id", "tool_id", "risk", "amount", "threshold")
    @api.depends_context("lang")
    def _compute_summary(self):
        words = {
            name: dict(self._fields[name]._description_selection(self.env))
            for name in ("when", "agents", "risk")
        }
        for rule in self:
            when = words["when"].get(rule.when, "")
            if rule.when == "above":
                when = self.env._(
                    "%(amount)s above %(threshold)s",
                    amount=rule.amount or "…",
                    threshold=f"{rule.threshold:g}",
                )
            what = rule.tool_id.name or words["risk"].get(rule.risk)
            rule.summary = self.env._(
                "%(who)s · %(what)s · %(when)s",
                who=rule.agent_id.name or words["agents"].get(rule.agents, ""),
                what=what or self.env._("All tools"),
                when=when,
            )

    @api.constrains("when", "amount")
    def _check_amount(self):
        for rule in self:
            if rule.when == "above" and not (rule.amount or "").strip():
                raise ValidationError(
                    self.env._(
                        "Say where the amount stands in the tool's arguments, as"
                        " values.amount_total."
                    )
                )

    @api.constrains("user_ids", "group_id")
    def _check_deciders(self):
        reviewer = self.env.ref("steward.group_reviewer")
        for rule in self.filtered(lambda rule: rule.user_ids or rule.group_id):
            if not any(reviewer in user.all_group_ids for user in rule._named()):
                raise ValidationError(
                    self.env._("None of those who are named to decide is a Reviewer.")
                )

    def _named(self):
        """The users whom the rule names to decide."""
        # sudo: steward.approval.rule - the users it names, and who is in its group
        rule = self.sudo()
        return rule.user_ids | rule.group_id.all_user_ids

    @api.constrains("agent_id", "tool_id", "company_id")
    def _check_companies(self):
        for rule in self.filtered("company_id"):
            for record in (*rule.agent_id, *rule.tool_id):
                if record.company_id and record.company_id != rule.company_id:
                    raise ValidationError(
                        self.env._(
                            "%(name)s belongs to another company than the rule.",
                            name=record.display_name,
                        )
                    )

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        self.env.registry.clear_cache()
        return rules

    def write(self, vals):
        done = super().write(vals)
        self.env.registry.clear_cache()
        return done

    def unlink(self):
        done = super().unlink()
        self.env.registry.clear_cache()
        return done

    # -- what the executor asks ------------------------------------------------------

    @api.model
    def _needed(self, attempt):
        """The rule that wants people to be asked first; empty: it may go ahead.

        :param attempt: an `Attempt`
        """
        tool, agent = attempt.tool, attempt.agent
        if not tool or tool._only_previews(attempt.arguments):
            return self.browse()
        call = kernel.Call(
            agent.kind,
            agent.id,
            attempt.company.id,
            tool.id,
            tool.risk,
            attempt.arguments,
        )
        known = partial(self._approved_before, agent, tool)
        rule = kernel.deciding(self._in_force(), call, known)
        return self.browse(rule and rule.id)

    @api.model
    @tools.ormcache()
    def _in_force(self):
        """All rules that are in use, in their order, as the kernel reads them."""
        # sudo: steward.approval.rule - rules hold for whoever does not see them
        rules = self.sudo().search([("active", "=", True)])
        return tuple(
            kernel.Rule(
                id=rule.id,
                when=rule.when,
                agents=rule.agents,
                agent=rule.agent_id.id or None,
                company=rule.company_id.id or None,
                tool=rule.tool_id.id or None,
                risk=rule.risk or None,
                amount=rule.amount or "",
                threshold=rule.threshold,
            )
            for rule in rules
        )

    @api.model
    def _approved_before(self, agent, tool):
        # sudo: steward.approval - that somebody agreed once is what the rule asks
        approvals = self.env["steward.approval"].sudo()
        domain = [
            ("agent_id", "=", agent.id),
            ("tool_id", "=", tool.id),
            ("state", "=", "approved"),
        ]
        return bool(approvals.search_count(domain, limit=1))
