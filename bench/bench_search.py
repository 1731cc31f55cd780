"""Search: how well it finds, how quickly, beside PostgreSQL's own full text.

The corpus is in the folder ``STEWARD_BENCH_DATA`` (``odoo_docs_pages.json`` and
``odoo_docs_cases_dev.json``); without it nothing is measured. ``STEWARD_BENCH_CHUNKS``
says at how many passages speed is measured, ``STEWARD_BENCH_MINILM=0`` leaves MiniLM
out, which takes two minutes to embed the corpus.
"""

import json
import math
import os
import random
import statistics
import string
import time
from pathlib import Path

from odoo.tools import SQL

from harness import Row, Server, environment, report

DATA = Path(os.environ.get("STEWARD_BENCH_DATA", "../shared/data"))
COUNT = int(os.environ.get("STEWARD_BENCH_CHUNKS", "100000"))
MINILM = os.environ.get("STEWARD_BENCH_MINILM", "1") != "0"
AT_ONCE = 50  # documents, as a job takes them
FIRST = 10
QUESTIONS = 300
FULL_TEXT = {
    "AND, ts_rank_cd": (" & ", "ts_rank_cd"),
    "OR, ts_rank": (" | ", "ts_rank"),
    "OR, ts_rank_cd": (" | ", "ts_rank_cd"),
}


def markdown(page):
    parts = []
    for section in page["sections"]:
        if section["level"] and section["title"]:
            parts.append("#" * min(section["level"], 6) + " " + section["title"])
        if section["text"].strip():
            parts.append(section["text"])
    return "\n\n".join(parts)


