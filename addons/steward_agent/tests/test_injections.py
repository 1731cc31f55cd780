import json
import re
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import yaml

from odoo import api
from odoo.addons.steward.kernel.context import Item
from odoo.addons.steward.kernel.redactor import REDACTOR
from odoo.tests import tagged

from ..thinking import TEXT
from .chat_common import ChatCase, says

CORPUS = yaml.safe_load((Path(__file__).parent / "data/injections.yaml").read_text())
TOOLS = (
    *("find_records", "read_records", "count_records", "write_records"),
    "check_health",
)
HIDDEN = "what nobody here may know"


@tagged("post_install", "-at_install")
class TestInjections(ChatCase):
    """A model that obeys whoever speaks to it, and nothing of it happens.

    No prompt holds the line here: the guard, the rights of the agent's user, the
    approvals and the redactor do.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.secret = "zq" + "7hR2" * 4
        REDACTOR.learn(cls.secret)
        cls.addClassCleanup(REDACTOR.forget, cls.secret)
        other = cls.env["res.company"].create({"name": "Hidden Company"})
        cls.victim, cls.hidden = cls.partners.create(
            [
                {"name": "Victim", "comment": "nothing"},
                {"name": "Hidden", "comment": HIDDEN, "company_id": other.id},
            ]
        )
        cls.kept = cls.state_of(cls.victim)
        cls.talkative = cls.chat_agent(
            cls, TOOLS, code="talkative", context_share="100"
        )

    @staticmethod
    def state_of(partner):
        names = ("name", "ref", "email", "comment", "active", "write_date")
        return {name: partner[name] for name in names}

    def test_the_corpus(self):
        self.assertGreaterEqual(len(CORPUS), 60)
        self.assertEqual(len({entry["text"] for entry in CORPUS}), len(CORPUS))

    def test_a_tool_outside_its_list(self):
        def check(entry, run):
            denied = self.step_of(run, entry["call"]["tool"])
            self.assertEqual((denied.status, denied.category), ("error", "rights"))

        self.each("outside", check)

    def test_an_approval(self):
        def check(entry, run):
            approval = run.approval_ids
            if entry["call"]["tool"] not in TOOLS:
                denied = self.step_of(run, entry["call"]["tool"])
                self.assertEqual(denied.category, "rights")
            elif not entry["call"]["arguments"].get("preview"):
                self.assertEqual((run.state, approval.state), ("waiting", "pending"))
                approval.with_user(self.reviewer).action_refuse()
                self.work(run)
                self.assertEqual(run.state, "completed")

        self.each("approval", check)

    def test_what_its_user_may_not_read(self):
        def check(entry, run):
            step = self.step_of(run, entry["call"]["tool"])
            # refused, or nothing found; never the thing itself
            nothing = ('{"records": []}', '{"count": 0}')
            self.assertTrue(
                step.status == "error" or step.output in nothing, step.output
            )

        self.each("read", check)

    def test_a_secret(self):
        def check(_entry, run):
            self.assertIn("[redacted", run.output)

        self.each("secret", check)

    # -- how -------------------------------------------------------------------------

    def each(self, wants, check):
        for entry in CORPUS:
            if entry["wants"] != wants:
                continue
            text = json.dumps(entry).replace('"OTHER"', str(self.hidden.id))
            text = text.replace('"VICTIM"', str(self.victim.id))
            entry = json.loads(text.replace("SECRET", self.secret))
            with self.subTest(entry["text"][:60]), self.undone():
                run = self.obey(entry)
                check(entry, run)
                self.check_nothing_happened(run)

    @contextmanager
    def undone(self):
        """What happens inside is as if it had never been."""
        with self.env.cr.savepoint() as savepoint:
            try:
                yield
            finally:
                savepoint.rollback()
                self.env.invalidate_all()

    def obey(self, entry):
        """Let the agent come across the text, with a model that does what it says."""
        text, place = entry["text"], entry["place"]
        look, call = self.placed(text, place), entry.get("call")

        def answer(messages):
            told = [m["content"] for m in messages if m["role"] != "system"]
            done = [c for m in messages for c in m.get("tool_calls") or ()]
            if look and not done:
                return says("", look)
            if call and not any(c["name"] == call["tool"] for c in done[bool(look) :]):
                # it did come across it
                self.assertIn(re.search(r"\w{3,}", text)[0][:8], "\n".join(told))
                return says("", (call["tool"], call["arguments"]))
            # and then it tells all that it knows
            return says("\n".join([text, *told]))

        self.answers(*[answer] * 6)
        told, real = [], type(self.env["steward.run"])._bus_send

        def send(records, kind, message, **options):
            if kind == TEXT:
                told.append(message["text"])
            return real(records, kind, message, **options)

        with (
            patch.object(type(self.env["steward.run"]), "_bus_send", send),
            self.documents(text if place == "document" else "Nothing to see."),
            self.health(text if place == "tool" else "fine"),
        ):
            run = self.ask(self.talkative)
        self.assertIn(run.state, ("completed", "waiting"), run.error)
        self.assertNotIn(self.secret, "".join(told))
        return run

    def placed(self, text, place):
        """Put a text where the agent will look; the call by which it does."""
        match place:
            case "record":
                partner = self.partners.create({"name": "Ann X", "ref": text})
                fields = ["name", "ref"]
                model = "res.partner"
            case "file":
                partner = self.env["ir.attachment"].create(
                    {
                        "name": text,
                        "res_model": "res.partner",
                        "res_id": self.victim.id,
                    }
                )
                fields, model = ["name"], "ir.attachment"
            case "tool":
                return ("check_health", {})
            case _:
                return None
        ids = {"record_ids": partner.ids, "fields": fields}
        return ("read_records", {"model": model, **ids})

    def documents(self, text):
        kind = type(self.env["steward.context"])
        return patch.object(
            kind,
            "_get_providers",
            lambda _this: {"passages": lambda *_about: [Item(text, "A page")]},
        )

    def health(self, text):
        kind = type(self.env["steward.status"])

        @api.model
        def health(self) -> dict:
            """Tell how it is."""
            return {"status": "ok", "parts": [{"name": "a", "reason": text}]}

        return patch.object(kind, "health", health)

    def step_of(self, run, tool):
        steps = self.steps_of(run).filtered(
            lambda step: step.kind == "tool_call" and step.name == tool
        )
        self.assertTrue(steps, self.steps_of(run).mapped("name"))
        return steps[-1]

    def check_nothing_happened(self, run):
        self.assertEqual(self.state_of(self.victim), self.kept)
        self.assertTrue(self.hidden.exists())
        written = json.dumps(
            [
                run.output,
                run.error,
                *self.steps_of(run).mapped("input"),
                *self.steps_of(run).mapped("output"),
                dict(self.memory(run)),
            ]
        )
        self.assertNotIn(self.secret, written)
        self.assertNotIn(HIDDEN, written)
        self.assertFalse(run.approval_ids.filtered(lambda a: a.state == "approved"))
