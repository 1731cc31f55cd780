import json

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel import fingerprint as module
from ..kernel.fingerprint import Frame, fingerprint, in_app_frames, parameterize
from . import kernel_common  # noqa: F401

HERE = __name__.rpartition(".")[0]
CASES = {
    "order 42 of partner -7 costs 1,234.56": "order <num> of partner <num> costs <num>",
    "run 550e8400-e29b-41d4-a716-446655440000 died": "run <uuid> died",
    "commit 0a1b2c3d4e5f of abcdefab": "commit <hex> of abcdefab",
    "at 2025-11-21T08:02:11.123+01:00; 21/Nov/2025 8:02": "at <time>; <time> <time>",
    "since 2025-11-21 08:02:11,123 UTC": "since <time> UTC",
    "mail bob.b@mail.example.com bounced": "mail <email> bounced",
    "GET https://x.example/a?b=1 failed": "GET <url> failed",
    "open /srv/data/7/x.pdf or C:\\data\\x.pdf": "open <path> or <path>",
    "from 10.0.0.1:8069 to fe80::1 to 2001:db8::1": "from <ip> to <ip> to <ip>",
    "<Cart object at 0x7f3a21b0>": "<Cart object at <addr>>",
    "no field 'a\\'b' on \"res.partner\"; «x» “y”": (
        "no field <str> on <str>; <str> <str>"
    ),
    "can't do, won't do": "can't do, won't do",
    "VALUES (1, 'x', 2), IN (1,2, 3)": "VALUES (<num>, <str>, <num>), IN (<num>)",
    "gpt-4o S00042 ٣٤": "gpt-<num>o S<num> <num>",
    "  a\n\tb  ": "a b",
    "n/a and either/or": "n/a and either/or",
    "": "",
}
WORDS = st.lists(
    st.one_of(
        st.sampled_from(list(CASES)),
        st.sampled_from(
            [
                *("<", ">", "<num>", "<nu", "m>", "<str>", "'", '"', "1", "-1", "1e5"),
                *("0x", "a@b.c", "://", "/", ".", ",", ":", "-", "f4", "٣", "ü"),
                *(" ", "\n", "\\"),
            ]
        ),
        st.text(max_size=6),
    ),
    max_size=12,
).map("".join)


class TestParameterize(BaseCase):
    def test_cases(self):
        for message, expected in CASES.items():
            with self.subTest(message=message):
                self.assertEqual(parameterize(message), expected)

    @given(WORDS)
    def test_idempotent_and_bounded(self, message):
        once = parameterize(message)
        self.assertEqual(parameterize(once), once)
        self.assertLessEqual(len(once), module.MESSAGE_LIMIT)

    @given(
        st.integers(-(10**30), 10**30), st.uuids(), st.datetimes(), st.ip_addresses()
    )
    def test_values_do_not_matter(self, number, uuid, time, address):
        text = f"job {number} of {uuid} since {time.isoformat()} on {address.exploded}"
        self.assertEqual(parameterize(text), "job <num> of <uuid> since <time> on <ip>")

    def test_long_messages(self):
        for piece in (
            "1 ",
            "a",
            "'",
            '"',
            "/a",
            "a.",
            "a@",
            "1:",
            "0x",
            "\\",
            "f4",
            "ü",
        ):
            text = piece * 500_000
            once = parameterize(text)
            with self.subTest(piece=piece):
                self.assertLessEqual(len(once), module.MESSAGE_LIMIT)
                self.assertEqual(parameterize(once), once)

    def test_text_that_never_settles(self):
        turns = iter(range(100))
        self.patch(module, "_replace", lambda _found: f"<{next(turns)}>")
        self.assertEqual(parameterize("1"), "<str>")


def boom(depth=3):
    if depth:
        return boom(depth - 1)
    return json.loads("{")