def misspelt(text, draw):
    """Two of its longer words with an edit each."""
    words = text.split()
    long = [n for n, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    for number in draw.sample(long, min(2, len(long))):
        word, place = words[number], draw.randrange(1, len(words[number]) - 1)
        letter = draw.choice(string.ascii_lowercase)
        before, after = word[:place], word[place:]
        words[number] = draw.choice(
            (
                before + after[1:],
                before + letter + after,
                before + letter + after[1:],
                before + after[1] + after[0] + after[2:],
            )
        )
    return " ".join(words)


def ndcg(case, found):
    found = [page for page in found if page not in case["exclude"]][:FIRST]
    gain = sum(1 / math.log2(n + 2) for n, p in enumerate(found) if p in case["rel"])
    best = sum(1 / math.log2(n + 2) for n in range(min(FIRST, len(case["rel"]))))
    return gain / best


def mean(cases, find):
    return statistics.mean(ndcg(case, find(case["q"])) for case in cases)


class Bench:
    def __init__(self, env):
        self.env, self.cr, self.rows = env, env.cr, []
        self.documents = env["steward.document"]
        self.pages = json.loads((DATA / "odoo_docs_pages.json").read_text())
        cases = (DATA / "odoo_docs_cases_dev.json").read_text()
        self.cases = json.loads(cases)
        draw = random.Random(5)
        self.typos = [c | {"q": misspelt(c["q"], draw)} for c in self.cases]
        env.ref("steward_llm.provider_local")._adapter().prepare()
        self.env["steward.space"]._make_default()

    def tell(self, name, value, unit, target, ok, bare=None):
        ratio = bare and value / bare
        self.rows.append(Row(name, value, unit, bare, ratio, target, bool(ok)))

    # -- quality -----------------------------------------------------------------------

    def index(self):
        source = self.env["steward.source"].create({"name": "Documentation"})
        found = self.documents._create_own(
            [
                {
                    "external_id": page["id"],
                    "name": page["title"],
                    "text": markdown(page),
                    "language": "en",
                    "source_id": source.id,
                }
                for page in self.pages
            ]
        )
        self.names = {d.id: d.external_id for d in found}
        self.env.flush_all()
        spent, began = time.process_time(), time.perf_counter()
        for first in range(0, len(found), AT_ONCE):
            some = found[first : first + AT_ONCE]
            some._make_chunks()
            some._make_vectors()
            self.cr.commit()
        seconds = time.perf_counter() - began
        spent = time.process_time() - spent
        chunks = self.env["steward.chunk"].search_count([])
        self.tell(
            f"index: {len(found)} pages, {chunks} passages",
            *(seconds, "s"),
            f"<= 5 s with static (of it {spent:.1f} s Python)",
            seconds <= 5,
        )
        self.cr.execute("ANALYZE")
        self.cr.commit()

    def full_text(self):
        """PostgreSQL's own ranking of the passages, the best of three ways."""
        self.cr.execute(
            "CREATE TEMP TABLE plain AS SELECT document_id, to_tsvector('english',"
            " path || ' ' || text) AS tsv FROM steward_chunk"
        )

        def find(way):
            between, rank = FULL_TEXT[way]

            def found(query):
                self.cr.execute(
                    SQL(
                        "WITH q AS (SELECT string_agg(quote_literal(lexeme), %s)"
                        "::tsquery AS q FROM unnest(to_tsvector('english', %s)))"
                        " SELECT document_id FROM plain, q WHERE tsv @@ q"
                        " GROUP BY 1 ORDER BY max(%s(tsv, q)) DESC LIMIT 30",
                        between,
                        query,
                        SQL(rank),
                    )
                )
                return [self.names[row[0]] for row in self.cr.fetchall()]

            return found

        ways = [find(way) for way in FULL_TEXT]
        return max(mean(self.cases, way) for way in ways), max(
            mean(self.typos, way) for way in ways
        )

    def found(self, query):
        rows = self.documents._find(query, 30, log=False)["results"]
        return [self.names[row["document_id"]] for row in rows]

    def quality(self, name, target, bare):
        clean, typos = mean(self.cases, self.found), mean(self.typos, self.found)
        what = f"nDCG@{FIRST} with {name}"
        self.tell(
            f"{what}: link texts",
            *(clean, ""),
            f">= {target}; bare: best of PostgreSQL's full text",
            clean >= target,
            bare[0],
        )
        self.tell(
            f"{what}: misspelt",
            typos,
            "",
            ">= .95 x clean",
            typos >= 0.95 * clean,
            bare[1],
        )

    def use(self, model):
        """Have another space in the place of the active one."""
        spaces = self.env["steward.space"]
        spaces.search([("state", "=", "active")])._write_own({"state": "ready"})
        self.env.flush_all()
        space = spaces._create_own(
            [
                {
                    "name": model,
                    "model_id": self.env.ref(f"steward_llm.model_{model}").id,
                    "is_paused": False,
                    "state": "active",
                }
            ]
        )
        space._embed_missing()
        self.cr.commit()
        self.env.registry.clear_cache()
        return space

    # -- speed -------------------------------------------------------------------------

    def grow(self):
        """Pages of sentences of the corpus, mixed, until there are enough passages."""
        draw = random.Random(3)
        sentences, titles = [], []
        for page in self.pages:
            titles.append(page["title"].split())
            for section in page["sections"]:
                parts = section["text"].replace("\n", " ").split(". ")
                sentences += [part for part in parts if 40 < len(part) < 400]
        source = self.env["steward.source"].create({"name": "Many"})
        space = self.env["steward.space"]._active()
        number, there = 0, self.env["steward.chunk"].search_count([])
        while there < COUNT:
            values = []
            for _page in range(200):
                number += 1
                title = " ".join(draw.choice(draw.choice(titles)) for _n in range(4))
                sections = "\n\n".join(
                    f"## {draw.choice(draw.choice(titles))} {n}\n\n"
                    + ". ".join(draw.choices(sentences, k=8))
                    for n in range(12)
                )
                values.append(
                    {
                        "external_id": f"many/{number}",
                        "name": title,
                        "text": sections,
                        "language": "en",
                        "source_id": source.id,
                    }
                )
            made = self.documents._create_own(values)
            made._make_chunks()
            self.cr.commit()
            self.env.invalidate_all()
            there = self.env["steward.chunk"].search_count([])
        space._embed_missing()
        self.cr.commit()
        space._job_index()
        self.cr.commit()
        self.cr.execute("ANALYZE")
        self.cr.commit()
        self.env.registry.clear_cache()
        return there

    def speed(self):
        there = self.grow()
        draw = random.Random(9)
        asked = [draw.choice(self.cases + self.typos)["q"] for _n in range(QUESTIONS)]
        for query in asked[:20]:
            self.documents._find(query)
        spent, stage = [], []
        space = self.env["steward.space"]._active()
        for query in asked:
            began = time.perf_counter()
            self.documents._find(query)
            spent.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            space._nearest(query, 100)
            stage.append((time.perf_counter() - began) * 1000)
        self.cr.commit()
        for name, share, most in (("p50", 0.5, 12), ("p95", 0.95, 30)):
            value = quantile(spent, share)
            self.tell(
                f"{there} passages, in process: {name}",
                *(value, "ms"),
                f"< {most} ms; bare: the nearest vectors alone",
                value < most,
                quantile(stage, share),
            )
        server = Server(self.env)
        try:
            served = []
            for query in asked:
                began = time.perf_counter()
                server.call("steward.document", "find", query=query)
                served.append((time.perf_counter() - began) * 1000)
        finally:
            server.end()
        for name, share, most in (("p50", 0.5, 30), ("p95", 0.95, 60)):
            value = quantile(served[20:], share)
            self.tell(
                f"{there} passages, over JSON-2: {name}",
                *(value, "ms"),
                f"< {most} ms; bare: in process",
                value < most,
                quantile(spent, share),
            )


def quantile(values, share):
    return sorted(values)[int(len(values) * share)]


def measured():
    if not (DATA / "odoo_docs_pages.json").exists():
        print(
            f"    {DATA} holds no corpus (STEWARD_BENCH_DATA): search is not measured"
        )
        return []
    with environment() as env:
        bench = Bench(env)
        bench.index()
        bare = bench.full_text()
        bench.quality("static", 0.76, bare)
        if MINILM:
            before = env["steward.space"]._active()
            space = bench.use("minilm")
            bench.quality("MiniLM", 0.78, bare)
            space._write_own({"state": "ready"})
            env.flush_all()
            before._write_own({"state": "active"})
            space.unlink()
            env.cr.commit()
            env.registry.clear_cache()
        if COUNT:
            bench.speed()
        return bench.rows


if __name__ == "__main__" and (rows := measured()):
    report("search", rows)
