"""The set-up repairs itself, and says in a sentence what it cannot do."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from house import apt, cluster, commands, environment, files, source
from house import server as serving
from house.cluster import Cluster
from house.console import Problem, step
from house.databases import Databases
from house.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def house(*words, python=sys.executable, inside=False, **env):
    """Call the set-up as make does, with a changed environment."""
    base = {k: v for k, v in os.environ.items() if k != "STEWARD_INSIDE"}
    base |= {"PYTHONPATH": str(ROOT / "scripts"), "STEWARD_INSIDE": "1" * inside}
    return subprocess.run(
        [python, "-m", "house", *words],
        env={k: v for k, v in {**base, **env}.items() if v},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_port_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = house("run", STEWARD_PORT=port, STEWARD_DB="never")
    assert done.returncode == 1
    assert f"error in step port: port {port} cannot be used" in done.stderr
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr


def test_port_nonsense():
    done = house("run", STEWARD_PORT="eight")
    assert done.returncode == 1
    assert "STEWARD_PORT=eight is no port number" in done.stderr


def test_old_python(tmp_path):
    """The first lines run on any Python and say what is needed."""
    text = (ROOT / "scripts/house/__main__.py").read_text()
    pretend = "import sys\nsys.version_info = (3, 9, 1)\n"
    (tmp_path / "old.py").write_text(pretend + text)
    done = subprocess.run(
        [sys.executable, tmp_path / "old.py"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "this is Python 3.9" in done.stderr
    assert "remedy:" in done.stderr


def test_unknown_verb():
    assert house("dance").returncode == 2


def test_named_server_away():
    done = house("update", inside=True, PGHOST="127.0.0.1", PGPORT="1", PGUSER="odoo")
    assert done.returncode == 1
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in done.stderr
    assert "without them an embedded PostgreSQL is used" in done.stderr


@pytest.mark.parametrize(
    ("user", "words"),
    [("postgres", "createuser --createdb odoo"), ("", "set PGUSER")],
)
def test_named_server_user(user, words):
    done = house("update", inside=True, PGHOST="127.0.0.1", PGUSER=user)
    assert done.returncode == 1
    assert words in done.stderr


def test_odoo_src_is_checked(tmp_path):
    with pytest.raises(Problem, match="holds no Odoo"):
        source._check_source(tmp_path)
    release = tmp_path / "odoo" / "release.py"
    release.parent.mkdir()
    release.write_text("version_info = (18, 0, 0, FINAL, 0, '')\n")
    with pytest.raises(Problem, match=r"is Odoo 18.0, needed is 19.0"):
        source._check_source(tmp_path)


def test_archive_moved_on(tmp_path, monkeypatch, capsys):
    """Another version than the pinned one is taken, and told."""
    settings = _settings(tmp_path, monkeypatch)
    packages = settings.cache / "debs"
    packages.mkdir(parents=True)
    for name in ("odoo-19_19.0.1+dfsg-1_all.deb", "libjs-jquery_3_all.deb"):
        (packages / name).write_text("x")
    monkeypatch.setattr(apt, "extract", lambda package, target, log: None)
    _path, version = source._from_package(settings)
    assert "19.0.1" in version
    assert "the archive moved on to odoo-19_19.0.1" in capsys.readouterr().err


def test_damaged_download_is_removed(tmp_path, monkeypatch):
    settings = _settings(tmp_path, monkeypatch)
    packages = settings.cache / "debs"
    packages.mkdir(parents=True)
    for name in (source.PINNED, "libjs-jquery_3_all.deb"):
        (packages / name).write_text("half a file")
    with pytest.raises(Problem, match="is not what it was"):
        source._from_package(settings)
    assert not (packages / source.PINNED).exists()


def test_no_apt_then_git(tmp_path, monkeypatch, capsys):
    """Without apt Odoo comes from git; a clone that fails says so."""
    settings = _settings(tmp_path, monkeypatch)
    monkeypatch.setattr(apt, "TOOLS", ("no-such-apt",))
    origin = tmp_path / "origin"
    (origin / "odoo").mkdir(parents=True)
    (origin / "odoo" / "release.py").write_text("version_info = (19, 0, 0)\n")
    git = ["git", "-C", origin, "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-qb", "19.0"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    object.__setattr__(settings, "odoo_git", f"file://{origin}")
    path, version = source._fetched(settings)
    assert (path / "odoo" / "release.py").exists()
    assert "cloned" in version
    assert "no no-such-apt here" in capsys.readouterr().err
    object.__setattr__(settings, "odoo_git", f"file://{tmp_path}/nothing")
    with pytest.raises(Problem, match="Odoo could not be cloned"):
        source._fetched(settings)


def test_untrusted_archive(tmp_path, monkeypatch):
    """A signature that does not fit the keys is refused by apt itself."""
    if not shutil.which("apt-get"):
        pytest.skip("no apt on this machine")
    empty = tmp_path / "keys.gpg"
    empty.write_bytes(b"")
    monkeypatch.setenv("ODOO_APT_KEYRING", str(empty))
    monkeypatch.setenv("ODOO_APT_URI", f"file:{tmp_path}/archive")
    with pytest.raises(apt.NoArchive):
        apt.fetch(tmp_path / "work", ["odoo-19"], tmp_path / "log")


def test_interrupted_build_leaves_nothing(tmp_path):
    target = tmp_path / "thing"
    with pytest.raises(KeyboardInterrupt), files.built(target) as fresh:
        (fresh / "half").write_text("x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".thing.new-dead").mkdir()  # a call that was killed -9
    with files.built(target) as fresh:
        (fresh / "whole").write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["thing"]


def test_full_disk_is_a_sentence(tmp_path, capsys):
    with pytest.raises(Problem) as caught, step("odoo"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/file")
    assert str(caught.value).splitlines() == [
        "error in step odoo: No space left on device: a/file",
        "  remedy: free some disk space, then call the same again",
    ]
    with pytest.raises(Problem, match="needs"):
        files.require_space(tmp_path, 1 << 60)


def test_full_disk_in_a_command(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(Problem) as caught:
        commands.run(
            ["sh", "-c", "echo x | cat > /dev/full"],
            log=tmp_path / "log",
            what="writing",
        )
    assert "free some disk space" in caught.value.remedy


def test_no_network_in_a_command(tmp_path):
    script = "echo 'Temporary failure in name resolution' >&2; exit 3"
    with pytest.raises(Problem) as caught:
        commands.run(["sh", "-c", script], log=tmp_path / "log", what="fetching")
    assert "no network" in caught.value.remedy


# -- the cluster, with real faults ---------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A cluster of this test alone."""
    mine = _settings(tmp_path, monkeypatch)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    made = Cluster(mine, "test", durable=False)
    yield made
    made.stop_if_unused()
    shutil.rmtree(made.home, ignore_errors=True)
    shutil.rmtree(made.socket, ignore_errors=True)


