"""A queue file from its bytes to a report: every mistake at once, or the jobs and controls it asks for.

The same check serves `validate`, `submit` and the spool. It is written as a generator that does a little at a time;
`check` runs those slices in a worker thread, so that the event loop is free and a stop waits for one slice at most.
"""

import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio.to_thread

from orchestrator.domain.kinds import Kinds
from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.queue_file.control_models import AnyControl
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.queue_file.meant_values import TABLE_NAME
from orchestrator.domain.queue_file.model import Reading, read
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.webhook import NO_WEBHOOKS, WebhookTerms
from orchestrator.intake.bounds import Bounds
from orchestrator.intake.directory.moves import mistake_of_name
from orchestrator.intake.directory.open_file import NotReadableError, Source, open_source
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.reading.foreign_formats import START, recognise
from orchestrator.intake.reading.json_stream import JsonEvents
from orchestrator.intake.reading.line_numbers import lines_of
from orchestrator.intake.reading.parse_events import Events
from orchestrator.intake.reading.tables import Table, is_table
from orchestrator.intake.reading.text import MalformedTextError, Text
from orchestrator.intake.reading.yaml_stream import YamlEvents
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.dependency_cycles import dependency_cycles, is_made_of_rows, waits_of
from orchestrator.intake.validation.document import Document, DocumentReader
from orchestrator.intake.validation.job_validation import JobValidation, Setting
from orchestrator.intake.validation.rows_to_come import columns_of_rows
from orchestrator.intake.validation_context import ValidationContext
from orchestrator.platforms.registry import KINDS

STEPS = 20
"""Steps of a check in one slice: some tens of milliseconds."""
YAML_SUFFIXES = (".yaml", ".yml")
JSON_SUFFIX = ".json"

Control = AnyControl
FindTable = Callable[[str], Source | None]
"""Opens the table of that name beside the queue file; None while it is not there or not complete."""
Result = TypeVar("Result")


@dataclass(slots=True)
class Report:
    """What a queue file comes to. Close it when done: its items are on scratch files."""

    file: str
    mistakes: Mistakes
    scratch: TemporaryFiles = field(repr=False)
    notes: Notes = field(default_factory=Notes)
    """What is odd, and keeps nothing from being accepted."""
    jobs: tuple[ValidatedJob, ...] = ()
    controls: tuple[Control, ...] = ()
    tables: tuple[str, ...] = ()
    """The tables that it names."""
    missing: tuple[str, ...] = ()
    """Those of them that were not there."""
    whole: bool = False
    """The document could be read to its end."""

    @property
    def items(self) -> int:
        return sum(job.items for job in self.jobs)

    def close(self) -> None:
        self.scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


Refuse = Callable[[Report], Awaitable[Iterable[Mistake]]]
"""Returns mistakes of a file beyond those in its report: what the database knows of its jobs."""


async def nothing_more(_report: Report) -> Iterable[Mistake]:
    """There is nothing to compare a file with."""
    return ()


async def check(
    path: Path,
    accounts: Mapping[str, AccountLimits],
    *,
    scratch: Path | None = None,
    kinds: Kinds = KINDS,
    webhooks: WebhookTerms = NO_WEBHOOKS,
    refuse: Refuse = nothing_more,
) -> Report:
    """Check the queue file at `path`, with its tables from the same folder. Raises FileNotFoundError."""
    tables: list[Source] = []

    def beside(name: str) -> Source | None:
        try:
            tables.append(open_source(path.parent / name, follow=True))
        except FileNotFoundError:
            return None
        return tables[-1]

    try:
        source = open_source(path, follow=True)
    except NotReadableError as error:
        return refused(path.name, error.mistake)
    try:
        terms = ValidationContext(accounts, scratch, folder=path.parent, kinds=kinds, webhooks=webhooks)
        report = await in_slices(check_source(source, beside, terms))
        try:
            misnamed = mistake_of_name(path.name)
            await add_mistakes(report, source, (*filter(None, [misnamed]), *await refuse(report)))
        except BaseException:
            report.close()
            raise
        return report
    finally:
        for opened in (source, *tables):
            opened.close()


async def add_mistakes(report: Report, source: Source, found: Iterable[Mistake]) -> None:
    """Add mistakes of a file that its text alone does not show, with their lines."""
    more = Mistakes(list(found))
    if more:
        await in_slices(located(source, more))
        report.mistakes.extend(more)


