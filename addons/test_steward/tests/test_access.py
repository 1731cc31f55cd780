from odoo import fields
from odoo.tests import TransactionCase, new_test_user, tagged

from .access_matrix import MATRIX

ROLES = {
    "employee": "base.group_user",
    "agent": "steward.group_agent",
    "viewer": "steward.group_viewer",
    "operator": "steward.group_operator",
    "reviewer": "steward.group_reviewer",
    "administrator": "steward.group_administrator",
}
QUERIES = {  # no tables: no row can be made
    "steward.context.report",
    "steward.cost.report",
    "steward.embedding.report",
    "steward.search.day",
    "steward.search.question",
}
OPERATIONS = {"r": "read", "w": "write", "c": "create", "d": "unlink"}


@tagged("post_install", "-at_install")
class TestAccessMatrix(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: new_test_user(cls.env, f"matrix_{role}", groups=group)
            for role, group in ROLES.items()
        }

    def our_models(self):
        return {
            name: model
            for name, model in self.env.items()
            if name.startswith("steward") and not model._abstract
        }

    def allowed(self, model, role):
        env = self.env(user=self.users[role])
        return "".join(
            letter
            for letter, operation in OPERATIONS.items()
            if env[model].has_access(operation)
        )

    def test_every_role_on_every_model(self):
        models = {n for n, m in self.our_models().items() if not m._transient}
        self.assertEqual(models, set(MATRIX), "bring access_matrix.py up to date")
        for model, expected in MATRIX.items():
            for role, letters in zip(ROLES, expected, strict=True):
                with self.subTest(model=model, role=role):
                    self.assertEqual(self.allowed(model, role), letters)

    def test_wizards_are_for_roles(self):
        for name, model in self.our_models().items():
            if model._transient:
                with self.subTest(model=name):
                    self.assertEqual(self.allowed(name, "employee"), "")

    def test_companies_are_kept_apart(self):
        """Each model with a company has a rule that looks at it."""
        for name, model in self.our_models().items():
            if "company_id" not in model._fields or model._transient:
                continue
            with self.subTest(model=name):
                rules = self.env["ir.rule"].search([("model_id.model", "=", name)])
                domains = " ".join(rule.domain_force or "" for rule in rules)
                self.assertIn("company_ids", domains)

    def test_other_companys_rows_are_hidden(self):
        """The rules do what they say, on a row of each model that can be made."""
        other = self.env["res.company"].create({"name": "Other"})
        self.env["steward.step"]._make_partitions()  # the template may be months old
        for name, model in self.our_models().items():
            if "company_id" not in model._fields or model._transient:
                continue
            if name in QUERIES:
                continue
            with self.subTest(model=name):
                row = self.made(model, self.minimal(model, "theirs", other))
                own = self.made(model, self.minimal(model, "ours"))
                readers = [role for role in ROLES if "r" in self.allowed(name, role)]
                self.assertIn("administrator", readers)
                for role in readers:
                    seen = model.with_user(self.users[role]).search(
                        [("id", "in", (row | own).ids)]
                    )
                    self.assertEqual(seen, own)

    def made(self, model, values):
        """A row, also of what only our code may write."""
        row = getattr(model, "_create_own", model.create)(values)
        if model._name == "steward.skill":  # employees see those in use
            row._write_own({"approved_version_id": row.version_id.id})
        return row

    def minimal(self, model, name, company=None):
        """What a row of this model cannot be made without, for a company."""
        values = {model._rec_name: name} if model._rec_name else {}
        if company:
            values["company_id"] = company.id
        if model._name == "steward.model":  # its company is that of its provider
            provider = self.env["steward.provider"]
            theirs = self.minimal(provider, f"{name}-provider", company)
            return {"name": name, "provider_id": provider.create(theirs).id}
        if getattr(model, "_version_of", None):
            parent = self.env[model._name.removesuffix(".version")]
            made = parent.create(self.minimal(parent, f"{name}-parent", company))
            version = {"number": 2, "text": name, "checksum": name}
            if "approved_at" in model._fields:  # employees see those that were in use
                version["approved_at"] = "2026-11-21 12:00:00"
            return {**version, model._version_of: made.id}
        if model._name in ("steward.prompt.label", "steward.prompt.move"):
            prompts = self.env["steward.prompt"]
            parent = self.minimal(prompts, f"{name}-{model._rec_name}", company)
            version = prompts.create(parent)._current_version()
            links = {"prompt_id": version.prompt_id.id, "version_id": version.id}
            return {model._rec_name: name, **links}
        if model._name == "steward.hook":
            theirs = {"name": f"{name}-source", "kind": "push"}
            source = self.env["steward.source"].create(theirs)
            return values | {"kind": "documents", "source_id": source.id}
        source = model._fields.get("source_id")
        if source and source.required:  # its company is that of its source
            sources = self.env["steward.source"]
            source = sources.create(self.minimal(sources, f"{name}-source", company))
            known = {"name", "external_id", "key"} & model._fields.keys()
            return {"source_id": source.id, **dict.fromkeys(known, name)}
        if model._name == "steward.chunk":
            documents = self.env["steward.document"]
            theirs = self.minimal(documents, f"{name}-document", company)
            document = self.made(documents, theirs)
            return {"document_id": document.id, "sequence": 1, "text": name}
        ledger = {"company_id": (company or self.env.company).id}
        at = "2026-11-21 12:00:00"
        if model._name == "steward.skill.use":
            skills = self.env["steward.skill"]
            skill = skills.create(self.minimal(skills, f"{name}-skill", company))
            links = {"skill_id": skill.id, "version_id": skill.version_id.id}
            return {**ledger, **links, "trace_id": name, "arm": "with", "used_at": at}
        if model._name == "steward.guardrail.hit":
            guardrails = self.env["steward.guardrail"]
            guardrail = guardrails.create(
                self.minimal(guardrails, f"{name}-guardrail", company)
            )
            return {**ledger, "guardrail_id": guardrail.id, "tool": name, "at": at}
        if model._name.startswith("steward.chat.answer"):
            models = self.env["steward.model"]
            asked = models.create(self.minimal(models, f"{model._table}-{name}"))
            known = {
                "digest": name,
                "content": name,
                "size": 1,
                "made_at": "2026-11-21",
            }
            known |= {"used_at": "2026-11-21", "day": "2026-11-21"}
            fitting = {key: known[key] for key in known if key in model._fields}
            return {**ledger, "model_id": asked.id, **fitting}
        if model._name in ("steward.approval", "steward.run.wish"):
            runs = self.env["steward.run"]
            run = runs._create_own(self.minimal(runs, f"{name}-run", company))
            approval = {**ledger, "step_key": "1", "question": name, "run_id": run.id}
            return approval if "question" in model._fields else {"run_id": run.id}
        return values | {
            "steward.agent": {"code": name, "kind": "external"},
            "steward.evidence": {"scope": name},
            "steward.guardrail": {"text": name, "definition": '{"tool": "a"}'},
            "steward.skill": {
                "name": name,
                "title": name.capitalize(),
                "description": "Shows who may see it.",
            },
            "steward.skill.harvest": {**ledger, "began_at": at},
            "steward.failure": {**ledger, "fingerprint": name, "category": "bug"},
            "steward.metric": {**ledger, "grain": "1", "start": "2026-11-21 12:00:00"},
            "steward.operation": {"uuid": name, "verb": "matrix"},
            "steward.run": {
                **ledger,
                "month": "2026-11-01",
                "source": "reported",
                "state": "running",
            },
            "steward.step": {
                **ledger,
                "period": fields.Date.today().replace(day=1),
                "run_id": 1,
                "span_id": name,
                "kind": "other",
                "status": "ok",
                "started_at": "2026-11-21 12:00:00",
            },
            "steward.tool": {"model": "steward.toolbox", "method": "find_records"},
            "steward.webhook": {"url": "https://example.com"},
            "steward.budget": {"limit_amount": 1},
            "steward.playbook": {"code": name},
            "steward.prompt": {"code": name, "text": name},
            "steward.price": {"rate_input": 1},
            "steward.provider": {"code": name},
            "steward.search.case": {"expected": name},
            "steward.search.log": {"date": "2026-11-21 12:00:00", "query": name},
            "steward.secret": {"reference": "env:MATRIX"},
        }.get(model._name, {})
