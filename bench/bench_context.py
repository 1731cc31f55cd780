"""What agents are told before they begin: how soon, and what it saves.

Speed is measured at as many passages as the bench of search makes, with its corpus and
its questions, and with tasks as people write them: several sentences. Beside it stands
the search alone, which the context consists of for the most part. What is saved is
measured in the world of ``make demo-knowledge``, see `house.saving`.
"""

import random
import time

from bench_search import COUNT, DATA, Bench, quantile

from harness import Row, environment, report
from house import demo, saving
from house.settings import Settings

TASKS = 300
WARM = 20
TOKENS = 2000
SLOWEST = 80  # milliseconds, of 95 in 100
SENTENCES = 3  # of a long task


def tasks(cases):
    """Questions, and every third time a task of some sentences."""
    draw = random.Random(11)
    for number in range(TASKS):
        asked = [draw.choice(cases)["q"] for _n in range(SENTENCES)]
        if number % 3:
            yield asked[0]
        else:
            yield (
                f"A customer wrote to us. He wants to know this: {asked[0]}."
                f" Find out, and look whether it has to do with {asked[1]};"
                f" mention {asked[2]} if it helps."
            )


def milliseconds(way):
    began = time.perf_counter()
    way()
    return (time.perf_counter() - began) * 1000


def speed():
    """How long it takes to tell what is known, among many passages."""
    with environment() as env:
        bench = Bench(env)
        bench.index()
        agents, documents = env["steward.agent"], env["steward.document"]
        yield told(bench, agents)
        there = bench.grow()
        asked = list(tasks(bench.cases + bench.typos))
        for task in asked[:WARM]:
            agents.context(task, token_budget=TOKENS)
        spent, alone = [], []
        for task in asked:
            spent.append(
                milliseconds(lambda t=task: agents.context(t, token_budget=TOKENS))
            )
            alone.append(
                milliseconds(lambda t=task: documents._find(t, limit=12, log=False))
            )
            env.cr.commit()  # as each run has a transaction of its own
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        value, bare = quantile(spent, share), quantile(alone, share)
        target = f"< {SLOWEST} ms; bare: its search alone"
        ok = value < SLOWEST
        yield Row(
            *(f"{there} passages: {name}", value, "ms", bare, value / bare, target, ok)
        )


def told(bench, agents):
    """Whether a page that answers is told, as often as a search shows it."""

    def share(pages_of):
        hits = [bool(pages_of(case["q"]) & set(case["rel"])) for case in bench.cases]
        return sum(hits) / len(hits) * 100

    def ours(task):
        context = agents.context(task, token_budget=TOKENS)
        return {bench.names[row["document_id"]] for row in context["passages"]}

    def shown(query):
        found = bench.documents.find(query)
        return {bench.names[row["document_id"]] for row in found}

    mine, theirs = share(ours), share(shown)
    target = ">= .95 of the bare search's eight pages"
    return Row(
        *("documentation: a page that answers", mine, "%", theirs, mine / theirs),
        *(target, mine >= 0.95 * theirs),
    )


def saved():
    """What the demo's facts take, beside documents that are told whole."""
    settings = Settings()
    log = settings.data / "log" / "bench-context.log"
    with demo.world(settings, log) as (env, _seconds):
        known = saving.compare(saving.cases(demo.FOLDER), *saving.ways(env, TOKENS))
    print(f"    {known}")
    for question in known.lost:
        print(f"    lost: {question}")
    third = ">= 33.3 % of what whole documents take"
    facts = f"all that whole documents tell, of {known.asked} questions"
    as_good = known.ours >= known.whole > 0
    for name, value in (("all", known.share), ("median", known.median)):
        yield Row(
            *(f"demo: tokens saved, {name}", value * 100, "%", None, None, third),
            value >= 1 / 3,
        )
    yield Row("demo: facts told", known.ours, "", known.whole, None, facts, as_good)


if __name__ == "__main__":
    rows = list(saved())
    if (DATA / "odoo_docs_pages.json").exists() and COUNT:
        rows += speed()
    else:
        print(f"    {DATA} holds no corpus (STEWARD_BENCH_DATA): speed not measured")
    report("context", rows)
