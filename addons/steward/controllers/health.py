import psycopg2

from odoo.http import Controller, request, route

KINDS = ("live", "ready")


class Health(Controller):
    """``/steward/health`` for load balancers and monitors; see docs/health.md.

    A route without database, so that it also answers when that is away, provided that
    ``steward`` is among the ``server_wide_modules``.
    """

    @route(
        ["/steward/health", "/steward/health/<any(live,ready):kind>"],
        type="http",
        auth="none",
        methods=["GET"],
        save_session=False,
    )
    def health(self, kind="", **query):
        kind = kind or next((kind for kind in KINDS if kind in query), "")
        body, status = self._answer(kind)
        headers = [("Cache-Control", "no-store")]
        return request.make_json_response(body, headers=headers, status=status)

    def _answer(self, kind):
        if kind == "live":
            return {"status": "ok", "parts": []}, 200
        if not request.db:
            return _away("No database can be used, or none is named."), 503
        try:
            return request.env["steward.status"]._health_public(kind)
        except psycopg2.Error:
            return _away("The database does not answer."), 503


def _away(sentence):
    """There is no database to ask, nor a language to say it in."""
    part = {"name": "database", "status": "failed", "reason": sentence}
    return {"status": "failed", "parts": [part]}
