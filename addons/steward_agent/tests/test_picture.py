import base64
import io
import json
from contextlib import suppress
from datetime import timedelta

from PIL import Image, ImageDraw, PngImagePlugin

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward_llm.kernel.chat import Question
from odoo.addons.steward_llm.tests.common import ModelKit
from odoo.addons.steward_llm.tests.openai_server import CHAT
from odoo.tests import BaseCase, HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..kernel.pictures import LEFT_OUT
from ..pictures import MOST_BYTES, SIDE, NoPicture, TooLarge, made_small
from .chat_common import ChatCase, says
from .common import Killed

MAKE = ("create_record", {"model": "res.partner", "values": {"name": "Ann X"}})
OPERATOR = "steward.group_operator"
PICTURES = "\n[picture]\n[picture]"
GPS = {1: "N", 2: (60.0, 23.0, 0.0), 3: "E", 4: (5.0, 19.0, 0.0)}


def drawn(form="PNG", size=(40, 20), mode="RGB", **how):
    """A red picture whose left half is blue."""
    image = Image.new(mode, size, "red")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1]), fill="blue")
    stream = io.BytesIO()
    image.save(stream, form, **how)
    return stream.getvalue()


def told(data=None, media_type="image/png"):
    data = base64.b64encode(data or drawn()).decode()
    return {"media_type": media_type, "data": data}


def read(data):
    return Image.open(io.BytesIO(data))


