import doctest

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401 - first: the profile
from odoo.tests import BaseCase, tagged

from ..kernel import chunks, postings, question, ranking, spelling, words


def found(text):
    return [token.word for token in words.tokens(text)]


@tagged("post_install", "-at_install")
class TestWords(BaseCase):
    @given(st.text())
    def test_words_stand_where_they_are_said_to(self, text):
        reached = 0
        for token in words.tokens(text):
            self.assertTrue(token.word)
            self.assertLessEqual(len(token.word), words.LONGEST)
            written = words.fold(text[token.start : token.end].strip("_"))
            self.assertTrue(written.startswith(token.word), (token, written))
            self.assertGreaterEqual(token.start, reached)
            reached = token.start
        self.assertEqual(
            words.read(text), [(t.word, t.whole) for t in words.tokens(text)]
        )

    def test_identifiers_are_kept_whole_and_in_parts(self):
        for text, expected in (
            (
                "res.partner.category_id",
                "res.partner.category_id res partner category id",
            ),
            ("action_confirm", "action_confirm action confirm"),
            ("AccountMove", "accountmove account move"),
            ("HTTPServer", "httpserver http server"),
            ("STEWARD-LLM-DOWN", "steward-llm-down steward llm down"),
            ("17.0", "17.0 17 0"),
            ("/web/login", "web/login web login"),
            ("__init__", "init"),
            ("ISO20022", "iso20022"),
        ):
            self.assertEqual(found(text), expected.split(), text)

    def test_scripts(self):
        self.assertEqual(found("Élan d'été"), ["elan", "d", "ete"])
        self.assertEqual(found("日本語 ABC中文"), ["日本", "本語", "abc", "中文"])
        self.assertEqual(found("語"), ["語"])
        self.assertEqual(found("हिन्दी में"), ["हिन्दी", "में"])
        self.assertEqual(found("أُمَّة"), found("امة"))
        self.assertEqual(found("👍 … !!! ' & | :*"), [])


@tagged("post_install", "-at_install")
class TestQuestion(BaseCase):
    @given(st.text(alphabet=st.characters(), max_size=2_000))
    def test_anything_can_be_asked(self, text):
        asked = question.parse(text)
        self.assertLessEqual(len(asked.text), question.MOST)
        self.assertEqual(asked.cut, len(text) > question.MOST)
        asked.text.encode()
        self.assertNotIn("\x00", asked.text)
        self.assertEqual(asked.replaced({}), asked.text)
        self.assertLessEqual(len(asked.phrases), question.MOST_PHRASES)
        self.assertLessEqual(set(asked.doubtful(asked.words)), set(asked.words))

    def test_what_is_meant_just_so(self):
        for text, exact in (
            ("sale.order", ["sale.order"]),
            ("what is AccountMove?", ["accountmove"]),
            ("STEWARD-BUDGET-EXHAUSTED", ["steward-budget-exhausted"]),
            ("e-commerce and follow-up in 17.0", []),
            ("and/or", []),
        ):
            self.assertEqual(list(question.parse(text).exact), exact, text)
        self.assertEqual(
            question.parse('say "no way" «là» ""').phrases, ("no way", "là")
        )

    def test_names_and_identifiers_are_no_misspellings(self):
        asked = question.parse("Invocie of Grzegorz in sael.order, acount")
        unknown = ["invocie", "grzegorz", "sael", "order", "acount"]
        self.assertEqual(asked.doubtful(unknown), ["invocie", "acount"])


@tagged("post_install", "-at_install")
class TestPostings(BaseCase):
    def test_many_words_of_a_page(self):
        weights = {number: number / 1e5 for number in range(1, 20_000)}
        literal = postings.as_sparsevec(weights)
        self.assertEqual(literal.count(":"), postings.MOST_WORDS)
        self.assertIn("19999:", literal)
        self.assertNotIn("{1:", literal)

    def test_places_are_those_that_postgresql_knows(self):
        many = [(words.read("go " * 20_000), "D")]
        places = postings.postings(many, {}.get)["go"]
        self.assertEqual(len(places), postings.MOST_PLACES)
        late = [(words.read("of " * 20_000 + "end"), "D")]
        end = postings.postings(late, {"of": ()}.get)["end"]
        self.assertEqual(end, [(postings.LAST_PLACE, "D")])

    def test_a_phrase_of_stop_words_is_none(self):
        self.assertEqual(postings.phrase("the of", {"the": (), "of": ()}.get), "")
        self.assertEqual(postings.phrase("it's sale.order", {"s": ()}.get),
                         "'it' <2> 'sale' <-> 'order'")  # fmt: skip


@tagged("post_install", "-at_install")
class TestRanking(BaseCase):
    scores = st.builds(
        ranking.Scores,
        st.floats(0, 100),
        st.floats(0, 100),
        st.lists(st.floats(-1, 1), max_size=4),
    )

    @given(st.dictionaries(st.integers(1, 99), scores), st.floats(0, 1))
    def test_scores_lie_between_0_and_1(self, pages, words_weigh):
        fused = ranking.fuse(pages, words_weigh, 1 - words_weigh)
        self.assertEqual(set(fused), set(pages))
        for score in fused.values():
            self.assertGreaterEqual(score, 0)
            self.assertLessEqual(score, 1 + 1e-9)

    def test_more_is_better(self):
        near = ranking.fuse(
            {1: ranking.Scores(0, 0, [0.9]), 2: ranking.Scores(0, 0, [0.2])}
        )
        self.assertGreater(near[1], near[2])
        both = ranking.fuse(
            {1: ranking.Scores(5, 5, [0.9]), 2: ranking.Scores(5, 5, [0.2])}
        )
        self.assertGreater(both[1], both[2])

    def test_rare_words_count_more(self):
        self.assertGreater(ranking.rarity(1, 10), ranking.rarity(9, 10))
        self.assertGreater(ranking.rarity(99, 10), 0, "counts may lag behind")
        self.assertGreater(ranking.rarity(-3, 10), 0)


@tagged("post_install", "-at_install")
class TestExamples(BaseCase):
    def test_examples_hold(self):
        for module in (chunks, postings, question, ranking, spelling, words):
            failed, tried = doctest.testmod(module)
            self.assertEqual(failed, 0, module.__name__)
            self.assertGreater(tried, 0, module.__name__)
