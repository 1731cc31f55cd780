"""A kit for tests of knowledge; other addons may use it, too."""

from unittest.mock import patch

from odoo.addons.steward.tests.common import StewardCase

from ..models import steward_document_search


class KnowledgeCase(StewardCase):
    """A source, documents by their words, and no embedder but the built-in `hash`.

    The others need a file that takes a minute to make: it may be there or not. And a
    search takes the time that it takes on a busy machine.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patient_search())
        cls.spaces = cls.env["steward.space"]
        cls.hash = cls.env.ref("steward_llm.model_hash")
        cls.env.company.steward_embedding_model_id = cls.hash
        cls.spaces.search([])._write_own({"state": "ready"})
        cls.spaces.search([]).unlink()
        cls.env.registry.clear_cache()
        cls.source = cls.env["steward.source"].create({"name": "Handbook"})

    @classmethod
    def make_document(cls, name="Page", text="", source=None, **values):
        """A document as harvested, not yet looked at."""
        source = source or cls.source
        values.setdefault("external_id", f"{name} {source.document_count}")
        values.update(name=name, text=text, source_id=source.id)
        return cls.env["steward.document"]._create_own([values])


def patient_search():
    """Have no search stopped because the machine was busy."""
    return patch.object(steward_document_search, "TIMEOUT", "60s")
