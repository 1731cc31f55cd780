from typing import Any, NamedTuple

from odoo import api, models
from odoo.addons.steward.kernel.histogram import HIGHEST, VERSION, Histogram
from odoo.tools import SQL


class Figures(NamedTuple):
    """What the agents of some companies did in a while.

    :param cost: US dollars, as far as prices are known
    :param unpriced: calls whose price nobody knows
    """

    runs: int = 0
    failures: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def __add__(self, other: Any) -> "Figures":
        return Figures(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def known_cost(self) -> float | None:
        """What it cost; calls of unknown price alone do not cost nothing."""
        return None if self.unpriced and not self.cost else self.cost


class Overview(NamedTuple):
    """A period, its steps, and as much time before.

    :param steps: figures by the moment each step begins; none: nothing happened
    :param durations: of the period's runs, in milliseconds
    """

    now: Figures
    before: Figures
    steps: dict
    durations: Histogram
    durations_before: Histogram


class StewardMetric(models.Model):
    _inherit = "steward.metric"

    # few rows are about ended runs, or about money; a dashboard looks at no others
    _ended = models.Index("(company_id, start) INCLUDE (runs, failures) WHERE runs > 0")
    _charged = models.Index(
        "(company_id, start) INCLUDE (cost, unpriced) WHERE cost <> 0 OR unpriced <> 0"
    )

    @api.model
    def _overview(self, period) -> Overview:
        """What happened in a period and before, for a dashboard: three queries.

        :param period: a `kernel.period.Period`
        """
        self.check_access("read")
        self.env.flush_all()
        runs, charged = SQL("runs > 0"), SQL("(cost <> 0 OR unpriced <> 0)")
        figures: dict = {}
        for values in self._sums(
            period, runs, SQL("sum(runs), sum(failures), 0, 0")
        ) + self._sums(period, charged, SQL("0, 0, sum(cost), sum(unpriced)")):
            start, *sums = values
            told = Figures(*map(_number, sums))
            figures[start] = figures.get(start, Figures()) + told
        durations = self._durations(period)
        return Overview(
            now=sum(
                (f for start, f in figures.items() if start >= period.start), Figures()
            ),
            before=sum(
                (f for start, f in figures.items() if start < period.start), Figures()
            ),
            steps=figures,
            durations=durations[True],
            durations_before=durations[False],
        )

    def _sums(self, period, rows: SQL, sums: SQL) -> list[tuple]:
        return self.env.execute_query(
            SQL(
                "SELECT date_bin(%s, start, %s), %s FROM steward_metric"
                " WHERE %s AND %s GROUP BY 1",
                period.step,
                period.start,
                sums,
                self._in_both(period),
                rows,
            )
        )

    def _durations(self, period) -> dict[bool, Histogram]:
        """How long runs took, in the period (True) and before."""
        buckets: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for is_now, key, count in self.env.execute_query(
            SQL(
                """
                SELECT start >= %s, bar.key, sum(bar.value::bigint)::bigint
                  FROM steward_metric, jsonb_each_text(run_latency->'buckets') AS bar
                 WHERE %s AND runs > 0 GROUP BY 1, 2
                """,
                period.start,
                self._in_both(period),
            )
        ):
            buckets[is_now][key] = count
        return {
            is_now: Histogram.from_dict(
                {
                    "version": VERSION,
                    "count": sum(held.values()),
                    "buckets": held,
                    # a bucket's middle is near enough, and cheaper
                    "billionths": 0,
                    "min": 0,
                    "max": HIGHEST,
                }
            )
            for is_now, held in buckets.items()
        }

    def _in_both(self, period) -> SQL:
        return SQL(
            "company_id = ANY(%s) AND start >= %s AND start < %s",
            self.env.companies.ids,
            period.before.start,
            period.end,
        )


def _number(value):
    value = value or 0
    return int(value) if value == int(value) else float(value)