TEXT = """Traceback (most recent call last):
  File "/x/shop/other.py", line 1, in first
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/opt/odoo/odoo/http.py", line 2000, in dispatch
    return self.run()
           ^^^^^^^^^^
  File "/srv/addons/shop/models/cart.py", line 17, in pay
    self.pay()
  [Previous line repeated 3 more times]
  File "/v/lib/python3.11/site-packages/client/__init__.py", line 59, in <module>
  File "C:\\src\\kit\\util.py", line 5, in go
ConnectionError: refused"""


class TestFrames(BaseCase):
    def test_text(self):
        frames = in_app_frames(TEXT, ["odoo.addons.shop", "client", "kit"])
        self.assertEqual(
            frames,
            (
                Frame("odoo.addons.shop.models.cart", "pay"),
                Frame("client", "<module>"),
                Frame("kit.util", "go"),
            ),
        )
        self.assertEqual(in_app_frames(TEXT, []), ())
        self.assertEqual(in_app_frames(TEXT, ["odoo.addons.sho"]), ())
        self.assertEqual(in_app_frames("no traceback", ["x"]), ())
        self.assertEqual(in_app_frames(None, ["x"]), ())

    def test_lines_and_folders_do_not_matter(self):
        other = TEXT.replace("line 17", "line 99").replace("/srv/", "/opt/bob/src/")
        self.assertEqual(
            in_app_frames(other, ["odoo.addons.shop"]),
            in_app_frames(TEXT, ["odoo.addons.shop"]),
        )

    def test_path_without_anchor(self):
        text = 'File "/tmp/job.py", line 1, in run'
        self.assertEqual(in_app_frames(text, ["tmp"]), (Frame("tmp.job", "run"),))
        text = 'File "run.py", line 1, in run'
        self.assertEqual(in_app_frames(text, ["run"]), (Frame("run", "run"),))

    def test_traceback_object(self):
        frames = []
        for depth in (3, 9):
            try:
                boom(depth)
            except ValueError as error:
                frames.append(in_app_frames(error.__traceback__, [HERE]))
        self.assertEqual([frame.function for frame in frames[0]][-1], "boom")
        self.assertEqual(frames[0][-1].module, __name__)
        self.assertEqual(frames[0], frames[1])
        self.assertEqual(len(frames[0]), 2)

    def test_limit_keeps_the_innermost(self):
        pairs = [("a", f"f{number}") for number in range(99)]
        frames = in_app_frames(pairs, ["a"])
        self.assertEqual((len(frames), frames[-1].function), (50, "f98"))


class TestFingerprint(BaseCase):
    BASE = ("sales", "ValueError", (("a.b", "f"), ("a.c", "g")), "no stock for 1")

    def test_same(self):
        first = fingerprint(*self.BASE)
        self.assertRegex(first, r"^[0-9a-f]{64}$")
        self.assertEqual(first, fingerprint(*self.BASE[:3], "no stock for 22"))
        frames = [Frame("a.b", "f"), ["a.c", "g"]]
        self.assertEqual(
            first, fingerprint("sales", "ValueError", frames, self.BASE[3])
        )

    def test_different(self):
        agent, error, frames, message = self.BASE
        prints = [
            fingerprint(*self.BASE),
            fingerprint("support", error, frames, message),
            fingerprint(agent, "KeyError", frames, message),
            fingerprint(agent, error, frames[:1], message),
            fingerprint(agent, error, frames[::-1], message),
            fingerprint(agent, error, (), message),
            fingerprint(agent, error, "a.b", message),
            fingerprint(agent, error, frames, "no price for 1"),
            fingerprint(agent, error, frames, message, version="v2"),
            fingerprint(agent + error, "", frames, message),
        ]
        self.assertEqual(len(set(prints)), len(prints))

    @given(st.text(), st.text(), st.text(), WORDS)
    def test_any_text(self, agent, error, tool, message):
        first = fingerprint(agent, error, tool, message)
        self.assertEqual(first, fingerprint(agent, error, tool, parameterize(message)))
        self.assertNotEqual(first, fingerprint(agent + "x", error, tool, message))

    def test_lone_surrogates(self):
        self.assertTrue(fingerprint("\ud800", "\ud800", "\ud800", "\ud800"))
