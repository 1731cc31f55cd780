"""Agents that think, on a real server, with a model on loopback: what faults do.

What counts in the end is the database: what a tool did, it did once.
"""

import time
import urllib.error

import pytest
from conftest import Odoo
from models import openai_server as speaks

from house.settings import product_addons

WAIT = 400  # seconds; a dead worker's job is found within a minute
KEY = "sk-" + "outside" * 4
ENV = {"ODOO_QUEUE_JOB_CHANNELS": "root:4", "STEWARD_OUTSIDE_KEY": KEY}
ENDED = ("completed", "failed", "cancelled", "terminated", "timed_out", "lost")
FALLBACK = "name: Instead\nsteps:\n  - stop: 'Without a model: {{ run.task }}'\n"


class Chats:
    """What a test does with agents and their model."""

    def __init__(self, odoo, model):
        self.odoo, self.model = odoo, model
        self.key = odoo.make_key()
        self.agents = 0

    def call(self, model, method, **arguments):
        return self.odoo.json2(self.key, model, method, **arguments)

    def create(self, model, **values):
        [made] = self.call(model, "create", vals_list=[values])
        return made

    def prepare(self):
        networks = {"key": "steward.http.allowed_networks", "value": "127.0.0.1"}
        self.create("ir.config_parameter", **networks)
        secret = self.create(
            "steward.secret", name="Outside", reference="env:STEWARD_OUTSIDE_KEY"
        )
        provider = self.create(
            "steward.provider",
            name="Loopback",
            code="loopback",
            base_url=self.model.base_url,
            secret_id=secret,
        )
        self.thinks_with = self.create(
            "steward.model",
            name="gpt-test",
            provider_id=provider,
            can_chat=True,
            can_tools=True,
            can_streaming=True,
        )
        groups = self.call(
            "ir.model.data",
            "search_read",
            domain=[
                ["model", "=", "res.groups"],
                ["name", "in", ["group_agent", "group_partner_manager"]],
            ],
            fields=["res_id"],
        )
        self.robot = self.create(
            "res.users",
            name="Robot",
            login="robot",
            group_ids=[[6, 0, [group["res_id"] for group in groups]]],
        )
        self.playbook = self.create(
            "steward.playbook", name="Instead", code="instead", text=FALLBACK
        )
        # people and their approvals have their own tests
        self.odoo.sql("DELETE FROM steward_approval_rule")

    def agent(self, **values):
        self.agents += 1
        wanted = ["name", "in", ["create_record", "count_records"]]
        self.create(
            "steward.agent",
            name=f"Chat {self.agents}",
            code=f"chat-{self.agents}",
            kind="chat",
            description="You make partners.",
            user_id=self.robot,
            model_id=self.thinks_with,
            tool_ids=[[6, 0, self.call("steward.tool", "search", domain=[wanted])]],
            **values,
        )
        return f"chat-{self.agents}"

    def start(self, agent, task):
        return self.call("steward.agent", "execute", agent=agent, task=task)["trace_id"]

    def until_ended(self, trace):
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            try:
                state = self.call("steward.run", "status", trace_id=trace)["state"]
                if state in ENDED:
                    return state
            except (urllib.error.URLError, OSError):
                pass  # it is away just now
            # else the runner looks for dead jobs each minute
            self.odoo.sql("SELECT pg_notify('queue_job', 'poke')")
            time.sleep(0.1)
        rows = self.odoo.sql("SELECT state, reason, error, position FROM steward_run")
        raise AssertionError(f"not ended within {WAIT} s: {rows}")

    def of_run(self, trace, *columns):
        names = ", ".join(columns)
        query = f"SELECT {names} FROM steward_run WHERE trace_id = %s"
        [row] = self.odoo.sql(query, trace)
        return row

    def steps(self, trace):
        return self.odoo.sql(
            "SELECT step.kind, step.status FROM steward_step AS step"
            " JOIN steward_run AS run ON run.id = step.run_id"
            " WHERE run.trace_id = %s ORDER BY step.id",
            trace,
        )

    def made(self, name):
        query = "SELECT count(*) FROM res_partner WHERE name = %s"
        return self.odoo.sql(query, name)[0][0]


@pytest.fixture(scope="module")
def chats(settings, databases):
    with (
        speaks.OpenAIServer(key=KEY) as model,
        databases.clone(databases.template(product_addons()), "chat") as database,
    ):
        odoo = Odoo(settings, databases, database, env=ENV).start()
        try:
            chats = Chats(odoo, model)
            chats.prepare()
            yield chats
        finally:
            odoo.stop()


@pytest.fixture(autouse=True)
def fresh(chats):
    chats.model.clear()
    chats.model.key = KEY


def make(name):
    values = {"model": "res.partner", "values": {"name": name}}
    return [speaks.call("create_record", **values)]


