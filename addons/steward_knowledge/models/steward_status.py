from odoo import api, models
from odoo.addons.steward.kernel import health


class StewardStatus(models.AbstractModel):
    _inherit = "steward.status"

    @api.model
    def _get_health_parts(self):
        return super()._get_health_parts() | {"vectors": self._health_vectors}

    @api.model
    def _health_vectors(self):
        """Whether search goes by meaning; by words it goes in any case."""
        spaces = self.env["steward.space"]
        if not spaces._available():
            return health.DEGRADED, self.env._(
                "The database has no extension “vector”: search goes by words alone."
            )
        active = spaces._active()
        if not active:
            return health.DEGRADED, self.env._(
                "No embedding space is in use: search goes by words alone."
            )
        if active.last_error:
            return health.DEGRADED, self.env._(
                "New passages cannot be embedded at the moment."
            )
        return health.OK, self.env._("Search goes by words and by meaning.")

    @api.model
    def _get_first_steps(self):
        sources = self.env["steward.source"]
        return super()._get_first_steps() | {
            "source": lambda: sources.search_count([], limit=1),
        }
