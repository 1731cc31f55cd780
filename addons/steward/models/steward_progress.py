from odoo import api, fields, models

from ..kernel import operation as kernel


class StewardProgressMixin(models.AbstractModel):
    """For a record whose work the runner does: it shows how far it is.

    Start with `_start_operation`; be told with `_operation_done`. On the form:
    ``<field name="operation_id" widget="steward_progress"/>``.
    """

    _name = "steward.progress.mixin"
    _inherit = "steward"
    _description = "Progress of Long Work"

    operation_id = fields.Many2one(
        "steward.operation",
        "Progress",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    is_working = fields.Boolean(compute="_compute_is_working")

    @api.depends("operation_id.state")
    def _compute_is_working(self):
        for record in self:
            # sudo: steward.operation - whether something goes on, no contents
            state = record.operation_id.sudo().state
            record.is_working = state in kernel.OPEN

    def _start_operation(self, verb, arguments, company=None):
        """Ask the runner for something on behalf of this record.

        Who may do so is checked by the caller.

        :return: the operation
        """
        self.ensure_one()
        operation = self.env["steward.operation"]._start(
            verb, arguments, self, company=company
        )
        # sudo: steward.progress.mixin - that work was started; the caller has checked
        self.sudo()._write_own({"operation_id": operation.id})
        return operation

    def _operation_done(self, operation):
        """Write down an outcome of the runner.

        Called as superuser, once for each outcome; for a second time only if the runner
        found out later that what counted as lost was done. So it must be idempotent.

        :param operation: done, failed, cancelled or lost
        """
        raise NotImplementedError

    def action_cancel_operation(self) -> bool:
        """Ask for an end of what goes on; Operators only."""
        return self.operation_id.action_cancel()
