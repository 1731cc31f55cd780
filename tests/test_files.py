"""The files that other machines read: they fit their schemas, each other, and what the
tests run. No engine is needed; what only an engine can show stays unchecked here.

Each check is a function from the files to a list of complaints. Its twin spoils one
thing in memory and must be complained about, so no check can pass by looking away.
"""

import configparser
import copy
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from house import cluster, manifests, settings, source

ROOT = Path(__file__).resolve().parents[1]

# service -> why it needs no health check and is not started again
ENDS_BY_ITSELF = {"setup": "brings the database up to date and ends"}
# what the world may reach: the TLS proxy
PUBLIC = {"tls": {"80:80", "443:443", "443:443/udp"}}
PROFILES = {
    None: {"db", "setup", "odoo", "runner", "web"},
    "tls": {"tls"},
    "mail": {"mail"},
    "s3": {"s3"},
    "metrics": {"prometheus", "grafana"},
}
# what docker/odoo.conf has otherwise than odoo.conf.example, and why
DIFFERENCES = {
    ("options", "http_interface"): "the proxy comes from another container",
    ("options", "proxy_mode"): "there is always a proxy",
    ("options", "workers"): "a server",
    ("options", "addons_path"): "the set-up fills it in elsewhere",
    ("options", "data_dir"): "the set-up fills it in elsewhere",
    ("options", "db_host"): "the set-up fills it in elsewhere",
    ("options", "db_port"): "the set-up fills it in elsewhere",
    ("options", "db_user"): "the set-up fills it in elsewhere",
    ("options", "db_name"): "the set-up names it on the command line",
    ("options", "dbfilter"): "the set-up names it on the command line",
    ("options", "db_template"): "the set-up fills it in elsewhere",
    ("options", "smtp_server"): "the mail catcher",
    ("options", "smtp_port"): "the mail catcher",
    ("queue_job", "channels"): "a job takes one of the workers",
    ("queue_job", "host"): "the runner would call 0.0.0.0",
}
INIT_ARGS = "--encoding=UTF8 --locale=C"


