"""Skills on a real server: the command, other workers, and who may do what."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE / "client")]

from steward_client.cli import cli  # noqa: E402

PASSWORD = "moorings-" + "x" * 12
DOCUMENT = """\
---
# ours since the spring
name: moor-a-barge
description: Moors a barge at the quay. Use when a barge arrives.
metadata:
  steward-triggers: arriving barge
---

# Moor a barge

1. Throw two ropes.
"""


@pytest.fixture(scope="module")
def people(odoo):
    """Keys by name: who writes, who reviews, and an agent's account."""
    admin = odoo.make_key()
    keys = {"admin": admin}
    for login, group in (("writer", "operator"), ("reader", "reviewer")):
        [found] = odoo.json2(
            admin,
            "ir.model.data",
            "search_read",
            domain=[["module", "=", "steward"], ["name", "=", f"group_{group}"]],
            fields=["res_id"],
        )
        odoo.json2(
            admin,
            "res.users",
            "create",
            vals_list=[
                {
                    "name": login,
                    "login": f"skills_{login}",
                    "password": PASSWORD,
                    "group_ids": [[4, found["res_id"], 0]],
                }
            ],
        )
        keys[login] = odoo.make_key(f"skills_{login}", PASSWORD)
    return keys


@pytest.fixture
def command(odoo, people, monkeypatch):
    for name in list(os.environ):
        if name.startswith("STEWARD_"):
            monkeypatch.delenv(name)

    def run(by, *arguments):
        env = {
            "STEWARD_URL": odoo.url,
            "STEWARD_DATABASE": odoo.database,
            "STEWARD_API_KEY": people[by],
            "STEWARD_TIMEOUT": "300",
        }
        return CliRunner().invoke(cli, ["skills", *map(str, arguments)], env=env)

    return run


def test_from_a_folder_to_an_agent_and_back(command, odoo, people, tmp_path):
    folder = tmp_path / "in" / "moor-a-barge"
    (folder / "scripts").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("not ours to hand out")
    (folder / "SKILL.md").write_text(DOCUMENT)
    script = folder / "scripts" / "rope.py"
    script.write_text("raise SystemExit\n")
    script.chmod(0o744)
    done = command("writer", "import", folder)
    assert (done.exit_code, done.output) == (0, "moor-a-barge@1  draft\n")
    assert command("writer", "find", "arriving barge").output == "No skill fits.\n"
    refused = command("writer", "approve", "moor-a-barge", 1)
    assert refused.exit_code == 1
    [skill] = odoo.json2(
        people["writer"],
        "steward.skill",
        "search",
        domain=[["name", "=", "moor-a-barge"]],
    )
    odoo.json2(people["writer"], "steward.skill", "action_submit", ids=[skill])
    waiting = command("reader", "pending")
    assert "moor-a-barge@1  Moor a barge" in waiting.output
    assert "+ No secrets" in waiting.output
    done = command("reader", "send-back", "moor-a-barge", "Three ropes.")
    assert done.output == "moor-a-barge is a draft again.\n"
    (folder / "SKILL.md").write_text(DOCUMENT.replace("two", "three"))
    assert command("writer", "import", folder).output == "moor-a-barge@2  draft\n"
    odoo.json2(people["writer"], "steward.skill", "action_submit", ids=[skill])
    stale = command("reader", "approve", "moor-a-barge", 1)
    assert stale.exit_code == 1
    assert "was changed meanwhile" in stale.output
    done = command("reader", "approve", "moor-a-barge", 2, "--note", "Good")
    assert done.output == "Agents use moor-a-barge@2.\n"
    found = json.loads(command("writer", "find", "an arriving barge", "--json").output)
    assert [row["name"] for row in found] == ["moor-a-barge"]
    assert "three ropes" in command("writer", "show", "moor-a-barge").output
    done = command("reader", "export", "moor-a-barge", "--to", tmp_path / "out")
    assert done.exit_code == 0, done.output
    out = tmp_path / "out" / "moor-a-barge"
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names == {"SKILL.md", "scripts/rope.py"}
    for name in names:
        assert (out / name).read_bytes() == (folder / name).read_bytes()
        executable = (folder / name).stat().st_mode & 0o100
        assert (out / name).stat().st_mode & 0o100 == executable
    done = command("reader", "export", "moor-a-barge", "--to", tmp_path / "a.zip")
    assert done.output == f"{tmp_path / 'a.zip'}\n"
    again = command("writer", "import", tmp_path / "a.zip", "--json")
    assert json.loads(again.output)["skills"][0]["version"] == 2


def test_what_cannot_be_used(command, tmp_path):
    file = tmp_path / "SKILL.md"
    file.write_text("# no front matter")
    refused = command("writer", "import", file)
    assert refused.exit_code == 1
    assert "begins with its name and description" in refused.output
    assert command("writer", "import", tmp_path / "nothing").exit_code == 2
    assert command("writer", "show", "nothing").exit_code == 1
    assert command("writer", "approve", "a", "first").exit_code == 2
