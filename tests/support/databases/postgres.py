"""PostgreSQL servers of the tests' own: a new cluster, and a standby that is promoted while its primary lives on."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import free_port
from waiting import PATIENCE

OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c autovacuum=off "
    f"-c authentication_timeout={PATIENCE:.0f}s -c wal_sender_timeout=0"
)
_PATIENCE = ("-w", "-t", f"{PATIENCE:.0f}")
"""How long `pg_ctl` waits, in seconds; its default is 60."""


def binaries() -> Path:
    """Where the server's programs lie; without them the test is skipped, but fails in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "PostgreSQL is not installed (Debian: postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found[-1].parent


def run(folder: Path, *command: str | Path) -> None:
    """Run one of the server's programs; as another user where we are root, whom it refuses."""
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **unprivileged())


def unprivileged() -> dict[str, object]:
    """What makes a subprocess run as the user `postgres` where we are root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder of the server's user: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def cluster() -> Iterator[str]:
    """A new server; its URL."""
    with own_folder() as folder:
        make = ("-A", "trust", "-U", "postgres", "-N", "-E", "UTF8")
        run(folder, binaries() / "initdb", "-D", folder / "data", *make)
        with started(folder) as server:
            yield server


@contextmanager
def promoted_standby(primary: str) -> Iterator[str]:
    """A server that was the standby of another, and was promoted while that one lives on; its URL."""
    with own_folder() as folder:
        run(folder, binaries() / "pg_basebackup", "-d", primary, "-D", folder / "data", "-R", "-c", "fast", "-N")
        with started(folder) as server:
            run(folder, binaries() / "pg_ctl", "-D", folder / "data", *_PATIENCE, "promote")
            yield server


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """The server whose data lies in `folder`; its URL."""
    port, control = free_port(), binaries() / "pg_ctl"
    options = f"-p {port} -k {folder} {OPTIONS}"
    run(folder, control, "-D", folder / "data", "-o", options, "-l", folder / "log", *_PATIENCE, "start")
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        run(folder, control, "-D", folder / "data", "-m", "immediate", *_PATIENCE, "stop")
