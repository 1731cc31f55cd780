"""What learning costs: a harvest over 10,000 runs, and a look at 500 guardrails."""

import json
import time

from harness import Row, alternate, environment, report

RUNS, KINDS, BATCH = 10_000, 40, 1000
GUARDS, LOOKS = 500, 200
CITIES = ("Ghent", "Bruges", "Ostend", "Namur", "Antwerp", "Liege", "Mons")
WORDS = (
    *("invoices", "orders", "partners", "tickets", "leads", "stock", "holidays"),
    *("bills", "shifts", "parcels"),
)


def told(env, start):
    """A batch of runs of many kinds, three or four steps each."""
    runs, steps = [], []
    for number in range(start, start + BATCH):
        kind = number % KINDS
        city, word = CITIES[number % len(CITIES)], WORDS[kind % len(WORDS)]
        trace, began = f"bench-{number}", 1_790_000_000_000.0 + number * 1000
        runs.append(
            {
                "trace_id": trace,
                "agent": f"Bench {kind % 8}",
                "started_at": began,
                "ended_at": began + 900,
                "task": f"Look after the {word} of {city}, part {kind // len(WORDS)}",
                "status": "ok",
            }
        )
        ids = [number, number + 1]
        model = f"x.{word}{kind // len(WORDS)}"
        calls = [
            (
                "find_records",
                {"model": model, "domain": [["city", "=", city]]},
                {"records": [{"id": one} for one in ids]},
            ),
            *(
                (
                    "post_message",
                    {"model": model, "record_id": one, "body": "Hello"},
                    {},
                )
                for one in ids
            ),
        ]
        steps += [
            {
                "trace_id": trace,
                "span_id": f"{trace}-{n}",
                "kind": "tool_call",
                "name": name,
                "started_at": began + n,
                "duration_ms": 1,
                "input": given,
                "output": result,
            }
            for n, (name, given, result) in enumerate(calls)
        ]
    answer = env["steward.run"].report({"runs": runs, "steps": steps})
    if answer["rejected"]:
        raise ValueError(answer["rejected"][0])
    env.cr.commit()


def harvest(env):
    """Seconds, and how many skills were proposed."""
    for start in range(0, RUNS, BATCH):
        told(env, start)
    env.cr.execute("UPDATE steward_run SET verdict = 'approved'")
    env.cr.commit()
    env.invalidate_all()
    began = time.perf_counter()
    done = env["steward.skill.harvest"]._round(env.company)
    seconds = time.perf_counter() - began
    if done.error or done.looked_at != RUNS or not done.proposal_count:
        raise ValueError(done.error or f"{done.looked_at} runs looked at")
    return Row(
        f"harvest over {RUNS} runs, {done.group_count} groups",
        seconds,
        "s",
        None,
        None,
        "< 60 s",
        seconds < 60,
    )


def guards(env):
    """Milliseconds that 500 guardrails add to a step."""
    from odoo.addons.steward_agent.models.steward_guard import Attempt

    guardrails = env["steward.guardrail"]
    tool = env.ref("steward_agent.tool_create_record")
    given = {"model": "res.partner", "values": {"name": "Ann", "city": "Ghent"}}
    attempt = Attempt(
        env["steward.run"],
        env["steward.agent"],
        env.company,
        tool,
        tool.name,
        given,
        env,
    )
    made = guardrails.create(
        [
            {
                "name": f"G{number}",
                "action": "block",
                "text": "No.",
                "definition": json.dumps(
                    {
                        "tool": "create_record",
                        "arguments": [
                            {"path": "values.amount", "is": "above", "value": number}
                        ],
                    }
                ),
            }
            for number in range(GUARDS)
        ]
    )

    def look():
        for _n in range(LOOKS):
            guardrails._check(attempt)
            guardrails._prepare(attempt)

    def without():
        made._write_own({"approved_version_id": False})
        guardrails._in_force()

    def in_force():
        for one in made:
            one._write_own({"approved_version_id": one.version_id.id})
        guardrails._in_force()

    without()
    bare, _ = alternate(look, lambda: None, 5)
    in_force()
    look()
    ours, _ = alternate(look, lambda: None, 5)
    added = (ours - bare) / LOOKS * 1000
    return Row(
        f"a step with {GUARDS} guardrails of its own tool",
        added,
        "ms",
        bare / LOOKS * 1000,
        ours / bare,
        "adds < 1 ms",
        added < 1,
    )


with environment() as env_:
    report("learning", [guards(env_), harvest(env_)])
