"""The whole dashboard over a million steps of thirty days, beside a bare sum."""

import json
import statistics
import time
from datetime import timedelta

from harness import Row, environment, report

STEPS = 1_000_000
RUNS = 100_000
AGENTS = 20
ROUNDS = 40
ROWS = 5  # of figures for each agent and time: its runs, a model, tools


def fill(env):
    """Steps, runs, and the figures that the ledger has of them."""
    agents = env["steward.agent"].create(
        [
            {"name": f"Agent {n}", "code": f"bench-{n}", "kind": "external"}
            for n in range(AGENTS)
        ]
    )
    env.flush_all()
    facts = {
        "company": env.company.id,
        "agents": agents.ids,
        "n_agents": AGENTS,
        "month": time.strftime("%Y-%m-01", time.gmtime()),
        "runs": RUNS,
        "steps": STEPS,
        "rows": ROWS - 1,
    }
    env.cr.execute(
        """
        INSERT INTO steward_run (
            trace_id, company_id, month, agent_id, agent_name, source, state,
            started_at, ended_at, duration_ms, step_count, cost)
        SELECT 'bench-' || n, %(company)s, %(month)s,
               (%(agents)s)[1 + n %% %(n_agents)s], 'Agent', 'reported',
               CASE WHEN n %% 5000 = 3 THEN 'running' WHEN n %% 40 = 1 THEN 'failed'
                    ELSE 'completed' END,
               moment, moment + interval '2 s', 2000, 10, 0.003
          FROM (SELECT n, now() AT TIME ZONE 'utc' - interval '30 days'
                          * (%(runs)s - n) / %(runs)s AS moment
                  FROM generate_series(1, %(runs)s) AS n) AS run
        """,
        facts,
    )
    env.cr.execute(
        """
        INSERT INTO steward_step (period, run_id, company_id, span_id, kind, name,
                                  status, started_at, duration_ms)
        SELECT %(month)s, run.id, %(company)s, 's' || n, 'tool_call', 'find', 'ok',
               run.started_at, 100
          FROM steward_run AS run, generate_series(1, %(steps)s / %(runs)s) AS n
         WHERE run.trace_id LIKE 'bench-%%'
        """,
        facts,
    )
    # minutes for two days, hours before; in each, every agent with a row each
    env.cr.execute(
        """
        INSERT INTO steward_metric (
            company_id, agent_id, model, tool, grain, start, is_delta, runs, failures,
            steps, errors, tokens_in, tokens_out, tokens_cached, cost, unpriced,
            latency, run_latency)
        SELECT %(company)s, agent, CASE row WHEN 1 THEN 'gpt-4o-mini' ELSE '' END,
               CASE WHEN row > 1 THEN 'tool' || row ELSE '' END, grain, start, false,
               CASE row WHEN 0 THEN 5 ELSE 0 END, CASE row WHEN 0 THEN 1 ELSE 0 END,
               CASE row WHEN 0 THEN 0 ELSE 12 END, 0,
               CASE row WHEN 1 THEN 5000 ELSE 0 END,
               CASE row WHEN 1 THEN 300 ELSE 0 END,
               0, CASE row WHEN 1 THEN 0.02 ELSE 0 END, 0,
               CASE WHEN row > 0 THEN %(histogram)s::jsonb END,
               CASE row WHEN 0 THEN %(histogram)s::jsonb END
          FROM (SELECT '1' AS grain, moment AS start
                  FROM generate_series(
                    date_trunc('minute', now() AT TIME ZONE 'utc') - interval '2 days',
                    now() AT TIME ZONE 'utc', interval '5 minutes') AS moment
                 UNION ALL
                SELECT '60', moment
                  FROM generate_series(
                    date_trunc('hour', now() AT TIME ZONE 'utc') - interval '30 days',
                    now() AT TIME ZONE 'utc' - interval '50 hours',
                    interval '1 hour') AS moment) AS place,
               unnest(%(agents)s) AS agent, generate_series(0, %(rows)s) AS row
        """,
        {**facts, "histogram": json.dumps(histogram(env))},
    )
    env.cr.execute("ANALYZE steward_run; ANALYZE steward_step; ANALYZE steward_metric")


def histogram(env):
    row = env["steward.metric"]._tally()["x"]
    for number in range(5):  # as many runs as a row counts
        row.latency.add(20.0 * 2.4**number)
    return row.latency.to_dict()


def timed(call):
    times = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


with environment() as env:
    fill(env)

    def board(period):
        env.invalidate_all()
        answer = env["steward.dashboard"].data(period)
        wrong = [name for name, card in answer["cards"].items() if "error" in card]
        assert not wrong, wrong
        return json.dumps(answer)

    def bare(days):
        env.cr.execute(
            "SELECT sum(runs), sum(failures), sum(cost) FROM steward_metric"
            " WHERE company_id = %s AND start >= now() AT TIME ZONE 'utc' - %s",
            [env.company.id, timedelta(days=days)],
        )

    rows = []
    for period, days in (("day", 1), ("week", 7), ("month", 30)):
        board(period)
        _median, p95 = timed(lambda period=period: board(period))
        _median, plain = timed(lambda days=days: bare(days))
        rows.append(
            Row(
                f"dashboard of a {period}, 1M steps: p95",
                p95,
                "ms",
                plain,
                p95 / plain,
                "< 200 ms; bare: one sum of the same figures",
                p95 < 200,
            )
        )
report("dashboard", rows)
