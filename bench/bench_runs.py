"""What a run costs beside the work it does: each step, its start, and the way there."""

import statistics
import time

from harness import Row, Server, environment, report

STEPS = 300
STARTS = 20
ARGUMENTS = {"model": "res.partner", "domain": [["id", "=", 0]]}
LOOP = """
name: Bench
inputs: {rounds: {type: list}}
steps:
  - for_each: rounds
    do:
      - tool: count_records
        arguments: {model: res.partner, domain: [[id, "=", 0]]}
"""
THREE = """
name: Three
steps:
  - {tool: find_records, arguments: {model: res.partner, limit: 10}, save: found}
  - {tool: count_records, arguments: {model: res.partner}}
  - stop: "{{ len(found.records) }}"
"""


def agents(env):
    """Two agents with an account of their own."""
    robot = env["res.users"].create(
        {
            "name": "Robot",
            "login": "bench-robot",
            "group_ids": [(4, env.ref("steward.group_agent").id)],
        }
    )
    tools = env["steward.tool"].search([])
    for code, text in (("loop", LOOP), ("three", THREE)):
        playbook = env["steward.playbook"].create(
            {"name": code, "code": f"bench-{code}", "text": text}
        )
        yield env["steward.agent"].create(
            {
                "name": code,
                "code": f"bench-{code}",
                "user_id": robot.id,
                "playbook_id": playbook.id,
                "tool_ids": [(6, 0, tools.ids)],
                "max_steps": 10_000,
                "max_runs": 50,
            }
        )


class Clock:
    """When a run first did something, and the time from each step to the next."""

    def __init__(self):
        from odoo.addons.steward_agent.executor import Executor

        self.first, self.last, self.between = None, None, []
        real = Executor._act

        def act(this, move, done):
            now = time.perf_counter()
            if self.first is None:
                self.first = now
            else:
                self.between.append(now - self.last)
            self.last = now
            return real(this, move, done)

        Executor._act = act
        self.work = lambda run: Executor(run, run._claim("bench")).work()
        self.end = lambda: setattr(Executor, "_act", real)


def steps(env, agent):
    """From one step to the next, beside the bare call of the tool and a commit."""
    run = agent._start("bench", {"rounds": list(range(STEPS))})
    env.cr.commit()
    clock = Clock()
    clock.work(run)
    clock.end()
    assert run.state == "completed", run.error
    tool = agent._allowed_tools().filtered(lambda t: t.name == "count_records")
    robot = env(user=agent.user_id.id, su=False)
    bare = []
    for _step in range(STEPS):
        began = time.perf_counter()
        tool.with_env(robot)._call(ARGUMENTS)
        env.cr.commit()
        bare.append(time.perf_counter() - began)
    ours, plain = statistics.median(clock.between), statistics.median(bare)
    more = (ours - plain) * 1000
    return Row(
        "overhead of a step",
        more,
        "ms",
        plain * 1000,
        ours / plain,
        "<= 5 ms median; bare: the tool, and a commit",
        more <= 5,
    )


def starts(env, agent):
    """From the job's beginning to the first thing that is done."""
    times = []
    for _start in range(STARTS):
        run = agent._start("bench", {})
        env.cr.commit()
        clock = Clock()
        began = time.perf_counter()
        clock.work(run)
        clock.end()
        times.append((clock.first - began) * 1000)
    value = statistics.median(times)
    return Row("start of a run", value, "ms", None, None, "<= 50 ms", value <= 50)


def whole(server):
    """Asked over JSON-2, done by a job, answered."""
    times = []
    for _run in range(STARTS):
        began = time.perf_counter()
        answer = server.call(
            *("steward.agent", "execute"), agent="bench-three", task="t", wait=True
        )
        assert answer["state"] == "completed", answer
        times.append(time.perf_counter() - began)
    value = statistics.quantiles(times, n=20)[-1]
    return Row(
        "three steps, from call to answer: p95",
        value,
        "s",
        None,
        None,
        "< 2 s",
        value < 2,
    )


with environment() as env:
    loop, three = agents(env)
    env.cr.commit()
    rows = [steps(env, loop), starts(env, three)]
    server = Server(env, channels="root:2")
    try:
        server.call(
            "steward.agent", "execute", agent="bench-three", task="t", wait=True
        )
        rows.append(whole(server))
    finally:
        server.end()

report("runs", rows)
