"""The runner: enrolment, claims, the journal, progress, cancelling, dying."""

import pytest
import runners
from runners import World


@pytest.fixture
def world(settings, databases, tmp_path):
    made = World(settings, databases, tmp_path)
    try:
        yield made.make()
    finally:
        made.gone()


def test_a_backup_from_end_to_end(world):
    row = world.do("backup", label="first")
    assert row["state"] == "done", row
    assert row["progress"] == 100
    told = row["result"]["backup"]
    assert row["result"]["level"] == "readback"
    assert told["filestore_files"] == 12
    assert told["modules_count"] == 1
    assert told["findings"] == []
    assert [s["name"] for s in row["steps"]] == [
        *("snapshot", "dump", "filestore", "checksum", "readback")
    ]
    assert all(s["ended_at"] >= s["started_at"] for s in row["steps"])
    assert world.listed() == [told["path"]]
    assert world.sql("SELECT cron_id FROM ir_cron_trigger") == [(77,)]
    world.expect_truth()
