"""Jobs on a real server with a real runner; a runner that is killed; no database."""

import time

import pytest
from conftest import Odoo

from house.settings import product_addons

WAIT = 300  # seconds until a test gives up; a job takes a fraction of one
ROOT_1 = {"ODOO_QUEUE_JOB_CHANNELS": "root:1"}


def until(found, what):
    """Poll for what another process does."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {WAIT} s")


@pytest.fixture(scope="module")
def database(databases):
    with databases.clone(databases.template(product_addons()), "jobs") as name:
        yield name


@pytest.fixture(scope="module")
def runner(settings, databases, database):
    server = Odoo(settings, databases, database, env=ROOT_1).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def key(runner):
    return runner.make_key()


@pytest.fixture(scope="module")
def enqueue(runner, key):
    """Make a job that runs some code, over JSON-2; returns how it is once it rests."""

    def action(name, code):
        model = runner.json2(
            key, "ir.model", "search", domain=[["model", "=", "res.partner"]]
        )
        values = {"name": name, "model_id": model[0], "state": "code", "code": code}
        return runner.json2(key, "ir.actions.server", "create", vals_list=[values])[0]

    def enqueue(code, max_retries=3):
        work = action("work", code)
        give = action(
            "give",
            f"env['ir.actions.server'].browse({work}).with_delay("
            f"channel='root.steward', max_retries={max_retries},"
            f" description='job {work}').run()",
        )
        runner.json2(key, "ir.actions.server", "run", ids=[give])

        def rests():
            [job] = runner.json2(
                *(key, "queue.job", "search_read"),
                domain=[["name", "=", f"job {work}"]],
                fields=["state", "retry", "exc_message", "exc_name", "eta", "result"],
            )
            tried = job["state"] == "pending" and job["retry"]
            return job if tried or job["state"] in ("done", "failed") else None

        return until(rests, f"job: {code}")

    return enqueue


def refusal(code):
    """Raise the error that PostgreSQL would, in SQL."""
    return (
        "env.cr.execute(\"DO $x$ BEGIN RAISE EXCEPTION 'no'"
        f" USING ERRCODE = '{code}'; END $x$\")"
    )


def test_done(runner, enqueue):
    job = enqueue("env['res.partner'].create({'name': 'made by a job'})")
    assert job["state"] == "done", job
    assert runner.sql("SELECT 1 FROM res_partner WHERE name = 'made by a job'")


@pytest.mark.parametrize(
    ("code", "begins"),
    [
        ("raise UserError('No sense.')", "STEWARD-INVALID: No sense."),
        (
            "env['queue.job'].with_user(env.ref('base.public_user')).search([])",
            "STEWARD-REFUSED: ",
        ),
        ("1 / 0", "STEWARD-BUG: "),
    ],
)
def test_fails_at_once(enqueue, code, begins):
    job = enqueue(code)
    assert (job["state"], job["retry"]) == ("failed", 1), job
    assert job["exc_message"].startswith(begins)


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [("55P03", "STEWARD-LOCKED"), ("40001", "STEWARD-LOCKED"), ("57P01", "STEWARD-RE")],
)
def test_is_tried_again(enqueue, sqlstate, code):
    # the next try comes within seconds, and we may have looked too late for the first
    job = enqueue(refusal(sqlstate), max_retries=20)
    assert job["state"] == "pending", job
    assert 1 <= job["retry"] < 20
    assert job["eta"]
    assert job["result"].startswith(code)


def test_gives_up(enqueue):
    job = enqueue(refusal("55P03"), max_retries=1)
    assert job["state"] == "failed"
    assert job["exc_message"].startswith("STEWARD-LOCKED: ")
    assert job["exc_message"].endswith("(given up after 1 tries)")


def test_operators_are_told_once(runner, key, enqueue):
    for _ in range(3):
        enqueue("raise UserError('Again.')")

    def told():
        found = runner.json2(
            *(key, "steward.job.failure", "search_read"),
            domain=[["sentence", "=", "STEWARD-INVALID: Again."]],
            fields=["times", "failed_count", "message_ids"],
        )
        return found[0] if found and found[0]["times"] >= 3 else None

    failure = until(told, "told")
    assert len(failure["message_ids"]) == 1
    notified = runner.sql(
        "SELECT count(*) FROM mail_notification n JOIN res_users u"
        " ON u.partner_id = n.res_partner_id WHERE u.login = 'admin'"
        " AND n.mail_message_id = ANY(%s)",
        failure["message_ids"],
    )
    assert notified == [(1,)]


def test_runner_is_killed(settings, databases, database, runner, key):
    """Another Odoo on the same database sees the runner, and that it is gone."""
    quiet = {"ODOO_QUEUE_JOB_CHANNELS": "root:0"}
    other = Odoo(settings, databases, database, env=quiet, name="-other").start()
    try:

        def panel():
            [panel] = other.json2(key, "steward.job.panel", "create", vals_list=[{}])
            fields = ["runner", "since", "seen", "advice", "failed_count"]
            return other.json2(
                key, "steward.job.panel", "read", ids=[panel], fields=fields
            )[0]

        def jobs():
            answer = other.json2(key, "steward.status", "health")
            return next(part for part in answer["parts"] if part["name"] == "jobs")

        before = until(lambda: (p := panel())["runner"] == "alive" and p, "alive")
        assert before["since"]
        assert before["seen"]
        assert before["failed_count"] > 0
        assert jobs()["facts"]["runner"] == "alive"
        runner.kill()
        after = until(lambda: (p := panel())["runner"] == "absent" and p, "absent")
        assert "channels = root:0" in after["advice"]
        assert jobs()["reason"] == "No job runner is connected."
        _status, body = other.get("/steward/health", **{"X-Odoo-Database": database})
        assert body["status"] in ("degraded", "failed")
    finally:
        other.stop()
        runner.start()
    until(
        lambda: runner.get("/steward/health")[1]["parts"][2]["status"] == "ok",
        "the runner is back",
    )


def test_database_away(runner, databases, database):
    """503 and a sentence, with and without the name of the database."""
    until(lambda: runner.get("/steward/health/ready")[0] == 200, "it is there")
    databases.sql(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
    try:
        until(
            lambda: (
                not databases.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s",
                    "postgres",
                    database,
                )
            ),
            "nobody is connected",
        )
        for headers in ({}, {"X-Odoo-Database": database}):
            status, body = runner.get("/steward/health", **headers)
            assert (status, body["status"]) == (503, "failed"), headers
            assert "database" in body["parts"][0]["reason"].lower()
            live, _body = runner.get("/steward/health/live", **headers)
            assert live == 200
    finally:
        databases.sql(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    until(lambda: runner.get("/steward/health/ready")[0] == 200, "it is back")
