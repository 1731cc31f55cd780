"""Workers in dozens, for the price of loading Odoo once; see ``workers.py``."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from house import odoo as calling

WORKERS = Path(__file__).with_name("workers.py")


class Worker:
    """A process that does one scenario."""

    def __init__(self, pid, stdout, stderr):
        self.pid, self.stdout, self.stderr = pid, stdout, stderr

    def kill(self):
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        """Until it is gone: then nobody writes any more."""
        return self.stdout.read(), self.stderr.read()

    def answer(self, complains=False):
        """What it found out, once it has ended well.

        :param complains: it may, in its log
        """
        out, err = self.wait()
        assert out, err
        assert complains or not calling.complaints(err.splitlines())
        return json.loads(out.splitlines()[-1])


class Forge:
    """Loads Odoo on a database, and forks workers from there."""

    def __init__(self, settings, databases, database):
        self.door, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [settings.python, WORKERS, databases.conf, database]
                + [str(theirs.fileno())],
                env=calling.environment(settings),
                pass_fds=[theirs.fileno()],
            )
        self.lines = self.door.makefile()
        self.made = []
        assert self.lines.readline() == "ready\n"

    def start(self, scenario, *arguments):
        message = json.dumps([scenario, *map(str, arguments)]).encode()
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        socket.send_fds(self.door, [message], [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        pid = int(self.lines.readline())
        worker = Worker(pid, os.fdopen(out), os.fdopen(err))
        self.made.append(worker)
        return worker

    def end(self):
        for worker in self.made:
            worker.kill()
            worker.stdout.close()
            worker.stderr.close()
        self.lines.close()
        self.door.close()
        self.process.wait()
