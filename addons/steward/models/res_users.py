import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessDenied, AccessError, ValidationError

_logger = logging.getLogger(__name__)

AGENT = "steward.group_agent"
NOT_FOR_AGENTS = (
    "base.group_erp_manager",
    "base.group_system",
    "steward.group_administrator",
)


class ResUsers(models.Model):
    _inherit = "res.users"

    @api.constrains("group_ids")
    def _check_agent_is_no_administrator(self):
        """Who administers must be able to log in, which an Agent is not."""
        agents = self.env.ref(AGENT)
        others = agents.union(*map(self.env.ref, NOT_FOR_AGENTS)) - agents
        for user in self:
            if agents in user.all_group_ids and others & user.all_group_ids:
                raise ValidationError(
                    self.env._(
                        "%(user)s cannot be an Agent and an administrator: an Agent"
                        " cannot log in. Make a user of its own for it.",
                        user=user.name,
                    )
                )

    # -- an Agent comes by API key only ----------------------------------------

    def _rpc_api_keys_only(self):
        return self._has_group(AGENT) or super()._rpc_api_keys_only()

    def _check_credentials(self, credential, env):
        """Refuse an Agent at the login page, with the reason, once it proved itself.

        Whoever does not know the password learns nothing.
        """
        info = super()._check_credentials(credential, env)
        if (env or {}).get("interactive", True) and self.env.user._has_group(AGENT):
            raise AccessDenied(
                self.env._(
                    "This account is for programs: it works with an API key and"
                    " cannot log in. Use an account of your own."
                )
            )
        return info

    def _compute_session_token(self, sid):
        """No session of an Agent is ever valid, however it came about.

        Other ways to log in (OAuth, LDAP, passkeys) may overrule the refusal above;
        none works without the session's token.
        """
        token = super()._compute_session_token(sid)
        # sudo: res.users - the groups of the session's user, before it is one
        if token and self.sudo()._has_group(AGENT):
            return False
        return token

    # -- keys ------------------------------------------------------------------

    @api.model
    def create_agent_key(self, name: str, days: int = 30) -> dict:
        """Make an API key for the Agent that calls, before its present one ends.

        :param name: what the key is for
        :param days: how long it works; at most what the Agent's groups allow
        :return: ``{"key", "expires_at"}``; the key is shown this once only
        """
        if not self.env.user.has_group(AGENT):
            raise AccessError(
                self.env._(
                    "Only an Agent makes its key this way; people make theirs in"
                    " their preferences, under Security."
                )
            )
        if days <= 0 or not name.strip():
            raise ValidationError(
                self.env._("A key needs a name and at least one day.")
            )
        expires = fields.Datetime.now() + timedelta(days=days)
        key = self.env["res.users.apikeys"]._generate(None, name.strip(), expires)
        return {"key": key, "expires_at": f"{expires.isoformat()}Z"}
