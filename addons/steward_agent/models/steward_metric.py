import json
from datetime import datetime, timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.addons.steward.kernel.histogram import Histogram
from odoo.tools import SQL

from ..kernel import tally as tallies
from ..kernel.tally import COUNTS, DAY, HOUR, Tally

CHUNK = 5000  # rows merged in one transaction
QUANTILES = (0.5, 0.95)
GROUPS = ("agent_id", "model", "tool")

_KEY = ("company_id", "agent_id", "model", "tool", "grain", "start")
_SUMS = (*COUNTS, "cost")
_COLUMNS = SQL(", ").join(
    map(SQL.identifier, (*_KEY, *_SUMS, "latency", "run_latency"))
)


class StewardMetric(models.Model):
    """What an agent did in a minute, an hour or a day, with one model or tool.

    The ledger only ever inserts: many workers report at the same time, and none waits
    for another's row. A scheduled action adds the rows up. Whatever it has done so
    far, the sum over all rows is the truth.
    """

    _name = "steward.metric"
    _inherit = "steward"
    _description = "Figures of a Minute"
    _order = "start desc, id desc"
    _log_access = False

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    agent_id = fields.Many2one("steward.agent", readonly=True, ondelete="cascade")
    model = fields.Char(readonly=True, help="Empty in the rows of tools and runs.")
    tool = fields.Char(readonly=True, help="Empty in the rows of models and runs.")
    grain = fields.Selection(
        [("1", "Minute"), ("60", "Hour"), ("1440", "Day")], required=True, readonly=True
    )
    start = fields.Datetime(required=True, readonly=True)
    is_delta = fields.Boolean("Not yet added up", readonly=True)
    runs = fields.Integer("Ended runs", readonly=True)
    failures = fields.Integer("Failed runs", readonly=True)
    steps = fields.Integer(readonly=True)
    errors = fields.Integer("Failed steps", readonly=True)
    # whole numbers up to 2⁵³, which integers of Odoo do not hold
    tokens_in = fields.Float(readonly=True)
    tokens_out = fields.Float(readonly=True)
    tokens_cached = fields.Float(readonly=True)
    cost = fields.Float("Cost (USD)", digits=(18, 9), readonly=True)
    unpriced = fields.Integer("Steps without a known price", readonly=True)
    # histograms hold numbers that XML-RPC cannot carry; see `_series`
    latency = fields.Json("Latency of steps", groups=fields.NO_ACCESS)
    run_latency = fields.Json("Duration of runs", groups=fields.NO_ACCESS)

    _one_row = models.UniqueIndex(
        "(company_id, COALESCE(agent_id, 0), model, tool, grain, start)"
        " WHERE NOT is_delta"
    )
    _recent = models.Index("(company_id, start)")
    _to_merge = models.Index("(start) WHERE is_delta")
    _to_roll_up = models.Index("(grain, start) WHERE NOT is_delta")

    # -- writing -------------------------------------------------------------------

    @api.model
    def _tally(self) -> Tally:
        return Tally(Histogram)

    @api.model
    def _add(self, tally: Tally, is_delta: bool = True) -> None:
        """Insert a tally whose keys are (company, agent, model, tool, grain, start)."""
        rows = [
            {
                **dict(zip(_KEY, key, strict=True)),
                "start": key[-1].isoformat(),
                **row.values(),
            }
            for key, row in tally
        ]
        if not rows:
            return
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO steward_metric (%(columns)s, is_delta)
                SELECT %(columns)s, %(is_delta)s
                  FROM json_populate_recordset(null::steward_metric, %(rows)s)
                """,
                columns=_COLUMNS,
                is_delta=is_delta,
                rows=json.dumps(rows),
            )
        )

    @api.model
    def _cron_merge(self):
        """Add up what was inserted, and what is old enough for hours and days."""
        done = self._merge(CHUNK)
        while done and self.env["ir.cron"]._commit_progress(done):
            done = self._merge(CHUNK)

    @api.model
    def _merge(self, limit: int) -> int:
        """Add up some rows; tell how many."""
        now = fields.Datetime.now()
        chunk = self._take(
            SQL(
                """
                id IN (
                    SELECT id FROM steward_metric WHERE is_delta
                     ORDER BY start LIMIT %(limit)s
                ) OR id IN (
                    SELECT id FROM steward_metric
                     WHERE NOT is_delta AND grain = '1' AND start < %(minutes)s
                     LIMIT %(limit)s
                ) OR id IN (
                    SELECT id FROM steward_metric
                     WHERE NOT is_delta AND grain = '60' AND start < %(hours)s
                     LIMIT %(limit)s
                )
                """,
                limit=limit,
                minutes=tallies.floor(now - tallies.KEEP_MINUTES, HOUR),
                hours=tallies.floor(now - tallies.KEEP_HOURS, DAY),
            )
        )
        tally = self._tally()
        keys = set()
        for company, agent, model, tool, _grain, start, *values in chunk:
            grain, place = tallies.place(start, now)
            key = (company, agent, model, tool, str(grain), place)
            keys.add(key)
            self._add_stored(tally, key, values)
        # what they are added to is taken, too, and written anew
        wanted = [
            {**dict(zip(_KEY, key, strict=True)), "start": key[-1].isoformat()}
            for key in keys
        ]
        for row in self._take(
            SQL(
                """
                id IN (
                    SELECT held.id
                      FROM json_populate_recordset(null::steward_metric, %s) AS wanted
                      JOIN steward_metric held
                        ON NOT held.is_delta
                       AND held.company_id = wanted.company_id
                       AND COALESCE(held.agent_id, 0) = COALESCE(wanted.agent_id, 0)
                       AND held.model = wanted.model AND held.tool = wanted.tool
                       AND held.grain = wanted.grain AND held.start = wanted.start
                )
                """,
                json.dumps(wanted),
            )
        ):
            self._add_stored(tally, tuple(row[:6]), row[6:])
        self._add(tally, is_delta=False)
        self.env.invalidate_all()
        return len(chunk)

    def _take(self, condition: SQL) -> list[tuple]:
        """Take rows out, to add them up."""
        columns = SQL(", ").join(
            map(SQL.identifier, (*_KEY, *COUNTS, "latency", "run_latency"))
        )
        self.env.cr.execute(
            SQL(
                "DELETE FROM steward_metric WHERE %s RETURNING %s, cost::text",
                condition,
                columns,
            )
        )
        return self.env.cr.fetchall()

    def _add_stored(self, tally, key, values):
        *counts, latency, run_latency, cost = values
        tally.add_values(
            key,
            map(int, counts),
            Decimal(cost or 0),
            [told and Histogram.from_dict(told) for told in (latency, run_latency)],
        )

    # -- reading -------------------------------------------------------------------

    @api.model
    def _totals(
        self,
        start: datetime,
        end: datetime,
        by: str | None = None,
        agents=None,
        steps: bool = False,
    ) -> list[dict]:
        """What happened from start to end, in all or by group.

        :param by: ``agent_id``, ``model`` or ``tool``
        :param agents: only these
        :param steps: latencies of steps instead of durations of runs
        :return: dictionaries with the sums, and ``p50``, ``p95`` (None: not measured);
            by group also ``group``; one with zeros when nothing happened at all
        """
        return self._series(start, end, end - start, by, agents, steps, gaps=False)

    @api.model
    def _series(
        self,
        start: datetime,
        end: datetime,
        step: timedelta,
        by: str | None = None,
        agents=None,
        steps: bool = False,
        gaps: bool = True,
    ) -> list[dict]:
        """The same for each ``step`` between start and end, with its ``start``.

        Steps begin at ``start``, which may be midnight in any time zone; what is older
        than 90 days is known by the day only.

        :param gaps: whether a step in which nothing happened is told, with zeros;
            never by group
        """
        self.check_access("read")
        if by is not None and by not in GROUPS:
            raise ValueError(f"{by!r} is none of {', '.join(GROUPS)}")
        self.env.flush_all()
        part = SQL(
            """
            WITH part AS (
                SELECT %(bucket)s AS bucket,
                       %(group)s AS grp, %(latency)s AS latency, %(sums)s
                  FROM steward_metric
                 WHERE company_id = ANY(%(companies)s) AND %(agents)s AND %(filled)s
                   AND start >= %(start)s AND start < %(end)s
            )
            """,
            # a constant where it is one: the planner then knows of how few groups
            bucket=(
                SQL("%s::timestamp", start)
                if start + step >= end
                else SQL("date_bin(%s, start, %s)", step, start)
            ),
            start=start,
            end=end,
            group=SQL.identifier(by) if by else SQL("NULL::integer"),
            latency=SQL("latency") if steps else SQL("run_latency"),
            sums=SQL(", ").join(map(SQL.identifier, _SUMS)),
            companies=self.env.companies.ids,
            agents=SQL("agent_id = ANY(%s)", agents.ids) if agents else SQL("true"),
            filled=(
                SQL("%s <> ''", SQL.identifier(by))
                if by in ("model", "tool")
                else SQL("true")
            ),
        )
        self.env.cr.execute(
            SQL(
                """
                %s SELECT bucket, grp, %s,
                          sum((latency->>'count')::bigint)::bigint,
                          sum((latency->>'billionths')::numeric)::text,
                          min((latency->>'min')::float8),
                          max((latency->>'max')::float8)
                     FROM part GROUP BY bucket, grp ORDER BY bucket, grp
                """,
                part,
                SQL(", ").join(SQL("sum(%s)", SQL.identifier(name)) for name in _SUMS),
            )
        )
        rows = self.env.cr.fetchall()
        self.env.cr.execute(
            SQL(
                """
                %s SELECT bucket, grp, bar.key::integer AS bar, sum(bar.value::integer)
                     FROM part, jsonb_each_text(latency->'buckets') AS bar
                    GROUP BY bucket, grp, bar.key::integer
                """,
                part,
            )
        )
        bars = {}
        for bucket, group, key, count in self.env.cr.fetchall():
            bars.setdefault((bucket, group), {})[str(key)] = count
        found = []
        for bucket, group, *sums, count, billionths, low, high in rows:
            row = dict(zip(_SUMS, map(_number, sums), strict=True))
            histogram = Histogram()
            if count:
                histogram = Histogram.from_dict(
                    {
                        "version": 1,
                        "count": count,
                        "billionths": int(billionths),
                        "min": low,
                        "max": high,
                        "buckets": bars[bucket, group],
                    }
                )
            found.append(_told(bucket, row, histogram, group if by else None))
        if by:
            return found
        if not gaps:
            return found or [_told(start, dict.fromkeys(_SUMS, 0), Histogram())]
        known = {row["start"]: row for row in found}
        told = []
        while start < end:
            empty = _told(start, dict.fromkeys(_SUMS, 0), Histogram())
            told.append(known.get(start, empty))
            start += step
        return told


def _told(bucket, sums, histogram, group=None):
    row = {"start": bucket, **sums}
    if group is not None:
        row["group"] = group
    for q in QUANTILES:
        row[f"p{q * 100:.0f}"] = histogram.quantile(q)
    return row


def _number(value):
    """A sum as plain JSON: whole where it is whole."""
    value = value or 0
    return int(value) if value == int(value) else float(value)
