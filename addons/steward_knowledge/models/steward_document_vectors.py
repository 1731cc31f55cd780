from odoo import models
from odoo.addons.steward.exceptions import StewardError


class StewardDocument(models.Model):
    _inherit = "steward.document"

    def _make_vectors(self):
        """Embed the passages of these documents, for each space that lacks them.

        An embedder that fails keeps nobody waiting: its space says why, and a job of
        its own catches up. Until then the passages are found by their words.

        :return: how many vectors were made
        """
        made = 0
        spaces = self.env["steward.space"]._fed()
        for space in spaces:
            try:
                with self.env.cr.savepoint():
                    made += space._embed_missing(documents=self)
            except StewardError as error:
                space._note(error)
                space._fill_later()
        return made
