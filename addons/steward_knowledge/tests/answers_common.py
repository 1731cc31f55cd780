"""A kit for tests of what stands upon search: answers by heart."""

from odoo.tests import new_test_user

from .common import KnowledgeCase


class AnswersCase(KnowledgeCase):
    """Search finds what `answers` says; `asked` remembers each call."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: new_test_user(cls.env, f"search_{role}", groups=groups)
            for role, groups in (
                ("employee", "base.group_user"),
                ("viewer", "steward.group_viewer"),
                ("operator", "steward.group_operator"),
                ("administrator", "steward.group_administrator"),
            )
        }

    def setUp(self):
        super().setUp()
        self.answers = {}
        self.asked = []
        case = self

        def _find(documents, query, limit=8, **options):
            case.asked.append((documents.env, query, limit, options))
            found = case.answers.get(query, [])
            if callable(found):
                found = found(documents.env)
            return {
                "results": [case.result(document) for document in found[:limit]],
                "total": len(found),
                "total_is": "exact",
                "took_ms": 1.5,
            }

        self.patch(self.registry["steward.document"], "_find", _find)

    def result(self, document):
        return {
            "document_id": document.id,
            "chunk_id": 1,
            "title": document.name,
            "text": "words",
            "url": document.url,
            "source": "Handbook",
            "score": 1.0,
        }

    def searched(self, query, user="employee", hours=1, **values):
        """Enter a search in the log as if somebody had asked."""
        logs = self.env["steward.search.log"]
        log_id = logs.with_user(self.users[user])._note(query, 1, 10.0)
        log = logs.browse(log_id)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE steward_search_log SET date = date - make_interval(hours => %s)"
            " WHERE id = %s",
            [hours, log_id],
        )
        log.invalidate_recordset()
        if values:
            log._write_own(values)
        return log
