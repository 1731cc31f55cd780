"""Knowledge from end to end: harvest, pipeline and index; again; and 1,000 searches.

A made-up site (`corpus.py`) is served on loopback and harvested by the addon's own
jobs, run one after the other in this process. The bare way is to fetch the same pages
and have trafilatura read them, and nothing else. ``STEWARD_BENCH_PAGES`` says how many
pages of documentation there are (threads are twice as many, issues half); 1000 is the
whole of it.

Besides the clock, the processor is told: of this process, the site's threads included,
and of the database's. On a machine that does other things as well it is what counts.
"""

import os
import time
from dataclasses import dataclass

import psutil
import requests
import trafilatura

from corpus import DOCS, FORUM, REPOSITORY, Corpus, Site
from harness import Row, environment, report
from house.jobs import work_off

PAGES = int(os.environ.get("STEWARD_BENCH_PAGES") or 100)
SEARCHES = 1000
FIRST = 5  # results among which the page that was asked about should be
CHANGED = 3  # pages that say something else at the third harvest
QUICK = {"requests_per_minute": 60_000, "page_limit": 100_000}


@dataclass
class Spent:
    """What something took."""

    seconds: float = 0.0
    processor: float = 0.0

    def __add__(self, other):
        return Spent(self.seconds + other.seconds, self.processor + other.processor)


def processor(env):
    """Processor seconds of this process and of the database's, so far."""
    total = time.process_time()
    env.cr.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    )
    for (pid,) in env.cr.fetchall():
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:  # the server is another machine
            continue
        total += times.user + times.system
    return total


def measured(env, work):
    """What some work took."""
    began, used = time.perf_counter(), processor(env)
    work()
    return Spent(time.perf_counter() - began, processor(env) - used)


class Embeddings:
    """Counts the texts that are embedded as passages."""

    def __init__(self, env):
        self.texts = 0
        model = env.registry["steward.model"]
        real = model._embed

        def embed(this, texts, purpose="document"):
            self.texts += len(texts) if purpose == "document" else 0
            return real(this, texts, purpose)

        model._embed = embed


def sources(env, site):
    """The three sources, each of a kind of its own."""
    values = [
        {"name": "Documentation", "kind": "website", "url": site.url(f"{DOCS}/")},
        {"name": "Forum", "kind": "forum", "url": site.url(f"{FORUM}/")},
        {
            "name": "Issues",
            "kind": "github",
            "url": site.github,
            "repository": REPOSITORY,
        },
    ]
    return env["steward.source"].create([{**each, **QUICK} for each in values])


def harvest(env, source):
    """Harvest a source to the end, its documents included."""
    found = source._start()
    work_off(env)
    assert found.state == "done", found.reason
    return found


def bare(site, corpus, source):
    """Fetch what a source has, and let trafilatura read it."""
    session = requests.Session()
    if source.kind == "github":
        address = f"{site.github}/repos/{REPOSITORY}/issues?state=all&per_page=100"
        while address:
            answer = session.get(address)
            for issue in answer.json():
                if issue["comments"]:
                    number = issue["number"]
                    path = f"/repos/{REPOSITORY}/issues/{number}/comments"
                    session.get(f"{site.github}{path}").json()
            address = answer.links.get("next", {}).get("url")
        return
    for page in corpus.pages if source.kind == "website" else corpus.threads:
        content = session.get(site.url(page.path)).content
        trafilatura.extract(
            content, output_format="markdown", include_tables=True, fast=True
        )


