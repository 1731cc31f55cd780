"""Documents: reading pages, telling duplicates, and the whole way of many.

Near-duplicates are told on the documentation in the folder ``STEWARD_BENCH_DATA``
(``odoo_docs_pages.json``; by default ``../shared/data`` beside the project), varied by
chance; without it that part is skipped.
"""

import json
import os
import random
import time
from itertools import combinations
from pathlib import Path
from unittest.mock import patch

from harness import Row, environment, report

DOCUMENTS = 600
PAGES = 80  # of HTML
VARIED = 3  # versions of each page
SEED = 5


def corpus():
    """The pages of a documentation as Markdown; None without it."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("STEWARD_BENCH_DATA", beside)) / "odoo_docs_pages.json"
    if not path.exists():
        print("    skipped: near-duplicates (no odoo_docs_pages.json)")
        return None
    return [
        (
            page["title"],
            "\n\n".join(f"## {s['title']}\n\n{s['text']}" for s in page["sections"]),
        )
        for page in json.loads(path.read_text())
    ]


def made_up(count, draw):
    """Pages by chance of business words, with headings."""
    from odoo.addons.steward_llm.kernel.common_words import business_words

    known = business_words()
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    for number in range(count):
        sections = []
        for section in range(4):
            words = " ".join(draw.choices(known, weights, k=90))
            sections.append(f"## Part {section}\n\n{words}. See sale.order in 18.0.")
        title = " ".join(draw.choices(known, k=3)).title()
        yield f"{title} {number}", "\n\n".join(sections)


def page_of(title, text):
    """A page as web servers send it: with a frame around what it says."""
    blocks = []
    for number, block in enumerate(text.split("\n\n")):
        if block.startswith("## "):
            blocks.append(f"<h2>{block[3:]}</h2>")
        else:
            blocks.append(f"<p>{block}</p>")
        if number % 4 == 3:
            blocks.append("<pre>record.write({'name': 'x'})\nrecord.unlink()</pre>")
    menu = "".join(f"<li><a href='/{n}'>Entry {n}</a></li>" for n in range(60))
    return (
        f"<!doctype html><html lang='en'><head><title>{title}</title>"
        "<script>var x = 1;</script></head><body>"
        f"<nav><ul>{menu}</ul></nav><main><article><h1>{title}</h1>{''.join(blocks)}"
        "</article></main><footer>All rights reserved</footer></body></html>"
    ).encode()


def reading(pages):
    """Pages a second of one core, beside trafilatura alone."""
    import trafilatura

    from odoo.addons.steward_knowledge.kernel.extract import extract

    sent = [page_of(*page) for page in pages[:PAGES]]

    def ours():
        for page in sent:
            extract(page, "text/html; charset=utf-8")

    def bare():
        for page in sent:
            trafilatura.extract(page, fast=True, output_format="markdown")

    spent = {ours: [], bare: []}
    for _round in range(3):
        for way, kept in spent.items():
            began = time.process_time()
            way()
            kept.append(time.process_time() - began)
    mine, base = (len(sent) / min(spent[way]) for way in (ours, bare))
    return [
        Row(
            "pages read",
            *(mine, "/s", base, base / mine),
            ">= 60/s of CPU; bare: trafilatura",
            mine >= 60,
        )
    ]


def varied(pages, draw):
    """Each page in some versions: a few words changed, cut, moved, or many."""
    known = sorted({word for _title, text in pages for word in text.split()})
    for title, text in pages:
        words = text.split()
        yield title, text
        for _version in range(VARIED):
            changed = list(words)
            share = draw.choice([0.002, 0.01, 0.02, 0.04, 0.08])
            for _change in range(max(1, int(len(words) * share))):
                at = draw.randrange(len(changed))
                changed[at] = draw.choice(known)
            if draw.random() < 0.3:
                at = draw.randrange(len(changed))
                changed = changed[at:] + changed[:at]
            yield title, " ".join(changed[: int(len(changed) * draw.uniform(0.9, 1))])


def duplicates(env, pages):
    """Precision and recall of the pairs that the index finds; signatures a second."""
    import numpy as np

    from odoo.addons.steward_knowledge.kernel import neighbours

    texts = [text for _title, text in varied(pages, random.Random(SEED))]
    tokens = [neighbours.words(text) for text in texts]
    began = time.process_time()
    shingles = [neighbours.shingles(each) for each in tokens]
    signatures = [neighbours.signature(each) for each in shingles]
    rate = len(texts) / (time.process_time() - began)

    # all pairs by their shared shingles, as an answer to hold ours against
    order = np.argsort(np.concatenate(shingles), kind="stable")
    flat = np.concatenate(shingles)[order]
    owner = np.repeat(np.arange(len(texts)), [len(each) for each in shingles])[order]
    shared = {}
    for group in np.split(owner, np.flatnonzero(np.diff(flat)) + 1):
        if len(group) > 1:
            for pair in combinations(sorted(group.tolist()), 2):
                shared[pair] = shared.get(pair, 0) + 1
    sizes = [len(each) for each in shingles]
    true = {
        (a, b)
        for (a, b), both in shared.items()
        if both / (sizes[a] + sizes[b] - both) >= neighbours.SIMILAR
    }
    env.cr.execute("CREATE TEMP TABLE bench_near (id int, signature bigint[])")
    values = [row for row in enumerate(signatures) if row[1]]
    env.cr.executemany("INSERT INTO bench_near VALUES (%s, %s)", values)
    env.cr.execute("CREATE INDEX ON bench_near USING gin (signature)")
    env.cr.execute("ANALYZE bench_near")
    began = time.perf_counter()
    env.cr.execute(
        "SELECT a.id, b.id FROM bench_near a"
        " JOIN bench_near b ON b.signature && a.signature AND a.id < b.id"
    )
    candidates = env.cr.fetchall()
    seconds = time.perf_counter() - began
    found = {
        (a, b)
        for a, b in candidates
        if neighbours.similarity(shingles[a], shingles[b]) >= neighbours.SIMILAR
    }
    print(
        f"    {len(texts)} documents, {len(true)} pairs that say the same,"
        f" {len(candidates)} candidates in {seconds:.2f} s"
    )
    precision = len(found & true) / max(1, len(found))
    recall = len(found & true) / max(1, len(true))
    return [
        Row(
            "near-duplicates: precision",
            *(precision, "", None, None),
            "1",
            precision == 1,
        ),
        Row(
            "near-duplicates: recall",
            *(recall, "", None, None),
            ">= .99",
            recall >= 0.99,
        ),
        Row(
            "near-duplicates: signatures",
            *(rate, "/s", None, None),
            ">= 1,000/s of CPU",
            rate >= 1_000,
        ),
    ]


def pipeline(env, pages):
    """Documents a second from what was fetched to searchable, without a model."""
    from odoo.addons.steward_knowledge.kernel.draft import Draft

    # topics are told by rules and by likeness, for which "static" has to be there
    env.ref("steward_llm.provider_local")._adapter().prepare()
    source = env["steward.source"].create({"name": "Bench"})
    model = env.registry["steward.document"]
    drafts = [
        Draft(
            f"/{number}",
            content=page_of(title, text),
            content_type="text/html",
            url=f"https://example.com/{number}",
        )
        for number, (title, text) in enumerate(pages)
    ]
    # a first batch makes each part of it ready
    env["steward.document"]._take(source, drafts[:20])["documents"]._process()
    drafts = drafts[20:]
    with patch.object(model, "_make_vectors"):
        began, cpu = time.perf_counter(), time.process_time()
        for at in range(0, len(drafts), 50):
            taken = env["steward.document"]._take(source, drafts[at : at + 50])
            taken["documents"]._process()
            env.flush_all()
            env.invalidate_all()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    states = env["steward.document"]._read_group(
        [("source_id", "=", source.id)], ["state"], ["__count"]
    )
    print(f"    {dict(states)}; {len(drafts) / cpu:.0f}/s of this process's own CPU")
    rate = len(drafts) / seconds
    began = time.perf_counter()
    for at in range(0, len(drafts), 50):
        env["steward.document"]._take(source, drafts[at : at + 50])
    again = len(drafts) / (time.perf_counter() - began)
    return [
        Row(
            "documents, from page to passages",
            *(rate, "/s", None, None),
            ">= 50/s without a model",
            rate >= 50,
        ),
        Row(
            "documents that did not change",
            *(again, "/s", rate, rate / again),
            ">= 10 x cheaper than new ones (bare)",
            again >= 10 * rate,
        ),
    ]


with environment() as env:
    known = corpus()
    invented = list(made_up(DOCUMENTS + 20, random.Random(SEED)))
    rows = reading(known or invented)
    if known:
        rows += duplicates(env, known)
    rows += pipeline(env, invented)
report("pipeline", rows)
