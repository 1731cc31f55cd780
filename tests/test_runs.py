"""Runs on a real server: killed workers, a restarted database, wishes, two workers.

Each playbook makes partners, one a step. What counts in the end is the database: each
partner once, whatever happened meanwhile.
"""

import json
import random
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Odoo

from house.settings import product_addons

WAIT = 400  # seconds; a dead worker's job is found within a minute
HOLDER = "steward-test-holder"  # a session that is not cut
CHANNELS = {"ODOO_QUEUE_JOB_CHANNELS": "root:4"}
ENDED = ("completed", "failed", "cancelled", "terminated", "timed_out", "lost")
PLAYBOOK = """
name: Make partners
inputs:
  names: {type: list}
steps:
  - for_each: names
    as: name
    do:
      - tool: create_record
        arguments: {model: res.partner, values: {name: "{{ name }}"}}
"""
# making a partner takes a while, so that there is time to do harm; and it waits while
# its number is held, so that a run is not over before the harm is done
SLOW = """
CREATE OR REPLACE FUNCTION slow_partner() RETURNS trigger AS $$
BEGIN
    PERFORM pg_sleep(0.1);
    PERFORM pg_advisory_xact_lock_shared(4711, right(NEW.name, 3)::int);
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER slow_partner BEFORE INSERT ON res_partner
FOR EACH ROW WHEN (NEW.name LIKE 'run %') EXECUTE FUNCTION slow_partner();
"""


class Runs:
    """What a test does with the agent that makes partners."""

    def __init__(self, server, key):
        self.server, self.key = server, key

    def call(self, model, method, **arguments):
        return self.server.json2(self.key, model, method, **arguments)

    def prepare(self):
        groups = self.call(
            *("ir.model.data", "search_read"),
            domain=[
                ["model", "=", "res.groups"],
                ["name", "in", ["group_agent", "group_partner_manager"]],
            ],
            fields=["res_id"],
        )
        robot = {
            "name": "Robot",
            "login": "robot",
            "group_ids": [[6, 0, [group["res_id"] for group in groups]]],
        }
        [user] = self.call("res.users", "create", vals_list=[robot])
        playbook = {"name": "Partners", "code": "partners", "text": PLAYBOOK}
        [playbook] = self.call("steward.playbook", "create", vals_list=[playbook])
        tools = self.call(
            *("steward.tool", "search"), domain=[["name", "=", "create_record"]]
        )
        agent = {
            "name": "Partners",
            "code": "partners",
            "user_id": user,
            "playbook_id": playbook,
            "tool_ids": [[6, 0, tools]],
            "max_runs": 4,
        }
        self.call("steward.agent", "create", vals_list=[agent])
        self.server.sql(SLOW)

    def start(self, *names, **more):
        return self.call(
            *("steward.agent", "execute"),
            agent="partners",
            task="make partners",
            input={"names": names},
            **more,
        )

    def state(self, trace):
        return self.call("steward.run", "status", trace_id=trace)["state"]

    def until(self, trace, states):
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            try:
                if (state := self.state(trace)) in states:
                    return state
            except (urllib.error.URLError, OSError):
                pass  # it is away just now
            self.poke()
            time.sleep(0.05)
        rows = self.server.sql("SELECT trace_id, state, reason, error FROM steward_run")
        raise AssertionError(f"not within {WAIT} s: {states}; {rows}")

    def poke(self):
        """Let the job runner look for dead jobs now; else it does so each minute."""
        self.server.sql("SELECT pg_notify('queue_job', 'poke')")

    def made(self, name):
        """How often each partner of a run was made."""
        return dict(
            self.server.sql(
                "SELECT name, count(*) FROM res_partner WHERE name LIKE %s"
                " GROUP BY name ORDER BY name",
                f"run {name} %",
            )
        )

    def steps(self, trace):
        return self.server.sql(
            "SELECT step.iteration, count(*) FROM steward_step AS step"
            " JOIN steward_run AS run ON run.id = step.run_id"
            " WHERE run.trace_id = %s AND step.status = 'ok' AND kind = 'tool_call'"
            " GROUP BY step.iteration",
            trace,
        )


@pytest.fixture(scope="module")
def runs(settings, databases):
    with databases.clone(databases.template(product_addons()), "runs") as database:
        server = Odoo(settings, databases, database, env=CHANNELS).start()
        try:
            runs = Runs(server, server.make_key())
            runs.prepare()
            yield runs
        finally:
            server.stop()


def held(runs, number):
    """No run gets past its partner of this number meanwhile."""
    return runs.server.amid(
        "SELECT pg_advisory_xact_lock(4711, %s)", number, application_name=HOLDER
    )


def names(run, number):
    return [f"run {run} {n:03}" for n in range(number)]


def test_a_run_from_outside(runs):
    answer = runs.start(*names("plain", 3), wait=True)
    assert answer["state"] == "completed", answer
    assert runs.made("plain") == dict.fromkeys(names("plain", 3), 1)


