import json
import logging

import psycopg2
from werkzeug.exceptions import HTTPException

from odoo.http import Controller, request, route

from ..exceptions import Invalid, as_problem

_logger = logging.getLogger(__name__)

MAX_BYTES = 16 * 1024 * 1024


class Hook(Controller):
    """Where services elsewhere send JSON to; see docs/hooks.md."""

    @route(
        "/steward/hook/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
    )
    def hook(self, token):
        try:
            answer = request.env["steward.hook"]._receive(token, self._payload())
        except (HTTPException, psycopg2.Error):
            raise  # Odoo's own answer, or its repetition of the whole request
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            request.env.cr.rollback()
            body, status, headers = as_problem(error)
            return request.make_json_response(
                body, headers=headers.items(), status=status
            )
        return request.make_json_response(answer)

    def _payload(self):
        length = request.httprequest.content_length
        if length is None or length > MAX_BYTES:
            raise Invalid(
                request.env._(
                    "Say how long it is, and send at most %(size)s MB.",
                    size=MAX_BYTES // 1024 // 1024,
                )
            )
        try:
            return json.loads(request.httprequest.get_data())
        except (ValueError, RecursionError) as error:
            raise Invalid(request.env._("It is no JSON."), detail=str(error)) from error
