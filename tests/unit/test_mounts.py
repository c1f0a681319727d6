"""Where the database may not lie."""

import pytest

from orchestrator.store.mounts import remote_file_system


@pytest.fixture
def mounts(tmp_path):
    """A table of mounts: a local root, an NFS share with a space in its name, and a local disk inside it."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "30 21 0:50 / /mnt/team\\040share rw,relatime - nfs4 server:/x rw\n"
        "31 30 8:2 / /mnt/team\\040share/disk rw - xfs /dev/sdb1 rw\n"
    )
    return table


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/lib", None), ("/mnt/team share/state", "nfs4"), ("/mnt/team share/disk/state", None), ("/mnt/team", None)],
)
def test_the_deepest_mount_decides(mounts, tmp_path, path, kind):
    """A local disk mounted inside a share is local."""
    assert remote_file_system(tmp_path.__class__(path), mounts) == kind


def test_without_a_table_nothing_is_refused(tmp_path):
    """A system that does not tell its mounts is taken as local."""
    assert remote_file_system(tmp_path, tmp_path / "none") is None
