"""What the user reads: one line a step, and errors that name step, cause and remedy."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Problem(Exception):
    """A failure a person can act on.

    :param cause: what happened, in a sentence
    :param remedy: what to do about it
    :param step: filled in by the step in which it happened, unless given
    """

    def __init__(self, cause: str, remedy: str = "", step: str = "") -> None:
        super().__init__(cause)
        self.cause, self.remedy, self.step = cause, remedy, step

    def __str__(self) -> str:
        lines = [f"error in step {self.step or 'start'}: {self.cause}"]
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class Line:
    """What a step has to say when it is done."""

    text = ""


def say(name: str, text: str, seconds: float | None = None) -> None:
    timing = "" if seconds is None else f"{seconds:6.1f} s"
    print(f"  {name:<10} {text:<62} {timing}".rstrip(), flush=True)


def warn(text: str) -> None:
    print(f"  warning    {text}", file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[Line]:
    """Time a step, print its one line, and turn what goes wrong into a Problem."""
    line, began = Line(), time.monotonic()
    try:
        yield line
    except Problem as problem:
        problem.step = problem.step or name
        raise
    except OSError as error:
        raise Problem(_explain(error), _remedy(error), name) from error
    say(name, line.text, time.monotonic() - began)


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _remedy(error: OSError) -> str:
    import errno

    return {
        errno.ENOSPC: "free some disk space, then call the same again",
        errno.EDQUOT: "free some of your disk quota, then call the same again",
        errno.EACCES: "give this user the right to read and write there",
        errno.EROFS: "the file system is read-only: set STEWARD_DATA elsewhere",
    }.get(error.errno or 0, "correct this, then call the same again")


def tail(path: str | os.PathLike[str], lines: int = 15) -> str:
    """The last lines of a log, indented, to stand below an error."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            last = file.readlines()[-lines:]
    except OSError:
        return ""
    return "".join(f"    {line.rstrip()}\n" for line in last).rstrip()
