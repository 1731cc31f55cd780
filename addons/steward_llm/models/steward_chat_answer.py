import json
from contextlib import suppress

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Locked
from odoo.tools import SQL

from ..fields import Amount
from ..kernel.chat import Answer

MAX_MB = 64  # of all answers together, unless a setting says otherwise
MAX_DAYS = 7  # that an answer is known, likewise
MAX_BYTES = 1024 * 1024  # of one answer
KEEP_DAYS = 400  # of counts
TRIM_AT_ONCE = 1_000
NOW = SQL("(now() at time zone 'UTC')")
TODAY = SQL("(now() at time zone 'UTC')::date")


class StewardChatAnswer(models.Model):
    """Answers of chat models that are known: the same question costs nothing again.

    A row belongs to one company, and only the very same question finds it: whoever gets
    the answer has sent all that it was made of.
    """

    _name = "steward.chat.answer"
    _inherit = "steward"
    _description = "Answer Cache"
    _log_access = False
    _order = "used_at desc, id desc"
    _rec_name = "model_id"
    _steward_own_fields = (
        *("company_id", "model_id", "digest", "content", "size", "hits"),
        *("tokens", "cost", "made_at", "used_at"),
    )

    company_id = fields.Many2one("res.company", required=True, ondelete="cascade")
    model_id = fields.Many2one(
        "steward.model", required=True, index=True, ondelete="cascade"
    )
    # raw bytes, written and read in SQL: Odoo would make them base64
    digest = fields.Binary(attachment=False, required=True, groups=fields.NO_ACCESS)
    content = fields.Binary(attachment=False, required=True, groups=fields.NO_ACCESS)
    size = fields.Integer("Bytes", required=True)
    hits = fields.Integer("Used again", required=True, default=0)
    tokens = fields.Integer(help="What the question and the answer took.")
    cost = Amount(string="Cost (USD)", help="Saved each time it is used again.")
    made_at = fields.Datetime("Answered", required=True)
    used_at = fields.Datetime("Last used", required=True, index=True)

    _digest_uniq = models.UniqueIndex("(company_id, digest)")

    @api.model
    def _find(self, model, key):
        """The answer to a question of the current company, if it is known.

        :param bytes key: of `Question.key`
        :return: an `Answer` and its value, or None
        """
        # in a transaction of its own, which sees what was kept a moment ago; when the
        # row is taken by another, the model answers
        row = None
        with suppress(Locked), self._own_transaction() as cr:
            cr.execute(
                SQL(
                    "UPDATE steward_chat_answer SET hits = hits + 1, used_at = %s"
                    " WHERE company_id = %s AND digest = %s"
                    " AND made_at > %s - make_interval(days => %s)"
                    " RETURNING content, tokens, cost::text",
                    *(NOW, self.env.company.id, key, NOW, self._max_days()),
                ),
                log_exceptions=False,
            )
            if row := cr.fetchone():
                content, tokens, cost = row
                self._count(cr, model, hits=1, tokens=tokens, cost=cost)
        if not row:
            return None
        told = json.loads(bytes(content))
        return Answer.of_json(told["answer"]), told["value"]

    @api.model
    def _keep(self, model, key, answer, value, cost):
        """Know an answer from now on, whatever becomes of the caller's transaction."""
        told = json.dumps({"answer": answer.to_json(), "value": value})
        content = told.encode()
        tokens = answer.usage.tokens_in + answer.usage.tokens_out
        # it is asked again one day
        with suppress(Locked), self._own_transaction() as cr:
            self._count(cr, model, misses=1)
            if len(content) > MAX_BYTES:
                return
            cr.execute(
                SQL(
                    "INSERT INTO steward_chat_answer (company_id, model_id, digest,"
                    " content, size, hits, tokens, cost, made_at, used_at)"
                    " SELECT %s, id, %s, %s, %s, 0, %s, %s, %s, %s"
                    " FROM steward_model WHERE id = %s"
                    " ON CONFLICT (company_id, digest) DO UPDATE SET"
                    " content = EXCLUDED.content, size = EXCLUDED.size,"
                    " tokens = EXCLUDED.tokens, cost = EXCLUDED.cost,"
                    " made_at = EXCLUDED.made_at, used_at = EXCLUDED.used_at",
                    *(self.env.company.id, key, content, len(content)),
                    *(tokens, cost.amount, NOW, NOW, model.id),
                ),
                log_exceptions=False,
            )

    @api.model
    def _count(self, cr, model, hits=0, misses=0, tokens=0, cost=None):
        """Count for the day what was found or not, and what that saved."""
        cr.execute(
            SQL(
                "INSERT INTO steward_chat_answer_day AS day"
                " (company_id, model_id, day, hits, misses, tokens, saved)"
                # unless the caller made the model a moment ago: nobody sees it
                " SELECT %s, id, %s, %s, %s, %s, COALESCE(%s::numeric, 0)"
                " FROM steward_model WHERE id = %s"
                " ON CONFLICT (company_id, model_id, day) DO UPDATE SET"
                " hits = day.hits + EXCLUDED.hits,"
                " misses = day.misses + EXCLUDED.misses,"
                " tokens = day.tokens + EXCLUDED.tokens,"
                " saved = day.saved + EXCLUDED.saved",
                *(self.env.company.id, TODAY, hits, misses, tokens, cost, model.id),
            ),
            log_exceptions=False,
        )

    # -- bounds --------------------------------------------------------------------

    @api.model
    def _max_days(self):
        return self._setting("steward.chat.cache_days", MAX_DAYS)

    @api.model
    def _setting(self, name, default):
        # sudo: ir.config_parameter - the limit holds for everybody, who reads none
        told = self.env["ir.config_parameter"].sudo().get_param(name) or ""
        return int(told) if told.isdigit() else default

    @api.model
    def _cron_trim(self):
        """Forget what is too old, and then what was not used for the longest time."""
        cr = self.env.cr
        cr.execute(
            SQL(
                "DELETE FROM steward_chat_answer_day WHERE day < %s - %s",
                *(TODAY, KEEP_DAYS),
            )
        )
        cr.execute(
            SQL(
                "DELETE FROM steward_chat_answer"
                " WHERE made_at <= %s - make_interval(days => %s)",
                *(NOW, self._max_days()),
            )
        )
        most = self._setting("steward.chat.cache_mb", MAX_MB) * 1024 * 1024
        while True:
            cr.execute(
                SQL(
                    "DELETE FROM steward_chat_answer WHERE id IN (SELECT id FROM ("
                    "SELECT id, sum(size) OVER (ORDER BY used_at DESC, id DESC) AS room"
                    " FROM steward_chat_answer) AS kept WHERE room > %s LIMIT %s)",
                    *(most, TRIM_AT_ONCE),
                )
            )
            gone = cr.rowcount
            if gone < TRIM_AT_ONCE or not self.env["ir.cron"]._commit_progress(gone):
                break

    def action_empty(self) -> None:
        """Forget these answers; they are asked for again when needed.

        Administrators only.
        """
        self.check_access("read")
        self.model_id.check_access("write")
        # sudo: steward.chat.answer - nobody writes it but our code
        self.sudo().unlink()
