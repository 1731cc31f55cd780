"""The credit check, where orders are confirmed."""

from odoo import models
from odoo.exceptions import UserError


class SaleOrder(models.Model):
    """Orders that ask for a customer's credit before they are confirmed."""

    _inherit = "sale.order"

    def action_confirm(self):
        """Confirm orders whose customers stay within their credit limit.

        :raises UserError: naming customer, limit and what is owed already
        """
        for order in self:
            order._check_credit_limit()
        return super().action_confirm()

    def _check_credit_limit(self):
        """Compare the credit limit with open invoices, open orders and this one.

        Credit managers are let through; their reason is in the chatter.
        """
        self.ensure_one()
        if self.env.user.has_group("sale_credit_check.group_credit_manager"):
            return
        owed = self._amount_owed() + self.amount_total
        limit = self.partner_id.commercial_partner_id.credit_limit
        if limit and owed > limit:
            raise UserError(
                self.env._(
                    "%(name)s would owe %(owed).2f, and the limit is %(limit).2f.",
                    name=self.partner_id.name,
                    owed=owed,
                    limit=limit,
                )
            )

    def _amount_owed(self):
        """Return what the customer owes without this order, in company currency."""
        return self.partner_id.commercial_partner_id.credit
