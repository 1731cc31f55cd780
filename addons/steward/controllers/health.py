import psycopg2

from odoo.http import Controller, request, root, route

KINDS = ("live", "ready")


class Health(Controller):
    """``/steward/health`` for load balancers and monitors; see docs/health.md.

    It also answers while the database is away, see the end of this file.
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
        if "steward.status" not in request.env:  # a database without the suite
            raise request.not_found()
        try:
            return request.env["steward.status"]._health_public(kind)
        except psycopg2.Error:
            return _away("The database does not answer."), 503


def _away(sentence):
    """There is no database to ask, nor a language to say it in."""
    part = {"name": "database", "status": "failed", "reason": sentence}
    return {"status": "failed", "parts": [part]}


# Without a database Odoo serves the routes of its server-wide modules, and an addon
# among those could not be uninstalled; and those of controllers outside of any addon.
Controller.children_classes[""].append(Health)
vars(root).pop("nodb_routing_map", None)  # made anew when it is needed
