from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import AccessError
from odoo.http import Controller, request, route

PAGE = "/steward/approval/<int:approval_id>"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}


class Approval(Controller):
    """The page to which mails lead. To look decides nothing: only its form does."""

    @route(PAGE, type="http", auth="user", methods=["GET"], readonly=True)
    def show(self, approval_id, **_query):
        return self._page(approval_id)

    @route(PAGE, type="http", auth="user", methods=["POST"])
    def decide(self, approval_id, decision="", reason="", **_form):
        try:
            request.env["steward.approval"].decide(approval_id, decision, reason)
        except StewardError as error:
            return self._page(approval_id, error.sentence, error.status)
        except AccessError as error:
            return self._page(approval_id, str(error), 403)
        return request.redirect(request.httprequest.path, code=303)

    def _page(self, approval_id, problem="", status=200):
        approvals = request.env["steward.approval"]
        approval = approvals
        if approvals.has_access("read"):
            approval = approvals.search([("id", "=", approval_id)])
        values = {"approval": approval, "problem": problem}
        response = request.render("steward_agent.approval_page", values)
        response.status_code = status if approval else 404
        response.headers.update(HEADERS)
        return response
