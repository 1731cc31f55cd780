"""Stops a cluster that nobody uses any more, also where its users were killed.

Started beside PostgreSQL. It waits for the lock that every user of the cluster holds
shared, and that the kernel takes from a process that is killed.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from house import commands, files


def keep(users: str, start: str, folder: str, pg_ctl: str, user: str) -> None:
    while True:
        descriptor = os.open(users, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # until nobody is left
        os.close(descriptor)  # who starts anew must not wait for us
        with files.quietly_locked(Path(start)):
            if not Path(folder, "postmaster.pid").exists():
                return
            descriptor = os.open(users, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody came meanwhile
                continue
            finally:
                os.close(descriptor)
            subprocess.run(
                [pg_ctl, "stop", "-s", "-w", "-m", "fast", "-t", "300", "-D", folder],
                cwd="/",
                check=False,
                **commands.as_user(user or None),
            )
            return


if __name__ == "__main__":
    try:
        keep(*sys.argv[1:])
    except FileNotFoundError:
        sys.exit(0)  # `make clean` was here
