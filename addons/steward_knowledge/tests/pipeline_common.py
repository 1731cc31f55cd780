"""Stand-ins for passages and vectors, for tests of what comes before them."""

from unittest.mock import patch

from ..models import steward_document_pipeline
from .common import KnowledgeCase


class PipelineCase(KnowledgeCase):
    """Documents are taken from drafts; their passages are their text as a whole."""

    def setUp(self):
        super().setUp()
        # a slow machine does not cut jobs into several
        patcher = patch.object(steward_document_pipeline, "SLICE", 3_600)
        patcher.start()
        self.addCleanup(patcher.stop)
        model = self.env.registry["steward.document"]
        self.cut, self.dropped, self.embedded = [], [], []

        def make_chunks(documents):
            self.cut += documents.ids
            documents.env["steward.chunk"].create(
                [
                    {"document_id": each.id, "sequence": 0, "text": each.text}
                    for each in documents
                ]
            )

        def drop_chunks(documents):
            self.dropped += documents.ids
            documents.chunk_ids.unlink()

        def make_vectors(documents):
            self.embedded += documents.ids

        for name, stand_in in (
            ("_make_chunks", make_chunks),
            ("_drop_chunks", drop_chunks),
            ("_make_vectors", make_vectors),
        ):
            patcher = patch.object(model, name, stand_in, create=True)
            patcher.start()
            self.addCleanup(patcher.stop)

    @classmethod
    def take(cls, *drafts, source=None):
        return cls.env["steward.document"]._take(source or cls.source, drafts)
