"""Reporters on a real server: at the same time, killed, heard twice."""

import json
import os
import re
import subprocess
import threading
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT, Odoo

from house.settings import product_addons

REPORTERS = 6
BATCHES = 12
STEPS = 20


@pytest.fixture(scope="module")
def database(databases):
    with databases.clone(databases.template(product_addons()), "ledger") as name:
        yield name


@pytest.fixture(scope="module")
def server(settings, databases, database):
    # its log and its locks are those of the reporters alone
    server = Odoo(settings, databases, database, "--max-cron-threads=0").start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def key(server):
    return server.make_key()


def batch(trace, number, agent="Shared"):
    """Some steps of a run, each batch with the run's own row; every fifth fails."""
    at = "2026-11-01T12:00:00Z"
    run = {"trace_id": trace, "agent": agent, "started_at": at}
    steps = [
        {
            "trace_id": trace,
            "span_id": f"{number}-{n}",
            "kind": "llm_inference",
            "name": "chat",
            "model": "m",
            "cost": 0.5,
            "tokens_in": 10,
            "started_at": at,
            "duration_ms": n,
            **({"error_message": f"no answer {n}"} if n % 5 == 0 else {}),
        }
        for n in range(STEPS)
    ]
    return {"runs": [run], "steps": steps}


def figures(server, trace):
    """What the run says of itself, and what its steps say."""
    [head] = server.sql(
        "SELECT step_count, error_count, tokens_in, cost::float FROM steward_run"
        " WHERE trace_id LIKE %s",
        trace,
    )
    [steps] = server.sql(
        "SELECT count(*), count(*) FILTER (WHERE s.status = 'error'), sum(s.tokens_in),"
        " sum(s.cost)::float FROM steward_step s JOIN steward_run r ON r.id = s.run_id"
        " WHERE r.trace_id LIKE %s",
        trace,
    )
    return tuple(head), tuple(steps)


def log_of(server, start):
    return server.log.read_text()[start:]


def test_reporters_at_the_same_time(server, key):
    """The same new agent, the same run, the same failure, the same minute."""
    start = len(server.log.read_text())

    def report(reporter):
        return [
            server.json2(
                *(key, "steward.run", "report"),
                batch=batch("crowd", f"{reporter}-{number}", "Brand new"),
            )
            for number in range(BATCHES)
        ]

    with ThreadPoolExecutor(REPORTERS) as pool:
        answers = [a for told in pool.map(report, range(REPORTERS)) for a in told]
    total = REPORTERS * BATCHES * STEPS
    assert sum(answer["steps"] for answer in answers) == total
    assert sum(answer["runs"] for answer in answers) == 1
    assert not any(answer["rejected"] for answer in answers)
    head, steps = figures(server, "crowd")
    assert head == steps == (total, total // 5, total * 10, total * 0.5)
    assert server.sql(
        "SELECT count(*) FROM steward_agent WHERE code = 'brand-new'"
    ) == [(1,)]
    [(failures,)] = server.sql(
        "SELECT sum(f.times)::int FROM steward_failure f JOIN steward_run r"
        " ON r.id = f.last_run_id WHERE r.trace_id = 'crowd'"
    )
    assert failures == total // 5
    [(counted,)] = server.sql(
        "SELECT sum(m.steps)::int FROM steward_metric m JOIN steward_agent a"
        " ON a.id = m.agent_id WHERE a.code = 'brand-new'"
    )
    assert counted == total
    log = log_of(server, start)
    assert "could not serialize" not in log
    assert "ERROR" not in log, log[-3000:]


def test_killed_while_reporting(server, key):
    """What was not answered is sent again: nothing is lost, nothing is there twice."""
    batches = [batch(f"killed-{n % 4}", n) for n in range(60)]
    answered = set()
    started, killed = threading.Event(), threading.Event()

    def report(number):
        if number >= len(batches) // 2:
            killed.wait()  # however late that is
        try:
            server.json2(key, "steward.run", "report", batch=batches[number])
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return
        answered.add(number)
        if len(answered) > 10:
            started.set()

    with ThreadPoolExecutor(4) as pool:
        for number in range(len(batches)):
            pool.submit(report, number)
        try:
            assert started.wait(300)
        finally:
            server.kill()
            killed.set()
    assert len(answered) < len(batches), "killed too late"
    server.start()
    for number in range(len(batches)):  # the answered ones, too
        server.json2(key, "steward.run", "report", batch=batches[number])
    for n in range(4):
        head, steps = figures(server, f"killed-{n}")
        assert head == steps
        assert steps[0] == len(batches) // 4 * STEPS
    [(counted,)] = server.sql(
        "SELECT sum(m.steps)::int FROM steward_metric m JOIN steward_agent a"
        " ON a.id = m.agent_id WHERE a.code = 'shared'"
    )
    assert counted == len(batches) * STEPS


def test_retention_beside_a_reader(server, key, databases, database):
    """A drop does not wait for who reads, and nobody waits for it."""
    import psycopg2

    server.json2(key, "steward.run", "report", batch=batch("old", 1))
    old = "steward_step_202001"
    server.sql(f"CREATE TABLE {old} (LIKE steward_step INCLUDING DEFAULTS)")
    server.sql(
        f"ALTER TABLE steward_step ATTACH PARTITION {old}"
        " FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    )
    cron = server.json2(
        *(key, "ir.cron", "search"),
        domain=[["cron_name", "=", "Steward: months of the ledger"]],
    )
    host = databases.server
    reader = psycopg2.connect(
        host=host.host,
        port=host.port,
        user=host.user,
        password=host.password or None,
        dbname=database,
    )
    try:
        with reader.cursor() as cr:
            cr.execute("SELECT count(*) FROM steward_step")
            server.json2(key, "ir.cron", "method_direct_trigger", ids=cron)
            assert server.sql("SELECT to_regclass(%s)::text", old) == [(old,)]
            answer = server.json2(
                key, "steward.run", "report", batch=batch("meanwhile", 1)
            )
            assert answer["steps"] == STEPS
        reader.rollback()
        server.json2(key, "ir.cron", "method_direct_trigger", ids=cron)
    finally:
        reader.close()
    assert server.sql("SELECT to_regclass(%s)::text", old) == [(None,)]


def test_examples_of_the_documentation(server, key, database):
    """They work as they stand there."""
    text = (ROOT / "docs" / "ledger.md").read_text()
    curl = re.search(r"    (curl.*?)\n\n", text, re.DOTALL)[1]
    curl = curl.replace("https://odoo.example.com", server.url)
    header = f'-H "X-Odoo-Database: {database}"'  # this server has several
    done = subprocess.run(
        ["sh", "-c", curl.replace("curl -s", f"curl -s {header}")],
        env={**os.environ, "STEWARD_KEY": key},
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout)["steps"] == 1
    [(user_id,)] = server.sql("SELECT id FROM res_users WHERE login = 'admin'")
    names = {"url": server.url, "key": key, "user_id": user_id, "database": database}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
        assert not names["answer"]["rejected"], names["answer"]
    assert figures(server, "t1")[0][0] == 2
    for line in re.findall(r"^    (call\(.*)$", text, re.MULTILINE):
        assert eval(line, names)["trace_id"] == "t1"
