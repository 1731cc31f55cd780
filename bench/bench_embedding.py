"""Embedding: the built-in models beside bare numpy, and what the cache saves.

With a corpus in the folder ``STEWARD_CORPUS`` (``odoo_docs_pages.json`` and
``odoo_docs_cases_dev.json``) also how well they find.
"""

import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np

from harness import Row, alternate, environment, report

TEXTS = 2_000
LONG = 100  # words


def median(values):
    return sorted(values)[len(values) // 2]


def made_up(count, words, seed=1):
    from odoo.addons.steward_llm.kernel.common_words import business_words

    draw, known = random.Random(seed), business_words()
    # about as frequent as in language
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    return [" ".join(draw.choices(known, weights, k=words)) for _text in range(count)]


def table(env):
    """The table, made if it has to be; and what it does in a second."""
    from odoo.addons.steward_llm.adapters import local

    adapter = env.ref("steward_llm.provider_local")._adapter()
    began = time.perf_counter()
    local.table_path().unlink(missing_ok=True)
    adapter._make_table()
    seconds = time.perf_counter() - began
    rows = [
        Row(
            "static: making the table", seconds, "s", None, None, "< 90 s", seconds < 90
        )
    ]
    found, model = adapter._table(), env.ref("steward_llm.model_static")
    texts = made_up(TEXTS, LONG)
    chosen = [found._rows_of(text) for text in texts]

    def bare():
        """The gathering and adding alone: no words, no records."""
        for ids in chosen:
            found.scales[ids] @ found.rows[ids]

    model._embed(texts)
    ours, base = (TEXTS / s for s in alternate(lambda: model._embed(texts), bare, 5))
    rows.append(
        Row(
            f"static: texts of {LONG} words",
            ours,
            "/s",
            base,
            base / ours,
            ">= 10,000/s; bare: numpy on known rows",
            ours >= 10_000,
        )
    )
    queries = made_up(500, 6, seed=2)
    model._embed(queries)
    spent = []
    for query in queries:
        began = time.perf_counter()
        found.embed([query])
        spent.append((time.perf_counter() - began) * 1000)
    milli = median(spent)
    rows.append(
        Row("static: a query", milli, "ms", None, None, "<= 0.05 ms", milli <= 0.05)
    )
    return rows


def minilm(env):
    """MiniLM's rate on numpy, and on ONNX Runtime beside it."""
    from odoo.addons.steward_llm.adapters import local
    from odoo.addons.steward_llm.kernel import minilm

    adapter = env.ref("steward_llm.provider_local")._adapter()
    pieces, numpys = adapter._pieces(), adapter._encoder()
    quick = adapter._forward() if local.has_onnx() else numpys
    rows = []
    for name, words, count, target in (
        ("256 tokens", 300, 24, 17),
        ("20 words", 20, 150, 190),
    ):
        ids = [pieces.encode(text) for text in made_up(count, words)]

        def run(forward, ids=ids):
            return lambda: minilm.embed(forward, ids)

        fast, slow = (count / s for s in alternate(run(quick), run(numpys), 3))
        # shared machines reach less; half of it is told as missed
        rows.append(
            Row(
                f"minilm: {name}, numpy",
                slow,
                "/s",
                None,
                None,
                f"about {target}/s on two idle cores",
                slow >= target / 2,
            )
        )
        if local.has_onnx():
            rows.append(
                Row(
                    f"minilm: {name}, ONNX Runtime",
                    fast,
                    "/s",
                    slow,
                    slow / fast,
                    ">= 2 x numpy (bare)",
                    fast >= 2 * slow,
                )
            )
    return rows


def cache(env):
    """A text that is known against one that is computed; and the bare query."""
    from odoo.addons.steward_llm.models import steward_embedding

    model = env.ref("steward_llm.model_minilm")
    texts = made_up(100, 20, seed=3)
    began = time.perf_counter()
    model._embed(texts)
    computed = time.perf_counter() - began
    env.cr.commit()  # the cache has cursors of its own
    adapter = model.provider_id._adapter()
    keys = env["steward.embedding"]._keys(
        texts, model._cache_space(adapter, "document")
    )

    def shared():
        steward_embedding._LOCAL.clear()
        model._embed(texts)

    def bare():
        env.cr.execute(
            "SELECT digest, vector FROM steward_embedding"
            " WHERE model_id = %s AND digest = ANY(%s)",
            [model.id, keys],
        )
        env.cr.fetchall()

    hit, query = (s / 100 * 1e6 for s in alternate(shared, bare))
    remembered, _query = (
        s / 100 * 1e6 for s in alternate(lambda: model._embed(texts), bare)
    )
    miss = computed / 100 * 1e6
    return [
        Row(
            "cache: a text another worker embedded",
            *(hit, "µs", query, hit / query),
            "<= 1/10 of computing; bare: the query",
            hit <= miss / 10,
        ),
        Row(
            "cache: a text this worker embedded",
            *(remembered, "µs", miss, remembered / miss),
            "<= 1/20 of computing (bare)",
            remembered <= miss / 20,
        ),
    ]


def quality(env):
    """nDCG@10 over the pages of a documentation; nothing without the corpus."""
    folder = os.environ.get("STEWARD_CORPUS")
    if not folder:
        print("    STEWARD_CORPUS names no folder: how well they find is not measured")
        return []
    pages = json.loads(Path(folder, "odoo_docs_pages.json").read_text())
    cases = json.loads(Path(folder, "odoo_docs_cases_dev.json").read_text())
    texts, owners = [], []
    for page in pages:
        for section in page["sections"]:
            words = section["text"].split()
            for first in range(0, max(len(words), 1), 120):
                body = " ".join(words[first : first + 120])
                texts.append(f"{page['title']} > {section['title']}\n{body}")
                owners.append(page["id"])
    names = sorted(set(owners))
    places = [[n for n, o in enumerate(owners) if o == name] for name in names]
    found = {}
    for kind in ("hash", "static"):
        model = env.ref(f"steward_llm.model_{kind}")
        documents = model._embed(texts)
        queries = model._embed([case["q"] for case in cases], "query")
        scores = queries @ documents.T
        best = np.stack([scores[:, rows].max(axis=1) for rows in places], axis=1)
        found[kind] = float(np.mean([*map(_ndcg, cases, best, [names] * len(cases))]))
    return [
        Row(
            "static: nDCG@10 on link texts",
            found["static"],
            "",
            found["hash"],
            found["static"] / found["hash"],
            ">= hash (bare) + 0.05",
            found["static"] >= found["hash"] + 0.05,
        )
    ]


def _ndcg(case, scores, names):
    ranked = [names[n] for n in np.argsort(-scores, kind="stable")]
    ranked = [name for name in ranked if name not in case["exclude"]][:10]
    gain = sum(1 / math.log2(n + 2) for n, x in enumerate(ranked) if x in case["rel"])
    return gain / sum(1 / math.log2(n + 2) for n in range(min(10, len(case["rel"]))))


with environment() as env:
    rows = table(env) + minilm(env) + cache(env) + quality(env)
report("embedding", rows)
