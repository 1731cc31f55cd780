import logging
from time import monotonic

from odoo import api, models

from ..exceptions import Invalid, converted
from ..kernel.context import KINDS, assemble

_logger = logging.getLogger(__name__)

TOKENS = (50, 100_000)  # of a context
TASK_CHARACTERS = 20_000  # of a task that is looked at


class StewardContext(models.AbstractModel):
    """Puts together what an agent should know before it begins.

    Knowledge, skills and memory plug themselves in; this addon knows none of them.
    """

    _name = "steward.context"
    _inherit = "steward"
    _description = "Context of a Task"

    @api.model
    def _get_providers(self):
        """Return who may know something: kind -> method. Hook.

        A kind is one of ``kernel.context.KINDS``. The method takes the task and a
        number of tokens that is of any use, and returns `Item`s, best first, that
        the user of the environment may read.
        """
        return {}

    @api.model
    def _assemble(self, task, token_budget, first=1):
        """Tell what is known about a task, within a number of tokens.

        A provider that fails is left out, and told of as the reason; the others are
        heard all the same. Never fails for them.

        :param first: the number of the first entry; in a conversation, what was told
            before keeps its own
        :return: ``{"skills", "guardrails", "passages", "memory": [...], "text",
            "tokens", "left_out", "degraded", "reason"?}``
        """
        least, most = TOKENS
        if not isinstance(token_budget, int) or not least <= token_budget <= most:
            raise Invalid(
                self.env._(
                    "A context has from %(least)s to %(most)s tokens.",
                    least=least,
                    most=most,
                )
            )
        task = str(task).replace("\0", " ")[:TASK_CHARACTERS]
        items, reasons = {}, []
        for kind, provide in self._get_providers().items():
            began = monotonic()
            try:
                with self.env.cr.savepoint():
                    items[kind] = list(provide(task, token_budget))
            except Exception as error:  # noqa: BLE001 - no provider may stop a run
                failure = converted(error)
                reasons.append(f"{self._kind_names()[kind]}: {failure.sentence}")
                _logger.warning("no %s for a context: %s", kind, failure.sentence)
            else:
                _logger.debug("%s for a context: %.3f s", kind, monotonic() - began)
        context = assemble(items, token_budget, first)
        told = {
            **{kind: context.chosen[kind] for kind in KINDS},
            "text": context.text,
            "tokens": context.tokens,
            "left_out": context.left_out,
            "degraded": bool(reasons),
        }
        if reasons:
            told["reason"] = " ".join(reasons)
        return told

    @api.model
    def _saved_tokens(self, _context):
        """About how many more tokens the whole sources of a context have. Hook.

        :param _context: what `_assemble` told
        :return: None where nobody knows
        """
        return

    @api.model
    def _kind_names(self):
        return {
            "guardrails": self.env._("Guardrails"),
            "skills": self.env._("Skills"),
            "passages": self.env._("Passages"),
            "memory": self.env._("Memory"),
        }
