import json
import subprocess
import time
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from odoo.addons.steward.exceptions import RateLimited, StewardError
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from .. import git
from ..adapters import github
from .harvest_common import HarvestCase


@tagged("post_install", "-at_install")
class TestOdooDocs(HarvestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.enterContext(TemporaryDirectory()))
        self.folder = self.root / "documentation"
        self.put("content/sales/orders.rst", "Orders\n======\n\nConfirm them.")
        self.put("content/index.rst", "Odoo\n====\n\nWelcome.")
        self.put("content/logo.png", "no text")
        self.set_param("steward.knowledge.folders", str(self.root))

    def put(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def made(self, **values):
        values = {"kind": "odoo_docs", "folder": str(self.folder), **values}
        return self.make_source(**values)

    def test_a_checkout(self):
        source = self.made()
        self.harvest(source)
        self.assertEqual(
            self.items(source), {"sales/orders.rst": "done", "index.rst": "done"}
        )
        page = self.documents(source).filtered(lambda d: d.name == "Orders")
        self.assertEqual(
            page.url, "https://www.odoo.com/documentation/19.0/sales/orders.html"
        )
        draft = self.taken[0]
        self.assertEqual((draft.version, draft.content_type), ("19.0", "text/x-rst"))

    def test_only_what_changed_is_read(self):
        source = self.made()
        self.harvest(source)
        self.taken.clear()
        harvest = self.harvest(source)
        self.assertFalse(self.taken)
        self.assertEqual(harvest.unchanged, 2)
        self.put("content/index.rst", "Odoo\n====\n\nWelcome to another text.")
        (self.folder / "content/sales/orders.rst").unlink()
        harvest = self.harvest(source)
        self.assertEqual((harvest.changed, harvest.gone), (1, 1))

    def test_folders_that_nobody_allowed(self):
        for folder in ("/etc", "relative", str(self.root / ".." / "x"), "/"):
            with self.subTest(folder=folder), self.assertRaises(ValidationError):
                self.made(folder=folder)
        source = self.made()
        self.set_param("steward.knowledge.folders", "")
        with self.assertRaisesRegex(StewardError, "may not be read"):
            source._start()

    def test_links_lead_nowhere_else(self):
        (self.folder / "content/passwd.rst").symlink_to("/etc/passwd")
        source = self.made()
        self.harvest(source)
        self.assertNotIn("passwd.rst", self.items(source))

    def test_the_web(self):
        base = "/documentation/19.0"
        self.site.links(f"{base}/", f"{base}/a.html", f"{base}/fr/a.html", "/jobs")
        self.site.page(f"{base}/a.html", "A")
        source = self.made(
            folder=False, url=self.site.url(f"{base}/"), discovery="crawl"
        )
        self.harvest(source)
        self.assertEqual(set(self.items(source)), {f"{base}/", f"{base}/a.html"})
        self.assertEqual(self.taken[0].version, "19.0")


@tagged("post_install", "-at_install")
class TestGit(HarvestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.enterContext(TemporaryDirectory()))
        self.work_tree = self.root / "project"
        self.set_param("steward.knowledge.folders", str(self.root))
        self.data = self.enterContext(TemporaryDirectory())
        from odoo.tools import config

        self.enterContext(patch.dict(config.options, {"data_dir": self.data}))
        self.work_tree.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit(
            **{
                "README.md": "# Project\n\nWhat it is.",
                "docs/use.rst": "Use\n===\n\nLike this.",
                "sale_x/__manifest__.py": "{'name': 'Sales X', 'depends': ['sale']}",
                "sale_x/models/order.py": 'class Order:\n    """An order."""\n',
                "sale_x/models/empty.py": "x = 1\n",
                "node_modules/y/README.md": "not ours",
                "LICENSE.txt": "LGPL",
                "logo.png": "picture",
            }
        )

    def git(self, *arguments):
        identity = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        return subprocess.run(
            ["git", *identity, "-C", str(self.work_tree), *arguments],
            check=True,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.root)},
        ).stdout.decode()

    def commit(self, **files):
        for path, text in files.items():
            path = self.work_tree / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def made(self, **values):
        return self.make_source(kind="git", url=str(self.work_tree), **values)

    def test_documentation_docstrings_manifests(self):
        source = self.made()
        harvest = self.harvest(source)
        self.assertEqual(harvest.state, "done", harvest.reason)
        self.assertEqual(
            self.items(source),
            {
                "README.md": "done",
                "docs/use.rst": "done",
                "sale_x/__manifest__.py": "done",
                "sale_x/models/order.py": "done",
                "sale_x/models/empty.py": "skipped",
            },
        )
        drafts = {draft.external_id: draft for draft in self.taken}
        self.assertEqual(drafts["sale_x/__manifest__.py"].title, "Sales X")
        self.assertIn("An order.", drafts["sale_x/models/order.py"].content)
        self.assertEqual(drafts["docs/use.rst"].content_type, "text/x-rst")

    def test_again(self):
        source = self.made()
        self.harvest(source)
        self.taken.clear()
        harvest = self.harvest(source)
        self.assertFalse(self.taken)
        self.assertEqual((harvest.unchanged, harvest.skipped), (4, 1))
        self.commit(**{"README.md": "# Project\n\nChanged."})
        self.git("rm", "-q", "docs/use.rst")
        self.git("commit", "-q", "-m", "y")
        harvest = self.harvest(source)
        self.assertEqual((harvest.changed, harvest.gone), (1, 1))

    def test_the_folder_may_be_lost(self):
        source = self.made()
        harvest = source._start()
        while harvest.state != "fetching":
            harvest._work()
        source._adapter()._repository().remove()
        self.work(harvest)
        self.assertEqual(harvest.new, 4)

    def test_nothing_of_it_comes_to_life(self):
        flag = self.root / "flag"
        hook = self.work_tree / ".git/hooks/post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {flag}\n")
        hook.chmod(0o755)
        (self.work_tree / "passwd.md").symlink_to("/etc/passwd")
        self.commit(**{".gitattributes": "*.md filter=evil"})
        self.git("config", "filter.evil.smudge", f"touch {flag}")
        source = self.made()
        self.harvest(source)
        self.assertFalse(flag.exists())
        self.assertNotIn("passwd.md", self.items(source))

    def test_addresses(self):
        rules = self.env["steward.http"]._get_rules()
        for address in (
            "file:///etc",
            "ext::sh -c touch% /tmp/x",
            "--upload-pack=touch",
            "http://example.com/x.git",
            "https://user:word@example.com/x.git",
            "https://10.0.0.1/x.git",
            "git@10.0.0.1:x/y.git",
            "git@-oProxyCommand=x:y",
            "/etc",
        ):
            repository = git.Repository(self.root / "bare", address, rules=rules)
            with (
                self.subTest(address=address),
                self.assertRaises(StewardError),
                patch.object(git, "_started", side_effect=AssertionError(address)),
            ):
                repository.fetch()

    def test_refused_branches(self):
        repository = git.Repository(
            self.root / "bare",
            str(self.work_tree),
            rules=self.env["steward.http"]._get_rules(),
            local=True,
        )
        with self.assertRaises(StewardError):
            repository.fetch("--upload-pack=x")
        with self.assertRaisesRegex(StewardError, "no such branch"):
            repository.fetch("nowhere")
        self.assertFalse(repository.has("0" * 40))

    def test_caps(self):
        self.commit(**{"large.bin": "".join(map(str, range(300_000)))})
        repository = git.Repository(
            self.root / "bare",
            str(self.work_tree),
            rules=self.env["steward.http"]._get_rules(),
            local=True,
        )
        with self.assertRaisesRegex(StewardError, "larger than"):
            repository.fetch(megabytes=0.1)
        self.assertFalse(repository.folder.exists())
        with (
            patch.object(
                git,
                "_started",
                lambda *_a: subprocess.Popen(
                    ["/bin/sleep", "60"], start_new_session=True
                ),
            ),
            self.assertRaisesRegex(StewardError, "did not come"),
        ):
            repository._run(["fetch"], seconds=0.2)

    def test_a_token_is_not_in_the_command(self):
        token = "gh" + "x" * 20
        seen = {}

        def started(arguments, env, out, err):
            seen.update(arguments=arguments, env=env)
            return subprocess.Popen(["/bin/true"], start_new_session=True)

        repository = git.Repository(
            self.root / "bare",
            "https://example.com/x.git",
            rules=self.env["steward.http"]._get_rules(),
            token=token,
        )
        self.names(example_com=["93.184.216.34"])
        with patch.object(git, "_started", started):
            repository._run([*repository._checked_options(), "fetch"])
        self.assertNotIn(token, str(seen["arguments"]))
        self.assertIn("93.184.216.34", str(seen["arguments"]))
        self.assertIn("Basic", seen["env"]["GIT_CONFIG_VALUE_0"])
        self.assertNotIn("HTTP_PROXY", seen["env"])