def test_pause_resume_and_stop(runs):
    wanted = names("steered", 400)
    trace = runs.start(*wanted)["trace_id"]
    runs.until(trace, ["running"])
    time.sleep(1)
    runs.call("steward.run", "pause", trace_id=trace)
    runs.until(trace, ["paused"])
    made = runs.made("steered")
    time.sleep(0.5)
    assert runs.made("steered") == made, "it went on"
    runs.call("steward.run", "resume", trace_id=trace)
    runs.until(trace, ["running"])
    runs.call("steward.run", "terminate", trace_id=trace, reason="enough")
    runs.until(trace, ["terminated"])
    made = runs.made("steered")
    assert set(made.values()) == {1}
    assert len(made) < len(wanted)


def test_a_guardrail_from_another_server(runs, settings, databases):
    """A run at work hears of what was approved elsewhere, and is stopped by it."""
    setting = {"key": "steward.skill_authors_approve", "value": "True"}
    runs.call("ir.config_parameter", "create", vals_list=[setting])
    condition = {"path": "values.name", "is": "like", "value": "run guarded *"}
    rule = {
        "name": "No more partners",
        "action": "block",
        "text": "Enough partners were made.",
        "definition": json.dumps({"tool": "create_record", "arguments": [condition]}),
    }
    other = Odoo(
        *(settings, databases, runs.server.database, "--max-cron-threads=0"),
        env={"ODOO_QUEUE_JOB_CHANNELS": "root:0"},
        name="-other",
    )
    other.start()
    try:
        wanted = names("guarded", 400)
        key, guardrails = other.make_key(), "steward.guardrail"
        trace = runs.start(*wanted)["trace_id"]
        runs.until(trace, ["running"])
        [rule] = other.json2(key, guardrails, "create", vals_list=[rule])
        other.json2(key, guardrails, "action_submit", ids=[rule])
        other.json2(key, guardrails, "action_approve", ids=[rule])
        assert runs.until(trace, ENDED) == "failed"
        other.json2(key, guardrails, "action_retire", ids=[rule])
    finally:
        other.stop()
    made = runs.made("guarded")
    assert set(made.values()) == {1}
    assert len(made) < len(wanted)


def test_two_workers_on_one_run(runs):
    """However many jobs a run has, one of them works."""
    wanted = names("twice", 10)
    with held(runs, 9), ThreadPoolExecutor(4) as pool:
        trace = runs.start(*wanted)["trace_id"]
        [(run_id,)] = runs.server.sql(
            "SELECT id FROM steward_run WHERE trace_id = %s", trace
        )
        list(pool.map(lambda _more: enqueue(runs, run_id), range(4)))
    assert runs.until(trace, ENDED) == "completed"
    assert runs.made("twice") == dict.fromkeys(wanted, 1)


def enqueue(runs, run_id):
    """Another job for a run that has one."""
    code = f"env['steward.run'].browse({run_id}).with_delay()._execute()"
    [model] = runs.call("ir.model", "search", domain=[["model", "=", "res.partner"]])
    values = {"name": "again", "model_id": model, "state": "code", "code": code}
    [action] = runs.call("ir.actions.server", "create", vals_list=[values])
    runs.call("ir.actions.server", "run", ids=[action])


def test_one_key_one_run_for_ten_callers(runs):
    wanted = names("keyed", 2)
    with ThreadPoolExecutor(5) as pool:
        answers = pool.map(
            lambda _n: runs.start(*wanted, idempotency_key="the one"), range(10)
        )
        assert len({answer["run_id"] for answer in answers}) == 1
    runs.until(answer_of(runs, "the one"), ENDED)
    assert runs.made("keyed") == dict.fromkeys(wanted, 1)


def answer_of(runs, key):
    [(trace,)] = runs.server.sql(
        "SELECT trace_id FROM steward_run WHERE idempotency_key = %s", key
    )
    return trace


def test_the_database_is_restarted_in_the_middle(runs):
    """Connections are cut as a restart cuts them; the run goes on where it was."""
    wanted = names("cut", 30)
    with held(runs, 29):
        trace = runs.start(*wanted)["trace_id"]
        runs.until(trace, ["running"])
        for _cut in range(3):
            time.sleep(random.uniform(0.2, 0.8))
            runs.server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND pid != pg_backend_pid()"
                " AND application_name != %s",
                *(runs.server.database, HOLDER),
            )
    assert runs.until(trace, ENDED) == "completed"
    assert runs.made("cut") == dict.fromkeys(wanted, 1)


def test_a_worker_killed_again_and_again(runs):
    """Each partner once, and each step once in the ledger."""
    wanted = names("killed", 25)
    with held(runs, 12):
        trace = runs.start(*wanted)["trace_id"]
        kill_at_work(runs, "killed")
    with held(runs, 24):
        runs.server.start()
        kill_at_work(runs, "killed")
    runs.server.start()
    assert runs.until(trace, ENDED) == "completed"
    assert runs.made("killed") == dict.fromkeys(wanted, 1)
    assert sorted(runs.steps(trace)) == sorted((str(n), 1) for n in range(25))


def kill_at_work(runs, name):
    """At any moment after a run has gone on."""
    before = len(runs.made(name))
    deadline = time.monotonic() + WAIT
    while len(runs.made(name)) < before + 2:
        assert time.monotonic() < deadline, "it does not go on"
        runs.poke()
        time.sleep(random.uniform(0.01, 0.1))
    runs.server.kill()
