"""Debian's packages: fetched privately with the machine's own sources and keys.

Nothing of the system's apt is changed, so this works for any user; only installing
Chromium for the browser tests is done system-wide, and only by root.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from house import commands
from house.console import Problem

SUITE = {"debian": "sid", "ubuntu": "devel"}
COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
ROLLING = {"stable", "testing", "unstable", "sid", "devel"}
TOOLS = ("apt-get", "dpkg-deb")


class NoArchive(Problem):
    """The distribution's archive cannot be used here; another way may work."""


def _os_release() -> dict[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE)
    return dict(pairs)


def _distribution(release: dict[str, str]) -> str:
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    for name in ("ubuntu", "debian"):
        if name in words:
            return name
    raise NoArchive("this is neither Debian nor Ubuntu")


def _archive(release: dict[str, str]) -> str:
    """The address of the archive this machine already uses."""
    named = os.environ.get("ODOO_APT_URI")
    if named:
        return named
    fields = "$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    wanted = {release.get("VERSION_CODENAME", ""), *ROLLING} - {""}
    # the second call also lists repositories that were never updated
    for extra in ([], ["--no-release-info"]):
        listed = subprocess.run(
            ["apt-get", "indextargets", *extra, "--format", fields]
            + ["Created-By: Packages"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for row in listed.splitlines():
            suite, component, uri = row.split("|", 2)
            if suite in wanted and component == "main":
                return uri
    raise NoArchive("apt has no source of the distribution itself")


def _keyring(distribution: str) -> str:
    named = os.environ.get("ODOO_APT_KEYRING")
    if named:
        return named
    for ending in ("gpg", "pgp"):
        path = f"/usr/share/keyrings/{distribution}-archive-keyring.{ending}"
        if Path(path).exists():
            return path
    raise NoArchive(f"the keys of {distribution}'s archive are not installed")


def require_tools() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        raise NoArchive(f"no {' and no '.join(missing)} here")


def fetch(work: Path, packages: list[str], log: Path) -> list[Path]:
    """Download packages, their signatures checked, into ``work``.

    :raises NoArchive: where apt is missing or has no usable source
    """
    require_tools()
    release = _os_release()
    distribution = _distribution(release)
    suite = os.environ.get("ODOO_APT_SUITE") or SUITE[distribution]
    components = os.environ.get("ODOO_APT_COMPONENTS") or COMPONENTS[distribution]
    for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").write_text("")
    source = (
        f"deb [signed-by={_keyring(distribution)}]"
        f" {_archive(release)} {suite} {components}\n"
    )
    (work / "sources.list").write_text(source)
    import getpass

    (work / "apt.conf").write_text(
        f'Dir::State "{work}/state";\n'
        f'Dir::State::lists "{work}/state/lists";\n'
        f'Dir::State::status "{work}/status";\n'
        f'Dir::Cache "{work}/cache";\n'
        f'Dir::Etc::sourcelist "{work}/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        'Dir::Etc::preferences "/dev/null";\n'
        'Dir::Etc::preferencesparts "/dev/null";\n'
        f'APT::Sandbox::User "{getpass.getuser()}";\n'
        'Acquire::Languages "none";\nAcquire::Retries "3";\n'
        # a container image's hooks would empty the system's own cache
        "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        "#clear DPkg::Post-Invoke;\n#clear Dir::Cache::pkgcache;\n"
    )
    apt = ["apt-get", "-q", "-c", str(work / "apt.conf")]
    for words in (["update"], ["download", *packages]):
        try:
            commands.run(
                [*apt, *words],
                log=log,
                cwd=work / "debs",
                what=f"apt-get {words[0]} failed",
            )
        except Problem as problem:
            raise NoArchive(problem.cause, problem.remedy) from None
    return sorted((work / "debs").glob("*.deb"))


def extract(package: Path, target: Path, log: Path) -> None:
    commands.run(
        ["dpkg-deb", "-x", package, target], log=log, what=f"unpacking {package.name}"
    )


def install(packages: list[str], log: Path) -> bool:
    """Install packages system-wide; False where this user or machine cannot."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    words = ["install", "-y", "--no-install-recommends", *packages]
    for command in (words, ["update"], words):  # lists may be missing or old
        try:
            commands.run(
                ["apt-get", "-q", *command],
                log=log,
                env=env,
                what=f"apt-get {command[0]} failed",
            )
        except Problem:
            continue
        if command is words:
            return True
    return False
