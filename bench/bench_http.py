"""What a call pays for the one way out, and a log line for being redacted."""

import random
import re
import string
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from harness import Row, alternate, environment, report

CALLS = 200
BODY = b"[%s]" % b", ".join([b'{"id": 1, "name": "x"}'] * 40)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        # in one piece: two packets would measure Nagle's algorithm
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
        )

    def log_message(self, *_args):
        pass


def calls(env):
    """Milliseconds that `steward.http` adds to a call on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    env["ir.config_parameter"].set_param("steward.http.allowed_networks", "127.0.0.1")
    http = env["steward.http"]

    def ours():
        for _call in range(CALLS):
            http._request("GET", url, circuit="bench").json()

    with requests.Session() as session:

        def bare():
            for _call in range(CALLS):
                session.get(url, timeout=60).json()

        ours(), bare()
        spent, plain = alternate(ours, bare)
    server.shutdown()
    added = (spent - plain) / CALLS * 1000
    return [
        Row(
            "steward.http: a call on loopback",
            spent / CALLS * 1000,
            "ms",
            plain / CALLS * 1000,
            spent / plain,
            f"adds <= 1 ms to requests.Session (here {added:+.2f})",
            added <= 1,
        )
    ]


def log_lines(count, secrets_every):
    """Lines such as Odoo writes them; every n-th holds a secret."""
    rng = random.Random(7)

    def word(length, letters=string.ascii_letters + string.digits):
        return "".join(rng.choices(letters, k=length))

    def stamp(level):
        return (
            f"2026-11-{rng.randint(10, 28)} 08:02:{rng.randint(10, 59)},"
            f"{rng.randint(100, 999)} {rng.randint(1000, 60000)} {level} prod"
        )

    def digits(length):
        return word(length, "0123456789abcdef")

    plain = (
        lambda: (
            f"{stamp('INFO')} werkzeug: 10.0.3.{rng.randint(1, 254)} - - [21/Nov/2026"
            ' 08:02:11] "POST /web/dataset/call_kw/sale.order/web_search_read HTTP/1.1"'
            f" 200 - {rng.randint(1, 90)} 0.{rng.randint(100, 999)} 1.024"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.modules.loading: loading {rng.randint(1, 200)}/212"
            f" modules, {rng.randint(1, 9999)} queries (+{rng.randint(1, 99)} extra)"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.addons.mail.models.mail_mail: Mail with ID"
            f" {rng.randint(1, 99999)} and Message-Id '<{rng.randint(10**14, 10**15)}."
            f"17{rng.randint(10**7, 10**8)}.{digits(8)}-openerp-7-sale.order@erp.test>'"
            " successfully sent"
        ),
        lambda: (
            f'{stamp("ERROR")} odoo.sql_db: bad query: UPDATE "res_partner" SET'
            f" \"write_date\"='2026-11-21 08:02:11' WHERE id IN ({rng.randint(1, 99)})"
            " ERROR: could not serialize access due to concurrent update"
        ),
        lambda: (
            f'  File "/opt/odoo/odoo/addons/sale/models/sale_order.py", line'
            f" {rng.randint(1, 2000)}, in _compute_amounts"
        ),
        lambda: (
            f"{stamp('DEBUG')} odoo.addons.steward.runs: run {digits(8)}-{digits(4)}-4"
            f"{digits(3)}-a{digits(3)}-{digits(12)} step plan finished: model=m"
            f" input_tokens={rng.randint(1, 9999)} cost=0.00{rng.randint(100, 999)}"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.addons.account: Invoice INV/2026/0"
            f"{rng.randint(1000, 9999)} posted, total 1 234,56 EUR, IBAN"
            " DE89 3704 0044 0532 0130 00"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.addons.base.models.ir_cron: Job 'Mail: Email Queue"
            f" Manager' ({rng.randint(1, 99)}) done in 0.{rng.randint(100, 999)}s"
        ),
        lambda: (
            f"{stamp('WARNING')} odoo.http: Access Denied for model sale.order, record"
            f" id {rng.randint(1, 99999)}, uid {rng.randint(1, 99)}"
        ),
        lambda: (
            "    order.amount_total = sum(order.order_line.mapped('price_total'))"
            " + order.amount_tax"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.service.server: Worker ({rng.randint(1000, 60000)})"
            f" max memory reached; commit {digits(40)}"
        ),
        lambda: (
            f"{stamp('INFO')} odoo.addons.queue_job.controllers.main: <Job {digits(8)}-"
            f"{digits(4)}-4{digits(3)}-a{digits(3)}-{digits(12)}, priority:10> started"
        ),
    )
    secret = (
        lambda: f"{stamp('INFO')} http: POST Authorization: Bearer {word(48)}",
        lambda: f"{stamp('ERROR')} sql: postgresql://odoo:{word(12)}@db:5432/prod",
        lambda: f'{stamp("DEBUG")} http: {{"login": "a", "password": "{word(12)}"}}',
    )
    return [
        rng.choice(secret if n % secrets_every == secrets_every - 1 else plain)()
        for n in range(count)
    ]


def redaction():
    """Megabytes a second of processor time, beside one bare ``re.sub``."""
    from odoo.addons.steward.kernel.redactor import Redactor

    lines = log_lines(20_000, 100)
    blocks = ["\n".join(lines[n : n + 200]) for n in range(0, len(lines), 200)]
    mega = sum(len(line.encode()) + 1 for line in lines) / 1e6
    naive = re.compile(
        r"(?i)(password|passwd|secret|token|api_?key|authorization)([\"']?\s*[:=]\s*)\S+"
    )
    redactor, knowing = Redactor(), Redactor()
    rng = random.Random(1)
    for _secret in range(20):
        knowing.learn("".join(rng.choices(string.ascii_letters + string.digits, k=36)))

    def speed(redact, texts):
        best = float("inf")
        for _round in range(7):
            began = time.process_time()
            for text in texts:
                redact(text)
            best = min(best, time.process_time() - began)
        return mega / best

    rows = []
    for name, redact, texts, target in (
        ("blocks of 200 lines", redactor.redact, blocks, 20),
        # a call a line costs as much as the line: on a busy machine short of 20 MB/s
        ("line by line", redactor.redact, lines, None),
        ("blocks, 20 learnt secrets", knowing.redact, blocks, None),
        ("line by line, 20 learnt secrets", knowing.redact, lines, None),
    ):
        bare = speed(lambda text: naive.sub(r"\1\2***", text), texts)
        ours = speed(redact, texts)
        rows.append(
            Row(
                f"redaction, {name}",
                ours,
                "MB/s",
                bare,
                bare / ours,  # as in all rows, less is better
                f">= {target} MB/s; bare: one re.sub" if target else "told, no target",
                target is None or ours >= target,
            )
        )
    return rows


with environment() as env:
    rows = calls(env)
report("http", rows + redaction())