@tagged("post_install", "-at_install")
class TestGitHub(HarvestCase):
    def setUp(self):
        super().setUp()
        self.repo = "/repos/odoo/owl"
        self.reply(
            f"{self.repo}/git/trees/HEAD",
            {
                "tree": [
                    {"path": "README.md", "type": "blob", "sha": "s1", "size": 10},
                    {"path": "src/a.js", "type": "blob", "sha": "s2", "size": 10},
                ]
            },
        )
        self.reply(
            f"{self.repo}/git/blobs/s1", {"content": b64encode(b"# Owl").decode()}
        )
        self.issues = [
            self.issue(1, comments=2),
            self.issue(2),
            self.issue(3, pull=True),
        ]
        self.site.on(f"{self.repo}/issues", self.list_issues)
        self.site.on(f"{self.repo}/issues/1/comments", self.list_comments)

    def reply(self, path, told, *headers):
        self.site.on(path, lambda peer: peer.answer(200, told, *headers))

    def issue(self, number, comments=0, pull=False, updated="2026-03-01T10:00:00Z"):
        told = {
            "number": number,
            "title": f"Issue {number}",
            "body": "It breaks.",
            "state": "open",
            "comments": comments,
            "updated_at": updated,
            "html_url": f"https://github.com/odoo/owl/issues/{number}",
            "user": {"login": "ada"},
            "labels": [{"name": "bug"}],
        }
        return told | ({"pull_request": {}} if pull else {})

    def list_issues(self, peer):
        """Two on a page, those since a moment only."""
        query = peer.received.target.partition("?")[2]
        pairs = dict(pair.split("=") for pair in query.split("&"))
        since = pairs.get("since", "").replace("%3A", ":")
        page = int(pairs.get("page", 1))
        wanted = [issue for issue in self.issues if issue["updated_at"] >= since]
        headers = []
        if len(wanted) > 2 * page:
            url = self.site.url(f"{self.repo}/issues?page={page + 1}")
            headers = [f'Link: <{url}>; rel="next", <{url}>; rel="last"']
        peer.answer(200, wanted[2 * page - 2 : 2 * page], *headers)

    def list_comments(self, peer):
        if "page=2" in peer.received.target.replace("per_page", ""):
            peer.answer(200, [{"body": "Second", "user": {"login": "bob"}}])
            return
        url = self.site.url(f"{self.repo}/issues/1/comments?page=2")
        peer.answer(
            200,
            [{"body": "First", "user": {"login": "bob"}}],
            f'Link: <{url}>; rel="next"',
        )

    def made(self, **values):
        values = {"kind": "github", "url": self.site.url(""), **values}
        return self.make_source(repository="odoo/owl", **values)

    def test_issues_and_readmes(self):
        source = self.made()
        harvest = self.harvest(source)
        self.assertEqual(harvest.state, "done", harvest.reason)
        self.assertEqual(
            self.items(source),
            {"docs/README.md": "done", "issue/1": "done", "issue/2": "done"},
        )
        draft = next(d for d in self.taken if d.external_id == "issue/1")
        for words in ("Issue 1", "It breaks.", "First", "Second", "bob"):
            self.assertIn(words, draft.content)
        self.assertEqual(draft.tags, ("bug",))
        self.assertFalse(harvest.item_ids.filtered("payload"))

    def test_only_since(self):
        source = self.made()
        self.harvest(source)
        self.site.requests.clear()
        self.taken.clear()
        self.issues[1] = self.issue(2, updated="2026-03-05T10:00:00Z")
        self.issues.append(self.issue(4, updated="2026-03-05T11:00:00Z"))
        harvest = self.harvest(source)
        asked = [r.target for r in self.site.requests if "/issues?" in r.target]
        self.assertIn("since=2026-03-01T10%3A00%3A00Z", asked[0])
        self.assertEqual(harvest.new, 1)
        self.assertEqual(source.document_count, 4, "nothing is retired")
        self.assertNotIn("issue/1", [d.external_id for d in self.taken])

    def test_pulls(self):
        source = self.made(with_pulls=True)
        self.harvest(source)
        self.assertIn("pull/3", self.items(source))

    def test_rate_limit_is_obeyed(self):
        reset = int(time.time()) + 900
        self.site.on(
            f"{self.repo}/git/trees/HEAD",
            lambda peer: peer.answer(
                403, {}, "X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {reset}"
            ),
        )
        source = self.made()
        harvest = source._start()
        harvest._work()
        self.assertEqual(harvest.state, "discovering")
        self.assertIn("no more calls", harvest.reason)
        self.assertEqual(len(self.site.requests), 1, "it is not asked again")
        adapter = source._adapter({})
        with self.assertRaises(RateLimited) as raised:
            adapter.discover()
        self.assertAlmostEqual(raised.exception.retry_after, 900, delta=60)

    def test_discussions(self):
        secret = self.env["steward.secret"].create(
            {"name": "GitHub", "reference": "env:STEWARD_TEST_GITHUB"}
        )
        token = "gh" + "p_" + "x" * 30
        self.enterContext(patch.dict("os.environ", {"STEWARD_TEST_GITHUB": token}))
        node = {
            "number": 7,
            "title": "How to",
            "body": "Question",
            "url": "https://github.com/odoo/owl/discussions/7",
            "updatedAt": "2026-03-01T10:00:00Z",
            "author": {"login": "ada"},
            "category": {"name": "Q&A"},
            "answer": {"body": "Like so", "author": {"login": "bob"}},
            "comments": {"nodes": [{"body": "Thanks", "author": None}]},
        }
        told = {
            "pageInfo": {"hasNextPage": False, "endCursor": None},
            "nodes": [node],
        }
        self.reply("/graphql", {"data": {"repository": {"discussions": told}}})
        source = self.made(
            with_discussions=True,
            with_docs=False,
            with_issues=False,
            secret_id=secret.id,
        )
        self.harvest(source)
        self.assertEqual(self.items(source), {"discussion/7": "done"})
        self.assertIn("Like so", self.taken[0].content)
        sent = self.site.requests[0]
        self.assertEqual(sent.headers["Authorization"], f"Bearer {token}")
        self.assertEqual(sent.json()["variables"]["owner"], "odoo")

    def test_a_next_page_elsewhere_gets_no_token(self):
        source = self.made()
        self.patch(self.registry["steward.source"], "_key", lambda _source: "x" * 20)
        adapter = source._adapter({})
        with self.assertRaisesRegex(StewardError, "another host"):
            adapter._call("https://evil.example/next")

    def test_estimate(self):
        self.issues = self.issues[:1]
        self.assertEqual(self.made()._estimate()["pages"], 2)

    def test_api_of_github(self):
        source = self.make_source(kind="github", repository="odoo/owl")
        self.assertEqual(source._adapter().api, github.API)