@tagged("post_install", "-at_install")
class TestMadeSmall(BaseCase):
    def test_each_kind(self):
        for form, kept in (
            ("PNG", "PNG"),
            ("JPEG", "JPEG"),
            ("WEBP", "PNG"),
            ("GIF", "PNG"),
        ):
            with self.subTest(form=form):
                data, media_type = made_small(drawn(form), f"image/{form.lower()}")
                image = read(data)
                self.assertEqual((image.format, image.size), (kept, (40, 20)))
                self.assertEqual(media_type, f"image/{kept.lower()}")
                red, _green, blue = image.convert("RGB").getpixel((4, 10))
                self.assertGreater(blue, red + 200)

    def test_it_is_shrunk(self):
        data, _type = made_small(drawn("JPEG", (4000, 1000)), "image/jpeg")
        self.assertEqual(read(data).size, (SIDE, SIDE // 4))

    def test_nothing_but_pixels_is_kept(self):
        exif = Image.Exif()
        exif[0x8825], exif[0x010F] = GPS, "Camera of Ann"
        exif[0x0112] = 6  # it was held upright
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "Camera of Ann")
        for form, how in (
            ("JPEG", {"exif": exif, "comment": "Camera of Ann"}),
            ("WEBP", {"exif": exif, "xmp": b"<x>Camera of Ann</x>"}),
            ("PNG", {"exif": exif, "pnginfo": info, "icc_profile": b"Camera of Ann"}),
        ):
            with self.subTest(form=form):
                source = drawn(form, **how) + b"Camera of Ann"
                self.assertIn(b"Camera of Ann", source)
                data, _type = made_small(source, f"image/{form.lower()}")
                self.assertNotIn(b"Camera of Ann", data)
                image = read(data)
                self.assertFalse(dict(image.getexif()))
                self.assertNotIn("icc_profile", image.info)
                self.assertEqual(image.size, (20, 40), "it stands upright")

    def test_what_is_clear_stays_clear_or_white(self):
        clear = io.BytesIO()
        Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(clear, "PNG")
        data, _type = made_small(clear.getvalue(), "image/png")
        self.assertEqual(read(data).getpixel((4, 4))[3], 0)
        noise = Image.effect_noise((SIDE, SIDE), 99)
        noise = Image.merge("RGBA", [noise, noise, noise, noise.point(lambda _v: 0)])
        stream = io.BytesIO()
        noise.save(stream, "PNG", compress_level=1)
        data, media_type = made_small(stream.getvalue(), "image/png")
        self.assertEqual(media_type, "image/jpeg")
        self.assertGreater(min(read(data).getpixel((9, 9))), 240)

    def test_what_is_none(self):
        whole = drawn("JPEG", (400, 400))
        for data, media_type in (
            (b"", "image/png"),
            (b"no picture at all", "image/png"),
            (whole[:40], "image/jpeg"),
            (whole, "image/png"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
            (drawn("BMP"), "image/bmp"),
            (drawn("PDF"), "application/pdf"),
        ):
            with self.subTest(kind=media_type), self.assertRaises(NoPicture):
                made_small(data, media_type)

    def test_a_bomb(self):
        bomb = drawn("PNG", (10_000, 6_000), "1")
        self.assertLess(len(bomb), 100_000)
        with self.assertRaises(TooLarge):
            made_small(bomb, "image/png")


class PictureCase(ChatCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["steward.approval.rule"].search([]).active = False
        cls.env["steward.model"].search([("can_vision", "=", True)]).active = False
        cls.model.can_vision = True

    def as_operator(self, model):
        return self.env[model].with_user(self.operator)

    def say(self, run, text, pictures=None):
        answer = self.as_operator("steward.run").say(run.trace_id, text, pictures)
        self.env.invalidate_all()
        return self.env["steward.run"].browse(answer["run_id"])

    def shown(self, turn=-1):
        """The pictures that the model was sent, as bytes."""
        return [
            base64.b64decode(part["data"])
            for message in self.asked[turn]["messages"]
            if isinstance(message["content"], list)
            for part in message["content"]
            if part["type"] == "image"
        ]

    def kept(self, run):
        return self.env["ir.attachment"].search(
            [("res_model", "=", "steward.run"), ("res_id", "=", run.id)], order="id"
        )


@tagged("post_install", "-at_install")
class TestPicture(PictureCase):
    def test_a_model_sees_it(self):
        self.answers(says("A flag."))
        run = self.ask(self.chat_agent(), "What is it?", pictures=[told()])
        self.assertEqual(run.state, "completed")
        [data] = self.shown()
        self.assertEqual(read(data).size, (40, 20))
        question = Question(self.asked[0]["messages"])
        question.check()
        self.assertEqual(question.needs(), {"vision"})
        self.assertIn("words in a picture", self.asked[0]["messages"][0]["content"])
        last = self.asked[0]["messages"][-1]["content"]
        self.assertEqual(last[0], {"type": "text", "text": "What is it?"})
        picture = self.kept(run)
        self.assertEqual((picture.raw, picture.public), (data, False))
        self.assertEqual(picture.mimetype, "image/png")

    def test_no_row_has_the_bytes(self):
        self.answers(says("", ("count_records", {"model": "res.partner"})), says("Ok."))
        run = self.ask(self.chat_agent(), pictures=[told()])
        some = told()["data"][40:80]
        self.assertNotIn(some, json.dumps(dict(self.memory(run))))
        steps = self.env["steward.step"].search([("run_id", "=", run.id)])
        self.assertIn("[picture]", steps.mapped("input")[0])
        self.assertNotIn(some, str(steps.read()) + str(run.read()))

    def test_without_a_word(self):
        self.answers(says("A flag."))
        run = self.ask(self.chat_agent(context_share="100"), "", pictures=[told()])
        self.assertEqual(run.state, "completed")
        self.assertEqual(len(self.shown()), 1)
        agents = self.as_operator("steward.agent")
        self.assertEqual(agents.to_chat_with()["recent"][0]["title"], "A picture")
        with self.assertRaisesRegex(Invalid, "Say what to do"):
            agents.execute(run.agent_id.code, " ")

    def test_it_is_told_in_the_conversation(self):
        self.answers(says("A flag."), says("Blue."))
        run = self.ask(self.chat_agent(), "What is it?", pictures=[told(), told()])
        runs = self.as_operator("steward.run")
        person, _agent = runs.transcript(run.trace_id)["lines"]
        names = {"name": "picture.png", "mimetype": "image/png"}
        self.assertEqual(
            person["pictures"], [{"id": one.id, **names} for one in self.kept(run)]
        )
        # the next run has not its own, and sees them all the same
        second = self.work(self.say(run, "Which colour is left?"))
        self.assertEqual(len(self.shown()), 2)
        self.assertFalse(self.kept(second))
        person, _agent = runs.transcript(second.trace_id)["lines"]
        self.assertEqual(person["pictures"], [])
        self.assertEqual(runs.said(run.trace_id)[0]["text"], "What is it?" + PICTURES)

    def test_after_the_end(self):
        self.answers(says("Hello."), says("A flag."))
        run = self.ask(self.chat_agent())
        second = self.work(self.say(run, "And this?", [told()]))
        self.assertEqual((len(self.shown(0)), len(self.shown(1))), (0, 1))
        self.assertEqual(len(self.kept(second)), 1)

    def test_while_it_works(self):
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.answers(says("Let me.", MAKE), says("I do not."))
        run = self.ask(self.chat_agent())
        self.say(run, "Like this", [told()])
        runs = self.as_operator("steward.run")
        last = runs.transcript(run.trace_id)["lines"][-1]
        self.assertEqual(last["pictures"][0]["id"], self.kept(run).id)
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(run.approval_ids.id, "refuse")
        self.work(run)
        self.assertEqual(len(self.shown()), 1)

    def test_after_it_ended_meanwhile(self):
        """Shown while the run ended: another one is shown it, and keeps it."""
        self.answers(says("Hello."), says("A flag."))
        run = self.ask(self.chat_agent())
        kept = run._keep_pictures([("image/png", drawn())], run.id)
        row = {"by": self.operator.id, "text": "", "pictures": kept}
        run._keep_variables({"said:1": row})
        run._answer_late()
        after = self.env["steward.run"].search([("session", "=", run.session)])[0]
        self.work(after)
        self.assertEqual((after != run, len(self.shown())), (True, 1))
        self.assertEqual(len(self.kept(after)), 1)

    def test_it_outlives_its_worker(self):
        self.answers(Killed(), says("A flag."))
        agents = self.as_operator("steward.agent")
        answer = agents.execute(self.chat_agent().code, "", pictures=[told()])
        run = self.env["steward.run"].browse(answer["run_id"])
        with suppress(Killed):  # what was committed stays
            self.work(run)
        self.assertEqual(self.go_on(run).state, "waiting")
        run.sudo().position = {**run.sudo().position, "until": 0}
        self.assertEqual(self.go_on(run).state, "completed")
        self.assertEqual(len(self.shown()), 1)
        self.assertEqual(self.shown(0), self.shown(1))

    # -- by whose leave ------------------------------------------------------------

    def test_an_attachment(self):
        mine = self.as_operator("ir.attachment").create(
            {"name": "flag.gif", "raw": drawn("GIF")}
        )
        self.answers(says("A flag."))
        run = self.ask(self.chat_agent(), pictures=[mine.id])
        self.assertEqual(read(self.shown()[0]).format, "PNG")
        self.assertEqual((mine.res_id, len(self.kept(run))), (0, 1))

    def test_what_is_refused(self):
        """Each with a sentence, and before anything begins."""
        agent, other = self.chat_agent(), new_test_user(self.env, "op2", OPERATOR)
        theirs = self.env["ir.attachment"].with_user(other)
        theirs = theirs.create({"name": "theirs.png", "raw": drawn()})
        drawing = self.as_operator("ir.attachment").create(
            {"name": "a.svg", "raw": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
        )
        linked = self.as_operator("ir.attachment").create(
            {"name": "a.png", "type": "url", "url": "https://example.com/a.png"}
        )
        large = b"\0" * (MOST_BYTES + 8)
        heavy = self.as_operator("ir.attachment").create({"name": "b", "raw": large})
        runs = self.env["steward.run"].search_count([])
        agents = self.as_operator("steward.agent")
        for pictures, error, sentence in (
            ([theirs.id], Refused, "Picture 1 is not there, or you may not see it"),
            ([0], Refused, "not there"),
            ([told(), 2**31 - 1], Refused, "Picture 2 is not there"),
            ([told()] * 5, Invalid, "at most 4 pictures"),
            ("flag.png", Invalid, "at most 4 pictures"),
            (["flag.png"], Invalid, "the id of an attachment"),
            ([True], Invalid, "the id of an attachment"),
            ([{"data": "iVBO"}], Invalid, "its media type"),
            ([{**told(), "data": "?"}], Invalid, "is no base64"),
            ([{**told(), "data": "é"}], Invalid, "is no base64"),
            ([told(large)], Invalid, "is too large: at most 10 MB"),
            ([heavy.id], Invalid, "is too large"),
            ([told(drawn("PNG", (10_000, 6_000), "1"))], Invalid, "50 million pixels"),
            ([told(b"MZ no picture")], Invalid, "PNG, JPEG, WebP and GIF"),
            ([told(drawn("JPEG"))], Invalid, "cannot be looked at"),
            ([told(b"<svg/>", "image/svg+xml")], Invalid, "cannot be looked at"),
            ([drawing.id], Invalid, "cannot be looked at"),
            ([linked.id], Invalid, "cannot be looked at"),
        ):
            is_refused = self.assertRaisesRegex(error, sentence)
            with self.subTest(sentence=sentence), is_refused:
                agents.execute(agent.code, "See.", pictures=pictures)
        self.assertEqual(self.env["steward.run"].search_count([]), runs)

    def test_who_may_see_it(self):
        self.answers(says("A flag."))
        run = self.ask(self.chat_agent(), pictures=[told()])
        picture = self.kept(run)
        self.assertTrue(picture.with_user(self.viewer).has_access("read"))
        stranger = new_test_user(self.env, "emp", "base.group_user")
        company = self.env["res.company"].create({"name": "Other"})
        far = new_test_user(
            self.env,
            "far",
            OPERATOR,
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        for user in (stranger, far, self.robot):
            with self.subTest(user=user.login):
                self.assertFalse(picture.with_user(user).has_access("read"))
        self.assertFalse(picture.with_user(self.operator).has_access("write"))
        self.assertFalse(picture.with_user(self.operator).has_access("unlink"))

    # -- models ----------------------------------------------------------------------

    def test_a_model_that_does_not_see(self):
        self.model.can_vision = False
        agent = self.chat_agent()
        agents = self.as_operator("steward.agent")
        blind = "test-1.* does not see pictures, nor does a model"
        with self.assertRaisesRegex(Refused, blind):
            agents.execute(agent.code, "See.", pictures=[told()])
        rows = {row["code"]: row for row in agents.to_chat_with()["agents"]}
        self.assertRegex(rows[agent.code]["blind"], blind)
        run = self.ask(self.answers() and agent)
        runs = self.as_operator("steward.run")
        self.assertRegex(runs.transcript(run.trace_id)["run"]["blind"], blind)
        with self.assertRaisesRegex(Refused, blind):
            runs.say(run.trace_id, "See.", [told()])
        # one that stands in for it does
        eyes = self.other_model("eyes-1", can_vision=True, can_json=True)
        self.model.fallback_ids = [(0, 0, {"fallback_id": eyes.id})]
        self.assertNotIn("blind", runs.transcript(run.trace_id)["run"])
        rows = {row["code"]: row for row in agents.to_chat_with()["agents"]}
        self.assertNotIn("blind", rows[agent.code])
        self.work(self.say(run, "See.", [told()]))
        self.assertEqual(len(self.shown()), 1)

    def test_an_agent_without_a_model_of_its_own(self):
        """Any that sees will do, also when another one was found before."""
        self.model.can_vision = False
        agent = self.chat_agent(model_id=False)
        agents = self.as_operator("steward.agent")
        with self.assertRaisesRegex(Refused, "No model that sees pictures"):
            agents.execute(agent.code, "See.", pictures=[told()])
        eyes = self.other_model("eyes-1", can_vision=True)
        self.answers()
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.answers(says("Let me.", MAKE))
        models = self.env.registry["steward.model"]
        self.patch(models, "_route", lambda m, **by: m._routable(**by).sorted("id"))
        (self.model + eyes)._write_own({"is_offered": True})
        run = self.ask(agent)
        self.assertEqual(self.asked[0]["model"], self.model)
        self.say(run, "Like this", [told()])
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(run.approval_ids.id, "refuse")
        self.work(run)
        self.assertEqual(self.asked[-1]["model"], eyes)

    def test_a_change_of_the_model(self):
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.other_model("blind-1")
        self.other_model("eyes-1", can_vision=True)
        self.answers(says("Let me.", MAKE), says("Done."))
        run = self.ask(self.chat_agent(), pictures=[told()])
        runs = self.as_operator("steward.run")
        with self.assertRaisesRegex(Refused, "blind-1.* does not see pictures"):
            runs.switch_model(run.trace_id, "blind-1")
        runs.switch_model(run.trace_id, "eyes-1")
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(run.approval_ids.id, "refuse")
        self.work(run)
        self.assertEqual(self.asked[-1]["model"].name, "eyes-1")
        self.assertEqual(len(self.shown()), 1)

    def test_a_change_before_the_picture(self):
        """The wish was there first; it is the trace that says why it is not done."""
        self.env["steward.approval.rule"].create(
            {"agents": "all", "when": "always", "risk": "write"}
        )
        self.other_model("blind-1")
        self.answers(says("Let me.", MAKE), says("Done."))
        run = self.ask(self.chat_agent())
        self.as_operator("steward.run").switch_model(run.trace_id, "blind-1")
        self.say(run, "Like this", [told()])
        approvals = self.env["steward.approval"].with_user(self.reviewer)
        approvals.decide(run.approval_ids.id, "refuse")
        self.work(run)
        self.assertEqual(self.asked[-1]["model"], self.model)
        step = self.env["steward.step"].search(
            [("run_id", "=", run.id), ("kind", "=", "decision")]
        )
        self.assertIn("does not see pictures", step.error_message)

    def test_a_model_that_sees_no_longer(self):
        """What was shown before would be missing: begin anew."""
        self.answers()
        run = self.ask(self.chat_agent(), pictures=[told()])
        self.model.can_vision = False
        with self.assertRaisesRegex(Refused, "does not see pictures"):
            self.say(run, "And now?")

    def test_a_playbook_sees_nothing(self):
        agent = self.chat_agent()
        agent.write({"kind": "external"})
        with self.assertRaisesRegex(Refused, "does not chat"):
            self.as_operator("steward.agent").execute(
                agent.code, "See.", pictures=[told()]
            )

    def test_room_in_the_context(self):
        """A picture counts, and an old one makes room."""
        self.model.context_size = 5_000
        agent = self.chat_agent(tools=())
        self.answers()
        run = self.ask(agent, pictures=[told()])
        for text in ("One", "Two"):
            run = self.work(self.say(run, text, [told()]))
        run = self.work(self.say(run, "Three"))
        self.assertEqual(run.state, "completed")
        self.assertEqual(len(self.shown(1)), 2)
        self.assertLess(len(self.shown()), 3)
        self.assertIn(LEFT_OUT, self.asked[-1]["messages"][1]["content"])

    # -- forgetting ------------------------------------------------------------------

    def test_an_agent_that_keeps_nothing(self):
        agents = self.as_operator("steward.agent")
        with self.assertRaisesRegex(Refused, "keeps nothing"):
            agents.execute(
                self.chat_agent(capture="none").code, "See.", pictures=[told()]
            )
        agent = self.chat_agent()
        self.answers(lambda _messages: agent.write({"capture": "none"}) and says("Ok."))
        run = self.ask(agent, pictures=[told()])
        self.assertEqual(run.state, "completed")
        self.assertFalse(self.kept(run))

    def test_with_the_conversation(self):
        self.answers()
        first = self.ask(self.chat_agent(), pictures=[told()])
        second = self.work(self.say(first, "And this?", [told()]))
        runs = self.env["steward.run"]
        runs._gc_pictures()
        self.assertEqual(len(self.kept(first) + self.kept(second)), 2)
        first._write_own({"ended_at": fields.Datetime.now() - timedelta(days=31)})
        runs._gc_pictures()
        self.assertEqual(len(self.kept(first)), 0)
        self.assertEqual(len(self.kept(second)), 1)
        # who goes on is told that it is gone
        self.work(self.say(second, "And both?"))
        self.assertEqual(len(self.shown()), 1)
        self.assertIn(LEFT_OUT, self.asked[-1]["messages"][1]["content"])

    def test_with_the_run(self):
        self.answers()
        run = self.ask(self.chat_agent(), pictures=[told()])
        picture = self.kept(run)
        run.sudo().unlink()
        self.assertFalse(picture.exists())

    def test_no_other_attachment_is_shown(self):
        """Whatever stands in a memory: only pictures of runs go out."""
        secret = self.env["ir.attachment"].create({"name": "s", "raw": drawn()})
        runs = self.env["steward.run"]
        self.assertIsNone(runs._picture_data(secret.id))
        self.assertEqual(runs._pictures_to_tell([secret.id]), [])

    def test_the_same_key_again(self):
        agent = self.chat_agent()
        self.answers()
        for _time in range(2):
            run = self.ask(agent, pictures=[told()], idempotency_key="k")
        self.assertEqual(len(self.kept(run)), 1)


@tagged("post_install", "-at_install")
class TestPictureOnTheWire(ModelKit, PictureCase):
    def test_a_provider_gets_it(self):
        """And the log does not, however much it tells."""
        self.chat.write({"can_vision": True, "can_tools": True, "can_json": True})
        self.server.reply("A flag.")
        with self.assertLogs(level="DEBUG") as log:
            run = self.ask(
                self.chat_agent(model_id=self.chat.id), "", pictures=[told()]
            )
        self.assertEqual(run.output, "A flag.")
        [asked] = self.server.asked(CHAT)
        [part] = asked["messages"][-1]["content"]
        raw = base64.b64encode(self.kept(run).raw).decode()
        self.assertEqual(part["image_url"]["url"], f"data:image/png;base64,{raw}")
        self.assertNotIn(raw[:60], "\n".join(log.output))


@tagged("post_install", "-at_install")
class TestPictureHttp(PictureCase, HttpCase):
    def test_over_the_web(self):
        """A picture is served under the run's rights, and to nobody else."""
        self.answers(says("A flag."))
        run = self.ask(self.chat_agent(), pictures=[told()])
        address = f"/web/image/{self.kept(run).id}"
        new_test_user(self.env, "vera_v", "steward.group_viewer", password="vera_v")
        new_test_user(self.env, "emil_e", "base.group_user", password="emil_e")
        self.authenticate("vera_v", "vera_v")
        answer = self.url_open(address)
        self.assertEqual(answer.headers["Content-Type"], "image/png")
        self.assertEqual(read(answer.content).size, (40, 20))
        with mute_logger("odoo.http"):
            for login in ("emil_e", None):
                self.authenticate(login, login)
                answer = self.url_open(address)
                self.assertNotEqual(answer.content, self.kept(run).raw)
