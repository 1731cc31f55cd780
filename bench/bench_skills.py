"""Finding skills among five thousand, beside a bare full-text query over them."""

import random
import time

from odoo.tools import SQL

from harness import Row, environment, report

SKILLS = 5_000
ROUNDS = 300
TARGET = 50  # ms, of 95 in 100 searches

VERBS = "check close remind match count export import clean merge file book cancel"
THINGS = (
    "invoice quotation delivery supplier customer contract payroll budget project"
    " ticket warehouse shipment subscription employee expense product campaign"
)
CASES = (
    "overdue duplicate missing foreign recurring late large small new archived draft"
)
PLACES = (
    "Belgium France Italy Spain Norway Poland Japan Canada Brazil Kenya Austria Greece"
)


def skills():
    """As many that differ, each with a description of forty words or so."""
    draw = random.Random(8)
    for n in range(SKILLS):
        verb, thing = draw.choice(VERBS.split()), draw.choice(THINGS.split())
        case, place = draw.choice(CASES.split()), draw.choice(PLACES.split())
        yield {
            "name": f"{verb}-{case}-{thing}-{n}",
            "title": f"{verb.capitalize()} each {case} {thing} of {place}",
            "description": f"How to {verb} every {case} {thing} in {place}, and whom to"
            f" tell. Use when a {thing} is {case}, when somebody asks to {verb} it, or"
            f" at the end of a month. Needs the right to read each {thing} and to write"
            " a message to whoever is responsible for it.",
            "trigger_words": f"{verb} {thing} {n}, {case} {thing} {place}",
            "body": "## Steps\n\n"
            + "\n".join(f"{i}. Do part {i}." for i in range(1, 8)),
        }


def tasks(count):
    draw = random.Random(28)
    for _n in range(count):
        verb, thing = draw.choice(VERBS.split()), draw.choice(THINGS.split())
        case, place = draw.choice(CASES.split()), draw.choice(PLACES.split())
        yield (
            f"Please {verb} what is {case} among our {thing}s in {place} before Friday,"
            " and send me a list of those where something is unclear."
        )


def quantile(values, share):
    return sorted(values)[int(len(values) * share)]


with environment() as env:
    made = env["steward.skill"].create(list(skills()))
    env.flush_all()
    env.cr.execute(
        "UPDATE steward_skill SET state = 'approved', approved_version_id = version_id"
    )
    env.cr.execute(
        "UPDATE steward_skill_version SET approved_at = now() AT TIME ZONE 'utc'"
    )
    env.invalidate_all()
    env.ref("steward_llm.provider_local")._adapter().prepare()
    while env["steward.skill.version"]._learn_missing():
        pass
    env.cr.commit()
    env.cr.execute("ANALYZE steward_skill; ANALYZE steward_skill_version")
    agent = env["res.users"].create(
        {
            "name": "Bench",
            "login": "bench-skills",
            "group_ids": [(6, 0, env.ref("steward.group_agent").ids)],
        }
    )
    mine = env["steward.skill"].with_user(agent)
    ours, bare, right = [], [], 0
    for number, task in enumerate(tasks(ROUNDS + 20)):
        began = time.perf_counter()
        found = mine.find(task)
        spent = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        env.cr.execute(
            SQL(
                "SELECT id FROM steward_skill_version WHERE search @@"
                " plainto_tsquery('english', %s)"
                " ORDER BY ts_rank(search, plainto_tsquery('english', %s)) LIMIT 5",
                *(task, task),
            )
        )
        env.cr.fetchall()
        if number >= 20:  # the first ones warm up
            ours.append(spent)
            bare.append((time.perf_counter() - began) * 1000)
            words = set(task.lower().replace(",", "").split())
            right += bool(found) and found[0]["name"].split("-")[0] in words
    rows = [
        Row(
            f"{SKILLS:,} skills: {name}",
            quantile(ours, share),
            "ms",
            quantile(bare, share),
            quantile(ours, share) / quantile(bare, share),
            f"< {most} ms; bare: full text alone",
            quantile(ours, share) < most,
        )
        for name, share, most in (("median", 0.5, TARGET), ("p95", 0.95, TARGET))
    ]
    rows.append(
        Row(
            "of the first found, those that do what is asked",
            100 * right / len(ours),
            "%",
            None,
            None,
            "> 80 %",
            right / len(ours) > 0.8,
        )
    )
report("skills", rows)
