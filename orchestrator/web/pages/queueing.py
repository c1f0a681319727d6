"""Queues what a page asks for as a queue file, as the command line does, and waits for the decision on it.

A control and an uploaded file take the same way as every other file: through incoming/, with the same checks, and
durable before the browser gets its answer.
"""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from starlette.exceptions import HTTPException

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.domain.queue_file.estimate import AccountLimits, canonical
from orchestrator.intake.directory.dropping import NotDroppedError, begin_draft, drop
from orchestrator.intake.error_file import as_object
from orchestrator.intake.limits import account_limits, webhook_terms
from orchestrator.intake.ports import Jobs
from orchestrator.intake.reading.tables import is_table
from orchestrator.intake.stored_jobs import Asked, Stored, notes_on
from orchestrator.intake.validation.check import check
from orchestrator.settings.state import state_directory
from orchestrator.telemetry.events import FileAccepted, FileRejected
from orchestrator.web.api.queue_upload import Verdicts, Waiting
from orchestrator.web.components import Shown
from orchestrator.web.pages.content.formatting import counted

ANSWER_WITHIN = 30.0
"""Seconds to wait for a decision; after that the page says that it is still to come."""
_LONGEST_STEM = 150
"""Characters of an uploaded file's name that are kept."""


@dataclass(frozen=True, slots=True)
class FileMistake:
    """One mistake, with the file that it is in."""

    file: str
    where: str
    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request."""

    text: str
    """For the operator, one sentence."""
    jobs: tuple[str, ...] = ()
    """The jobs that are durable now."""
    mistakes: Sequence[FileMistake] = ()
    """Why nothing was done; empty if it was."""
    more: int = 0
    """Mistakes beyond those listed."""
    notes: tuple[str, ...] = ()


def unwritable(error: OSError) -> HTTPException:
    """The answer where incoming/ cannot be written to."""
    text = f"the queue directory cannot be written to: {error.strerror or error}; nothing was queued"
    return HTTPException(503, text, headers={"Retry-After": "5"})


class Queueing:
    """Queues files for the pages."""

    def __init__(self, shown: Shown) -> None:
        self._directory = shown.settings.queue.directory
        self._state = state_directory(shown.settings)
        self._kinds = shown.settings.platforms.kinds
        self._accounts: Mapping[str, AccountLimits] = account_limits(shown.settings)
        self._webhooks = webhook_terms(shown.settings)
        self._jobs = shown.store.jobs
        self._clock = shown.clock
        self._spool = shown.spool
        self._verdicts = Verdicts()
        shown.bus.subscribe(self._verdicts)

    async def control(self, control: Mapping[str, Any], actor: str) -> Outcome:
        """Carry out one control, such as `{"cancel": "run-7"}`. Raises OSError if incoming/ cannot be written to."""
        name = f"page-{secrets.token_hex(8)}.json"
        text = canonical({"version": 1, "controls": [control]}) + b"\n"
        with self._verdicts.of(name) as waiting, self._spool.expecting(name, actor):
            await anyio.to_thread.run_sync(_place, name, text, self._directory)
            return await self._decision(name, waiting)

    async def files(self, paths: Sequence[Path], actor: str) -> Outcome:
        """Queue a file with its tables. Its name gets a few characters, so that no other file can have it.

        Raises OSError if incoming/ cannot be written to; then nothing was queued.
        """
        documents = [path.name for path in paths if not is_table(path.name)]
        if len(documents) != 1:
            text = "choose one queue file" if documents else "no queue file among them: a table goes with one"
            return Outcome("Nothing was queued.", mistakes=[FileMistake("", "the upload", text, None)])
        (own,) = documents
        name = _unique(own)
        paths = [await _renamed(path, name) if path.name == own else path for path in paths]
        with self._verdicts.of(name) as waiting, self._spool.expecting(name, actor):
            try:
                (dropped,) = await drop(
                    paths,
                    self._directory,
                    self._accounts,
                    scratch=self._state,
                    kinds=self._kinds,
                    webhooks=self._webhooks,
                    refuse=self._stored().compare,
                )
            except NotDroppedError as error:
                return _refused(error.mistakes, {name: own})
            outcome = await self._decision(name, waiting)
        return replace(outcome, notes=outcome.notes or dropped.notes)

    async def check(self, paths: Sequence[Path]) -> Outcome:
        """The report of `orchestrator validate` on files that lie beside their tables; nothing is queued."""
        mistakes: dict[str, Mistakes] = {}
        notes: list[str] = []
        asked: list[Asked] = []
        items, stored = 0, self._stored()
        for path in (path for path in paths if not is_table(path.name)):
            report = await check(
                path,
                self._accounts,
                scratch=self._state,
                kinds=self._kinds,
                webhooks=self._webhooks,
                refuse=stored.compare,
            )
            with report:
                if report.mistakes:
                    mistakes[path.name] = report.mistakes
                notes += report.notes
                asked.append(Asked.by(report))
                items += report.items
        if mistakes:
            return _refused(mistakes)
        specs = [spec for each in asked for spec in each.specs]
        notes += [note for each in asked for note in notes_on(each, stored, specs, self._accounts)]
        text = f"No mistakes: {counted(len(specs), 'job')} with {counted(items, 'item')}. Nothing was queued."
        return Outcome(text, notes=tuple(notes))

    def _stored(self) -> Stored:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Jobs]:
            yield self._jobs

        return Stored(opened, self._clock.now())

    async def _decision(self, name: str, waiting: Waiting) -> Outcome:
        with anyio.move_on_after(ANSWER_WITHIN):
            await waiting.over.wait()
        match waiting.verdict:
            case FileAccepted(jobs=jobs, items=items, note=note, notes=notes):
                added = f"{counted(len(jobs), 'job')} with {counted(items, 'item')}" if jobs else ""
                text = "; ".join(part for part in (added, note or "") if part)
                return Outcome(f"Accepted: {text or 'nothing changed'}.", tuple(jobs), notes=tuple(notes))
            case FileRejected(error_file=place, mistakes=count):
                document = msgspec.json.decode(await anyio.Path(place).read_bytes(), type=dict[str, Any])
                listed = [
                    FileMistake(name, each["where"], each["message"], each["remedy"]) for each in document["mistakes"]
                ]
                text = f"Rejected: {counted(count, 'mistake')}."
                return Outcome(text, mistakes=listed, more=document["more"])
            case None:
                reason = waiting.reason + waiting.not_synced
                return Outcome(f"Queued as {name}, and not decided yet: {reason}.")


def _place(name: str, text: bytes, directory: Path) -> None:
    draft = begin_draft(name, directory)
    try:
        draft.write(text)
        draft.finish()
    finally:
        draft.discard()


def _unique(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[:_LONGEST_STEM]}-{secrets.token_hex(6)}{dot}{suffix}"


async def _renamed(path: Path, name: str) -> Path:
    await anyio.Path(path).rename(path.with_name(name))
    return path.with_name(name)


def _refused(by_file: Mapping[str, Mistakes], names: Mapping[str, str] = MappingProxyType({})) -> Outcome:
    """`names`: those under which the operator knows the files, where they are others."""
    listed = [
        FileMistake(
            names.get(Path(file).name, Path(file).name), described["where"], described["message"], described["remedy"]
        )
        for file, mistakes in by_file.items()
        for described in map(as_object, mistakes)
    ]
    more = sum(mistakes.more for mistakes in by_file.values())
    total = len(listed) + more
    return Outcome(f"{counted(total, 'mistake')}. Nothing was queued.", mistakes=listed, more=more)
