"""A kit for tests of spaces: passages without a cutter, embedders without weights."""

import numpy as np

from odoo.tools import SQL

from .common import KnowledgeCase


class SpaceCase(KnowledgeCase):
    """Passages, spaces of the built-in `hash`, and made-up vectors."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self.env.registry.clear_cache)

    @classmethod
    def make_model(cls, name, dimensions):
        """Another embedder of the built-in provider, which knows it not."""
        return cls.env["steward.model"].create(
            {
                "name": name,
                "provider_id": cls.hash.provider_id.id,
                "can_embedding": True,
                "dimensions": dimensions,
            }
        )

    @classmethod
    def make_passages(cls, *texts, document=None):
        document = document or cls.make_document()
        return cls.env["steward.chunk"].create(
            [
                {"document_id": document.id, "sequence": n, "path": "", "text": text}
                for n, text in enumerate(texts)
            ]
        )

    @classmethod
    def make_space(cls, **values):
        """A space that is filled, of the built-in `hash` unless told otherwise."""
        values = {"name": "Space", "model_id": cls.hash.id, "is_paused": False} | values
        return cls.spaces._create_own([values])

    def many(self, space, count, seed=1):
        """So many passages with vectors by chance, made by the database."""
        document = self.make_document(external_id=f"many {seed}")
        self.env.cr.execute(
            SQL(
                "INSERT INTO steward_chunk (document_id, sequence, text)"
                " SELECT %s, n, 'text ' || n FROM generate_series(1, %s) AS n"
                " RETURNING id",
                *(document.id, count),
            )
        )
        chunk_ids = [row[0] for row in self.env.cr.fetchall()]
        draw = np.random.default_rng(seed)
        vectors = draw.normal(size=(count, space.dimensions))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.env["steward.vector"]._store(space, chunk_ids, vectors)
        return chunk_ids, vectors