def located(source: Source, mistakes: Mistakes) -> Generator[None, None, None]:
    """Fill in the lines of mistakes in an open file; a generator, so that the caller may do it in slices."""
    places = [mistake.path for mistake in mistakes if mistake.file is None]
    places += [mistake.also for mistake in mistakes if mistake.also]
    lines = yield from lines_of(_events(source, Mistakes(), by_line=True), places)
    mistakes.locate(lines)


def _text(source: Source) -> Text:
    return Text(source.file, yaml=not _is_json(source))


def _is_json(source: Source) -> bool:
    return source.name.lower().endswith(JSON_SUFFIX)


def _events(source: Source, mistakes: Mistakes, *, by_line: bool = False, text: Text | None = None) -> Events:
    text = text or _text(source)
    return JsonEvents(text, by_line=by_line) if _is_json(source) else YamlEvents(text, mistakes)


def refused(file: str, mistake: Mistake) -> Report:
    """The report on something that is not even read."""
    mistakes = Mistakes()
    mistakes.append(mistake)
    return Report(file, mistakes, TemporaryFiles(), whole=True)


async def in_slices(work: Generator[None, None, Result], step: Callable[[], None] = lambda: None) -> Result:
    """Run `work` to its end in worker threads, a slice at a time; `step` is called after each."""
    try:
        while (ended := await anyio.to_thread.run_sync(_slice, work)) is None:
            step()
        return ended.result
    finally:
        work.close()


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Result]):
    result: Result


def _slice(work: Generator[None, None, Result]) -> _Ended[Result] | None:
    try:
        for _ in range(STEPS):
            next(work)
    except StopIteration as stop:
        return _Ended(stop.value)
    return None


# ---------------------------------------------------------------- one file


def check_source(source: Source, find_table: FindTable, terms: ValidationContext) -> Generator[None, None, Report]:
    """Check an open file. The report is the caller's to close; when this fails, nothing is left open."""
    report = Report(source.name, Mistakes(), TemporaryFiles(terms.scratch))
    try:
        yield from _Check(source, find_table, terms, report).run()
    except BaseException:
        report.close()
        raise
    return report


