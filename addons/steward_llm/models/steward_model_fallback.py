from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .steward_model import CAN


class StewardModelFallback(models.Model):
    """A model that stands in when another cannot be reached."""

    _name = "steward.model.fallback"
    _inherit = "steward"
    _description = "Model Fallback"
    _order = "sequence, id"
    _rec_name = "fallback_id"

    model_id = fields.Many2one(
        "steward.model", required=True, ondelete="cascade", index=True
    )
    sequence = fields.Integer(default=10)
    fallback_id = fields.Many2one(
        "steward.model",
        string="Stands in",
        required=True,
        ondelete="cascade",
        index=True,
    )
    provider_id = fields.Many2one(related="fallback_id.provider_id")

    _pair_uniq = models.UniqueIndex(
        "(model_id, fallback_id)", "This model stands in already."
    )

    @api.constrains("model_id", "fallback_id")
    def _check_no_cycle(self):
        for line in self:
            seen, waiting = self.env["steward.model"], line.fallback_id
            while waiting:
                if line.model_id in waiting:
                    raise ValidationError(
                        self.env._(
                            "%(fallback)s cannot stand in for %(model)s: that goes"
                            " round in a circle.",
                            fallback=line.fallback_id.display_name,
                            model=line.model_id.display_name,
                        )
                    )
                seen |= waiting
                waiting = waiting.fallback_ids.fallback_id - seen

    @api.constrains("model_id", "fallback_id")
    def _check_stands_in(self):
        for line in self:
            if reason := line._why_not():
                raise ValidationError(
                    self.env._(
                        "%(fallback)s cannot stand in for %(model)s: %(reason)s",
                        fallback=line.fallback_id.display_name,
                        model=line.model_id.display_name,
                        reason=reason,
                    )
                )

    def _why_not(self):
        """A sentence why it cannot, or nothing. Called when either model changes."""
        model, fallback = self.model_id, self.fallback_id
        labels = self.env["steward.model"].fields_get(CAN.values(), ["string"])
        missing = [
            labels[name]["string"]
            for name in CAN.values()
            if model[name] and not fallback[name]
        ]
        if missing:
            return self.env._("it lacks %(what)s.", what=", ".join(missing))
        # vectors of two models cannot be compared; of one model at two providers, yes
        if model.can_embedding and (
            model.name != fallback.name
            or (model.dimensions or fallback.dimensions)
            != (fallback.dimensions or model.dimensions)
        ):
            return self.env._(
                "embeddings of two models cannot be compared. Only the same model at"
                " another provider will do."
            )
        if fallback.company_id and fallback.company_id != model.company_id:
            return self.env._("it belongs to another company.")
        return None
