import math
import time
from time import monotonic

import psycopg2

from odoo import api, fields, models

from ..exceptions import Locked, RateLimited
from ..kernel.limiter import Bucket, Grant, Limit, Local

MAX_MISSING = 10_000  # names remembered as without a limit
MAX_RACES = 100  # times threads of one process may snatch a slice from each other
RACE_PAUSE = 0.05  # seconds
LOOK_AGAIN = 5.0  # seconds after which a limit that was not there is looked for again


class StewardRateLimit(models.Model):
    """So many calls in a time, for all workers together."""

    _name = "steward.rate.limit"
    _inherit = "steward.shared"
    _description = "Rate Limit"
    _order = "name"

    name = fields.Char(readonly=False)
    company_id = fields.Many2one(readonly=False)
    rate = fields.Float(
        "Calls", required=True, default=60, help="How many calls in that time."
    )
    per = fields.Float("In seconds", required=True, default=60)
    burst = fields.Float(
        "At once", required=True, default=10, help="How many may come at once."
    )

    _name_uniq = models.UniqueIndex("(name, COALESCE(company_id, 0))")
    _positive = models.Constraint(
        "CHECK (rate > 0 AND per > 0 AND burst >= 1)",
        "Calls and seconds are above zero, and at least one call may come at once.",
    )

    @property
    def _rule_columns(self):
        return ("rate", "burst", "per")

    def _rules_of(self, rate, burst, per):
        return Limit(rate=rate, burst=burst, per=per)

    def _lease_of(self, rules):
        return Local(rules)

    def _take(self, name, n=1, wait=0.0, company=None):
        """Take tokens, or say how long to wait. Without such a limit: no limit.

        :param str name: which limit
        :param n: how many tokens: calls, or tokens of text
        :param wait: seconds the caller is ready to sleep for it
        :raises RateLimited: when it would take longer
        """
        known = self._limit(name, company)
        if known is None:
            return
        if n > known.rules.burst:
            raise RateLimited(
                self.env._(
                    "%(n)s at once is more than the limit %(name)s ever allows"
                    " (%(burst)s).",
                    n=n,
                    name=name,
                    burst=known.rules.burst,
                )
            )
        deadline = monotonic() + wait
        while pause := self._pause(known, n):
            if monotonic() + pause > deadline:
                raise RateLimited(
                    self.env._(
                        "The limit %(name)s is reached. Try again in %(seconds)s s.",
                        name=name,
                        seconds=max(1, math.ceil(pause)),
                    ),
                    retry_after=pause,
                )
            time.sleep(pause)

    def _pause(self, known, n) -> float:
        """Take tokens of this worker's slice (0.0), or say how long until there are."""
        for _again in range(MAX_RACES):
            pause = known.lease.acquire(n, monotonic())
            if pause is not None:
                return pause
            self._fetch(known, n)
        return RACE_PAUSE  # others in this process were quicker each time

    def _fetch(self, known, n):
        """Exchange with the row: what is left for what is needed."""
        lease = known.lease
        request = lease.ask(n, monotonic())

        def take(state, now, columns):
            limit = self._rules_of(*columns)
            bucket, grant = Bucket.from_json(state).take(request, limit, now)
            if limit != known.rules:  # an administrator changed it
                known.rules, known.lease = limit, self._lease_of(limit)
            return grant, {"shared": bucket.to_json()}

        try:
            grant = self._change(known, take)
        except (psycopg2.Error, Locked):
            lease.put_back(request, monotonic())
        except LookupError:
            self._forget_known()  # the limit was deleted: the next call finds none
            known.lease.accept(request, Grant(request.need, 0.0), monotonic())
        else:
            known.lease.accept(request, grant, monotonic())

    def _limit(self, name, company):
        """The limit, unless there was none a moment ago."""
        key = (self.env.cr.dbname, company.id if company else False, name)
        if _MISSING.get(key, -math.inf) > monotonic() - LOOK_AGAIN:
            return None
        known = self._known(name, company, make=False)
        if known is None:
            if len(_MISSING) > MAX_MISSING:
                _MISSING.clear()
            _MISSING[key] = monotonic()
        return known

    @api.model_create_multi
    def create(self, vals_list):
        _MISSING.clear()
        return super().create(vals_list)

    def write(self, vals):
        self._forget_known()
        return super().write(vals)


_MISSING: dict[tuple, float] = {}  # (database, company or False, name) -> when