class _Check:
    def __init__(self, source: Source, find_table: FindTable, terms: ValidationContext, report: Report) -> None:
        self._source = source
        self._find_table = find_table
        self._terms = terms
        self._report = report
        self._items = report.scratch.file()

    def run(self) -> Generator[None, None, None]:
        report, mistakes = self._report, self._report.mistakes
        if not report.file.lower().endswith((*YAML_SUFFIXES, JSON_SUFFIX)):
            mistakes.add(
                "is neither YAML nor JSON", "name it .yaml, .yml or .json (a table .csv, .tsv, .jsonl, .ndjson)"
            )
            report.whole = True
            return
        document = yield from self._read()
        if document is not None:
            reading = read(document.header)
            for mistake in reading.mistakes:
                mistakes.append(mistake)
            yield from self._check_jobs(document, reading)
            self._check_accounts(document.header)
        if mistakes:
            report.notes = Notes()  # they speak of what would be sent
            yield from located(self._source, mistakes)
            # What two jobs have from one table is reported once.
            mistakes.kept[:] = sorted(dict.fromkeys(mistakes), key=_place)

    def _read(self) -> Generator[None, None, Document | None]:
        mistakes = self._report.mistakes
        if self._source.signature.size == 0:
            mistakes.add("is empty (0 bytes)", "was it copied in full?")
            return None
        self._source.file.seek(0)
        foreign = recognise(self._source.file.read(START))
        if foreign is not None and foreign.is_binary:
            mistakes.add(foreign.what, "write the queue file in a text editor, as YAML, and save it as plain text")
            self._report.whole = True
            return None
        text = _text(self._source)
        try:
            events = _events(self._source, mistakes, text=text)
            document = yield from DocumentReader(events, text, mistakes, self._items).read()
        except MalformedTextError as error:
            mistakes.append(error.mistake if error.mistake.line else (yield from self._with_line(error.mistake)))
            return None
        self._report.whole = True
        return document

    def _check_jobs(self, document: Document, reading: Reading) -> Generator[None, None, None]:
        report, terms = self._report, self._terms
        raw_jobs = document.header.get("jobs") if isinstance(document.header, dict) else None
        raws = [raw if isinstance(raw, dict) else {} for raw in raw_jobs] if isinstance(raw_jobs, list) else []
        tables = self._open_tables(raws)
        if report.missing and terms.wait_for_tables:
            return
        if tables:
            yield  # before a row is read: the caller may not want to check large tables now
        out = report.scratch.file()
        dropped = self._source.signature.size + sum(table.size for table in tables.values())
        setting = Setting(
            accounts=terms.accounts,
            kinds=terms.kinds,
            scratch=report.scratch,
            items=self._items,
            out=out,
            tables=tables,
            mistakes=report.mistakes,
            notes=report.notes,
            file=report.file,
            dropped_by=terms.dropped_by,
            bounds=Bounds(dropped),
            webhooks=terms.webhooks,
            columns=columns_of_rows(raws, tables),
        )
        checked: list[ValidatedJob] = []
        for index, raw in enumerate(raws):
            job = reading.jobs[index] if index < len(reading.jobs) else None
            found = yield from JobValidation(setting, index, raw, job, document.runs.get(index)).check()
            if found is not None:
                checked.append(found)
            yield
        yield from self._check_cycles(raws)
        report.jobs = tuple(checked)
        report.controls = tuple(reading.controls)

    def _check_accounts(self, header: object) -> None:
        """Those that controls name; where a control has another form, it is reported already."""
        controls = header.get("controls") if isinstance(header, dict) else None
        for index, raw in enumerate(controls if isinstance(controls, list) else ()):
            for kind, scope in raw.items() if isinstance(raw, dict) else ():
                account = scope.get("account") if isinstance(scope, dict) else None
                if kind in ("pause", "resume") and isinstance(account, str) and account not in self._terms.accounts:
                    message = f"{account!r} is no account of the configuration"
                    known = f"known are {', '.join(self._terms.accounts) or 'none'}"
                    remedy = did_you_mean(account, self._terms.accounts) or known
                    self._report.mistakes.add(message, remedy, path=("controls", index))

    def _check_cycles(self, raws: Sequence[Mapping[str, Any]]) -> Generator[None, None, None]:
        names = [name if isinstance(name := raw.get("name"), str) else None for raw in raws]
        after = {name.casefold(): waits_of(raw) for name, raw in zip(names, raws, strict=True) if name is not None}
        of_rows = {name.casefold() for name, raw in zip(names, raws, strict=True) if name and is_made_of_rows(raw)}
        for mistake in dependency_cycles(names, after, of_rows):
            self._report.mistakes.append(mistake)
            yield

    def _open_tables(self, raws: Sequence[Mapping[str, Any]]) -> dict[str, Table]:
        opened: dict[str, Table] = {}
        missing: list[str] = []
        for index, raw in enumerate(raws):
            name = raw.get("table")
            if not isinstance(name, str) or "/" in name or name in opened:
                continue
            if not self._terms.tables:
                missing.append(name)
                message = f"names the table {name}, and no table can come this way"
                remedy = "write its rows under `items:`, or drop both files into incoming/"
                self._report.mistakes.add(message, remedy, path=("jobs", index, "table"))
                continue
            if not re.fullmatch(TABLE_NAME, name):
                continue  # reported already
            try:
                source = self._find_table(name)
            except NotReadableError as error:
                self._report.mistakes.add(error.mistake.message, error.mistake.remedy, file=name)
                continue
            if source is not None:
                opened[name] = Table(source.file, name, source.signature.size)
                continue
            missing.append(name)
            what, remedy = self._terms.absent_table
            meant = did_you_mean(name, self._beside())
            self._report.mistakes.add(f"the table {name} {what}", meant or remedy, path=("jobs", index, "table"))
        self._report.tables = (*opened, *missing)
        self._report.missing = tuple(missing)
        return opened

    def _beside(self) -> list[str]:
        """The tables in the folder of the file, for one whose name is misspelt."""
        folder = self._terms.folder
        if folder is None:
            return []
        with contextlib.suppress(OSError):
            return sorted(entry.name for entry in os.scandir(folder) if is_table(entry.name))
        return []

    # ------------------------------------------------------------ reading, with positions

    def _with_line(self, mistake: Mistake) -> Generator[None, None, Mistake]:
        """The same mistake met again by a reader that counts lines."""
        text = _text(self._source)
        events = _events(self._source, Mistakes(), by_line=True, text=text)
        again = DocumentReader(events, text, Mistakes(), self._report.scratch.file())
        try:
            yield from again.read()
        except MalformedTextError as error:
            return error.mistake
        return mistake


def _place(mistake: Mistake) -> tuple[bool, str, int]:
    """Order in which mistakes are reported: the queue file from its top, then each table."""
    return mistake.file is not None, mistake.file or "", mistake.line or 0