@dataclass
class Files:
    """The files as they are parsed, and the text of those that have no parser."""

    compose: dict[str, Any]
    ci: dict[str, Any]
    workflows: dict[str, str]
    conf: dict[tuple[str, str], str]
    example: dict[tuple[str, str], str]
    dockerfile: str
    entrypoint: str
    init: str
    proxy: str
    comment: str
    ignored_by_docker: list[str]
    ignored_by_git: list[str]
    requirements: str
    runner: dict[str, Any]
    start_runner: str
    unit: dict[tuple[str, str], str]
    client: dict[str, Any]
    cluster: str
    source: str

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return self.compose["services"]

    @property
    def postgres_of_ci(self) -> dict[str, Any]:
        return self.ci["jobs"]["server"]["services"]["postgres"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def yaml(name: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(text(name))


def lines(name: str) -> list[str]:
    return [row for row in text(name).splitlines() if row and not row.startswith("#")]


def conf(name: str) -> dict[tuple[str, str], str]:
    parser = configparser.RawConfigParser()
    parser.read_string(text(name))
    return {
        (s, key): value for s in parser.sections() for key, value in parser[s].items()
    }


def unit(name: str) -> dict[tuple[str, str], str]:
    """A unit of systemd; names are told apart by their case there."""
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(text(name))
    return {(s, k): value for s in parser.sections() for k, value in parser[s].items()}


@pytest.fixture(scope="module")
def as_they_are() -> Files:
    return Files(
        compose=yaml("docker-compose.yml"),
        ci=yaml(".github/workflows/ci.yml"),
        workflows={
            path.name: path.read_text(encoding="utf-8")
            for path in (ROOT / ".github/workflows").glob("*.yml")
        },
        conf=conf("docker/odoo.conf"),
        example=conf("odoo.conf.example"),
        dockerfile=text("Dockerfile"),
        entrypoint=text("docker/with-secrets"),
        init=text("docker/postgres/10-steward.sh"),
        proxy=text("docker/caddy/odoo.caddy"),
        comment=text("docker-compose.yml").partition("\nname:")[0],
        ignored_by_docker=lines(".dockerignore"),
        ignored_by_git=lines("docker/secrets/.gitignore"),
        requirements=text("requirements.txt"),
        runner=tomllib.loads(text("docker/runner.toml")),
        start_runner=text("docker/steward-runner"),
        unit=unit("deploy/steward-runner.service"),
        client=tomllib.loads(text("client/pyproject.toml")),
        cluster=Path(cluster.__file__).read_text(encoding="utf-8"),
        source=Path(source.__file__).read_text(encoding="utf-8"),
    )


@pytest.fixture
def files(as_they_are: Files) -> Files:
    return copy.deepcopy(as_they_are)


# -- schemas -------------------------------------------------------------------

SCHEMAS = {
    "docker-compose.yml": "vendor.compose-spec",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/workflows/security.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
}


def against_schema(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema(name):
    done = against_schema(SCHEMAS[name], ROOT / name)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_refuses(name, tmp_path):
    wrong = tmp_path / Path(name).name
    wrong.write_text(text(name) + "\nno-such-key: [1]\n", encoding="utf-8")
    done = against_schema(SCHEMAS[name], wrong)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no-such-key" in done.stdout


def test_every_workflow_has_a_schema():
    found = {
        f".github/workflows/{p.name}" for p in (ROOT / ".github/workflows").iterdir()
    }
    assert found <= set(SCHEMAS)


@pytest.mark.parametrize(
    "name",
    [
        *("docker/with-secrets", "docker/steward-setup", "docker/steward-runner"),
        "docker/postgres/10-steward.sh",
    ],
)
def test_shell_syntax(name):
    done = subprocess.run(["bash", "-n", ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- the composition -----------------------------------------------------------


def health(files: Files) -> list[str]:
    found = []
    for name, service in files.services.items():
        if name in ENDS_BY_ITSELF:
            if service["restart"] != "no":
                found.append(f"{name} would be started again and again")
            continue
        if not service.get("healthcheck", {}).get("test"):
            found.append(f"{name} has no health check")
        if service.get("restart") != "unless-stopped":
            found.append(f"{name} stays down after a crash")
    return found + [
        f"{n} is no service" for n in set(ENDS_BY_ITSELF) - set(files.services)
    ]


def health_tells_the_truth(files: Files) -> list[str]:
    odoo = " ".join(files.services["odoo"]["healthcheck"]["test"])
    found = []
    if "/web/login" not in odoo or "= 200" not in odoo:
        found.append("Odoo's health is that /web/login answers 200")
    if re.search(r"\s(-L|--location)\b|/web/health", odoo):
        found.append("a redirect, or a page without database, is no health")
    if files.services["db"]["healthcheck"]["test"][:2] != ["CMD", "pg_isready"]:
        found.append("PostgreSQL's health is what pg_isready says")
    if "127.0.0.1" not in files.services["db"]["healthcheck"]["test"]:
        found.append("db would be healthy while its init scripts run")
    if "pg_isready" not in files.postgres_of_ci["options"]:
        found.append("CI does not wait for PostgreSQL")
    return found


def memory(files: Files) -> list[str]:
    return [
        f"{name} may take all memory"
        for name, service in files.services.items()
        if not service.get("mem_limit")
    ]


def exact_images(files: Files) -> list[str]:
    images = {n: s["image"] for n, s in files.services.items() if "build" not in s}
    for image in re.findall(r"^FROM (\S+)", files.dockerfile, re.M):
        images[f"Dockerfile {image}"] = image
    images["ci"] = files.postgres_of_ci["image"]
    for name, content in files.workflows.items():
        for image in re.findall(r"ghcr\.io/\S+", content):
            images[f"{name} {image}"] = image
    exact = re.compile(r"^[\w./-]+:v?\d+\.\d+(\.\d+|-\d{8})(-[\w.]+)?$")
    return [f"{n}: {image}" for n, image in images.items() if not exact.match(image)]


def ports(files: Files) -> list[str]:
    return [
        f"{name} is open to the world: {port}"
        for name, service in files.services.items()
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:") and port not in PUBLIC.get(name, ())
    ]


def profiles(files: Files) -> list[str]:
    found: dict[str | None, set[str]] = {}
    for name, service in files.services.items():
        for profile in service.get("profiles", [None]):
            found.setdefault(profile, set()).add(name)
    return [
        f"profile {key}: {found.get(key)} instead of {PROFILES.get(key)}"
        for key in {*found, *PROFILES}
        if found.get(key) != PROFILES.get(key)
    ]


def named_and_used(files: Files) -> list[str]:
    found = []
    used: dict[str, set[str]] = {"volumes": set(), "secrets": set(), "networks": set()}
    for service in files.services.values():
        used["secrets"].update(service.get("secrets", []))
        used["networks"].update(service.get("networks", []))
        sources = [volume.split(":")[0] for volume in service.get("volumes", [])]
        used["volumes"].update(s for s in sources if not s.startswith("."))
        found += [
            f"{source} is not there"
            for source in sources
            if source.startswith(".") and not (ROOT / source).exists()
        ]
    for kind, names in used.items():
        declared = set(files.compose[kind])
        found += [f"{kind}: {name} is not used" for name in declared - names]
        found += [f"{kind}: {name} is not declared" for name in names - declared]
    return found


def secrets_are_files(files: Files) -> list[str]:
    found = []
    for name, secret in files.compose["secrets"].items():
        if secret != {"file": f"./docker/secrets/{name}"}:
            found.append(f"the secret {name} is no file of docker/secrets")
    for name, service in files.services.items():
        environment = service.get("environment", {})
        for key, value in environment.items():
            if re.search(r"PASS|SECRET|KEY|TOKEN", key) and not str(value).startswith(
                "/run/secrets/"
            ):
                found.append(f"{name} has a secret in {key}")
        # what it reads is what it was given
        given = set(service.get("secrets", []))
        commands = [service.get(k) for k in ("environment", "entrypoint", "command")]
        read = set(re.findall(r"/run/secrets/(\w+)", str(commands)))
        found += [f"{name} reads {secret}, not given" for secret in read - given]
    listed = re.search(r"for name in (.*?); do", files.comment, re.S)[1]
    explained = set(re.findall(r"[a-z]\w+", listed))
    if explained != set(files.compose["secrets"]):
        found.append("the comment does not make the secrets that are declared")
    if files.ignored_by_git != ["*", "!.gitignore"]:
        found.append("git would take a secret")
    kept = [row for row in files.ignored_by_docker if row.startswith("!")]
    if files.ignored_by_docker[0] != "*" or any(
        "!docker/secrets".startswith(row.rstrip("/*")) for row in kept
    ):
        found.append("the image's builder would see the secrets")
    if (
        "export PGPASSWORD" not in files.entrypoint
        or ("options", "db_password") in files.conf
    ):
        found.append("the password does not come through docker/with-secrets")
    return found


# -- the same as the tests run -------------------------------------------------


def same_settings(files: Files) -> list[str]:
    found = []
    for key in sorted({*files.conf, *files.example}):
        same = files.conf.get(key) == files.example.get(key)
        if not same and key not in DIFFERENCES:
            found.append(f"{key}: {files.conf.get(key)} here, {files.example.get(key)}")
        if same and key in DIFFERENCES:
            found.append(f"{key} is no difference any more")
    return found


def same_postgres(files: Files) -> list[str]:
    found = []
    image = files.services["db"]["image"]
    if files.postgres_of_ci["image"] != image:
        found.append(f"CI tests with another PostgreSQL than {image}")
    embedded = set(re.findall(r"pginstall(\d+)", files.cluster))
    if embedded != {re.search(r"-pg(\d+)", image)[1]} or embedded != {"18"}:
        found.append(f"the embedded PostgreSQL is {embedded}, the image {image}")
    if not re.match(r"pgvector/pgvector:", image):
        found.append(f"{image} brings no pgvector")
    command = files.services["db"]["command"]
    found += [
        f"{key} is not {cluster.COMMON[key]} as in the embedded PostgreSQL"
        for key in ("shared_buffers", "max_connections")
        if f"{key}={cluster.COMMON[key]}" not in command
    ]
    for place in (files.services["db"], files.postgres_of_ci):
        made = (place.get("environment") or place["env"])["POSTGRES_INITDB_ARGS"]
        if made != INIT_ARGS or any(a not in files.cluster for a in INIT_ARGS.split()):
            found.append(f"the cluster is made with {made}")
    return found


def role_and_extension(files: Files) -> list[str]:
    found = []
    role = files.conf["options", "db_user"]
    administrator = files.services["db"]["environment"]["POSTGRES_USER"]
    if role in ("postgres", administrator):
        found.append(f"Odoo works as {role}, who may do everything")
    if f"CREATE ROLE {role} LOGIN CREATEDB NOSUPERUSER" not in files.init:
        found.append(f"the role {role} is not made, or may do too much")
    if files.conf["options", "db_template"] != "template1" or not re.search(
        r"--dbname=template1.*CREATE EXTENSION IF NOT EXISTS vector", files.init, re.S
    ):
        found.append("a new database would have no vector")
    if files.ci["jobs"]["server"]["env"]["PGUSER"] == "postgres":
        found.append("Odoo refuses to work as postgres")
    mounts = files.services["db"]["volumes"]
    if "db:/var/lib/postgresql" not in mounts:
        found.append("since 18 the data lie below /var/lib/postgresql")
    if "./docker/postgres:/docker-entrypoint-initdb.d:ro" not in mounts:
        found.append("the init script is not run")
    return found


def odoo_19(files: Files) -> list[str]:
    places = {
        "Dockerfile": re.search(r"^FROM odoo:19\.0-", files.dockerfile, re.M),
        "image": files.services["odoo"]["image"].endswith(":19.0"),
        "package": re.search(r'^PACKAGE = "odoo-19"$', files.source, re.M),
        "clone": '"--branch", "19.0"' in files.source,
        "queue_job": re.search(r"queue_job==19\.0\.", files.requirements),
    }
    for addon in settings.addons():
        version = manifests.manifest(addon)["version"]
        places[addon] = version.startswith("19.0.")
    return [f"{name} is not of Odoo 19" for name, right in places.items() if not right]


def image_holds_the_suite(files: Files) -> list[str]:
    found = []
    copied = re.findall(
        r"^COPY (?!--from)(?:--\S+ )?(.+) (\S+)$", files.dockerfile, re.M
    )
    targets = {
        name: target + Path(name).name
        if target.endswith("/") and len(names.split()) > 1
        else target.rstrip("/")
        for names, target in copied
        for name in names.split()
    }
    for name in targets:
        if not (ROOT / name).exists():
            found.append(f"{name} is not there to be copied")
        if f"!{name}" not in files.ignored_by_docker:
            found.append(f".dockerignore hides {name}")
    kept = {row[1:] for row in files.ignored_by_docker if row.startswith("!")}
    found += [
        f".dockerignore lets {name} in for nothing" for name in kept - set(targets)
    ]
    if not re.search(
        rf"pip install [^&]*-r {re.escape(targets['requirements.txt'])} ",
        files.dockerfile.replace("\\\n", " "),
    ):
        found.append("the image does not install requirements.txt")
    if re.search(r"pip install[^&]*==", files.dockerfile.replace("\\\n", " ")):
        found.append("a pin stands beside requirements.txt")
    if targets["addons"] != files.conf["options", "addons_path"]:
        found.append("Odoo does not look where the addons are")
    if targets["docker/odoo.conf"] != "/etc/odoo/odoo.conf":
        found.append("Odoo reads another configuration")
    filestore = f"odoo:{files.conf['options', 'data_dir']}"
    if filestore not in files.services["odoo"]["volumes"]:
        found.append("the filestore would be lost with the container")
    if "addons/test_*" not in files.ignored_by_docker:
        found.append("addons that only hold tests would be installed")
    if not files.dockerfile.rstrip().rpartition("USER ")[2].startswith("odoo\n"):
        found.append("the container runs as root")
    return found


def proxy_reaches_odoo(files: Files) -> list[str]:
    http, bus = (files.conf["options", k] for k in ("http_port", "gevent_port"))
    found = []
    if not re.search(rf"^reverse_proxy odoo:{http}$", files.proxy, re.M):
        found.append("the proxy does not reach Odoo")
    if not re.search(
        rf"^@bus path /websocket .*\nreverse_proxy @bus odoo:{bus}$", files.proxy, re.M
    ):
        found.append("/websocket does not go to the gevent port")
    if files.conf["options", "proxy_mode"] != "True":
        found.append("Odoo does not believe its proxy")
    return found


def jobs_leave_a_worker(files: Files) -> list[str]:
    jobs = int(files.conf["queue_job", "channels"].removeprefix("root:"))
    if jobs < int(files.conf["options", "workers"]):
        return []
    return [f"{jobs} jobs at a time leave no worker for people"]


# -- the runner ----------------------------------------------------------------


def runner_of_the_composition(files: Files) -> list[str]:
    service, told = files.services["runner"], files.runner
    found = []
    dsn = dict(word.split("=") for word in told["dsn"].split())
    same = {
        "host": "db_host",
        "port": "db_port",
        "user": "db_user",
        "dbname": "db_name",
    }
    if set(dsn) != set(same):
        found.append("the DSN says too little, or has a password")
    for word, key in same.items():
        if dsn.get(word) != files.conf["options", key]:
            found.append(f"the runner works with another {word} than Odoo")
    if told["template"] != files.conf["options", "db_template"]:
        found.append("a restored database would have no vector")
    if told["filestore"] != f"{files.conf['options', 'data_dir']}/filestore":
        found.append("it does not back up Odoo's files")
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    kept = [told["work"], told["key_file"], told["signing_key_file"]]
    kept += [told["filestore"], *told["storages"]]
    found += [
        f"{path} would be lost with the container"
        for path in kept
        if not any(path == top or path.startswith(f"{top}/") for top in mounted)
    ]
    made = re.search(r"install -d -o odoo -g odoo [^&\n]*", files.dockerfile)
    made_there = made[0].split() if made else []
    found += [
        f"Odoo's user could not write to {top}"
        for top in set(mounted) - {files.conf["options", "data_dir"], *made_there}
    ]
    backups = {v.split(":")[0] for v in service["volumes"] if "backups" in v}
    odoo = {v.split(":")[0] for v in files.services["odoo"]["volumes"]}
    if not backups or backups & odoo:
        found.append("who breaks into Odoo could remove the backups")
    if service["depends_on"].get("setup") != {
        "condition": "service_completed_successfully"
    }:
        found.append("it would be enrolled for a database that is not there")
    if _seconds(service.get("stop_grace_period")) < HANDS_BACK:
        found.append("it would be killed while it hands back its work")
    if service["healthcheck"]["test"][1:] != [
        "with-secrets",
        *service["command"],
        "healthy",
    ]:
        found.append("its health is not what Odoo has heard of it")
    for words in ("seen_at >", "enrol --auto", "exec steward runner"):
        if words not in files.start_runner:
            found.append(f"docker/steward-runner lacks {words!r}")
    if "steward" not in files.client["project"]["scripts"]:
        found.append("the client has no command steward")
    needed = files.client["project"]["optional-dependencies"]["runner"]
    pinned = {re.split("[=<>]", row)[0] for row in files.requirements.splitlines()}
    wanted = {re.split("[=<>]", row)[0] for row in needed}
    wanted -= {"psycopg2-binary", "cryptography"}  # Odoo brings its own
    found += [f"the image has no {need}" for need in wanted - pinned]
    if not re.search(
        r"^COPY --from=restic /usr/bin/restic /usr/local/bin/", files.dockerfile, re.M
    ):
        found.append("the image has no restic")
    return found


HANDS_BACK = 20  # seconds that the runner takes for it, at most: docs/runner.md


def _seconds(text_: str | None) -> int:
    return int((text_ or "0").removesuffix("s"))


def runner_as_a_service(files: Files) -> list[str]:
    told = {
        key: value for (part, key), value in files.unit.items() if part == "Service"
    }
    found = []
    if told.get("User") in (None, "root"):
        found.append("it runs as root")
    program, *words = told["ExecStart"].split()
    if not program.startswith("/") or words != ["runner"]:
        found.append("it does not start the runner")
    if Path(program).name not in files.client["project"]["scripts"]:
        found.append(f"the client has no command {program}")
    if told.get("Restart") != "always":
        found.append("it stays down when PostgreSQL was")
    if told.get("KillMode") != "mixed":
        found.append("its programs would be killed before it could tell")
    if _seconds(told.get("TimeoutStopSec")) < HANDS_BACK:
        found.append("it would be killed while it hands back its work")
    found += [f"{k} is not {v}" for k, v in HARDENED.items() if told.get(k) != v]
    writable = told.get("ReadWritePaths", "").split()
    for path in (files.runner["filestore"], *files.runner["storages"]):
        if not any(path == top or path.startswith(f"{top}/") for top in writable):
            found.append(f"it could not write to {path}")
    if not files.runner["work"].startswith(f"/var/lib/{told.get('StateDirectory')}/"):
        found.append("its journal has no place")
    if files.unit.get(("Install", "WantedBy")) != "multi-user.target":
        found.append("it does not start with the machine")
    return found


HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "UMask": "0077",
}


# -- CI ------------------------------------------------------------------------


def gates(files: Files) -> list[str]:
    found = []
    for name, job in files.ci["jobs"].items():
        runs = {step.get("run") for step in job["steps"]}
        found += [
            f"{name} leaves out {g}"
            for g in ("make lint", "make test")
            if g not in runs
        ]
        if "timeout-minutes" not in job:
            found.append(f"{name} may hang for six hours")
        for step in job["steps"]:
            if "upload-artifact" in step.get("uses", "") and (
                step["with"]["path"] != ".data/log"
                or not step["with"].get("include-hidden-files")
            ):
                found.append(f"{name} uploads no log: hidden files are left out")
    if files.ci["jobs"]["server"]["strategy"]["matrix"]["python"] != ["3.11", "3.12"]:
        found.append("CI runs other versions of Python")
    embedded = files.ci["jobs"]["embedded"]
    if "services" in embedded or "PGHOST" in embedded.get("env", {}):
        found.append("no job tests the embedded PostgreSQL")
    return found


def least_permissions(files: Files) -> list[str]:
    found = []
    for name, content in files.workflows.items():
        workflow = YAML(typ="safe", pure=True).load(content)
        asked = [workflow.get("permissions")]
        asked += [
            j["permissions"] for j in workflow["jobs"].values() if "permissions" in j
        ]
        if any(permissions != {"contents": "read"} for permissions in asked):
            found.append(f"{name} may do more than read")
        if "concurrency" not in workflow:
            found.append(f"{name} piles up")
        found += [
            f"{name} uses {row}: no exact version"
            for row in re.findall(r"uses: (.*)", content)
            if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", row)
        ]
        kept_out = content.count("persist-credentials: false")
        if content.count("actions/checkout@") != kept_out:
            found.append(f"{name} leaves its token in the checkout")
    return found


# -- each check holds, and its twin is reported --------------------------------


def spoil(path: str, value: Any = None) -> Callable[[Files], None]:
    """Set (or, with None, remove) one entry: ``compose/services/db/mem_limit``."""

    def change(files: Files) -> None:
        first, *middle, last = path.split("/")
        place = getattr(files, first)
        for key in middle:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


def rewrite(name: str, old: str, new: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        before = getattr(files, name)
        assert old in before, f"{name} has no {old!r} to spoil"
        setattr(files, name, before.replace(old, new))

    return change


def rewrite_workflow(old: str, new: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files.workflows["ci.yml"]
        files.workflows["ci.yml"] = files.workflows["ci.yml"].replace(old, new)

    return change


def set_conf(key: str, value: str) -> Callable[[Files], None]:
    return lambda files: files.conf.__setitem__(("options", key), value)


def set_unit(key: str, value: str) -> Callable[[Files], None]:
    return lambda files: files.unit.__setitem__(("Service", key), value)


def drop_step(run: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        steps = files.ci["jobs"]["server"]["steps"]
        steps[:] = [step for step in steps if step.get("run") != run]

    return change


TWINS = [
    (health, spoil("compose/services/s3/healthcheck")),
    (health, spoil("compose/services/web/restart", "no")),
    (health, spoil("compose/services/setup/restart", "unless-stopped")),
    (
        health_tells_the_truth,
        spoil("compose/services/odoo/healthcheck/test", ["CMD", "curl", "/web/health"]),
    ),
    (
        health_tells_the_truth,
        spoil("compose/services/db/healthcheck/test", ["CMD", "pg_isready"]),
    ),
    (memory, spoil("compose/services/db/mem_limit")),
    (exact_images, spoil("compose/services/db/image", "pgvector/pgvector:pg18")),
    (exact_images, spoil("compose/services/mail/image", "axllent/mailpit:latest")),
    (exact_images, spoil("compose/services/grafana/image", "grafana/grafana")),
    (exact_images, rewrite("dockerfile", "FROM odoo:19.0-20260817", "FROM odoo:19")),
    (exact_images, rewrite("dockerfile", "restic:0.19.1 AS", "restic AS")),
    (ports, spoil("compose/services/web/ports", ["8069:8069"])),
    (ports, spoil("compose/services/db/ports", ["0.0.0.0:5432:5432"])),
    (ports, spoil("compose/services/tls/ports", ["80:80", "2020:2020"])),
    (profiles, spoil("compose/services/s3/profiles")),
    (named_and_used, spoil("compose/volumes/forgotten", {})),
    (named_and_used, spoil("compose/volumes/db")),
    (named_and_used, spoil("compose/services/grafana/secrets", [])),
    (named_and_used, spoil("compose/services/web/volumes", ["./no/such:/etc/caddy"])),
    (secrets_are_files, spoil("compose/secrets/db_password", {"environment": "PW"})),
    (secrets_are_files, spoil("compose/secrets/another", {"file": "./another"})),
    (
        secrets_are_files,
        spoil("compose/services/db/environment/POSTGRES_PASSWORD", "secret"),
    ),
    (secrets_are_files, spoil("compose/services/s3/secrets", ["s3_access_key"])),
    (secrets_are_files, rewrite("entrypoint", "export PGPASSWORD", "")),
    (secrets_are_files, set_conf("db_password", "secret")),
    (secrets_are_files, lambda files: files.ignored_by_docker.append("!docker")),
    (secrets_are_files, lambda files: files.ignored_by_git.pop(0)),
    (same_settings, set_conf("limit_time_real", "120")),
    (same_settings, set_conf("workers", "0")),
    (same_settings, lambda files: files.conf.pop(("options", "limit_time_real"))),
    (same_settings, lambda files: files.example.update({("options", "new"): "1"})),
    (same_postgres, spoil("compose/services/db/image", "pgvector/pgvector:0.8.6-pg17")),
    (same_postgres, rewrite("cluster", "pginstall18", "pginstall17")),
    (same_postgres, spoil("compose/services/db/command", ["postgres"])),
    (role_and_extension, set_conf("db_user", "postgres")),
    (role_and_extension, set_conf("db_template", "template0")),
    (role_and_extension, rewrite("init", "NOSUPERUSER", "SUPERUSER")),
    (role_and_extension, rewrite("init", "CREATE EXTENSION", "-- CREATE")),
    (odoo_19, rewrite("dockerfile", "FROM odoo:19.0-", "FROM odoo:18.0-")),
    (odoo_19, rewrite("requirements", "==19.0.", "==18.0.")),
    (odoo_19, rewrite("source", '"--branch", "19.0"', '"--branch", "master"')),
    (
        image_holds_the_suite,
        rewrite("dockerfile", "-r /opt/steward/requirements.txt", "queue_job==19.0.1"),
    ),
    (image_holds_the_suite, set_conf("addons_path", "/mnt/extra-addons")),
    (image_holds_the_suite, rewrite("dockerfile", "USER odoo", "USER root")),
    (image_holds_the_suite, lambda files: files.ignored_by_docker.remove("!addons")),
    (proxy_reaches_odoo, rewrite("proxy", "@bus odoo:8072", "@bus odoo:8069")),
    (proxy_reaches_odoo, set_conf("gevent_port", "8073")),
    (jobs_leave_a_worker, set_conf("workers", "1")),
    (runner_of_the_composition, spoil("compose/services/runner/volumes", ["odoo:/x"])),
    (
        runner_of_the_composition,
        lambda files: files.services["odoo"]["volumes"].append("backups:/srv/backups"),
    ),
    (runner_of_the_composition, spoil("compose/services/runner/stop_grace_period")),
    (runner_of_the_composition, spoil("compose/services/runner/depends_on/setup", {})),
    (
        runner_of_the_composition,
        spoil("compose/services/runner/healthcheck/test", ["CMD", "true"]),
    ),
    (runner_of_the_composition, spoil("runner/dsn", "host=db dbname=production")),
    (runner_of_the_composition, spoil("runner/template", "template0")),
    (runner_of_the_composition, spoil("runner/filestore", "/var/lib/odoo/files")),
    (runner_of_the_composition, spoil("runner/storages", ["/backups"])),
    (runner_of_the_composition, rewrite("dockerfile", "-o odoo", "-o root")),
    (runner_of_the_composition, rewrite("dockerfile", "COPY --from=restic", "# ")),
    (runner_of_the_composition, rewrite("start_runner", "enrol --auto", "enrol")),
    (runner_of_the_composition, rewrite("requirements", "zstandard", "zstd")),
    (runner_as_a_service, set_unit("User", "root")),
    (runner_as_a_service, set_unit("ExecStart", "/usr/local/bin/runner runner")),
    (runner_as_a_service, set_unit("ExecStart", "/usr/local/bin/steward health")),
    (runner_as_a_service, set_unit("Restart", "on-failure")),
    (runner_as_a_service, set_unit("KillMode", "control-group")),
    (runner_as_a_service, set_unit("TimeoutStopSec", "10")),
    (runner_as_a_service, set_unit("ProtectSystem", "full")),
    (runner_as_a_service, set_unit("ReadWritePaths", "/srv/backups")),
    (runner_as_a_service, set_unit("StateDirectory", "odoo")),
    (runner_as_a_service, lambda files: files.unit.pop(("Install", "WantedBy"))),
    (gates, drop_step("make test")),
    (gates, drop_step("make lint")),
    (gates, spoil("ci/jobs/server/timeout-minutes")),
    (gates, spoil("ci/jobs/embedded/env", {"PGHOST": "127.0.0.1"})),
    (least_permissions, rewrite_workflow("contents: read", "contents: write")),
    (least_permissions, rewrite_workflow("persist-credentials: false", "x: y")),
    (
        least_permissions,
        rewrite_workflow("3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "v7"),
    ),
]
CHECKS = list(dict.fromkeys(check for check, _ in TWINS))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_holds(check, files):
    assert check(files) == []


@pytest.mark.parametrize(
    ("check", "change"),
    TWINS,
    ids=[f"{check.__name__}-{number}" for number, (check, _) in enumerate(TWINS)],
)
def test_twin_is_reported(check, change, files):
    change(files)
    assert check(files), "spoiled, and nobody noticed"


def test_the_unit_is_one():
    """systemd itself reads it, where there is one."""
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        return  # what matters of it is checked above
    done = subprocess.run(
        [analyze, "verify", "--man=no", ROOT / "deploy/steward-runner.service"],
        capture_output=True,
        text=True,
    )
    wrong = [
        row for row in done.stderr.splitlines() if "steward-runner.service:" in row
    ]
    # neither the command nor the user is here
    assert not [r for r in wrong if "not executable" not in r], wrong


def test_the_runners_settings_are_read(tmp_path):
    """By the runner itself: no setting that it does not know."""
    sys.path.insert(0, str(ROOT / "client"))
    from steward_client.runner.config import load

    told = load(ROOT / "docker/runner.toml")
    assert str(told.journal) == "/var/lib/steward/work/journal.jsonl"
