"""The queue directory: sees what is dropped, decides on each file, moves it where it belongs.

The order is what makes a crash harmless: rows under `loading`, one commit that makes them real, then the move. A file
leaves incoming/ only when what it asked for is durable, or when its mistakes are written down. Trouble of ours (a full
disk, a locked database) is never held against a file: it stays, and is taken up again.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskStatus

from orchestrator.clock import Clock
from orchestrator.crashpoints import Point, reach
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.mistake import Mistakes
from orchestrator.domain.plan import AccountLimits
from orchestrator.durable import sync_file
from orchestrator.intake.admission import Admission, Admitted
from orchestrator.intake.arrivals import Arrivals, Entry, Ready, list_folder
from orchestrator.intake.check import JSON_SUFFIX, Report, Terms, check_source, in_slices, refused
from orchestrator.intake.folder import GOOD_NAME, Folders, Moving
from orchestrator.intake.orphans import Orphans
from orchestrator.intake.ports import Controls, Jobs
from orchestrator.intake.progress import Progress
from orchestrator.intake.source import NotTakenError, Source, open_source
from orchestrator.intake.tables import is_table
from orchestrator.intake.verdict import error_document
from orchestrator.intake.watch import Watch
from orchestrator.telemetry.events import Event, FileAccepted, FileDeferred, FileRejected

TABLE_PATIENCE = 60.0
"""Seconds that a queue file waits for its tables."""
LONGEST_PAUSE = 60.0
"""Seconds until a file is taken up again, at most, after trouble of ours."""

TROUBLE_PATIENCE = 120.0
"""Seconds of trouble of ours after which nobody waits for its end any more: a person has to mend something."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """How the queue directory is looked after."""

    directory: Path
    scan_interval: float = 2.0
    """Seconds between two looks, besides file events."""
    rest: float = 5.0
    """Seconds after which a file written in place counts as complete."""
    max_bytes: int = 256 * 1024 * 1024
    scratch: Path | None = None
    """The daemon's own folder, for scratch files and for moves that are under way.

    None: the system's temporary folder, and moves that a crash cuts short are not completed.
    """


@dataclass(slots=True)
class _Waiting:
    """A queue file whose tables are not all there."""

    entry: Entry
    tables: tuple[str, ...]
    since: float


@dataclass(slots=True)
class _Deferred:
    """A file that something of ours kept us from deciding."""

    until: float
    tries: int
    since: float
    reason: str

    def lasts(self, now: float) -> bool:
        """Whether nobody waits for the end of it any more."""
        return now - self.since >= TROUBLE_PATIENCE


class Spool:
    """Looks after one queue directory."""

    def __init__(
        self,
        settings: SpoolSettings,
        *,
        jobs: Jobs,
        controls: Controls,
        accounts: Mapping[str, AccountLimits],
        clock: Clock,
        publish: Callable[[Event], None],
    ) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called when jobs came in or a control was carried out."""
        self._settings = settings
        self._folders = Folders(settings.directory, settings.scratch)
        self._progress = Progress(clock)
        self._admission = Admission(jobs, controls, accounts, clock, step=self._progress.step, publish=publish)
        self._accounts = accounts
        self._clock = clock
        self._publish = publish
        self._arrivals = Arrivals(settings.rest)
        self._orphans = Orphans(self._arrivals, publish)
        self._watch = Watch(self._folders.incoming, clock, self._arrivals.announce)
        self._lock = anyio.Lock()
        self._prepared = False
        self._waiting: dict[str, _Waiting] = {}
        self._deferred: dict[str, _Deferred] = {}
        self._not_whole: dict[str, Entry] = {}
        """Files that were read and did not prove to be complete; not read again before they change or rested."""
        self._next_look = settings.scan_interval
        self._trouble: str | None = "the queue directory was not looked at yet"
        """Why the last look at the folder failed."""
        self._trouble_since = clock.monotonic()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be taken in for the moment; None while all is well."""
        return self._progress.standstill or self._trouble

    @property
    def kept_back(self) -> Mapping[str, str]:
        """What trouble of ours keeps from being taken in, and will until somebody mends it: path → reason."""
        now = self._clock.monotonic()
        if self._trouble is not None and now - self._trouble_since >= TROUBLE_PATIENCE:
            return {str(self._folders.incoming): self._trouble}
        held = {name: each for name, each in self._deferred.items() if each.lasts(now)}
        return {str(self._folders.incoming / name): each.reason for name, each in sorted(held.items())}

    # ------------------------------------------------------------ the loop

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look at once, then at every file event and every `scan_interval`, for ever."""
        await self.rescan()
        task_status.started()
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch.run, self._settings.scan_interval)
            while True:
                await self._watch.wait(self._next_look)
                await self.rescan()

    async def look_over(self, source: Source) -> Report:
        """The report on a queue file that lies elsewhere, and can bring no table. Close it when done."""
        terms = Terms(self._accounts, self._settings.scratch, tables=False)
        return await in_slices(check_source(source, lambda _: None, terms))

    async def rescan(self) -> bool:
        """Look now, and decide what can be decided; returns whether nothing is left that will be without a person.

        A table that nobody names yet is not waited for, and what is `kept_back` is not either.
        """
        async with self._lock:
            try:
                with self._progress.look():
                    decided = await self._scan()
            except Exception as error:  # noqa: BLE001 - whatever it is, one failed look must not end the daemon
                self._next_look = self._settings.scan_interval
                self._tell_trouble(error)
                return bool(self.kept_back)
            self._trouble, self._trouble_since = None, self._clock.monotonic()
            return decided

    def _tell_trouble(self, error: Exception) -> None:
        """Once, for as long as it stays the same."""
        reason = _reason(error)
        if reason != self._trouble:
            self._trouble = reason
            self._publish(FileDeferred(str(self._folders.incoming), reason))

    async def _scan(self) -> bool:
        await anyio.to_thread.run_sync(self._folders.create)
        # What a crash cut short, or a moment ago an error of the disk: no file is judged without its table.
        await anyio.to_thread.run_sync(self._folders.finish_moves)
        if not self._prepared:
            await self._admission.forget_partial_loads()
            self._prepared = True
        listing = await anyio.to_thread.run_sync(list_folder, self._folders.incoming)
        self._watch.check(listing.folder)
        self._progress.step()
        self._arrivals.look(listing, monotonic=self._clock.monotonic(), now=self._clock.now())
        self._forget_gone({entry.name for entry in listing.entries})
        for entry in listing.entries:
            await self._consider(entry)
            self._progress.step()
        undecided = [entry for entry in listing.entries if self._undecided(entry)]
        left = await anyio.to_thread.run_sync(self._still_there, undecided) if undecided else []
        self._plan_next_look(left)
        if not left:
            await self._tell_orphans(listing.entries)
        return not left

    def _forget_gone(self, present: set[str]) -> None:
        self._orphans.forget_gone(present)
        for memory in (self._waiting, self._deferred, self._not_whole):
            for name in memory.keys() - present:
                del memory[name]

    def _undecided(self, entry: Entry) -> bool:
        if is_table(entry.name) and entry.name not in self._deferred and GOOD_NAME.fullmatch(entry.name):
            return False
        deferred = self._deferred.get(entry.name)
        return deferred is None or not deferred.lasts(self._clock.monotonic())

    def _still_there(self, entries: list[Entry]) -> list[Entry]:
        return [entry for entry in entries if os.path.lexists(self._folders.incoming / entry.name)]

    def _plan_next_look(self, left: list[Entry]) -> None:
        now = self._clock.monotonic()
        pauses = [self._settings.scan_interval]
        for entry in left:
            if deferred := self._deferred.get(entry.name):
                pauses.append(deferred.until - now)
            elif (pause := self._arrivals.next_look(entry.name, now)) > 0:
                pauses.append(pause)
        self._next_look = max(0.01, min(pauses))

    # ------------------------------------------------------------ one name

    async def _consider(self, entry: Entry) -> None:
        """Decide on one name, if it can be decided now. Never raises for trouble of ours."""
        now = self._clock.monotonic()
        deferred = self._deferred.get(entry.name)
        if deferred is not None and now < deferred.until:
            return
        try:
            await self._decide(entry, self._arrivals.ready(entry.name, now))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ours: the file stays, other files go on
            tries, since = (deferred.tries + 1, deferred.since) if deferred else (1, now)
            until, reason = now + min(LONGEST_PAUSE, 2.0 ** (tries - 1)), _reason(error)
            self._deferred[entry.name] = _Deferred(until, tries, since, reason)
            self._publish(FileDeferred(entry.name, reason))
        else:
            self._deferred.pop(entry.name, None)

    async def _decide(self, entry: Entry, ready: Ready) -> None:
        if not GOOD_NAME.fullmatch(entry.name):
            await self._refuse_name(entry)
        elif not entry.regular:
            await self._try_to_open(entry)
        elif is_table(entry.name):
            await self._consider_table(entry)
        elif ready is Ready.YES or (ready is Ready.IF_WHOLE and self._may_prove_whole(entry)):
            await self._take(entry, sure=ready is Ready.YES)

    async def _refuse_name(self, entry: Entry) -> None:
        mistakes = Mistakes()
        mistakes.add("has a name that is not taken", "1 to 200 of the characters A-Z a-z 0-9 . _ -")
        await self._reject(entry, mistakes)

    async def _try_to_open(self, entry: Entry) -> None:
        """Something that is no file: opening says what it is."""
        try:
            (await self._open(entry.name)).close()
        except FileNotFoundError:
            return
        except NotTakenError as error:
            await self._reject(entry, refused(entry.name, error.mistake).mistakes)

    async def _open(self, name: str) -> Source:
        return await anyio.to_thread.run_sync(self._opened, name)

    def _opened(self, name: str) -> Source:
        return open_source(self._folders.incoming / name, max_bytes=self._settings.max_bytes)

    async def _consider_table(self, entry: Entry) -> None:
        if any(entry.name in waiting.tables for waiting in self._waiting.values()):
            return
        if mistakes := self._orphans.given_up(entry.name, self._clock.monotonic()):
            await self._reject(entry, mistakes)

    async def _tell_orphans(self, entries: Sequence[Entry]) -> None:
        """Once no queue file is left that might name a table."""
        tables = [entry for entry in entries if is_table(entry.name) and entry.name not in self._deferred]
        if resting := self._orphans.to_tell(tables, self._clock.monotonic()):
            self._orphans.tell(await anyio.to_thread.run_sync(self._still_there, resting))

    def _may_prove_whole(self, entry: Entry) -> bool:
        tried = self._not_whole.get(entry.name)
        return entry.name.lower().endswith(JSON_SUFFIX) and (tried is None or tried.signature != entry.signature)

    # ------------------------------------------------------------ one queue file

    async def _take(self, entry: Entry, *, sure: bool) -> None:
        if not self._tables_may_have_come(entry):
            return
        opened: dict[str, Source] = {}
        try:
            try:
                source = await self._open(entry.name)
            except NotTakenError as error:
                await self._reject(entry, refused(entry.name, error.mistake).mistakes)
                return
            opened[entry.name] = source
            reach(Point.FILE_OPENED)
            if source.signature == entry.signature:
                await self._judge(entry, opened, sure=sure)
        except FileNotFoundError:
            return  # taken back while we looked
        finally:
            for each in opened.values():
                each.close()

    async def _judge(self, entry: Entry, opened: dict[str, Source], *, sure: bool) -> None:
        waiting = self._waiting.get(entry.name)
        may_wait = waiting is None or self._clock.monotonic() - waiting.since < TABLE_PATIENCE
        terms = Terms(self._accounts, self._settings.scratch, wait_for_tables=may_wait, dropped_by=str(entry.owner))
        source = opened[entry.name]
        work = check_source(source, lambda name: self._open_table(name, opened), terms)
        with await in_slices(work, self._progress.step) as report:
            if not await anyio.to_thread.run_sync(lambda: all(each.unchanged() for each in opened.values())):
                return  # it was written to while we read: the next look sees that
            if not (sure or report.whole):
                self._not_whole[entry.name] = entry
                return
            if report.missing and may_wait:
                self._waiting[entry.name] = waiting or _Waiting(entry, report.tables, self._clock.monotonic())
                return
            await self._conclude(entry, report, opened)

    async def _conclude(self, entry: Entry, report: Report, opened: Mapping[str, Source]) -> None:
        tables = [source for name, source in opened.items() if name != entry.name]
        verdict: Admitted | Mistakes = report.mistakes
        if not report.mistakes:
            token = await anyio.to_thread.run_sync(opened[entry.name].token, self._progress.step)
            verdict = await self._admission.admit(report, token, str(entry.owner))
        self._waiting.pop(entry.name, None)
        if isinstance(verdict, Mistakes):
            await self._reject(entry, verdict, tables)
            return
        self.changed()
        await anyio.to_thread.run_sync(self._accept, opened[entry.name], tables)
        reach(Point.FILE_MOVED)
        self._publish(FileAccepted(entry.name, tuple(verdict.new), verdict.items, verdict.note))

    def _accept(self, source: Source, tables: list[Source]) -> None:
        for each in (*tables, source):
            sync_file(each.file.fileno())
            self._progress.step()
        self._folders.accept([Moving(each.name, each.signature) for each in (*tables, source)])

    async def _reject(self, entry: Entry, mistakes: Mistakes, tables: list[Source] | None = None) -> None:
        file = Moving(entry.name, entry.signature)
        error = error_document(file, mistakes, now=self._clock.now(), dropped_by=str(entry.owner))
        files = [*(Moving(table.name, table.signature) for table in tables or ()), file]
        lies = await anyio.to_thread.run_sync(self._folders.reject, files, error)
        first = str(next(iter(mistakes)))
        self._publish(FileRejected(entry.name, mistakes.total, first, f"{lies}.error.json"))

    # ------------------------------------------------------------ tables

    def _tables_may_have_come(self, entry: Entry) -> bool:
        """Whether a queue file that waits for tables is worth reading again."""
        waiting = self._waiting.get(entry.name)
        if waiting is None:
            return True
        if waiting.entry.signature != entry.signature:
            del self._waiting[entry.name]
            return True
        now = self._clock.monotonic()
        if now - waiting.since >= TABLE_PATIENCE:
            return True
        return all(self._arrivals.settled(name, now) for name in waiting.tables)

    def _open_table(self, name: str, opened: dict[str, Source]) -> Source | None:
        if name in opened:
            return opened[name]
        if not self._arrivals.settled(name, self._clock.monotonic()):
            return None
        try:
            source = self._opened(name)
        except FileNotFoundError:
            return None
        opened[name] = source
        return source


def _reason(error: Exception) -> str:
    """One line; for an error that nobody foresaw, its traceback goes to the log."""
    if not isinstance(error, OSError | OrchestratorError):
        log.error("intake_failed", exc_info=error)
    return f"{type(error).__name__}: {error}"