def until(true, what):
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_conversation(chats):
    chats.model.reply(tools=make("chat Ann"))
    chats.model.reply("Ann is made.")
    trace = chats.start(chats.agent(), "Make Ann")
    assert chats.until_ended(trace) == "completed"
    output, tokens, model = chats.of_run(trace, "output", "tokens_in", "model")
    assert (output, model) == ("Ann is made.", "gpt-test")
    assert tokens > 0
    assert chats.made("chat Ann") == 1
    first, second = chats.model.asked(speaks.CHAT)
    assert first["tools"][0]["function"]["name"] in ("create_record", "count_records")
    assert second["messages"][-1]["role"] == "tool"
    # each call is in the ledger of usage, with its run and its agent
    usage = chats.odoo.sql(
        "SELECT agent_name, operation FROM steward_usage WHERE trace = %s", trace
    )
    assert usage == [("Chat 1", "chat")] * 2

    chats.model.reply("She has no address.")
    answer = chats.call("steward.run", "say", trace_id=trace, text="Her address?")
    assert answer["session"] == trace
    assert chats.until_ended(answer["trace_id"]) == "completed"
    said = chats.call("steward.run", "said", trace_id=answer["trace_id"])
    assert [row["text"] for row in said] == [
        "Make Ann",
        "Ann is made.",
        "Her address?",
        "She has no address.",
    ]


def test_a_worker_killed_while_the_model_writes(chats):
    """Its text was on the screens already; the run asks again, and does all once."""
    chats.model.reply(tools=make("chat Bob"))
    chats.model.reply("word " * 1200, gap=0.1)
    chats.model.reply("Bob is made.")
    trace = chats.start(chats.agent(), "Make Bob")
    told = "SELECT count(*) FROM bus_bus WHERE message LIKE '%%run/text%%word%%'"
    until(lambda: chats.odoo.sql(told)[0][0] > 1, "no text on its way")
    position = chats.of_run(trace, "position")[0]
    assert position["intent"] == ["think", "1", 1]
    chats.odoo.kill()
    chats.odoo.start()
    assert chats.until_ended(trace) == "completed"
    assert chats.of_run(trace, "output")[0] == "Bob is made."
    assert chats.made("chat Bob") == 1
    kinds = chats.steps(trace)
    assert kinds.count(("tool_call", "ok")) == 1
    assert kinds.count(("llm_inference", "error")) == 1  # the answer that was lost
    assert kinds.count(("llm_inference", "ok")) == 2


def test_a_worker_killed_after_the_tool(chats):
    """The tool is not called again, and the model is told what came of it."""
    chats.model.reply(tools=[*make("chat Cid"), *make("chat Dan")])
    chats.model.reply("word " * 400, gap=0.1)  # it is killed before the end
    trace = chats.start(chats.agent(), "Make both")
    until(lambda: chats.made("chat Dan"), "nothing was made")
    chats.odoo.kill()
    assert chats.of_run(trace, "state") == ("running",)
    chats.model.script[:] = []
    chats.model.reply("Both are made.")
    chats.model.reply("Both are made.")
    chats.odoo.start()
    assert chats.until_ended(trace) == "completed"
    assert (chats.made("chat Cid"), chats.made("chat Dan")) == (1, 1)


def test_a_key_that_was_revoked(chats):
    chats.model.key = "another"
    agent = chats.agent(playbook_id=chats.playbook)
    trace = chats.start(agent, "Count them")
    assert chats.until_ended(trace) == "completed"
    output, degraded = chats.of_run(trace, "output", "degraded")
    assert output == "Without a model: Count them"
    assert degraded
    assert KEY not in str(chats.odoo.sql("SELECT * FROM steward_step"))

    trace = chats.start(chats.agent(), "Count them")  # and nothing to fall back to
    assert chats.until_ended(trace) == "failed"
    assert chats.of_run(trace, "error")[0] == degraded


def test_the_same_call_for_ever(chats):
    again = [speaks.call("count_records", model="res.partner")]
    for _time in range(20):
        chats.model.reply(tools=again)
    trace = chats.start(chats.agent(), "Count them")
    assert chats.until_ended(trace) == "failed"
    assert "3 times in a row" in chats.of_run(trace, "error")[0]
    assert len(chats.model.asked(speaks.CHAT)) == 3


def test_forty_calls_at_once(chats):
    calls = [one for n in range(40) for one in make(f"chat many {n}")]
    chats.model.reply(tools=calls)
    chats.model.reply("All are made.")
    trace = chats.start(chats.agent(), "Make forty")
    assert chats.until_ended(trace) == "completed"
    query = "SELECT count(*) FROM res_partner WHERE name LIKE 'chat many %%'"
    assert chats.odoo.sql(query)[0][0] == 40
