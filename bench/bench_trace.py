"""Opening a run of 10,000 steps: what a trace costs beside a bare read of the rows."""

import json
import time
import uuid

from harness import Row, alternate, environment, report

STEPS = 10_000


def big_run(env):
    """A run with as many steps, every tenth of which has nine below it."""
    run = env["steward.run"]._create_own(
        {
            "trace_id": uuid.uuid4().hex,
            "company_id": env.company.id,
            "month": time.strftime("%Y-%m-01", time.gmtime()),
            "agent_name": "Bench",
            "source": "reported",
            "state": "running",
            "step_count": STEPS,
        }
    )
    env.flush_all()
    env.cr.execute(
        """
        INSERT INTO steward_step (
            period, run_id, company_id, agent_name, span_id, parent_span_id, kind, name,
            status, started_at, duration_ms, model, tokens_in, tokens_out, cost,
            cost_source, input, output)
        SELECT %(month)s, %(run)s, %(company)s, 'Bench', 's' || n,
               CASE WHEN n %% 10 > 0 THEN 's' || n - n %% 10 END,
               CASE n %% 3 WHEN 0 THEN 'tool_call' ELSE 'llm_inference' END,
               'step number ' || n, CASE n %% 50 WHEN 7 THEN 'error' ELSE 'ok' END,
               now() AT TIME ZONE 'utc' + n * interval '10 ms', 9.5,
               'gpt-4o-mini', 1200, 80, 0.0003, 'computed',
               repeat('what went in ', 80), repeat('what came out ', 80)
          FROM generate_series(1, %(steps)s) AS n
        """,
        {
            "month": run.month,
            "run": run.id,
            "company": env.company.id,
            "steps": STEPS,
        },
    )
    env.cr.execute("ANALYZE steward_step")
    return run


def opened(env, run):
    """All slices, as they go over the wire."""
    last, size, first = 0, 0, None
    began = time.perf_counter()
    while True:
        env.invalidate_all()
        told = env["steward.run"].trace(run.id, last)
        size += len(json.dumps(told))
        first = first or time.perf_counter() - began
        if not told["more"]:
            return first, size
        last = told["columns"]["id"][-1]


def bare(env, run):
    env.cr.execute(
        "SELECT id, span_id, parent_span_id, kind, name, status, started_at,"
        " duration_ms, model, tokens_in, tokens_out, cost, cost_source"
        " FROM steward_step WHERE run_id = %s AND period = %s ORDER BY id",
        [run.id, run.month],
    )
    return json.dumps(env.cr.fetchall(), default=str)


with environment() as env:
    run = big_run(env)
    first, size = opened(env, run)
    ours, plain = alternate(lambda: opened(env, run), lambda: bare(env, run))
    last = env["steward.run"].trace(run.id, 0)["columns"]["id"][0] + STEPS - 10
    news, _plain = alternate(
        lambda: env["steward.run"].trace(run.id, last), lambda: None, rounds=21
    )
report(
    "trace",
    [
        Row(
            "trace of 10,000 steps",
            ours * 1000,
            "ms",
            plain * 1000,
            ours / plain,
            "< 1 s; bare: SELECT, and JSON of it",
            ours < 1,
        ),
        Row(
            "the first slice of it",
            first * 1000,
            "ms",
            None,
            None,
            "< 500 ms: then there is something to see",
            first < 0.5,
        ),
        Row(
            "what is new of it (9 steps)",
            news * 1000,
            "ms",
            None,
            None,
            "< 50 ms, at each message of the bus",
            news < 0.05,
        ),
        Row(
            "its size on the wire",
            size / 1024,
            "KiB",
            None,
            None,
            "< 4 MiB before compression",
            size < 4 * 1024**2,
        ),
    ],
)
