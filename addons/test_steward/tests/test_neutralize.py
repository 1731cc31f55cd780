"""A neutralized copy can do no harm: every field of the suite is looked at.

The fields come from the registry, so that no model is forgotten: those whose name or
type says that they may hold a secret, an address or a schedule. Each has to lose its
value when the neutralize.sql files run, or stand below with the reason why it may stay.
"""

import re

from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

SUSPICIOUS = re.compile(
    r"secret|passw|token|key|credential|reference|cert|signature|auth|login"
    r"|url|uri|link|host|address|endpoint|server|domain|email|webhook|bucket|path|dsn"
    r"|schedule|cron|interval|next|every|due|run_at|planned"
)
TYPES = {"char", "text", "html", "binary", "datetime", "date", "reference", "json"}
SCHEDULES = re.compile(r"schedule|cron|interval|next|every|due|run_at|planned")
MAGIC = {"create_date", "write_date", "create_uid", "write_uid", "id"}

# (model, field) -> why it may stay as it is
HARMLESS_FIELDS: dict[tuple[str, str], str] = {
    ("steward.agent", "schedule_every"): "schedule_on is off",
    ("steward.agent", "schedule_task"): "schedule_on is off",
    ("steward.agent", "schedule_failed"): "a sentence for people",
    ("steward.approval", "step_key"): "names a step of a playbook",
    ("steward.chunk", "path"): "headings",
    ("steward.skill.file", "path"): "a place within the skill's own folder",
    ("steward.document", "url"): "for readers; nothing calls it",
    ("steward.source", "record_domain"): "of this database's records",
    ("steward.source.item", "key"): "fetched by its source only, which has no address",
    ("steward.source.item", "url"): "as its key",
    ("steward.source.item", "links"): "as its key",
    ("steward.source.item", "next_try"): "looked at by harvests, which are cancelled",
    ("steward.run", "idempotency_key"): "names a call, proves nothing",
}
# key of ir.config_parameter -> why it may stay as it is
HARMLESS_PARAMETERS = {
    "steward.chat.cache_days": "a number",
    "steward.chat.cache_mb": "a number",
    "steward.contact_id": "the id of a user",
    "steward.embedding.max_rows": "a number",
    "steward.guardrail_share": "a number",
    "steward.knowledge.agents_make_sources": "yes or no",
    "steward.search.freshness": "a number",
    "steward.search.half_life": "a number",
    "steward.search.keep_days": "a number",
    "steward.search.worse_most": "a number",
    "steward.skill_authors_approve": "yes or no",
    "steward.skill_review_days": "a number",
}
# model -> values of a row that a generic one cannot have
SAMPLES: dict[str, dict] = {}


def is_suspicious(field):
    return bool(
        field.store
        and field.column_type
        and field.name not in MAGIC
        and field.type in TYPES | ({"integer", "float"} if _times(field) else set())
        and SUSPICIOUS.search(field.name)
    )


def _times(field):
    return bool(SCHEDULES.search(field.name))


def marker(field):
    if field.type in ("datetime", "date"):
        return "2001-02-03"
    if field.type in ("integer", "float"):
        return 4711
    if field.type == "binary":
        return b"neutral"
    if field.type == "json":
        return '"neutral"'
    return "env:NEUTRAL_MARKER" if "reference" in field.name else "neutral-marker"


