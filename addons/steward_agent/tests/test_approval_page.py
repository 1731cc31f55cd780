import re
from datetime import timedelta

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from .approval_common import ApprovalCase


@tagged("post_install", "-at_install")
class TestApprovalPage(HttpCase, ApprovalCase):
    """The page to which mails lead: to look decides nothing."""

    def setUp(self):
        super().setUp()
        self.rule()
        self.run_ = self.run_agent(self.maker_agent(), name="Ann X")
        self.approval = self.asked(self.run_)
        self.page = f"/steward/approval/{self.approval.id}"

    def url_open(self, *args, **options):
        return super().url_open(*args, timeout=60, **options)

    def token(self, answer):
        return re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]

    def post(self, **values):
        # a page of one's own session: its token is as good as that of this page
        form = {"decision": "approve", **values}
        return self.url_open(self.page, data=form, allow_redirects=False)

    def test_to_look_decides_nothing(self):
        self.authenticate("rev", "rev")
        for query in ("", "?decision=approve", "?decision=approve&csrf_token=x"):
            for headers in ({}, {"Purpose": "prefetch", "Sec-Purpose": "prefetch"}):
                answer = self.url_open(self.page + query, headers=headers)
                self.assertEqual(answer.status_code, 200)
        self.url_open(self.page, method="HEAD")
        self.assertEqual(self.approval.state, "pending")
        self.assertIn("Ann X", answer.text)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertIn(
            "frame-ancestors 'none'", answer.headers["Content-Security-Policy"]
        )

    def test_its_form_decides(self):
        self.authenticate("rev", "rev")
        token = self.token(self.url_open(self.page))
        answer = self.post(csrf_token=token, reason="Fine")
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(self.approval.state, "approved")
        self.assertEqual(self.approval.comment, "Fine")
        self.assertEqual(self.run_.state, "queued")
        self.assertIn("Approved", self.url_open(self.page).text)
        answer = self.post(csrf_token=token, decision="refuse")
        self.assertEqual(answer.status_code, 403)
        self.assertIn("decided already", answer.text)
        self.assertEqual(self.approval.state, "approved")

    def test_a_form_from_elsewhere(self):
        self.authenticate("rev", "rev")
        for form in ({}, {"csrf_token": "x"}):
            with mute_logger("odoo.http"):
                self.assertEqual(self.post(**form).status_code, 400)
        self.assertEqual(self.approval.state, "pending")

    def test_nobody_logged_in(self):
        for answer in (
            self.url_open(self.page, allow_redirects=False),
            self.post(),
        ):
            self.assertEqual(answer.status_code, 303)
            self.assertIn("/web/login", answer.headers["Location"])
            self.assertNotIn("Ann X", answer.text)
        self.assertEqual(self.approval.state, "pending")

    def test_who_may_look_and_not_decide(self):
        self.authenticate("see", "see")
        answer = self.url_open(self.page)
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn(
            "csrf_token", re.sub(r"(?s)<script.*?</script>", "", answer.text)
        )
        self.assertIn("Only Reviewers", answer.text)
        token = self.own_token()
        self.assertEqual(self.post(csrf_token=token).status_code, 403)
        self.assertEqual(self.approval.state, "pending")

    def own_token(self):
        """A token of the session that is authenticated, as its own pages have it."""
        return re.search(r'csrf_token: "([^"]+)"', self.url_open("/odoo").text)[1]

    def test_who_may_not_look(self):
        new_test_user(self.env, "worker", "base.group_user")
        other = self.env["res.company"].create({"name": "Other"})
        new_test_user(
            self.env,
            "stranger",
            "steward.group_reviewer",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        for login in ("worker", "stranger"):
            with self.subTest(login=login):
                self.authenticate(login, login)
                answer = self.url_open(self.page)
                self.assertEqual(answer.status_code, 404)
                self.assertNotIn("Ann X", answer.text)
                answer = self.post(csrf_token=self.own_token())
                self.assertEqual(answer.status_code, 404)
                self.assertEqual(self.approval.state, "pending")

    def test_too_late(self):
        past = fields.Datetime.now() - timedelta(seconds=1)
        self.authenticate("rev", "rev")
        token = self.token(self.url_open(self.page))
        self.approval._write_own({"expires_at": past})
        self.assertIn("time to decide this is over", self.url_open(self.page).text)
        answer = self.post(csrf_token=token)
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(self.approval.state, "pending")

    def test_on_the_screen(self):
        self.start_tour(
            "/odoo/steward-approvals", "steward_approval", login="rev", timeout=180
        )
        self.assertEqual(self.approval.state, "approved")
