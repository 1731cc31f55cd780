"""What a call of a chat model pays for Steward, beside the bare library `openai`.

The server is on loopback and answers at once, so that nothing but the two ways is
measured: ours with price, budget, breaker and ledger.
"""

import logging
import time

import openai

from harness import Row, alternate, environment, model_at, report

CALLS = 20
WORDS = " ".join(["word"] * 200)
HELLO = [{"role": "user", "content": "how are you"}]
PATIENCE = 10  # milliseconds that a call may cost


def prepared(env, server):
    """A model with a price, at a server on loopback, and a budget that it draws on."""
    model = model_at(env, server.base_url)
    env["steward.budget"].create(
        {
            "name": "Bench",
            "currency_id": env.ref("base.USD").id,
            "limit_amount": 1_000_000,
        }
    )
    env.cr.commit()  # budget, breaker and ledger have cursors of their own
    return model


def bare_whole(client):
    return client.chat.completions.create(model="gpt-test", messages=HELLO)


def bare_stream(client):
    for _chunk in client.chat.completions.create(
        model="gpt-test",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    ):
        pass


def row(name, ours, bare):
    def times(way):
        def run():
            for _call in range(CALLS):
                way()

        return run

    ours(), bare()
    spent, plain = alternate(times(ours), times(bare))
    added = (spent - plain) / CALLS * 1000
    return Row(
        name,
        spent / CALLS * 1000,
        "ms",
        plain / CALLS * 1000,
        spent / plain,
        f"adds <= {PATIENCE} ms to openai (here {added:+.2f})",
        added <= PATIENCE,
    )


def first_word(model):
    """Milliseconds from the first token's arrival to the caller's hands."""
    told = []
    began = time.perf_counter()
    model._chat(HELLO, on_delta=lambda _delta: told.append(time.perf_counter()))
    return (told[0] - began) * 1000


def measured(env, server):
    model = prepared(env, server)
    client = openai.OpenAI(api_key="none", base_url=server.base_url, max_retries=0)

    def whole():
        server.reply(WORDS)
        model._chat(HELLO)

    def stream():
        server.reply(WORDS)
        model._chat(HELLO, on_delta=lambda _delta: None)

    def scripted(way):
        def ask():
            server.reply(WORDS)
            way(client)

        return ask

    rows = [
        row("chat: an answer as a whole", whole, scripted(bare_whole)),
        row("chat: a stream of 200 words", stream, scripted(bare_stream)),
    ]
    model._chat(HELLO, cache=True)
    began = time.perf_counter()
    for _call in range(CALLS):
        assert model._chat(HELLO, cache=True).cached
    milli = (time.perf_counter() - began) / CALLS * 1000
    rows.append(
        Row("chat: a known answer", milli, "ms", None, None, "<= 10 ms", milli <= 10)
    )
    firsts = sorted(first_word(model) for _call in range(CALLS))
    milli = firsts[CALLS // 2]
    rows.append(
        Row(
            "chat: until the first word is told",
            *(milli, "ms", None, None),
            "<= 50 ms, asking included",
            milli <= 50,
        )
    )
    client.close()
    return rows


with environment() as env:
    from odoo.addons.steward_llm.tests.openai_server import OpenAIServer

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each call
    with OpenAIServer(key=None) as server:
        rows = measured(env, server)
report("chat", rows)