@tagged("post_install", "-at_install")
class TestStructure(HarvestCase):
    def setUp(self):
        super().setUp()
        self.source = self.make_source(kind="structure")
        self.env["ir.actions.server"].create(
            {
                "name": "Greet partners",
                "model_id": self.env.ref("base.model_res_partner").id,
                "state": "code",
                "code": "log('hello')",
            }
        )

    def test_documents(self):
        found = {item.key for item in self.source._adapter().discover().found}
        partner = self.env.ref("base.model_res_partner")
        self.assertIn(f"ir.model,{partner.id}", found)
        adapter = self.source._adapter()
        title, text = adapter._described(partner)
        self.assertIn("res.partner", title)
        self.assertIn("`vat`", text)
        self.assertNotIn("signup_token", text, "a field of some groups only")
        for name in ("ir.ui.view", "ir.ui.menu", "ir.actions.server"):
            self.assertTrue([key for key in found if key.startswith(f"{name},")], name)

    def test_harvest_and_rights(self):
        self.source.write(
            {"with_models": False, "with_views": False, "with_menus": False}
        )
        harvest = self.harvest(self.source)
        self.assertEqual(harvest.state, "done", harvest.reason)
        document = self.documents(self.source).filtered(
            lambda d: d.name == "Greet partners"
        )
        self.assertEqual(document.res_model, "ir.actions.server")
        self.assertIn("log('hello')", document.text)
        employee = new_test_user(self.env, "structure_employee")
        self.assertFalse(
            document.with_user(employee).search([("id", "=", document.id)])
        )
        again = self.harvest(self.source)
        self.assertEqual((again.new, again.changed), (0, 0))
        self.env["ir.actions.server"].browse(document.res_id).unlink()
        self.assertEqual(self.harvest(self.source).gone, 1)


