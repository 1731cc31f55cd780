"""A kit for tests of knowledge; other addons may use it, too."""

from odoo.addons.steward.tests.common import StewardCase


class KnowledgeCase(StewardCase):
    """A source, and documents by their words."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = cls.env["steward.source"].create({"name": "Handbook"})

    @classmethod
    def make_document(cls, name="Page", text="", source=None, **values):
        """A document as harvested, not yet looked at."""
        source = source or cls.source
        values.setdefault("external_id", f"{name} {source.document_count}")
        values.update(name=name, text=text, source_id=source.id)
        return cls.env["steward.document"]._create_own([values])
