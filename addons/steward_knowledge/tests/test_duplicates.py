import random

from odoo.addons.queue_job.tests.common import trap_jobs
from odoo.tests import tagged

from ..kernel.draft import Draft
from .pipeline_common import PipelineCase

VOCABULARY = [f"word{number}" for number in range(2_000)]


def page(seed, words=200, changed=0):
    """A page by chance, with some of its words changed."""
    found = random.Random(seed).choices(VOCABULARY, k=words)
    for at in range(changed):
        found[at * 20] = f"changed{at}"
    return " ".join(found)


@tagged("post_install", "-at_install")
class TestDuplicates(PipelineCase):
    """A document is linked to one that says the same, and not indexed twice."""

    def ready(self, *drafts, source=None):
        documents = self.take(*drafts, source=source)["documents"]
        documents._process()
        return documents

    def test_word_for_word(self):
        first = self.ready(Draft("a", content="# One\n\n" + page(1)))
        second = self.ready(Draft("b", content="ONE\n---\n\n" + page(1).upper()))
        self.assertEqual((first.state, second.state), ("ready", "duplicate"))
        self.assertEqual(second.duplicate_of_id, first)
        self.assertEqual(first.duplicate_ids, second)
        self.assertEqual(self.cut, first.ids)
        self.assertTrue(second.text)

    def test_nearly(self):
        first, near, far = self.ready(
            *(
                Draft(str(changed), content=page(1, 400, changed))
                for changed in (0, 3, 19)
            )
        )
        self.assertEqual(near.duplicate_of_id, first)
        self.assertEqual((first.state, far.state), ("ready", "ready"))

    def test_short_texts(self):
        """Two threads that say "Thanks!" are two threads."""
        documents = self.ready(
            Draft("a", title="Question one", content="Thanks!"),
            Draft("b", title="Question two", content="Thanks!"),
            Draft("c", title="Question two", content="Thanks."),
        )
        self.assertEqual(documents.mapped("state"), ["ready", "ready", "duplicate"])

    def test_in_one_batch_and_in_several(self):
        for batches in ((5,), (1, 4), (2, 3)):
            name = f"{batches}"
            source = self.env["steward.source"].create({"name": name})
            drafts = [
                Draft(f"{name} {number}", content=page(name, 300, number))
                for number in range(5)
            ]
            at = 0
            for size in batches:
                self.ready(*drafts[at : at + size], source=source)
                at += size
            documents = source.document_ids.sorted("id")
            self.assertEqual(
                documents.mapped("state"), ["ready"] + ["duplicate"] * 4, name
            )
            self.assertEqual(documents[1:].duplicate_of_id, documents[0])

    def test_which_one_stands_for_all(self):
        weighty = self.env["steward.source"].create({"name": "Own", "authority": 2})
        old = self.ready(Draft("17", content=page(1), version="17.0"))
        none = self.ready(Draft("?", content=page(1)))
        self.assertEqual(none.duplicate_of_id, old)
        with trap_jobs() as trap:
            new = self.ready(Draft("18", content=page(1), version="18.0"))
            self.assertEqual((new.state, old.state), ("ready", "duplicate"))
            self.assertEqual(old.duplicate_of_id, new)
            self.assertFalse(old.chunk_ids)
            # those that were linked to the old one look again
            trap.perform_enqueued_jobs()
        self.assertEqual(none.duplicate_of_id, new)
        with trap_jobs() as trap:
            own = self.ready(
                Draft("x", content=page(1), version="18.0"), source=weighty
            )
            trap.perform_enqueued_jobs()
        self.assertEqual((new | old | none).duplicate_of_id, own)

    def test_another_takes_its_place(self):
        first, second, third = self.ready(
            *(Draft(name, content=page(1)) for name in "abc")
        )
        for gone in (
            lambda: self.env["steward.document"]._retire(self.source, ["a"]),
            second.unlink,
        ):
            with trap_jobs() as trap:
                gone()
                trap.perform_enqueued_jobs()
        self.assertFalse(first.active)
        self.assertEqual((third.state, third.duplicate_of_id.id), ("ready", False))
        self.assertTrue(third.chunk_ids)
        # and what comes back is linked to it
        with trap_jobs() as trap:
            self.take(Draft("a", content=page(1)))["documents"]._process()
            trap.perform_enqueued_jobs()
        states = (first | third).mapped("state")
        self.assertCountEqual(states, ["ready", "duplicate"])

    def test_a_source_that_goes(self):
        other = self.env["steward.source"].create({"name": "Other"})
        self.ready(Draft("a", content=page(1)), source=other)
        mine = self.ready(Draft("a", content=page(1)))
        self.assertEqual(mine.state, "duplicate")
        with trap_jobs() as trap:
            other.unlink()
            trap.perform_enqueued_jobs()
        self.assertEqual(mine.state, "ready")

    def test_a_text_that_changes(self):
        first, second = self.ready(*(Draft(name, content=page(1)) for name in "ab"))
        with trap_jobs() as trap:
            self.ready(Draft("a", content=page(2)))
            trap.perform_enqueued_jobs()
        self.assertEqual((first.state, second.state), ("ready", "ready"))
        self.ready(Draft("b", content=page(2)))
        self.assertEqual(second.duplicate_of_id, first)
        self.ready(Draft("b", content=page(3)))
        self.assertEqual((second.state, second.duplicate_of_id.id), ("ready", False))

    def test_two_workers_at_the_same_time(self):
        first, second = self.ready(
            Draft("a", content=page(1)), Draft("b", content=page(2))
        )
        text = {"text": first.text, "text_hash": first.text_hash}
        second._write_own({**text, "signature": first.signature})
        with trap_jobs() as trap:
            self.env["steward.document"]._cron_go_on()
            trap.perform_enqueued_jobs()
        self.assertEqual(second.duplicate_of_id, first)


