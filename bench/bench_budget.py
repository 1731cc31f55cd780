"""What a call pays for a budget, and how exact it is with fifty at once."""

import threading
from decimal import Decimal

import odoo.sql_db
from odoo import SUPERUSER_ID, api

from harness import Row, alternate, environment, report

ROUNDS = 200
CALLERS = 50


def budget(env, limit):
    """A budget of a company of its own, which other connections see."""
    company = env["res.company"].create({"name": f"Bench {limit}"})
    made = env["steward.budget"].create(
        {
            "name": "bench",
            "company_id": company.id,
            "currency_id": env.ref("base.USD").id,
            "limit_amount": limit,
        }
    )
    env.cr.commit()
    return made


def reserve_and_settle(env):
    """Calls a second of one caller, and bare UPDATEs of the same row."""
    made = budget(env, 10**6)
    budgets, subject = env["steward.budget"], {"company": made.company_id.id}
    cent = Decimal("0.01")
    budgets._reserve(subject, cent).settle(cent)
    env.cr.commit()  # to see the period, which was made on another connection
    env.invalidate_all()
    period = made.period_ids.id

    def ours():
        for _call in range(ROUNDS):
            budgets._reserve(subject, cent).settle(cent)

    def bare():
        for _update in range(ROUNDS * 2):
            with env.registry.cursor() as cr:
                cr.execute(
                    "UPDATE steward_budget_period SET spent = spent + 0.01"
                    " WHERE id = %s",
                    [period],
                )

    spent, plain = alternate(ours, bare)
    ours_rate, bare_rate = ROUNDS / spent, ROUNDS / plain
    return Row(
        "reserve + settle, one caller",
        ours_rate,
        "/s",
        bare_rate,
        bare_rate / ours_rate,
        "<= 8x two bare UPDATEs, each committed",
        spent <= 8 * plain,
    )


def charge(env):
    """Costs counted a second in batches of 500, and bare UPDATEs for each."""
    made = budget(env, 10**7)
    subject = {"company": made.company_id.id}
    batch = [(subject, "0.01", None)] * 500
    env["steward.budget"]._charge(batch)
    env.cr.commit()  # to see the period, which was made on another connection
    env.invalidate_all()
    period = made.period_ids.id

    def ours():
        env["steward.budget"]._charge(batch)

    def bare():
        with env.registry.cursor() as cr:
            for _update in batch:
                cr.execute(
                    "UPDATE steward_budget_period SET spent = spent + 0.01"
                    " WHERE id = %s",
                    [period],
                )

    spent, plain = alternate(ours, bare)
    return Row(
        "charge, batches of 500",
        500 / spent,
        "/s",
        500 / plain,
        spent / plain,
        ">= 10,000/s",
        500 / spent >= 10_000,
    )


def fifty(env):
    """Fifty callers reserve a dollar each, again and again; ten dollars are there."""
    made = budget(env, 10)
    registry, company = env.registry, made.company_id.id
    rush, granted, failed = threading.Barrier(CALLERS), [], []

    def call():
        from odoo.addons.steward_llm.exceptions import BudgetExhausted

        with registry.cursor() as cr:
            budgets = api.Environment(cr, SUPERUSER_ID, {})["steward.budget"]
            rush.wait()
            try:
                budgets._reserve({"company": company}, Decimal(1))
                granted.append(1)
            except BudgetExhausted:
                pass
            except Exception as error:
                failed.append(repr(error))

    callers = [threading.Thread(target=call) for _caller in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for error in failed[:3]:
        print("   ", error)
    return Row(
        "50 callers at once: granted / there",
        len(granted),
        "",
        10,
        len(granted) / 10,
        "exactly 1",
        len(granted) == 10 and not failed,
    )


with environment() as bench_env:
    odoo.sql_db._Pool._maxconn = 2 * CALLERS + 10  # a caller has two connections
    rows = [reserve_and_settle(bench_env), charge(bench_env), fifty(bench_env)]
report("budget", rows)
