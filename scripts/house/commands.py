"""Run other programs: their output goes to a log, their failure becomes a Problem."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from house.console import Problem, tail

NETWORK_SIGNS = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Could not resolve",
    "Network is unreachable",
    "Connection refused",
    "Connection timed out",
    "NewConnectionError",
    "ConnectTimeoutError",
)


NO_SPACE = "No space left on device"
FREE_SPACE = "free some disk space, then call the same again"

_running: set[subprocess.Popen[bytes]] = set()
_stopping = threading.Event()


def stop_all() -> None:
    """After Ctrl-C: end what other threads run, and let them start nothing more."""
    _stopping.set()
    for process in list(_running):
        process.terminate()


def _wait(process: subprocess.Popen[bytes]) -> int:
    _running.add(process)
    try:
        if _stopping.is_set():
            process.terminate()
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        _running.discard(process)
    if _stopping.is_set() or code in (-signal.SIGINT, -signal.SIGTERM, 130):
        raise KeyboardInterrupt  # no failure, so no second way is tried
    return code


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    remedy: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> None:
    """Run a command to its end.

    :param log: gets the output; its end is shown when the command fails
    :param what: the sentence that says what failed
    :param user: run as this system user (we are root then)
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {' '.join(map(str, command))}\n".encode())
        output.flush()
        code = _wait(
            subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                **as_user(user),
            )
        )
    if code:
        last = tail(log)
        if NO_SPACE in last:
            remedy = FREE_SPACE
        elif any(sign in last for sign in NETWORK_SIGNS):
            remedy = "no network, or the server is away: try again when it is back"
        raise Problem(f"{what} (exit code {code}), see {log}\n{last}", remedy)


def as_user(user: str | None) -> dict[str, object]:
    """The arguments that make subprocess run as this user with only its rights."""
    if user is None:
        return {}
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
