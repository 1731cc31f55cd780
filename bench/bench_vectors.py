"""Vectors: 100,000 of them, and how long it takes to keep, to index and to find them.

Made-up vectors in clusters, as those of passages are: so the figures do not depend on
a corpus. Beside each stands the bare SQL, or the plain way.
"""

import os
import time

import numpy as np

from odoo.tools import SQL

from harness import Row, alternate, environment, report

COUNT = int(os.environ.get("STEWARD_BENCH_VECTORS", "100000"))
DIMENSIONS = 384
QUERIES = 200
FIRST = 10
PAGES = 1_000
MEGABYTE = 2**20


def made_up(count, dimensions, seed=1):
    """Directions in clusters; later dimensions say less, as after a PCA."""
    draw = np.random.default_rng(seed)
    spread = np.linspace(1.6, 0.3, dimensions)
    centres = draw.normal(size=(500, dimensions)) * spread
    noise = draw.normal(size=(count, dimensions)) * spread
    found = centres[draw.integers(0, len(centres), count)] + 0.9 * noise
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


class Bench:
    def __init__(self, env):
        self.env, self.cr, self.rows = env, env.cr, []
        self.vectors = made_up(COUNT + QUERIES, DIMENSIONS)
        self.queries, self.vectors = self.vectors[COUNT:], self.vectors[:COUNT]
        self.scores = self.queries @ self.vectors.T
        self.model = env["steward.model"].create(
            {
                "name": "made up",
                "provider_id": env.ref("steward_llm.provider_local").id,
                "can_embedding": True,
                "dimensions": DIMENSIONS,
            }
        )
        source = env["steward.source"].create({"name": "Bench"})
        pages = env["steward.document"]._create_own(
            [
                {"name": "Page", "external_id": str(n), "source_id": source.id}
                for n in range(PAGES)
            ]
        )
        self.cr.execute(
            "INSERT INTO steward_chunk (document_id, sequence, path, text)"
            " SELECT (%s::int[])[1 + (n - 1) * %s / %s], n, 'Page',"
            " repeat('word ', 100) FROM generate_series(1, %s) AS n"
            " RETURNING id, document_id",
            [pages.ids, PAGES, COUNT, COUNT],
        )
        found = np.array(self.cr.fetchall())
        self.chunks, self.owners, self.pages = found[:, 0], found[:, 1], pages.ids
        self.cr.commit()  # other connections have to see it

    def tell(self, name, value, unit, target, ok, bare=None):
        ratio = bare and value / bare
        self.rows.append(Row(name, value, unit, bare, ratio, target, bool(ok)))

    # -- keeping -----------------------------------------------------------------

    def keep(self, space):
        """In bulk, beside one ``create`` each."""
        store = self.env["steward.vector"]._store
        few, size = min(10_000, COUNT), 1_000
        began = time.perf_counter()
        for first in range(0, few, size):
            part = slice(first, first + size)
            store(space, self.chunks[part].tolist(), self.vectors[part])
        bulk = few / (time.perf_counter() - began)
        plain = self._one_by_one(space, 200)
        for first in range(few, COUNT, size):
            part = slice(first, first + size)
            store(space, self.chunks[part].tolist(), self.vectors[part])
        self.tell(
            "vectors kept in bulk",
            *(bulk, "/s", ">= 20 x one create each (bare)", bulk >= 20 * plain, plain),
        )
        self.cr.execute("ANALYZE steward_vector; ANALYZE steward_chunk")

    def _one_by_one(self, space, count):
        """As a model with a field for the vector would: one record, one text each."""
        vectors = self.env["steward.vector"]
        self.cr.execute("ALTER TABLE steward_vector ALTER embedding DROP NOT NULL")
        began = time.perf_counter()
        for n in range(COUNT - count, COUNT):
            values = {"space_id": space.id, "chunk_id": int(self.chunks[n])}
            made = vectors._create_own([values])
            self.cr.execute(
                "UPDATE steward_vector SET embedding = %s WHERE id = %s",
                [str(self.vectors[n].tolist()), made.id],
            )
        spent = time.perf_counter() - began
        self.cr.execute(
            "DELETE FROM steward_vector WHERE embedding IS NOT NULL AND chunk_id > %s",
            [int(self.chunks[COUNT - count - 1])],
        )
        self.cr.execute("ALTER TABLE steward_vector ALTER embedding SET NOT NULL")
        return count / spent

    # -- the index ---------------------------------------------------------------

    def build(self, space, most):
        name, definition = space._index_name(), space._index_definition()
        self.env.flush_all()
        self.cr.commit()  # CREATE INDEX CONCURRENTLY waits for us otherwise
        began = time.perf_counter()
        space._build(name, definition)
        seconds = time.perf_counter() - began
        self.env.invalidate_all()
        self.env.registry.clear_cache()
        size = space._indexes()[name].size / MEGABYTE
        share = COUNT / 100_000
        kind = space.quantization
        # half of the speed of two idle cores is told as missed
        self.tell(f"{kind}: building", seconds, "s", "<= 100 s", seconds <= 100 * share)
        self.tell(f"{kind}: index", size, "MB", f"<= {most} MB", size <= most * share)

    # -- finding -----------------------------------------------------------------

    def find(self, space, least, most_ms):
        exact = self._best()
        found, spent = self._measured(lambda q: space._nearest(q, FIRST))
        p50, p95, recall = self._figures(found, spent, exact)
        kind = space.quantization
        self.tell(f"{kind}: recall@10", recall, "", f">= {least}", recall >= least)
        self.tell(f"{kind}: p50", p50, "ms", "", True)
        self.tell(f"{kind}: p95", p95, "ms", f"<= {most_ms} ms", p95 <= most_ms)
        if kind != "half":
            return
        literals = [str(query.round(5).tolist()) for query in self.queries]
        self.cr.execute("SET hnsw.ef_search = 80")
        bare = (
            f"SELECT chunk_id, embedding::halfvec({DIMENSIONS}) <#>"
            f" %s::halfvec({DIMENSIONS}) AS d FROM steward_vector"
            f" WHERE space_id = {space.id} ORDER BY d LIMIT {FIRST}"
        )

        def plain():
            for text in literals:
                self.cr.execute(bare, [text])
                self.cr.fetchall()

        def ours():
            for query in self.queries:
                space._nearest(query, FIRST)

        ours_s, bare_s = (s / QUERIES * 1000 for s in alternate(ours, plain, 5))
        self.tell(
            "half: a query beside the bare SQL",
            *(ours_s, "ms", "<= 1.3 x bare", ours_s <= 1.3 * bare_s, bare_s),
        )

    def filter(self, space):
        for share in (0.001, 0.01, 0.03, 0.1, 0.3, 1):
            pages = self.pages[: max(1, round(PAGES * share))]
            allowed = np.isin(self.owners, pages)
            chosen = SQL(
                "SELECT c.id FROM steward_chunk c"
                " JOIN steward_document d ON d.id = c.document_id WHERE d.id = ANY(%s)",
                pages,
            )
            exact = self._best(allowed)
            found, spent = self._measured(
                lambda query, chosen=chosen: space._nearest(query, FIRST, chosen)
            )
            _p50, p95, recall = self._figures(found, spent, exact)
            name = f"filter of {share:.1%}"
            self.tell(f"{name}: recall@10", recall, "", ">= .97", recall >= 0.97)
            self.tell(f"{name}: p95", p95, "ms", "<= 15 ms", p95 <= 15)

    def known(self):
        from odoo.addons.steward_knowledge.kernel.signatures import Signatures

        found = Signatures(DIMENSIONS)
        found.replace(range(4_000), self.vectors[:4_000])
        _found, spent = self._measured(found.nearest)
        micro = float(np.median(spent)) * 1000
        self.tell("4,000 known questions", micro, "µs", "<= 100 µs", micro <= 100)

    def _best(self, allowed=None):
        scores = self.scores if allowed is None else self.scores[:, allowed]
        chunks = self.chunks if allowed is None else self.chunks[allowed]
        best = np.argpartition(-scores, FIRST, axis=1)[:, :FIRST]
        return [set(chunks[row].tolist()) for row in best]

    def _measured(self, find):
        for query in self.queries[:20]:
            find(query)
        found, spent = [], []
        for query in self.queries:
            began = time.perf_counter()
            rows = find(query)
            spent.append((time.perf_counter() - began) * 1000)
            found.append({row[0] for row in rows})
        return found, spent

    def _figures(self, found, spent, exact):
        hits = [len(f & e) / len(e) for f, e in zip(found, exact, strict=True)]
        return (*map(float, np.percentile(spent, [50, 95])), float(np.mean(hits)))


with environment() as env:
    bench = Bench(env)
    make = env["steward.space"]._create_own
    values = {"name": "Half", "model_id": bench.model.id}
    half = make([values])
    bench.keep(half)
    bench.build(half, 112)
    bench.find(half, 0.98, 2)
    bench.filter(half)
    binary = make([{**values, "name": "Binary", "quantization": "binary"}])
    binary._copy_vectors()
    half.unlink()
    bench.build(binary, 35)
    bench.find(binary, 0.95, 8)
    bench.known()
report("vectors", bench.rows)
