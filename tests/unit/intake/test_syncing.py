"""Many files are synced to the disk, several at a time."""

import errno

import pytest

from orchestrator.intake.directory import syncing


@pytest.fixture
def synced(monkeypatch):
    """The descriptors that were synced; number 13 fails, and 0 to 99 are no open files."""
    done = []

    def sync_file(descriptor):
        if descriptor == 13:
            raise OSError(errno.EIO, "Input/output error")
        done.append(descriptor)

    monkeypatch.setattr(syncing, "sync_file", sync_file)
    monkeypatch.setattr(syncing, "begin_sync", list)
    return done


@pytest.mark.parametrize("groups", [0, 1, 7, 8, 9, 50])
async def test_every_file_is_synced_once(synced, groups):
    """Whatever their number; a step is noted for each."""
    steps = []
    wanted = [(100 + 2 * number, 101 + 2 * number) for number in range(groups)]
    assert await syncing.sync_all(wanted, lambda: steps.append(1)) == [None] * groups
    assert sorted(synced) == list(range(100, 100 + 2 * groups))
    assert len(steps) == 2 * groups


async def test_one_that_fails_holds_up_no_other(synced):
    """Its group has the error, and what comes behind it in the same group is not synced."""
    errors = await syncing.sync_all([(number,) for number in range(10, 13)] + [(13, 14)] + [(15,)], lambda: None)
    assert [error.errno if error else None for error in errors] == [None, None, None, errno.EIO, None]
    assert sorted(synced) == [10, 11, 12, 15]