def _settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("STEWARD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings()
    settings.data.mkdir(mode=0o755)
    return settings


def _postmaster(cluster) -> int:
    return int((cluster.folder / "postmaster.pid").read_text().split()[0])


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if status.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_cluster_is_private_and_shared(own):
    with own.running() as server:
        pid = _postmaster(own)
        assert own.folder.stat().st_mode & 0o777 == 0o700
        assert own.socket.stat().st_mode & 0o777 == 0o700
        databases = Databases(own.settings, server, "test")
        databases.create("one")
        assert databases.sql("SELECT '[1,2]'::vector <-> '[1,3]'", "one") == [(1.0,)]
        assert databases.sql("SHOW fsync") == [("off",)]
        assert databases.sql("SHOW listen_addresses") == [("",)]
        assert databases.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'steward'")[
            0
        ] == (False,)
        with pytest.raises(Problem, match="password"):
            bad = Databases(own.settings, server, "test")
            server.password = "wrong"
            bad.sql("SELECT 1")
        with own.running():  # a second user does not start or stop anything
            assert _postmaster(own) == pid
        assert not _gone_now(pid)
    assert _gone(pid)


def _named(server, user="named", password="x"):
    return {
        "PGHOST": server.host,
        "PGPORT": server.port,
        "PGUSER": user,
        "PGPASSWORD": password,
    }


def test_named_server_is_checked(own):
    """A server of one's own: what is missing is said, and how to get it."""
    with own.running() as server:
        own.administer("CREATE ROLE named LOGIN PASSWORD 'x'")
        with pytest.raises(Problem) as caught, cluster.named(_named(server)):
            pass
        assert caught.value.remedy.endswith("ALTER ROLE named CREATEDB;")
        with (
            pytest.raises(Problem, match="cannot be reached"),
            cluster.named(_named(server, password="wrong")),
        ):
            pass
        own.administer("ALTER ROLE named CREATEDB")
        with cluster.named(_named(server)) as found:
            databases = Databases(own.settings, found, "test")
            with pytest.raises(Problem, match="may not create the extension") as caught:
                databases.create("without")
            assert "in the database template1" in caught.value.remedy
            assert databases.comment("without") is None
        own.administer("CREATE EXTENSION vector", database="template1")
        with cluster.named(_named(server)) as found:
            assert found.template == "template1"
            databases = Databases(own.settings, found, "test")
            databases.create("has_it")
            assert databases.sql("SELECT '[1]'::vector::text", "has_it") == [("[1]",)]


