import logging

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.fields import Domain

from ..kernel.discovery import rank

_logger = logging.getLogger(__name__)

MOST = 1000  # agents or tools that are looked at
TASK_CHARACTERS = 2000  # of a task that are looked at
FOUND = 50  # at most in one answer, and in a list


class StewardDiscovery(models.AbstractModel):
    """Finds what is described in words, by words and by meaning."""

    _name = "steward.discovery"
    _description = "Found by What it Does"

    meaning = fields.Char(
        store=False,
        search="_search_meaning",
        help="Finds what has to do with some words, also in other words.",
    )

    def _search_meaning(self, operator, value):
        if operator not in ("ilike", "="):
            return NotImplemented
        if not str(value or "").strip():
            return Domain.TRUE
        found = self._discover(str(value), FOUND)
        return Domain("id", "in", [record.id for record, _score in found])

    @api.model
    def _discover(self, task, limit):
        """Those that could do a task, the best first, with their scores.

        Only of those that the user may read.
        """
        if not isinstance(task, str) or not task.strip():
            raise Invalid(self.env._("Say what is to be done."))
        task = task.strip()[:TASK_CHARACTERS]
        records = self.search([], limit=MOST)
        texts = [record._told_for_discovery() for record in records]
        found = rank(task, texts, self._closeness(task, texts))
        most = max(1, min(limit, FOUND))
        return [(records[place], round(score, 4)) for place, score in found[:most]]

    def _told_for_discovery(self):
        """What a record says of itself. Hook."""
        self.ensure_one()
        name = (self.name or "").replace("_", " ")
        return f"{name}. {self.description or ''}".strip()[:TASK_CHARACTERS]

    @api.model
    def _closeness(self, task, texts):
        """How near each text is to a task in meaning; None when nobody can tell."""
        # sudo: steward.model - who looks for an agent need not see the models
        model = self.env["steward.model"].sudo()._default_embedding()
        if not model or not texts:
            return None
        try:
            with self.env.cr.savepoint():
                known = model._embed(texts)
                [asked] = model._embed([task], "query")
        except StewardError as error:
            # by words alone, then
            _logger.info("nobody tells what is near in meaning: %s", error.sentence)
            return None
        return [float(nearness) for nearness in known @ asked]


class StewardAgent(models.Model):
    _name = "steward.agent"
    _inherit = ["steward.agent", "steward.discovery"]

    @api.model
    def discover(self, task: str, limit: int = 5) -> list[dict]:
        """Find agents that could do something.

        :param task: what is to be done, in words
        :param limit: how many at most, up to 50
        :return: ``[{"code", "name", "description", "score", "tools"}]``, the best
            first; scores are from 0 to 1
        """
        return [
            {
                "code": agent.code,
                "name": agent.name,
                "description": agent.description or "",
                "score": score,
                "tools": agent._allowed_tools().mapped("name"),
            }
            for agent, score in self._discover(task, limit)
        ]


class StewardTool(models.Model):
    _name = "steward.tool"
    _inherit = ["steward.tool", "steward.discovery"]

    @api.model
    def discover(self, task: str, limit: int = 5) -> list[dict]:
        """Find tools that could do something.

        :param task: what is to be done, in words
        :param limit: how many at most, up to 50
        :return: ``[{"name", "description", "risk", "score", "agents"}]``, the best
            first; agents are the codes of those that have it
        """
        return [
            {
                "name": tool.name,
                "description": tool.description or "",
                "risk": tool.risk,
                "score": score,
                "agents": tool.agent_ids.mapped("code"),
            }
            for tool, score in self._discover(task, limit)
        ]
