from odoo import fields, models


class StewardWebhook(models.Model):
    """A service that agents may send JSON to: an administrator's list."""

    _name = "steward.webhook"
    _inherit = "steward"
    _description = "Webhook"
    _order = "name"

    name = fields.Char(required=True, help="How agents call it.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    url = fields.Char("Address", required=True, groups="steward.group_administrator")
    secret_id = fields.Many2one(
        "steward.secret",
        "Token",
        ondelete="restrict",
        groups="steward.group_administrator",
        help="Sent as: Authorization: Bearer …",
    )

    _name_uniq = models.UniqueIndex(
        "(name, COALESCE(company_id, 0))", "There is a webhook with this name already."
    )

    def _send(self, payload, idempotency_key=""):
        """Post JSON and return what tools may know of the answer.

        With a key the call may be repeated: the service is told that it is the same.
        """
        self.ensure_one()
        self.check_access("read")
        # sudo: steward.webhook - who may use it need not know its address and token
        webhook = self.sudo()
        headers = {}
        if webhook.secret_id:
            token = webhook.secret_id.with_env(self.env)._resolve()
            headers["Authorization"] = f"Bearer {token}"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        answer = self.env["steward.http"]._request(
            "POST",
            webhook.url,
            json=payload,
            headers=headers,
            idempotent=bool(idempotency_key),
            max_bytes=MAX_ANSWER,
        )
        result = {"status": answer.status}
        if answer.content:
            result["answer"] = answer.text
        return result


MAX_ANSWER = 1024 * 1024  # bytes
