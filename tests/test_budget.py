"""Budgets under many workers: with real processes and a real server's database."""

import time

import pytest

from house.settings import product_addons


@pytest.fixture(scope="module")
def base(databases):
    """A database that these workers may change."""
    template = databases.template(product_addons())
    with databases.clone(template, "budget") as database:
        yield database


@pytest.fixture
def company(databases, base):
    """The company that spends, without the budgets of the test before."""
    databases.sql("DELETE FROM steward_budget", base)
    ((company_id,),) = databases.sql("SELECT min(id) FROM res_company", base)
    return company_id


@pytest.fixture
def budget(databases, base, company):
    left = -time.time() % 86400
    if left < 120:
        time.sleep(left + 1)  # a new day would have a period of its own

    def make(limit, period="month"):
        databases.sql(
            "INSERT INTO steward_budget (name, active, company_id, scope, period,"
            " currency_id, limit_amount, action, unknown_price)"
            " SELECT 'budget', true, %s, 'company', %s, id, %s, 'block', 'count'"
            " FROM res_currency WHERE name = 'USD'",
            base,
            company,
            period,
            limit,
        )

    return make


@pytest.fixture
def standing(databases, base, company):
    def read():
        return databases.sql(
            "SELECT spent::text::float, reserved::text::float, refused_calls"
            " FROM steward_budget_period p JOIN steward_budget b ON b.id = p.budget_id"
            " WHERE b.company_id = %s ORDER BY p.id",
            base,
            company,
        )

    return read


def rush(worker, company, times, amount, actual=""):
    """Fifty callers at once, in two processes."""
    both = [worker("spends", company, times, 25, amount, actual) for _two in "ab"]
    found = [process.answer() for process in both]
    assert [f["errors"] for f in found] == [[], []]
    return sum(f["granted"] for f in found)


def test_fifty_at_once_share_what_is_there(worker, budget, company, standing):
    """Two budgets, the first call of both periods: never a cent too much."""
    budget(20)
    budget(15, "day")
    assert rush(worker, company, 1, "1") == 15
    assert sorted(standing()) == [(0, 15, 0), (0, 15, 35)]


def test_fifty_at_once_lose_nothing(worker, budget, company, standing):
    budget(1000)
    granted = rush(worker, company, 10, "1", "0.001")
    assert granted == 500
    assert standing() == [(0.5, 0, 0)]


def test_spent_survives_the_callers_rollback(worker, budget, company, standing):
    budget(10)
    worker("spend_and_fail", company).answer()
    assert standing() == [(2, 0, 0)]


def test_killed_callers_money_comes_back(worker, budget, company, standing):
    """kill -9 between reserving and settling; and the token is good elsewhere."""
    budget(10)
    killed = worker("hold_money", company, "8", 1)
    token = killed.stdout.readline().strip()
    assert standing() == [(0, 8, 0)]
    killed.kill()
    killed.wait()
    time.sleep(1.5)  # longer than the lease
    assert worker("spends", company, 1, 1, "9", "6").answer()["granted"] == 1
    assert standing() == [(6, 0, 0)]
    # somebody finds out what the killed one had spent: counted, once
    assert worker("settle_money", token, "3").answer()["counted"]
    assert not worker("settle_money", token, "3").answer()["counted"]
    assert standing() == [(9, 0, 0)]


def test_people_are_told_once(worker, budget, company, standing, databases, base):
    """Fifty cross the thresholds at once."""
    budget(5)
    assert rush(worker, company, 4, "0.05", "0.05") == 100
    ((spent, reserved, refused),) = standing()
    assert (spent, reserved, refused) == (5, 0, 100)
    bodies = databases.sql(
        "SELECT m.body FROM mail_message m JOIN steward_budget b ON b.id = m.res_id"
        " WHERE m.model = 'steward.budget' AND b.company_id = %s"
        " AND m.message_type = 'notification' ORDER BY m.id",
        base,
        company,
    )
    told = [body for (body,) in bodies]
    assert sum("is used up:" in body and "%" not in body for body in told) == 1, told
    # 50, 80 and 100 %, and refusals
    assert len(told) == len(set(told)) <= 4, told
