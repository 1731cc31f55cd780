"""Worker processes for the tests from outside: an Odoo registry without a server.

    python workers.py CONF DATABASE SOCKET

Loads Odoo once, and then forks a worker for each message that comes through the socket,
``[scenario, argument, ...]`` as JSON with the files that are to be its standard output
and standard error. Each scenario is what one worker of many does; it prints one line of
JSON. See ``forge.py`` for the other side.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from unittest.mock import patch

import odoo.addons.base  # noqa: F401 - so that addons_path is known
from odoo import SUPERUSER_ID, api, sql_db
from odoo.modules.registry import Registry
from odoo.tools import config


@contextmanager
def environment(database):
    with Registry(database).cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})


def patient():
    """Wait for locks as long as it takes; that the wait is bounded has its own test.

    Who holds a lock may be made to pause by a busy machine.
    """
    return patch("odoo.addons.steward.models.steward._TIMEOUT", "120s")


def count(database, key, times, threads):
    """Threads that add to one row, each in a transaction of its own."""
    errors = []

    def add():
        try:
            with environment(database) as env:
                for _time in range(int(times)):
                    with env["steward"]._own_transaction() as cr:
                        cr.execute(
                            "UPDATE res_partner SET color = color + 1 WHERE ref = %s",
                            [key],
                        )
        except Exception as error:  # noqa: BLE001 - told, and the test fails
            errors.append(repr(error))

    workers = [threading.Thread(target=add) for _thread in range(int(threads))]
    with patient():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return {"errors": errors}


def roll_back(database, key):
    """A caller that fails after it wrote in a transaction of its own."""
    with suppress(ZeroDivisionError), environment(database) as env:
        with env["steward"]._own_transaction() as cr:
            cr.execute("UPDATE res_partner SET color = 7 WHERE ref = %s", [key])
        env.cr.execute("UPDATE res_partner SET city = 'lost' WHERE ref = %s", [key])
        raise ZeroDivisionError
    return {}


def blocked(database, key):
    """Somebody else holds the row: an error of the tree, and soon."""
    from odoo.addons.steward.exceptions import Locked

    with environment(database) as env:
        try:
            with env["steward"]._own_transaction() as cr:
                cr.execute(
                    "UPDATE res_partner SET color = 1 WHERE ref = %s",
                    [key],
                    log_exceptions=False,
                )
        except Locked as error:
            return {"error": error.code}
    return {"error": None}


def calls(database, name, pace, failing, enough, seconds=300):
    """A worker that calls a service, which fails or not, until it has enough.

    :param enough: so many calls; 0: until it is refused
    :param seconds: until it gives up
    :return: when it made its calls, and when it was refused
    """
    from odoo.addons.steward.exceptions import CircuitOpen, TimedOut

    made, refused = [], []

    def over():
        return len(made) >= int(enough) if int(enough) else refused

    with environment(database) as env, patient():
        deadline = time.monotonic() + float(seconds)
        print("ready", flush=True)
        while not over() and time.monotonic() < deadline:
            try:
                with env["steward.circuit"]._guard(name):
                    made.append(time.time())
                    if failing == "yes":
                        raise TimedOut("late")
            except CircuitOpen:
                refused.append(time.time())
            except TimedOut:
                pass
            time.sleep(float(pace))
    return {"made": made, "refused": refused}


def takes(database, name, seconds, threads):
    """Threads that take from one limit as fast as they may; tells how often."""
    from odoo.addons.steward.exceptions import RateLimited

    taken = [0] * int(threads)
    Registry(database)  # loading it is not part of the time
    began = time.time()
    stop = time.monotonic() + float(seconds)

    def take(number):
        with environment(database) as env:
            while time.monotonic() < stop:
                try:
                    env["steward.rate.limit"]._take(name)
                except RateLimited as error:
                    pause = min(error.retry_after, max(0, stop - time.monotonic()))
                    time.sleep(pause)
                else:
                    taken[number] += 1

    workers = [
        threading.Thread(target=take, args=(number,)) for number in range(len(taken))
    ]
    with patient():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return {"taken": sum(taken), "began": began, "ended": time.time()}


def hold_place(database, name):
    """Takes the only place, says so, and is then killed by the test."""
    with (
        environment(database) as env,
        env["steward.pool"]._place(name, lease_seconds=2),
    ):
        print("ready", flush=True)
        time.sleep(600)


def take_place(database, name, seconds=120):
    """Tries for the place until it has it."""
    from odoo.addons.steward.exceptions import Occupied

    began = time.monotonic()
    refused = 0
    with environment(database) as env:
        while time.monotonic() - began < float(seconds):
            try:
                with env["steward.pool"]._place(name):
                    return {"refused": refused, "got": True}
            except Occupied:
                refused += 1
                time.sleep(0.2)
    return {"refused": refused, "got": False}


def permit(database, name):
    """Takes a trial call of a half-open circuit, says so, and is killed."""
    with environment(database) as env, env["steward.circuit"]._guard(name):
        print("ready", flush=True)
        time.sleep(600)


def embed(database, texts, threads):
    """Threads that embed the same texts and fail after it; tells what was computed."""
    from odoo.addons.steward_llm.adapters import Embedded, local
    from odoo.addons.steward_llm.kernel.usage import Usage

    computed, wrong, errors = [], [], []
    texts = [f"text {number}" for number in range(int(texts))]

    def vector(text):
        return [float(ord(letter)) for letter in text.ljust(384, "!")]

    def answered(_adapter, _name, batch, *_more):
        computed.extend(batch)
        return Embedded([vector(text) for text in batch], Usage(len(batch)))

    def work():
        try:
            with environment(database) as env:
                found = env.ref("steward_llm.model_minilm")._embed(texts)
                for text, one in zip(texts, found, strict=True):
                    expected = vector(text)
                    cosine = sum(a * b for a, b in zip(one, expected, strict=True))
                    if cosine < 0.999 * sum(x * x for x in expected) ** 0.5:
                        wrong.append(text)
                raise ZeroDivisionError  # the caller's transaction comes to nothing
        except ZeroDivisionError:
            pass
        except Exception as error:  # noqa: BLE001 - told, and the test fails
            errors.append(repr(error))

    with patch.object(local.Local, "embed", answered), patient():
        Registry(database)
        workers = [threading.Thread(target=work) for _thread in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return {"computed": len(computed), "wrong": wrong, "errors": errors}


def spends(database, company, times, threads, amount, actual):
    """Threads that reserve and settle; without an actual cost, they hold on."""
    from decimal import Decimal

    from odoo.addons.steward_llm.exceptions import BudgetExhausted

    granted = [0] * int(threads)
    errors = []
    Registry(database)  # loading it is not part of the rush
    rush = threading.Barrier(int(threads))

    def spend(number):
        subject = {"company": int(company)}
        try:
            with environment(database) as env:
                rush.wait()
                for _time in range(int(times)):
                    with suppress(BudgetExhausted):
                        held = env["steward.budget"]._reserve(subject, Decimal(amount))
                        granted[number] += 1
                        if actual:
                            held.settle(Decimal(actual))
        except Exception as error:  # noqa: BLE001 - told, and the test fails
            errors.append(repr(error))

    workers = [
        threading.Thread(target=spend, args=(number,)) for number in range(len(granted))
    ]
    with patient():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return {"granted": sum(granted), "errors": errors}


def spend_and_fail(database, company):
    """A caller that fails after it spent: its money is gone all the same."""
    from decimal import Decimal

    with suppress(ZeroDivisionError), environment(database) as env:
        reservation = env["steward.budget"]._reserve(
            {"company": int(company)}, Decimal(3)
        )
        reservation.settle(Decimal(2))
        raise ZeroDivisionError
    return {}


def hold_money(database, company, amount, seconds):
    """Reserves, says its token, and is killed before it settles."""
    from decimal import Decimal

    with (
        environment(database) as env,
        env["steward.budget"]._reserve(
            {"company": int(company)}, Decimal(amount), lease_seconds=float(seconds)
        ) as reservation,
    ):
        print(reservation.token, flush=True)
        time.sleep(600)


def settle_money(database, token, actual):
    """Settles what another process reserved."""
    from decimal import Decimal

    with environment(database) as env:
        reservation = env["steward.budget"]._reservation(token)
        return {"counted": reservation.settle(Decimal(actual))}


def serve(database, door):
    Registry(database)
    sql_db.close_all()  # a child shares no connection with its parent
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    door.sendall(b"ready\n")
    while True:
        message, files, *_ = socket.recv_fds(door, 65536, 2)
        if not message:
            return
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            door.close()
            for number, file in enumerate(files, 1):
                os.dup2(file, number)
                os.close(file)
            _work(database, *json.loads(message))
        for file in files:
            os.close(file)
        door.sendall(f"{child}\n".encode())


def _work(database, scenario, *arguments):
    try:
        print(json.dumps(globals()[scenario](database, *arguments)), flush=True)
    except BaseException:  # noqa: BLE001 - told where the test reads it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    conf, base, descriptor = sys.argv[1:]
    config.parse_config(
        ["-c", conf, "-d", base, "--log-level=warn"], setup_logging=True
    )
    serve(base, socket.socket(fileno=int(descriptor)))
