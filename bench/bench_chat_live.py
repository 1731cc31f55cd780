"""A chat on the screen: how soon a model's words are there, and what others feel of it.

The model is a scripted server on loopback, which notes when it sends its first word. A
websocket client, as a browser has one, notes when that word comes. Then twenty chats
are asked at once, of a server that works at two jobs at a time; each is looked at as
the panel does, every two seconds, while somebody else lists partners.
"""

import itertools
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
from contextlib import suppress

import requests
import websocket

from harness import Row, Server, environment, model_at, report

FIRSTS = 15  # chats of which the first word is timed
CHATS = 20  # at once
WORKERS = 2  # jobs at a time
LOOKS = 80  # at the back office, each time
ROUNDS = 3
WORDS = " ".join(["word"] * 120)
GAP = 0.03  # seconds between two words
PATIENCE = 150  # milliseconds until the first word is told
SLOWER = 1.33  # as the back office may get
# in a process of its own: chats and the model do not make who looks slower, too
SOMEBODY = """
import json, sys, time
from harness import Caller
url, database, key, looks, page = json.loads(sys.argv[1])
odoo, times = Caller(url, database, key), []
for _look in range(looks):
    began = time.perf_counter()
    odoo.call("res.partner", "web_search_read", **page)
    times.append(time.perf_counter() - began)
    time.sleep(0.02)
print(json.dumps(times))
"""
PAGE = {
    "specification": {"display_name": {}, "email": {}, "phone": {}, "city": {}},
    "domain": [],
    "limit": 80,
}


def agent(env, server):
    """An agent that chats with the model at a server."""
    model = model_at(env, server.base_url, can_tools=True)
    robot = env["res.users"].create(
        {
            "name": "Robot",
            "login": "bench-robot",
            "group_ids": [(4, env.ref("steward.group_agent").id)],
        }
    )
    env["res.partner"].create([{"name": f"Partner {n}"} for n in range(500)])
    return env["steward.agent"].create(
        {
            "name": "Bench",
            "code": "bench",
            "kind": "chat",
            "user_id": robot.id,
            "model_id": model.id,
            "context_share": "0",
            "max_runs": CHATS,
        }
    )


class Screen:
    """A browser's connection to the bus; it notes when a run's first words come."""

    def __init__(self, odoo):
        from odoo.addons.bus.websocket import WebsocketConnectionHandler

        session = requests.Session()
        who = {"db": odoo.database, "login": "admin", "password": "admin"}
        answer = session.post(
            f"{odoo.url}/web/session/authenticate", json={"params": who}, timeout=30
        )
        assert answer.json()["result"]["uid"], answer.text
        place = urllib.parse.urlsplit(odoo.url).netloc
        version = WebsocketConnectionHandler._VERSION
        self.line = websocket.create_connection(
            f"ws://{place}/websocket?version={version}",
            cookie=f"session_id={session.cookies['session_id']}",
            origin=odoo.url,
            timeout=30,
        )
        self.came = {}

    def listen_to(self, run):
        data = {"channels": [f"steward.run_{run}"], "last": 0}
        self.line.send(json.dumps({"event_name": "subscribe", "data": data}))

    def first_word(self, run):
        """When it came, by the clock that the model's server has as well."""
        while True:
            for told in json.loads(self.line.recv()):
                message = told["message"]
                is_text = message["type"] == "steward.run/text"
                if is_text and message["payload"]["run"] == run:
                    return time.perf_counter()


def first_words(odoo, server):
    """Milliseconds from a word's leaving the model to its coming to a screen."""
    screen, times = Screen(odoo), []
    for _chat in range(FIRSTS):
        server.go.clear()
        server.reply(WORDS, gap=GAP)
        run = odoo.call("steward.agent", "execute", agent="bench", task="t")["run_id"]
        screen.listen_to(run)
        time.sleep(0.5)  # the subscription has arrived
        server.go.set()
        came = screen.first_word(run)
        times.append((came - server.sent_at) * 1000)
        while odoo.call("steward.run", "read", ids=[run], fields=["state"])[0][
            "state"
        ] not in ("completed", "failed"):
            time.sleep(0.1)
    return statistics.median(times), max(times)


def looks(odoo):
    """Seconds that each look at a list of partners takes, one after the other."""
    told = [odoo.url, odoo.database, odoo.key, LOOKS, PAGE]
    command = [sys.executable, "-c", SOMEBODY, json.dumps(told)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def with_chats(odoo, server, way):
    """Do something while twenty chats go on, and each is looked at."""
    for _chat in range(CHATS):
        server.reply(WORDS, gap=GAP)
    traces = [
        odoo.call("steward.agent", "execute", agent="bench", task="t")["trace_id"]
        for _chat in range(CHATS)
    ]
    over = threading.Event()

    def look():
        for trace in itertools.cycle(traces):
            if over.wait(2 / CHATS):
                return
            odoo.call("steward.run", "transcript", trace_id=trace)

    screens = threading.Thread(target=look)
    screens.start()
    try:
        return way(odoo)
    finally:
        over.set()
        screens.join()
        for trace in traces:
            with suppress(urllib.error.HTTPError):  # it has ended already
                odoo.call("steward.run", "terminate", trace_id=trace, reason="Over.")
        server.script.clear()
        time.sleep(len(WORDS.split()) * GAP)  # the last ones notice


def p95(times):
    return statistics.quantiles(times, n=20)[-1] * 1000


def measured(env):
    from odoo.addons.steward_llm.tests.openai_server import OpenAIServer

    class Model(OpenAIServer):
        """It answers when told to, and notes when."""

        go, sent_at = threading.Event(), 0.0

        def _stream(self, peer, pieces, gap):
            self.go.wait(30)
            self.sent_at = time.perf_counter()
            super()._stream(peer, pieces, gap)

    with Model(key=None) as server:
        agent(env, server)
        env.cr.commit()
        odoo = Server(env, channels=f"root:{WORKERS}")
        try:
            median, worst = first_words(odoo, server)
            looks(odoo)  # warm
            quiet, busy = [], []
            for _round in range(ROUNDS):
                quiet += looks(odoo)
                busy += with_chats(odoo, server, looks)
        finally:
            server.go.set()
            odoo.end()
    return median, worst, p95(quiet), p95(busy)


with environment() as env:
    median, worst, quiet, busy = measured(env)
# the first word is sent after two gaps; it is shown with the second one, as a last word
# may still become part of a secret
own = median - 2 * GAP * 1000
report(
    "chat_live",
    [
        Row(
            "chat: first word, from the model to the screen",
            own,
            "ms",
            None,
            None,
            f"<= {PATIENCE} ms (slowest {worst - 2 * GAP * 1000:.0f})",
            own <= PATIENCE,
        ),
        Row(
            f"list of partners beside {CHATS} chats: p95",
            busy,
            "ms",
            quiet,
            busy / quiet,
            f"<= {SLOWER} times without chats, {WORKERS} jobs at a time",
            busy / quiet <= SLOWER,
        ),
    ],
)