@tagged("post_install", "-at_install")
class TestRecords(HarvestCase):
    def setUp(self):
        super().setUp()
        self.ann = self.env["res.partner"].create(
            {"name": "Ann's shop", "comment": "<p>Likes <b>oak</b></p>", "ref": "T1"}
        )
        self.bob = self.env["res.partner"].create(
            {"name": "Bob", "comment": "Likes pine", "ref": "T2"}
        )
        self.operator = new_test_user(
            self.env, "records_operator", "steward.group_operator"
        )

    def made(self, **values):
        values = {
            "kind": "records",
            "record_model": "res.partner",
            "record_domain": "[('ref', 'in', ['T1', 'T2', 'T3'])]",
            "record_body": "{comment}\n\nCountry: {country_id}",
            **values,
        }
        return self.make_source(**values)

    def run_precommit(self):
        self.env.cr.precommit.run()

    def refreshes(self):
        return self.env["queue.job"].search([("method_name", "=", "_refresh")])

    def test_harvest(self):
        source = self.made()
        harvest = self.harvest(source)
        self.assertEqual(harvest.new, 2, harvest.reason)
        document = self.documents(source)[:1]
        self.assertEqual(
            (document.res_model, document.res_id), ("res.partner", self.ann.id)
        )
        self.assertEqual(document.name, self.ann.display_name)
        self.assertIn("Likes *oak*", document.text)
        self.taken.clear()
        self.assertEqual(self.harvest(source).unchanged, 2)
        self.assertFalse(self.taken)
        source.record_body = "Only {comment}"
        self.assertEqual(self.harvest(source).changed, 2)

    def test_as_who_chose_them(self):
        rule_model = self.env.ref("base.model_res_partner").id
        self.env["ir.rule"].create(
            {
                "name": "Not Bob",
                "model_id": rule_model,
                "domain_force": "[('name', '!=', 'Bob')]",
            }
        )
        values = {"name": "Mine", "kind": "records", "record_model": "res.partner"}
        source = self.sources.with_user(self.operator).create(
            values | {"record_domain": "[('ref', '!=', False)]", "record_body": "{ref}"}
        )
        self.assertEqual(source.record_user_id, self.operator)
        source = source.sudo()
        self.harvest(source)
        names = self.documents(source).mapped("name")
        self.assertIn("Ann's shop", names)
        self.assertNotIn("Bob", names)
        self.operator.active = False
        self.assertEqual(self.harvest(source).state, "failed")

    def test_models_one_may_not_read(self):
        with self.assertRaises(AccessError):
            self.sources.with_user(self.operator).create(
                {
                    "name": "Keys",
                    "kind": "records",
                    "record_model": "ir.config_parameter",
                    "record_body": "{value}",
                }
            )

    def test_fields_that_not_everybody_sees(self):
        for body, words in (
            ("{signup_type}", "not for everybody"),
            ("{child_ids}", "cannot be used"),
            ("{nothing}", "no field"),
            ("{name.upper}", "not the name"),
            ("{", "brace"),
        ):
            with (
                self.subTest(body=body),
                self.assertRaisesRegex(ValidationError, words),
            ):
                self.made(record_body=body)
        managers = self.env.ref("base.group_erp_manager")
        self.made(record_body="{signup_type}", group_ids=managers.ids)
        everybody = self.env.ref("base.group_user")
        with self.assertRaises(ValidationError):
            self.made(record_body="{signup_type}", group_ids=(managers + everybody).ids)

    def test_nonsense(self):
        for domain in ("[('x', '=', 1)]", "__import__('os')", "[", "7"):
            with self.subTest(domain=domain), self.assertRaises(ValidationError):
                self.made(record_domain=domain)

    def test_kept_current(self):
        source = self.made()
        self.harvest(source)
        self.run_precommit()
        before = self.refreshes()
        self.bob.comment = "Likes beech"
        new = self.env["res.partner"].create(
            {"name": "Cy", "comment": "Likes ash", "ref": "T3"}
        )
        self.ann.ref = "other"
        self.env.flush_all()
        self.run_precommit()
        jobs = self.refreshes() - before
        self.assertEqual(len(jobs), 1)
        self.assertEqual(jobs.args[0], sorted((self.ann + self.bob + new).ids))
        source._refresh(jobs.args[0])
        texts = {d.name: d.text for d in self.documents(source)}
        self.assertIn("beech", texts["Bob"])
        self.assertIn("Cy", texts)
        self.assertNotIn("Ann's shop", texts)
        self.bob.unlink()
        self.run_precommit()
        source._refresh((self.refreshes() - before - jobs).args[0])
        self.assertNotIn("Bob", self.documents(source).mapped("name"))

    def test_what_nobody_watches_costs_nothing(self):
        self.bob.comment = "Likes yew"
        self.env.flush_all()
        self.env.cr.precommit.data.pop("steward_knowledge_changed", None)
        before = self.env.cr.sql_log_count
        with patch.object(self.registry["base"], "_note_for_sources", lambda _r: None):
            self.bob.comment = "Likes oak"
            self.env.flush_all()
        queries = self.env.cr.sql_log_count - before
        with self.assertQueryCount(queries):
            self.bob.comment = "Likes box"
            self.env.flush_all()
        self.assertNotIn("steward_knowledge_changed", self.env.cr.precommit.data)
        source = self.made(is_live=False)
        self.bob.comment = "Likes elm"
        self.env.flush_all()
        self.assertNotIn("steward_knowledge_changed", self.env.cr.precommit.data)
        source.is_live = True
        self.bob.comment = "Likes fir"
        self.env.flush_all()
        self.assertIn("steward_knowledge_changed", self.env.cr.precommit.data)

    def test_too_many_changes_are_a_harvest(self):
        source = self.made()
        source._enqueue_refresh(list(range(1, 1000)))
        self.assertEqual(source.state, "harvesting")
        self.assertFalse(self.refreshes())

    def test_estimate(self):
        self.assertEqual(self.made()._estimate()["pages"], 2)


