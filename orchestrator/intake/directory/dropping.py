"""Dropping, as every program should: written under a hidden name, made durable, then renamed.

`submit` and the commands that write controls use it. A file is checked first, and nothing is dropped that would be
rejected; names that are taken in incoming/ are never overwritten.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio.to_thread

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.kinds import Kinds
from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.estimate import AccountLimits, canonical
from orchestrator.domain.webhook import NO_WEBHOOKS, WebhookTerms
from orchestrator.durable import open_draft, rename_exclusively, sync_file, sync_folder
from orchestrator.intake.directory.arrivals import IGNORED, NOT_IGNORED
from orchestrator.intake.directory.moves import GOOD_NAME, Moving, mistake_of_name
from orchestrator.intake.directory.open_file import NotReadableError, Signature, Source, open_source
from orchestrator.intake.reading.item_counts import insertions, with_insertions
from orchestrator.intake.reading.tables import is_table
from orchestrator.intake.validation.check import (
    JSON_SUFFIX,
    Control,
    Refuse,
    Report,
    add_mistakes,
    check_source,
    in_slices,
    nothing_more,
    refused,
)
from orchestrator.intake.validation_context import ValidationContext
from orchestrator.platforms.registry import KINDS

_PIECE = 1024 * 1024
_MILLISECOND = 1_000_000


class NotDroppedError(OrchestratorError):
    """Nothing was dropped; says what is wrong with which file."""

    def __init__(self, mistakes: Mapping[str, Mistakes]) -> None:
        super().__init__("; ".join(f"{file}: {mistake}" for file, found in mistakes.items() for mistake in found))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Dropped:
    """A queue file that lies in incoming/ now."""

    file: str
    specs: tuple[JobSpec, ...]
    tables: tuple[str, ...]
    signature: Signature
    """Of the very file: another one may have its name later."""
    not_synced: str | None = None
    """Why a power failure may still take the file out of incoming/; None where it cannot."""
    notes: tuple[str, ...] = ()
    """What may be wrong in the file and its tables."""
    controls: tuple[Control, ...] = ()
    """Its controls."""

    @property
    def jobs(self) -> tuple[str, ...]:
        """The names of its jobs."""
        return tuple(spec.name for spec in self.specs)

    @property
    def moving(self) -> Moving:
        """As the spool knows it."""
        return Moving(self.file, self.signature)


@dataclass(slots=True)
class _Parcel:
    """A queue file that is being dropped, with all its open files."""

    path: Path
    sources: dict[str, Source] = field(default_factory=dict)
    report: Report | None = None
    own: str = ""

    def close(self) -> None:
        for source in self.sources.values():
            source.close()
        if self.report is not None:
            self.report.close()


async def drop(
    files: Sequence[Path],
    queue_directory: Path,
    accounts: Mapping[str, AccountLimits],
    *,
    scratch: Path | None = None,
    kinds: Kinds = KINDS,
    webhooks: WebhookTerms = NO_WEBHOOKS,
    refuse: Refuse = nothing_more,
    report: Callable[[Dropped], None] = lambda _: None,
) -> list[Dropped]:
    """Check queue files and drop each with its tables; `count` is written into jobs that do not have it.

    Tables are found beside the queue file that names them; they may be listed among `files`, and need not. `refuse`
    returns further mistakes of a file. `report` is called with each file as soon as it lies in incoming/.

    Raises:
        NotDroppedError: there are mistakes, or a name is taken in incoming/; nothing was dropped.
        OSError: a file cannot be read, or incoming/ cannot be written to; what was reported before lies there.
    """
    mistakes: dict[str, Mistakes] = {}
    with contextlib.ExitStack() as stack:
        parcels = []
        for path in (path for path in files if not is_table(path.name)):
            parcel = _Parcel(path)
            stack.callback(parcel.close)
            await _check(
                parcel, ValidationContext(accounts, scratch, folder=path.parent, kinds=kinds, webhooks=webhooks)
            )
            if parcel.report is not None and parcel.own:
                await add_mistakes(parcel.report, parcel.sources[parcel.own], await refuse(parcel.report))
            parcels.append(parcel)
        incoming = queue_directory / "incoming"
        _collect_mistakes(parcels, [path for path in files if is_table(path.name)], incoming, mistakes)
        if mistakes:
            raise NotDroppedError(mistakes)
        dropped = []
        for parcel in parcels:
            dropped.append(await anyio.to_thread.run_sync(_drop_parcel, parcel, incoming))
            report(dropped[-1])
        return dropped


def drop_controls(
    controls: Sequence[Mapping[str, Any]], queue_directory: Path, *, not_synced: Callable[[str], None] = lambda _: None
) -> str:
    """Drop controls as a queue file of their own; returns its name. Each is an object such as `{"cancel": "run-7"}`.

    `not_synced` is called with the reason why a power failure may still undo this, if there is one.

    Raises OSError when incoming/ cannot be written to; then nothing was dropped.
    """
    name = f"control-{secrets.token_hex(8)}{JSON_SUFFIX}"
    document = {"version": 1, "controls": list(controls)}
    if reason := _drop_bytes(queue_directory / "incoming" / name, [canonical(document) + b"\n"]).not_synced:
        not_synced(reason)
    return name


def begin_draft(name: str, queue_directory: Path) -> "Draft":
    """Begin a queue file whose text comes piece by piece.

    Raises ValueError when `name` is no name for a queue file, OSError when incoming/ cannot be written to.
    """
    if not GOOD_NAME.fullmatch(name) or IGNORED.fullmatch(name) or is_table(name):
        raise ValueError(f"{name!r} is no name for a queue file")
    return Draft(queue_directory / "incoming" / name)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that has its own name in incoming/ now."""

    signature: Signature
    not_synced: str | None
    """Why the folder could not be synced; None where it was, or where its file system cannot sync folders."""


