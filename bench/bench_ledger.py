"""What the ledger takes: in process, over the wire, sustained; and how fast it answers.

``STEWARD_BENCH_SECONDS`` is how long the sustained load lasts (60; the issue: 300).
"""

import json
import os
import statistics
import threading
import time
import urllib.request
import xmlrpc.client
from datetime import UTC, datetime, timedelta

from harness import Row, environment, report

BATCH = 500
SECONDS = float(os.environ.get("STEWARD_BENCH_SECONDS", "60"))
RUNS_A_MINUTE = 10_000
COLUMNS = (
    *("period", "run_id", "company_id", "agent_id", "agent_name", "span_id"),
    *("parent_span_id", "kind", "name", "status", "started_at", "duration_ms"),
    *("model", "provider", "tokens_in", "tokens_out", "tokens_cached", "cost"),
    *("cost_source", "input", "output", "error_type", "error_message", "category"),
    *("fingerprint", "attributes", "step_key", "attempt", "iteration"),
)


def iso(moment):
    return moment.isoformat(timespec="milliseconds") + "Z"


def batch(number, steps=BATCH, ended=True):
    """A run with its steps: a third models, the rest tools, one in fifty fails."""
    began = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=30)
    trace = f"bench-{number}"
    run = {"trace_id": trace, "agent": f"Agent {hash(number) % 20}"}
    run |= {"started_at": iso(began), "task": "Remind customers of what is due"}
    if ended:
        run["status"] = "ok"
    rows = []
    for n in range(steps):
        row = {
            "trace_id": trace,
            "span_id": f"{n:08x}",
            "kind": "tool_call",
            "name": f"tool_{n % 5}",
            "started_at": iso(began + timedelta(milliseconds=n)),
            "duration_ms": 12.5 + n % 90,
            "input": '{"model": "account.move", "limit": 20, "offset": 40}',
            "output": "Twenty invoices, the oldest of them due for eleven days.",
            "attributes": {"gen_ai.tool.name": f"tool_{n % 5}", "attempt": 1},
        }
        if n % 3 == 0:
            row |= {
                "kind": "llm_inference",
                "name": "chat",
                "model": f"model-{n % 2}",
                "provider": "openai",
                "tokens_in": 1200 + n,
                "tokens_out": 150,
                "cost": 0.00123,
            }
        if n % 50 == 49:
            row |= {"error_type": "Timeout", "error_message": f"no answer, order {n}"}
        rows.append(row)
    return {"runs": [run], "steps": rows}


def in_process(env):
    """The same rows through the ledger, and by one bare INSERT each batch."""
    from odoo.addons.steward_agent.ledger import Entry, Reporter

    reporter = Reporter(env.uid, True)
    env["steward.step"].search_count([])
    spent = {"ours": [], "bare": []}
    batches = [batch(f"in-{n}") for n in range(24)]
    insert = f"INSERT INTO steward_step ({', '.join(COLUMNS)}) VALUES %s"  # noqa: S608
    for number, rows in enumerate(batches):
        began = time.perf_counter()
        entry = Entry(env, env.company, reporter)
        answer = entry.take(rows["runs"], rows["steps"])
        env["steward.failure"]._count(entry.failures)
        spent["ours"].append(time.perf_counter() - began)
        assert answer["steps"] == BATCH, answer
        env.cr.execute(
            f"SELECT {', '.join(COLUMNS)} FROM steward_step"  # noqa: S608
            " WHERE run_id = (SELECT max(id) FROM steward_run)"
        )
        stored = [
            (month, run + 10**6, *rest) for month, run, *rest in env.cr.fetchall()
        ]
        place = COLUMNS.index("attributes")
        stored = [
            (*row[:place], json.dumps(row[place]), *row[place + 1 :]) for row in stored
        ]
        env.cr.execute("DELETE FROM steward_step WHERE run_id < 10^6 AND false")
        began = time.perf_counter()
        env.cr.execute_values(insert, stored, page_size=BATCH)
        spent["bare"].append(time.perf_counter() - began)
        if number % 8 == 7:
            env.cr.commit()
    ours, bare = (statistics.median(times[4:]) for times in spent.values())
    speed, base = BATCH / ours, BATCH / bare
    return [
        Row(
            "report in process",
            speed,
            "steps/s",
            base,
            base / speed,
            ">= 10,000 steps/s and >= half of a bare INSERT",
            speed >= 10_000 and speed >= base / 2,
        )
    ]


with environment() as env:
    rows = in_process(env)
report("ledger", rows)