@tagged("post_install", "-at_install")
class TestEstimate(HarvestCase):
    def test_by_the_sitemap(self):
        self.site.sitemap(*(f"/p{number}" for number in range(30)))
        source = self.make_source(requests_per_minute=600)
        told = source._estimate()
        self.assertEqual((told["pages"], told["minutes"]), (30, 0.1))
        self.assertIn("About 30 items", told["sentence"])
        self.assertFalse(source.last_harvest_id)

    def test_links_tell_nothing_before(self):
        self.site.page("/", "Home")
        source = self.make_source(discovery="crawl", requests_per_minute=100)
        told = source._estimate()
        self.assertNotIn("pages", told)
        self.assertIn("at most 1000 pages, 10 minutes", told["sentence"])

    def test_price(self):
        source = self.make_source(kind="files")
        for cost, words in ((None, "unknown"), (0.5, "$ 0.5"), (0, "nothing")):
            self.patch(
                self.registry["steward.source"],
                "_embedding_cost",
                lambda _source, _pages, cost=cost: cost,
            )
            told = source._estimate()
            self.assertEqual(told.get("cost"), cost)
            self.assertIn(words, told["sentence"])

    def test_price_of_the_space_in_use(self):
        source = self.make_source(kind="files")
        space = self.env["steward.space"]._active()
        if space.model_id.provider_id.kind == "local":
            self.assertEqual(source._embedding_cost(10), 0)
        with patch.object(
            self.registry["steward.space"], "_active", lambda model: model.browse()
        ):
            self.assertIsNone(source._embedding_cost(10))

    def test_the_button(self):
        source = self.make_source(url="http://10.0.0.1/")
        told = source.action_estimate()["params"]
        self.assertEqual(told["type"], "danger")
        self.assertIn("private", json.dumps(told))