class Draft:
    """A file that is being written under a hidden name, which intake ignores."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path, self._file = open_draft(target)
        if target.parent.stat().st_mode & stat.S_ISGID:
            # A folder that gives what lies in it to its group: the daemon reads as a member, whatever our umask says.
            os.fchmod(self._file.fileno(), os.fstat(self._file.fileno()).st_mode | stat.S_IRGRP)

    def write(self, piece: bytes) -> None:
        """Add a piece. Raises OSError."""
        self._file.write(piece)

    def reread(self) -> Source:
        """What was written so far, to be read under the name that it will have. Raises OSError."""
        self._file.flush()
        return replace(open_source(self._path), name=self._target.name)

    def finish(self) -> Placed:
        """Make it durable, then give it its own name.

        Raises FileExistsError when that is taken, OSError when the disk does not do it: then it does not lie there.
        Once it does, nothing is raised any more: the daemon may have taken it already.
        """
        with self._file:
            self._file.flush()
            _make_written_earlier(self._file.fileno())
            sync_file(self._file.fileno())
            signature = Signature.of(os.fstat(self._file.fileno()))
        rename_exclusively(self._path, self._target)
        try:
            sync_folder(self._target.parent)
        except OSError as error:
            return Placed(signature, error.strerror or str(error))
        return Placed(signature, None)

    def discard(self) -> None:
        """Leave nothing of it behind; once it has its own name, this changes nothing."""
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)


# ---------------------------------------------------------------- checking


async def _check(parcel: _Parcel, terms: ValidationContext) -> None:
    path = parcel.path

    def beside(name: str) -> Source | None:
        try:
            parcel.sources[name] = open_source(path.parent / name, follow=True)
        except FileNotFoundError:
            return None
        return parcel.sources[name]

    try:
        source = open_source(path, follow=True)
    except NotReadableError as error:
        parcel.report = refused(path.name, error.mistake)
        return
    except FileNotFoundError:
        parcel.report = refused(path.name, NotReadableError.missing(path.name).mistake)
        return
    parcel.own = path.name
    parcel.sources[path.name] = source
    parcel.report = await in_slices(check_source(source, beside, terms))


def _collect_mistakes(
    parcels: Sequence[_Parcel], tables: Sequence[Path], incoming: Path, mistakes: dict[str, Mistakes]
) -> None:
    taken: dict[str, Path] = {}
    for parcel in parcels:
        found = Mistakes()
        if parcel.report is not None:
            found.extend(parcel.report.mistakes)
        for name in parcel.sources:
            if (mistake := _mistake_of(name, parcel, incoming, taken.get(name))) is not None:
                found.append(mistake)
            taken.setdefault(name, parcel.path)
        if found:
            mistakes[str(parcel.path)] = found
    for path in tables:
        if path.name not in taken:
            found = Mistakes()
            found.add("is a table that none of the queue files names", "a queue file names it in `table:`")
            mistakes[str(path)] = found


def _mistake_of(name: str, parcel: _Parcel, incoming: Path, first: Path | None) -> Mistake | None:
    """Why a queue file or its table cannot lie in incoming/ by its name; `first` has that name, or names that table."""
    if (mistake := mistake_of_name(name)) is not None:
        return mistake if name == parcel.own else replace(mistake, file=name)
    if IGNORED.fullmatch(name):
        return Mistake(f"{name!r} is a name that intake ignores", NOT_IGNORED)
    if first is not None and name == parcel.own:
        return Mistake(f"a file named {name} is submitted at the same time ({first})", "name each once, or rename one")
    if first is not None:
        remedy = "a table goes with one queue file: put the jobs into one file, or give each file a table of its own"
        return Mistake(f"the table {name} goes with {first}", remedy)
    if os.path.lexists(incoming / name):
        return Mistake(f"the name {name} is taken in incoming/", "wait until it is gone, or rename yours")
    return None


# ---------------------------------------------------------------- writing


def _drop_parcel(parcel: _Parcel, incoming: Path) -> Dropped:
    report, source = parcel.report, parcel.sources[parcel.own]
    if report is None:
        raise ValueError(f"{parcel.path} was not checked")
    incoming.mkdir(parents=True, exist_ok=True)
    tables = tuple(name for name in parcel.sources if name != parcel.own)
    done: list[Path] = []
    try:
        for name in tables:
            _drop_bytes(incoming / name, _pieces(parcel.sources[name]))
            done.append(incoming / name)
        counts = {index: job.items for index, job in enumerate(report.jobs) if not job.counted}
        where = insertions(source.file, counts, is_json=parcel.own.lower().endswith(JSON_SUFFIX))
        placed = _drop_bytes(incoming / parcel.own, with_insertions(source.file, where))
    except BaseException:
        for path in done:  # a table without its queue file would lie there for an hour
            path.unlink(missing_ok=True)
        raise
    return Dropped(
        parcel.own,
        tuple(job.spec for job in report.jobs),
        tables,
        placed.signature,
        placed.not_synced,
        tuple(report.notes),
        report.controls,
    )


def _pieces(source: Source) -> Iterator[bytes]:
    source.file.seek(0)
    while piece := source.file.read(_PIECE):
        yield piece


def _drop_bytes(target: Path, pieces: Iterable[bytes]) -> Placed:
    draft = Draft(target)
    try:
        for piece in pieces:
            draft.write(piece)
        return draft.finish()
    finally:
        draft.discard()


def _make_written_earlier(descriptor: int) -> None:
    """Put the time of writing a moment before that of the rename.

    A clock of the file system that ticks in milliseconds would give both the same, and a daemon that gets no file
    events could not see that the file was renamed in.
    """
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns - _MILLISECOND))
