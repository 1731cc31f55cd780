from odoo import api, models

from .steward_search_case import Trial

WEIGHTS = ("weight_lexical", "weight_vector")


class StewardSpace(models.Model):
    """A change of what search ranks with is judged by the test questions first."""

    _inherit = "steward.space"

    @api.model
    def _active(self):
        trial = self.env.context.get("steward_trial")
        if not isinstance(trial, Trial) or not trial.space_id:
            return super()._active()
        # sudo: steward.space - whoever searches need not see spaces
        return self.sudo().browse(trial.space_id)

    def write(self, vals):
        for space in self:
            weights = tuple(vals.get(name, space[name]) for name in WEIGHTS)
            now = tuple(space[name] for name in WEIGHTS)
            if weights != now and space.state == "active":
                reason = vals.get("override_reason", space.override_reason)
                self.env["steward.search.case"]._check_change(space, weights, reason)
        return super().write(vals)

    def action_evaluate(self) -> dict:
        """Ask all test questions with this space, whether it is in use or not.

        :return: an action: the evaluation, which goes on in the background
        """
        self.ensure_one()
        evaluations = self.env["steward.search.evaluation"]
        evaluations.check_access("create")
        return evaluations._start(self)._get_records_action()


class StewardDocument(models.Model):
    _inherit = "steward.document"

    def _weights(self, search):
        trial = self.env.context.get("steward_trial")
        if isinstance(trial, Trial) and trial.weights and search.space:
            return trial.weights
        return super()._weights(search)