def _gone_now(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_cluster_survives_kill_9(own):
    with own.running() as server:
        Databases(own.settings, server, "test").create("kept")
        killed = _postmaster(own)
        os.kill(killed, signal.SIGKILL)
        assert _gone(killed)
        with own.running() as again:
            found = Databases(own.settings, again, "test").comment("kept")
            assert found == ""
        second = _postmaster(own)
        assert second != killed
    assert _gone(second)


def test_cluster_half_made(own):
    """initdb was killed: nothing of it is taken for a cluster."""
    own._own(own.home)
    (own.home / ".test.new-dead").mkdir()
    own.folder.mkdir()  # empty: renamed by nobody
    with own.running() as server:
        assert Databases(own.settings, server, "test").comment("none") is None
    assert not (own.home / ".test.new-dead").exists()


def test_database_half_made(own, monkeypatch):
    """A database whose install was killed is never shown as whole."""
    with own.running() as server:
        databases = Databases(own.settings, server, "test")
        databases.create("shop_new_dead00")

        def killed(*_args, **_kw):
            raise KeyboardInterrupt

        monkeypatch.setattr(databases, "odoo", killed)
        with pytest.raises(KeyboardInterrupt):
            databases.build("shop", "k", ["base"], demo=False, base=None)
        monkeypatch.setattr(databases, "odoo", lambda *_a, **_k: None)
        assert databases.comment("shop") is None
        databases.build("shop", "k", ["base"], demo=False, base=None)
        assert databases.comment("shop") == "k"
        rows = databases.sql("SELECT datname FROM pg_database")
        assert not [name for (name,) in rows if name.startswith("shop_new_")]


def test_server_ends_with_its_starter(settings, databases):
    """kill -9 of the keeper leaves no server behind."""
    script = (
        "import sys, time, pathlib\n"
        "from house.settings import Settings\n"
        "from house import server\n"
        "p = server.start(Settings(), pathlib.Path(sys.argv[1]), 'none', 1,"
        " pathlib.Path(sys.argv[2]))\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    log = settings.data / "log" / "orphan.log"
    keeper = subprocess.Popen(
        [sys.executable, "-c", script, databases.conf, log],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(keeper.stdout.readline())
    keeper.kill()
    keeper.wait()
    assert _gone(child)


def test_cluster_ends_with_its_users(own):
    """kill -9 of the only user: the cluster is stopped all the same."""
    script = (
        "import sys, time\n"
        "from house.cluster import Cluster\n"
        "from house.settings import Settings\n"
        "with Cluster(Settings(), 'test', durable=False).running():\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    while user.stdout.readline() != "up\n":
        assert user.poll() is None
    pid = _postmaster(own)
    user.kill()
    user.wait()
    assert _gone(pid)


@pytest.mark.thorough
def test_half_written_packages_are_made_anew(tmp_path, monkeypatch):
    """An install that was killed: the environment is not taken for whole."""
    settings = _settings(tmp_path, monkeypatch)
    venv = tmp_path / "venv"
    monkeypatch.setattr(Settings, "venv", venv)
    monkeypatch.setattr(environment, "_importable", lambda: None)
    environment.ensure(settings)
    site = environment.site_packages(venv)
    (site / "half").mkdir()
    environment.ensure(settings)
    assert (site / "half").exists()

    def killed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_install_fast", killed)
    with pytest.raises(KeyboardInterrupt):
        environment.install(settings, "suite")
    environment.ensure(settings)
    assert not (site / "half").exists()


def test_path_with_spaces(tmp_path, monkeypatch):
    """Odoo's script starts from a folder that no #! line could name."""
    settings = _settings(tmp_path, monkeypatch)
    venv = tmp_path / ("a folder with a name " * 8)
    monkeypatch.setattr(Settings, "venv", venv)
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    fake = venv / "odoo" / "cli"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("def main():\n    print('started')\n")
    environment.attach_odoo(settings, venv, "19.0")
    done = subprocess.run(
        [settings.odoo],
        env={**os.environ, "PYTHONPATH": str(venv)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "started\n", done.stderr


def test_stale_note_of_a_server(tmp_path, monkeypatch):
    """A process id that another program has by now is not taken for the server."""
    settings = _settings(tmp_path, monkeypatch)
    note = {"pid": os.getpid(), "port": 8069, "started": 1.0}
    files.write(settings.data / "server.json", json.dumps(note))
    assert serving.Running(settings).process() is None
    files.write(settings.data / "server.json", "{half")
    assert serving.Running(settings).process() is None
