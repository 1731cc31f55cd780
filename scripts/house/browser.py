"""The browser for the tests: the distribution's Chromium."""

import os
import shutil

from house import apt
from house.console import step, warn
from house.settings import Settings

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def ensure(settings: Settings) -> str | None:
    """Chromium's path, installed where apt is ours to use; None: say so loudly."""
    path = find()
    if path:
        return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with step("browser") as line:
            done = apt.install(["chromium"], settings.data / "log" / "apt.log")
            path = find() if done else None
            line.text = "Chromium installed" if path else "Chromium not to be had"
    if not path:
        warn("no Chromium: browser tests cannot run. apt-get install chromium")
    return path