@tagged("post_install", "-at_install")
class TestNeutralize(TransactionCase):
    def neutralize(self):
        """The files of the suite, as `odoo neutralize` runs them."""
        names = self.env["ir.module.module"].search([("state", "=", "installed")])
        ours = [n for n in names.mapped("name") if n.split("_")[0] == "steward"]
        self.env.flush_all()
        queries = list(get_neutralization_queries(ours))
        self.assertEqual(len(queries), len(ours), f"one has no neutralize.sql: {ours}")
        for query in queries:
            self.env.cr.execute(query)
        self.env.invalidate_all()
        self.env.registry.clear_all_caches()

    # -- every field -----------------------------------------------------------

    def suspects(self):
        """Model -> its fields that may hold a secret, an address or a schedule."""
        found = {}
        for name, model in self.env.registry.items():
            ours = name.startswith("steward.") and not model._abstract
            fields = [
                field
                for field in model._fields.values()
                if (ours or (field._module or "").split("_")[0] == "steward")
                and model._auto
                and is_suspicious(field)
                and (name, field.name) not in HARMLESS_FIELDS
            ]
            if fields:
                found[name] = fields
        return found

    def sample(self, model, fields):
        """A row with a marker in each of the fields, past all of Python's checks."""
        values = {}
        for field in model._fields.values():
            if field.store and field.column_type and field.required:
                values[field.name] = self._any(field)
        if "active" in model._fields:
            values["active"] = True
        values.update(SAMPLES.get(model._name, {}))
        values.update({field.name: marker(field) for field in fields})
        [(record_id,)] = self.env.execute_query(
            SQL(
                "INSERT INTO %s (%s) VALUES %s RETURNING id",
                SQL.identifier(model._table),
                SQL(", ").join(map(SQL.identifier, values)),
                tuple(values.values()),
            )
        )
        return record_id

    def _any(self, field):
        if field.type == "many2one":
            comodel = self.env[field.comodel_name].with_context(active_test=False)
            return comodel.search([], limit=1).id
        if field.type == "selection":
            return field.get_values(self.env)[0]
        if field.type == "boolean":
            return True
        if field.type in ("integer", "float", "monetary"):
            return 1
        if field.type in ("date", "datetime"):
            return "2001-02-03"
        return "neutral"

    def still_harmful(self, model, record_id, fields):
        rows = self.env.execute_query(
            SQL(
                "SELECT %s FROM %s WHERE id = %s",
                SQL(", ").join(SQL.identifier(f.name) for f in fields),
                SQL.identifier(model._table),
                record_id,
            )
        )
        active = True
        if rows and "active" in model._fields:
            [(active,)] = self.env.execute_query(
                SQL(
                    "SELECT active FROM %s WHERE id = %s",
                    SQL.identifier(model._table),
                    record_id,
                )
            )
        return [
            f"{model._name}.{field.name}"
            for row in rows
            for field, value in zip(fields, row, strict=True)
            # an archived record keeps no secret either, but it has no schedule any more
            if value and not (_times(field) and not active)
            if str(value).strip('"').startswith(str(marker(field)).strip('"'))
        ]

    def harmful(self, run):
        rows = [
            (self.env[name], self.sample(self.env[name], fields), fields)
            for name, fields in self.suspects().items()
        ]
        run()
        return [text for row in rows for text in self.still_harmful(*row)]

    def test_every_field(self):
        left = self.harmful(self.neutralize)
        self.assertEqual(
            left,
            [],
            "after neutralization these keep their value; say so in the addon's"
            " data/neutralize.sql, or why not in HARMLESS_FIELDS",
        )

    def test_the_test_sees(self):
        """Without neutralization every suspect is told; a harmless name is none."""
        suspects = self.suspects()
        every = [f"{name}.{f.name}" for name in suspects for f in suspects[name]]
        self.assertCountEqual(self.harmful(lambda: None), every)
        jobs = self.env["queue.job"]._fields
        self.assertTrue(is_suspicious(jobs["identity_key"]))
        self.assertFalse(is_suspicious(jobs["name"]))
        self.assertFalse(is_suspicious(jobs["company_id"]))
        parameters = self.env["ir.cron"]._fields
        self.assertTrue(is_suspicious(parameters["nextcall"]))
        self.assertTrue(is_suspicious(parameters["interval_number"]))

    def test_no_name_is_out_of_date(self):
        for model, field in HARMLESS_FIELDS:
            self.assertIn(field, self.env[model]._fields)

    # -- every parameter -------------------------------------------------------

    def parameters(self):
        fields = self.env["res.config.settings"]._fields.values()
        keys = {getattr(f, "config_parameter", None) or "" for f in fields}
        return {key for key in keys if key.startswith("steward.")}

    def test_every_parameter(self):
        """Of the settings; and of those that have no screen, by their name."""
        parameters = self.env["ir.config_parameter"]
        keys = self.parameters() | {
            "steward.http.allowed_addresses",
            "steward.vault.url",
            "steward.secret.folders",
            "steward.anything.webhook_url",
        }
        self.assertLessEqual(set(HARMLESS_PARAMETERS), self.parameters())
        for key in keys:
            parameters.set_param(key, "https://production.example.com")
        self.neutralize()
        left = {key for key in keys if parameters.get_param(key)}
        self.assertEqual(left, set(HARMLESS_PARAMETERS))

    # -- what is not a field ---------------------------------------------------

    def test_jobs(self):
        states = ("wait_dependencies", "pending", "enqueued", "started", "done")
        jobs = self.env["queue.job"]
        for state in states:
            job = jobs.with_delay()._test_job().db_record()
            job.state = state
            jobs |= job
        self.neutralize()
        self.assertEqual(jobs.mapped("state"), ["cancelled"] * 4 + ["done"])

    def test_crons(self):
        data = self.env["ir.model.data"].search([("model", "=", "ir.cron")])
        ours = data.filtered(lambda d: d.module.split("_")[0] == "steward")
        self.assertTrue(ours)
        self.neutralize()
        crons = self.env["ir.cron"].browse(ours.mapped("res_id"))
        self.assertFalse(any(crons.mapped("active")))

    def test_agents(self):
        """Keys and passwords of Agents are gone, also by way of another group."""
        other = self.env["res.groups"].create(
            {
                "name": "Robots",
                "implied_ids": [(4, self.env.ref("steward.group_agent").id)],
            }
        )
        agent = new_test_user(self.env, "a_agent", groups="steward.group_agent")
        robot = new_test_user(self.env, "a_robot", groups="base.group_user")
        robot.group_ids += other
        person = new_test_user(self.env, "a_person", groups="base.group_user")
        for user in (agent, robot, person):
            keys = self.env["res.users.apikeys"].with_user(user).sudo()
            keys._generate(None, "key", None)
        self.neutralize()
        keys = self.env["res.users.apikeys"].search([])
        self.assertNotIn(agent, keys.user_id)
        self.assertNotIn(robot, keys.user_id)
        self.assertIn(person, keys.user_id)
        self.env.cr.execute(
            "SELECT password IS NULL FROM res_users WHERE id IN %s ORDER BY login",
            [(agent.id, robot.id, person.id)],
        )
        self.assertEqual(self.env.cr.fetchall(), [(True,), (False,), (True,)])

    def test_webhooks_and_signatures(self):
        automation = self.env["base.automation"].create(
            {
                "name": "hook",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "trigger": "on_webhook",
            }
        )
        before = automation.webhook_uuid
        parameters = self.env["ir.config_parameter"].sudo()
        secret = parameters.get_param("database.secret")
        self.neutralize()
        self.assertNotEqual(automation.webhook_uuid, before)
        self.assertNotEqual(parameters.get_param("database.secret"), secret)

    def test_twice(self):
        self.neutralize()
        self.neutralize()

    def test_providers(self):
        """No provider has an address or a key, and none but built-in ones is used."""
        secret = self.env["steward.secret"].create(
            {"name": "key", "reference": "env:PRODUCTION"}
        )
        provider = self.env["steward.provider"].create(
            {
                "name": "Production",
                "code": "production",
                "kind": "openai_compatible",
                "base_url": "http://127.0.0.1:9/v1",
                "secret_id": secret.id,
            }
        )
        provider.action_test()
        self.assertTrue(provider.last_test_message)
        self.neutralize()
        self.assertFalse(provider.active)
        self.assertFalse(provider.base_url or provider.secret_id)
        self.assertFalse(provider.last_test_message)

    def test_secrets(self):
        """The references of secrets lead nowhere, and nothing tells where they led."""
        secret = self.env["steward.secret"].create(
            {"name": "key", "reference": "vault:secret/production#key"}
        )
        secret.flush_recordset()
        self.env.cr.execute(
            "UPDATE steward_secret SET last_test_message = 'production said no'"
        )
        self.neutralize()
        self.assertEqual(secret.reference, "env:STEWARD_NEUTRALIZED")
        self.assertFalse(secret.last_test_message)