@tagged("post_install", "-at_install")
class TestDuplicatesAndReaders(PipelineCase):
    """Nobody's only copy is hidden behind one that they may not see."""

    def two(self, one=None, other=None, first=None, second=None):
        """Two sources with the same page, with what is told of them."""
        pages = self.env["steward.document"]
        for values, told in ((one or {}, first or {}), (other or {}, second or {})):
            source = self.env["steward.source"].create({"name": "One", **values})
            pages += self.take(Draft("a", content=page(1), **told), source=source)[
                "documents"
            ]
        pages._process()
        return pages

    def test_the_same_readers(self):
        self.assertEqual(self.two().mapped("state"), ["ready", "duplicate"])
        group = self.env["res.groups"].create({"name": "Few"})
        company = self.env["res.company"].create({"name": "Own"})
        values = {"group_ids": [(4, group.id)], "company_id": company.id}
        found = self.two(values, values)
        self.assertEqual(found.mapped("state"), ["ready", "duplicate"])

    def test_other_groups(self):
        one, other = self.env["res.groups"].create([{"name": "1"}, {"name": "2"}])
        for values in ({}, {"group_ids": (one + other).ids}, {"group_ids": other.ids}):
            pages = self.two({"group_ids": one.ids}, values)
            self.assertEqual(pages.mapped("state"), ["ready"] * 2, values)
            pages.source_id.unlink()

    def test_other_companies(self):
        one, other = self.env["res.company"].create([{"name": "1"}, {"name": "2"}])
        for values in ({}, {"company_id": other.id}):
            pages = self.two({"company_id": one.id}, values)
            self.assertEqual(pages.mapped("state"), ["ready"] * 2, values)
            pages.source_id.unlink()

    def test_other_records(self):
        partners = self.env["res.partner"].create([{"name": "1"}, {"name": "2"}])
        one, other = (
            {"res_model": "res.partner", "res_id": id_} for id_ in partners.ids
        )
        for second in ({}, other):
            pages = self.two(first=one, second=second)
            self.assertEqual(pages.mapped("state"), ["ready"] * 2, second)
            pages.source_id.unlink()
        pages = self.two(first=one, second=one)
        self.assertEqual(pages.mapped("state"), ["ready", "duplicate"])

    def test_readers_that_change(self):
        for values in (
            {"group_ids": self.env["res.groups"].create({"name": "Few"}).ids},
            {"company_id": self.env["res.company"].create({"name": "Own"}).id},
            {"active": False},
        ):
            first, second = self.two()
            with trap_jobs() as trap:
                first.source_id.write(values)
                trap.perform_enqueued_jobs()
            self.assertEqual(second.state, "ready", values)
            second.source_id.unlink()
            first.source_id.unlink()

    def test_the_index_is_used(self):
        pages = self.two()
        self.env.flush_all()
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute(
            "EXPLAIN SELECT id FROM steward_document WHERE signature && %s::bigint[]",
            [pages[0].signature],
        )
        plan = " ".join(line for (line,) in self.env.cr.fetchall())
        self.assertIn("steward_document_signature_idx", plan)