def harvests(env, site, corpus, embeddings):
    """The first harvest, the same again, and one after a little changed."""
    ours, plain = Spent(), Spent()
    known = sources(env, site)
    for source in known:  # in turn, so that noise hits both alike
        ours += measured(env, lambda: harvest(env, source))  # noqa: B023 - run here
        plain += measured(env, lambda: bare(site, corpus, source))  # noqa: B023
    count, embedded = len(corpus), embeddings.texts
    documents = env["steward.document"]
    states = dict(documents._read_group([], ["state"], ["__count"]))
    assert sum(states.values()) == count, states
    assert states["ready"] + states.get("duplicate", 0) == count, states
    before = embeddings.texts
    again = measured(env, lambda: [harvest(env, source) for source in known])
    nothing = embeddings.texts - before
    for page in [page for page in corpus.pages if not page.near][:CHANGED]:
        site.change(page.path, "The warehouse moved to the harbour last Tuesday.")
    before = embeddings.texts
    harvest(env, known[0])
    little = embeddings.texts - before
    near = sum(bool(page.near) for page in (*corpus.pages, *corpus.threads))
    linked = states.get("duplicate", 0)
    rate, bare_rate = count / ours.seconds, count / plain.seconds
    return [
        Row(
            *(f"{count} documents, by the clock", rate, "/s", bare_rate),
            *(bare_rate / rate, ">= 50/s; bare: fetch, trafilatura", rate >= 50),
        ),
        Row(
            *(f"{count} documents, of a processor", count / ours.processor, "/s"),
            *(count / plain.processor, ours.processor / plain.processor),
            *(">= 50/s; bare: the same", count / ours.processor >= 50),
        ),
        Row(
            *("nothing changed, by the clock", again.seconds, "s", ours.seconds),
            *(again.seconds / ours.seconds, "<= 1/10 of the first (bare)"),
            again.seconds <= ours.seconds / 10,
        ),
        Row(
            *("nothing changed, of a processor", again.processor, "s", ours.processor),
            *(again.processor / ours.processor, "<= 1/10 of the first (bare)"),
            again.processor <= ours.processor / 10,
        ),
        Row(
            *("nothing changed: passages embedded", nothing, "", embedded, None),
            *("0; bare: the first time", not nothing and embedded > count),
        ),
        Row(
            *(f"{CHANGED} pages changed: passages embedded", little, "", embedded),
            *(None, f"1 to {3 * CHANGED}", 0 < little <= 3 * CHANGED),
        ),
        Row(
            *("near-duplicates that are linked", linked, "", near, linked / near),
            *(
                "of the copies made (bare): 95 % to 105 %",
                abs(linked / near - 1) <= 0.05,
            ),
        ),
    ]


def searches(env, corpus):
    """What 1,000 of them cost, and whether they find what was asked about."""
    documents = env["steward.document"].with_user(env.ref("base.user_admin"))
    asked, hits = corpus.questions(SEARCHES), 0
    documents.find(asked[0][0])  # what is kept between searches is made

    def ask():
        nonlocal hits
        for question, path in asked:
            found = documents.find(question, limit=FIRST)
            hits += any(row["url"].endswith(path) for row in found)
            env.cr.commit()

    spent = measured(env, ask)
    return [
        Row(
            *(f"{SEARCHES} searches, of a processor", spent.processor, "s", None, None),
            *("< 36 s: 1 % of a core's hour", spent.processor < 36),
        ),
        Row(
            *(f"the page asked about, first {FIRST}", hits / SEARCHES, "", None, None),
            *(">= 0.9", hits / SEARCHES >= 0.9),
        ),
    ]


def size(env, before):
    """What the database grew by for each document, beside its text."""
    env.cr.execute("SELECT avg(octet_length(text)), count(*) FROM steward_document")
    text, count = map(float, env.cr.fetchone())
    grown = (database_size(env) - before) / count
    return Row(
        *("on disk, a document", grown / 1024, "kB", text / 1024, grown / text),
        *("<= 50 kB; bare: its text", grown <= 50 * 1024),
    )


def database_size(env):
    """Bytes on disk."""
    env.cr.execute("SELECT pg_database_size(current_database())")
    return env.cr.fetchone()[0]


world = Corpus(PAGES)
with Site(world) as served, environment() as env:
    env["ir.config_parameter"].set_param("steward.http.allowed_networks", "127.0.0.1")
    work_off(env)  # what the installation left, as the table of vectors
    empty = database_size(env)
    rows = harvests(env, served, world, Embeddings(env))
    rows += [*searches(env, world), size(env, empty)]
report("knowledge", rows)
