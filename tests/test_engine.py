"""What survives a rollback, and what many workers share: with real processes."""

import json
import time

import psycopg2
import pytest

from house.settings import product_addons


@pytest.fixture(scope="module")
def base(databases):
    """A database that these workers may change."""
    template = databases.template(product_addons())
    with databases.clone(template, "engine") as database:
        databases.sql(
            "INSERT INTO res_partner (name, ref, color, autopost_bills)"
            " SELECT 'x', 'count', 0, 'ask'"
            if _has(databases, database, "autopost_bills")
            else "INSERT INTO res_partner (name, ref, color) SELECT 'x', 'count', 0",
            database,
        )
        yield database


def _has(databases, database, column):
    return databases.sql(
        "SELECT 1 FROM information_schema.columns"
        " WHERE table_name = 'res_partner' AND column_name = %s",
        database,
        column,
    )


def until(true, what):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def color(databases, base):
    return databases.sql(
        "SELECT color, city FROM res_partner WHERE ref = 'count'", base
    )


def test_eight_writers_lose_nothing(databases, base, worker):
    """Two processes of four threads add 1,600 to one row: no update is lost."""
    before = color(databases, base)[0][0]
    both = [worker("count", "count", 200, 4) for _process in range(2)]
    for process in both:
        assert process.answer()["errors"] == []
    assert color(databases, base)[0][0] == before + 1600


def test_survives_the_callers_rollback(databases, base, worker):
    worker("roll_back", "count").answer()
    assert color(databases, base)[0] == (7, None)


def test_lock_wait_is_bounded(databases, base, worker):
    server = databases.server
    holder = psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        dbname=base,
    )
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM res_partner WHERE ref = 'count' FOR UPDATE")
            assert worker("blocked", "count").answer()["error"] == "STEWARD-LOCKED"
    finally:
        holder.close()


def test_all_workers_learn_of_a_breach(databases, base, worker):
    """A busy worker sees failures; a quiet one, healthy until then, is refused too."""
    quiet = worker("calls", "shared", 0.5, "no", 0)
    busy = worker("calls", "shared", 0.05, "yes", 0)
    bad, good = busy.answer(), quiet.answer()
    assert bad["refused"], (bad, good)
    assert good["refused"], (bad, good)
    assert good["made"], "it was not healthy before"
    assert len(bad["made"]) < 120, "it went on calling long after the breach"
    # of one opening: the quiet one has heard of it before the first cool-down was over
    assert abs(good["refused"][0] - bad["refused"][0]) < 30
    row = databases.sql(
        "SELECT state, opens FROM steward_circuit WHERE name = 'shared'", base
    )
    assert row == [("open", 1)], "two workers opened it twice"


def test_breaker_without_a_database(databases, base, worker):
    """The database goes away and comes back: calls go on, and are counted again."""
    busy = worker("calls", "restarted", 0.05, "no", 400)
    assert busy.stdout.readline() == "ready\n"

    def counted():
        query = "SELECT calls, state FROM steward_circuit WHERE name = 'restarted'"
        return databases.sql(query, base)

    until(lambda: counted() and counted()[0][0], "its first calls are counted")
    databases.sql(f'ALTER DATABASE "{base}" ALLOW_CONNECTIONS false')
    try:
        until(
            lambda: (
                not databases.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s",
                    "postgres",
                    base,
                )
            ),
            "nobody is connected",
        )
        cut = time.time()
        time.sleep(5)  # longer than a worker to which nothing bad happens keeps counts
    finally:
        back = time.time()
        databases.sql(f'ALTER DATABASE "{base}" ALLOW_CONNECTIONS true')
    found = busy.answer(complains=True)  # of the cut
    assert not found["refused"]
    assert len(found["made"]) == 400
    meanwhile = [moment for moment in found["made"] if cut < moment < back]
    assert len(meanwhile) > 5, "calls stopped while the database was away"
    [(calls, state)] = counted()
    assert state == "closed"
    # what came after the last exchange is with the worker, as before the first one
    lately = [at for at in found["made"] if at > found["made"][-1] - 40]
    kept = [at for at in lately if at < found["made"][-1] - 10]
    assert calls >= len(kept) > 0, "what was counted meanwhile is lost"


def test_killed_worker_frees_its_place(worker):
    holder = worker("hold_place", "only")
    assert holder.stdout.readline() == "ready\n"
    waiting = worker("take_place", "only")
    holder.kill()
    assert waiting.answer()["got"]


def test_killed_trial_call_frees_its_permit(databases, base, worker):
    """kill -9 between lease and release: the permit ends by itself."""
    databases.sql(
        "INSERT INTO steward_circuit (name, mode, state, shared) VALUES"
        " ('trial', 'auto', 'open', %s)",
        base,
        json.dumps(_open_since_long()),
    )
    first = worker("permit", "trial")
    first.stdout.readline()
    first.kill()
    first.wait()
    state = databases.sql(
        "SELECT shared FROM steward_circuit WHERE name = 'trial'", base
    )[0][0]
    assert state["state"] == "half_open"
    ((lease, expires),) = state["permits"].items()
    assert lease
    now = databases.sql("SELECT extract(epoch FROM now())::float8", base)[0][0]
    assert now < expires <= now + 120
    # the other four permits are there meanwhile
    found = worker("calls", "trial", 0.05, "no", 4).answer()
    assert len(found["made"]) == 4


def _open_since_long():
    return {
        "state": "open",
        "mode": "auto",
        "generation": 1,
        "reason": "consecutive",
        "opens": 1,
        "until": 1.0,
        "streak": 5,
        "window": {"width": 10, "size": 6, "columns": 3, "rows": {}},
        "permits": {},
        "trial": [0, 0, 0],
    }


def test_many_callers_share_one_limit(databases, base, worker):
    """Two processes of ten threads: never more than the bucket earned.

    It is a large one, so that nothing runs over while a busy machine has us wait.
    """
    databases.sql(
        "INSERT INTO steward_rate_limit (name, rate, per, burst)"
        " VALUES ('shared', 10, 1, 80)",
        base,
    )
    both = [w.answer() for w in [worker("takes", "shared", 8, 10) for _two in "ab"]]
    taken = sum(found["taken"] for found in both)
    began, ended = min(f["began"] for f in both), max(f["ended"] for f in both)
    earned = 80 + 10 * (ended - began)
    assert taken <= earned
    assert taken >= earned * 0.6, "how exactly: bench_safety"


def test_vectors_are_shared_by_workers(databases, base, worker):
    """Workers embed the same at once, and fail after it; each text is kept once."""
    both = [w.answer() for w in [worker("embed", 300, 3) for _process in range(2)]]
    for told in both:
        assert (told["wrong"], told["errors"]) == ([], [])
    kept = "SELECT count(*), count(DISTINCT digest) FROM steward_embedding"
    assert databases.sql(kept, base) == [(300, 300)]
    # what was spent is in the ledger, though every caller was rolled back
    paid = "SELECT sum(tokens_in) FROM steward_usage WHERE operation = 'embedding'"
    computed = sum(told["computed"] for told in both)
    assert databases.sql(paid, base) == [(computed,)]
    # a third one computes nothing
    assert worker("embed", 300, 1).answer()["computed"] == 0
    asked = "SELECT sum(misses) FROM steward_embedding_day"
    assert databases.sql(asked, base) == [(computed,)]
