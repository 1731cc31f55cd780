import hashlib
import secrets

from werkzeug.exceptions import NotFound

from odoo import SUPERUSER_ID, api, fields, models

from ..exceptions import Refused

SIGN_OF_LIFE = 60  # seconds between two notes that it is used


class StewardHook(models.Model):
    """An address that services elsewhere send JSON to: ``/steward/hook/<token>``.

    Whoever knows the address may use it: it acts as the user it stands for, and does
    one kind of thing. Here is only what proves that the token is the right one.
    """

    _name = "steward.hook"
    _inherit = "steward"
    _description = "Hook"
    _order = "name, id"
    _steward_own_fields = ("token_hash", "used_at")

    name = fields.Char(required=True, help="Who sends something here.")
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        selection=[], required=True, help="What is done with what comes in."
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one(
        "res.users",
        "Acts as",
        required=True,
        default=lambda self: self.env.user,
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        help="What this user may do is done, and nothing more.",
    )
    token_hash = fields.Char(groups=fields.NO_ACCESS, copy=False)
    used_at = fields.Datetime("Last used", readonly=True, copy=False)
    address = fields.Char(compute="_compute_address")

    _token_uniq = models.UniqueIndex("(token_hash) WHERE token_hash IS NOT NULL")

    @api.depends_context("steward_token")
    def _compute_address(self):
        """What was just made, and is nowhere but on this screen."""
        token = self.env.context.get("steward_token")
        for hook in self:
            hook.address = token and f"{hook.get_base_url()}/steward/hook/{token}"

    @api.constrains("user_id")
    def _check_user(self):
        """Nobody lends an address the rights of somebody else."""
        user, group = self.env.user, "steward.group_administrator"
        if user.id == SUPERUSER_ID or user.has_group(group):
            return
        for hook in self.filtered(lambda hook: hook.user_id != user):
            if not hook.user_id.has_group("steward.group_agent"):
                raise Refused(
                    self.env._("It may act as yourself, or as an agent's account.")
                )

    def action_new_address(self) -> dict:
        """Make a new address and show it, once; the one of before leads nowhere.

        :return: the form with the address
        """
        self.ensure_one()
        self.check_access("write")
        token = secrets.token_urlsafe(32)
        # sudo: steward.hook - the token's hash is nobody's to read
        self.sudo()._write_own({"token_hash": _hash(token)})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Address of %(name)s", name=self.name),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(self.env.ref("steward.hook_view_address").id, "form")],
            "target": "new",
            "context": {"steward_token": token},
        }

    @api.model
    def _receive(self, token, payload):
        """Do what a message is for, as the hook's own user.

        An addon that adds a kind has ``_receive_<kind>(payload)`` do it.

        :param payload: JSON, as it came
        :return: JSON
        """
        # sudo: steward.hook - who knows the token needs no account
        hook = self.sudo().search([("token_hash", "=", _hash(token))])
        if not hook:
            raise NotFound
        user = hook.user_id
        if not user.active or hook.company_id not in user.company_ids:
            raise Refused(self.env._("The account it acts as works no longer here."))
        self.env["steward.rate.limit"]._take("hook", company=hook.company_id)
        now = fields.Datetime.now()
        if (
            not hook.used_at or (now - hook.used_at).total_seconds() > SIGN_OF_LIFE
        ) and hook.try_lock_for_update():
            hook._write_own({"used_at": now})
        context = {"allowed_company_ids": hook.company_id.ids, "lang": user.lang}
        own = hook.with_user(user).with_context(context)
        return getattr(own, f"_receive_{hook.kind}")(payload)


def _hash(token):
    return hashlib.sha256(token.encode()).hexdigest()
