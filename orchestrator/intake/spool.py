"""The queue directory: sees what is dropped, decides on each file, moves it where it belongs.

The order is what makes a crash harmless: rows under `loading`, one commit that makes them real, then the move. A file
leaves incoming/ only when what it asked for is durable, or when its mistakes are written down. A local error (a full
disk, a locked database) never rejects a file: it stays, and is tried again.

Files are decided in turns. A turn takes a group of small files, the most urgent first, and a few of those that are to
be rejected unread; large files are decided beside the turns. After each turn the folder is listed anew, so that what
is urgent waits for one turn, however many files lie there.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus

from orchestrator.clock import Clock
from orchestrator.domain.kinds import Kinds
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission
from orchestrator.intake.deciding.candidates import Candidate, Decided
from orchestrator.intake.deciding.decider import Decider
from orchestrator.intake.deciding.deferrals import ERROR_PATIENCE, Deferrals, reason_of
from orchestrator.intake.deciding.refusals import refusal
from orchestrator.intake.deciding.turns import Turn, in_turns, pause_between
from orchestrator.intake.deciding.urgency import Urgency
from orchestrator.intake.directory.arrivals import Arrivals, Entry, Listing, Ready, list_folder
from orchestrator.intake.directory.folder_events import Watch
from orchestrator.intake.directory.moves import GOOD_NAME, Folders, SpoolSettings
from orchestrator.intake.directory.open_file import Source
from orchestrator.intake.directory.stale_files import FOREIGN, REPORTED_AFTER, StaleFiles, is_foreign, is_queue_file
from orchestrator.intake.directory.unclaimed_tables import UnclaimedTables
from orchestrator.intake.ports import Controls, Jobs
from orchestrator.intake.reading.tables import is_table
from orchestrator.intake.standstill import Progress
from orchestrator.intake.validation.check import JSON_SUFFIX, Report, check_source, in_slices
from orchestrator.intake.validation_context import ValidationContext
from orchestrator.platforms.registry import KINDS
from orchestrator.telemetry.events import Event, FileDeferred

LARGE_AT_A_TIME = 2
"""Large files that are decided at a time: each may take some tens of megabytes."""


class Spool:
    """Looks after one queue directory."""

    def __init__(
        self,
        settings: SpoolSettings,
        *,
        jobs: Jobs,
        controls: Controls,
        accounts: Mapping[str, AccountLimits],
        kinds: Kinds = KINDS,
        clock: Clock,
        publish: Callable[[Event], None],
    ) -> None:
        self._settings = settings
        self._folders = Folders(settings.directory, settings.scratch)
        self._progress = Progress(clock)
        self._admission = Admission(jobs, controls, accounts, clock, step=self._progress.step, publish=publish)
        self._accounts = accounts
        self._kinds = kinds
        self._clock = clock
        self._publish = publish
        self._arrivals = Arrivals(settings.rest)
        self._stale = StaleFiles(publish)
        self._orphans = UnclaimedTables(self._arrivals, publish, self._may_be_named)
        self._urgency = Urgency(self._folders.incoming)
        self._expected: dict[str, str | None] = {}
        self._watch = Watch(self._folders.incoming, clock, self._arrivals.announce)
        self._decider = Decider(
            settings,
            self._folders,
            self._arrivals,
            self._stale,
            admission=self._admission,
            accounts=accounts,
            kinds=kinds,
            clock=clock,
            progress=self._progress,
            publish=publish,
        )
        self._lock = anyio.Lock()
        self.prepared = False
        self._deferrals = Deferrals()
        self._large: dict[str, Entry] = {}
        """Files that proved to be too large for a group, as they were."""
        self._under_way: set[str] = set()
        """Large files that are being decided."""
        self._large_ended = anyio.Event()
        self._postponed: set[str] = set()
        """Files that wait until no older one does."""
        self._next_scan = settings.scan_interval
        self._listed_at = clock.monotonic()
        """When the files were last seen, on the monotonic clock: their readiness was judged no earlier."""
        self._error: str | None = "the queue directory has not been read yet"
        """Why the last scan of the folder failed."""
        self._error_since = clock.monotonic()

    @property
    def changed(self) -> Callable[[], None]:
        """Called when jobs came in or a control was carried out."""
        return self._decider.changed

    @changed.setter
    def changed(self, call: Callable[[], None]) -> None:
        self._decider.changed = call

    @property
    def error(self) -> str | None:
        """Why no file can be accepted at the moment; None while files can."""
        return self._progress.standstill or self._error

    @property
    def kept_back(self) -> Mapping[str, str]:
        """Files of the queue that are not accepted until the operator acts, without foreign ones: path → reason."""
        now = self._clock.monotonic()
        if self._given_up(now) and self._error is not None:
            return {str(self._folders.incoming): self._error}
        held = {name: reason for name, reason in self.stale.items() if not is_foreign(name)}
        held |= self._deferrals.lasting(now)
        return {str(self._folders.incoming / name): reason for name, reason in sorted(held.items())}

    @property
    def stale(self) -> Mapping[str, str]:
        """What has stayed in incoming/ for a minute or longer and cannot be decided: name → reason."""
        return self._stale.reported(self._clock.monotonic())

    @contextmanager
    def expecting(self, name: str, actor: str | None = None) -> Iterator[None]:
        """A caller waits for the decision on a file of that name: it is decided first. `actor`: who queued it."""
        self._expected[name] = actor
        try:
            yield
        finally:
            self._expected.pop(name, None)

    # ------------------------------------------------------------ the loop

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Scan at once, then at every file event and every `scan_interval`, until cancelled."""
        await self.rescan()
        task_status.started()
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch.run, self._settings.scan_interval)
            while True:
                await self._watch.wait(self._next_scan)
                await self.rescan()

    async def review(self, source: Source, find_table: Callable[[str], Source | None] | None = None) -> Report:
        """The report on a queue file that lies elsewhere, with the tables that come with it. Close it when done."""
        scratch, hooks, some = self._settings.scratch, self._settings.webhooks, find_table is not None
        terms = ValidationContext.of_request(self._accounts, scratch, tables=some, kinds=self._kinds, webhooks=hooks)
        return await in_slices(check_source(source, find_table or (lambda _: None), terms))

    async def rescan(self) -> bool:
        """Scan now, and decide what can be decided; returns whether all that is left needs an operator.

        A table that no queue file names yet is not waited for, nor what is `kept_back` or `stale`.
        """
        async with self._lock:
            try:
                with self._progress.observe():
                    decided = await self._scan()
            except Exception as error:  # noqa: BLE001 - whatever it is, one failed scan must not end the daemon
                self._next_scan = self._settings.scan_interval
                self._report_errors(error)
                return self._given_up(self._clock.monotonic())
            self._error, self._error_since = None, self._clock.monotonic()
            return decided

    def _given_up(self, now: float) -> bool:
        return self._error is not None and now - self._error_since >= ERROR_PATIENCE

    def _report_errors(self, error: Exception) -> None:
        """Once, for as long as it stays the same."""
        reason = reason_of(error)
        if reason != self._error:
            self._error = reason
            self._publish(FileDeferred(str(self._folders.incoming), reason))

    async def _scan(self) -> bool:
        await anyio.to_thread.run_sync(self._folders.create)
        # What a crash cut short, or a moment ago an error of the disk: no file is judged without its table.
        await anyio.to_thread.run_sync(self._folders.finish_moves)
        if not self.prepared:
            await self._admission.forget_partial_loads()
            self.prepared = True
        entries: Sequence[Entry] = ()
        failure: BaseException | None = None
        async with anyio.create_task_group() as large:
            try:
                entries = await self._turns(large)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # noqa: BLE001 - raised below: a group would wrap it
                failure = error
                if not isinstance(error, Exception):
                    large.cancel_scope.cancel()
        if failure is not None:
            raise failure
        undecided = [entry for entry in entries if self._undecided(entry)]
        left = await anyio.to_thread.run_sync(self._still_there, undecided) if undecided else []
        self._plan_next_scan(left)
        if not left:
            await self._report_unclaimed_tables(entries)
        self._stale.report(self._clock.monotonic())
        return not left

    # ------------------------------------------------------------ turns

    async def _turns(self, large: TaskGroup) -> Sequence[Entry]:
        """Decide until nothing is left that can be decided now; returns what lies there then."""
        while True:
            began = self._clock.monotonic()
            entries = await self._list()
            listed = self._clock.monotonic()
            moved = False
            for turn in self._planned(entries):
                moved |= await self._take(turn, large)
                turned = self._clock.monotonic() - listed
                if moved and turned >= pause_between(listed - began, news=self._arrivals.announced):
                    break
            if moved:
                continue
            if not self._under_way:
                return entries
            self._plan_next_scan([entry for entry in entries if self._undecided(entry)])
            self._stale.report(self._clock.monotonic())
            await self._more_to_see()

    async def _list(self) -> Sequence[Entry]:
        listing = await anyio.to_thread.run_sync(self._listed)
        self._watch.check(listing.folder)
        self._progress.step()
        now = self._listed_at = self._clock.monotonic()
        self._arrivals.observe(listing, monotonic=now, now=self._clock.now())
        present = {entry.name for entry in listing.entries}
        self._orphans.forget_gone(present)
        self._decider.forget_gone(present)
        self._stale.forget_gone(present)
        self._postponed &= present
        self._deferrals.forget_gone(present)
        for name in self._large.keys() - present:
            del self._large[name]
        for entry in listing.entries:
            if is_foreign(entry.name):
                self._stale.note(entry.name, FOREIGN, now)
        return listing.entries

    def _listed(self) -> Listing:
        listing = list_folder(self._folders.incoming)
        self._urgency.glance(entry for entry in listing.entries if is_queue_file(entry))
        return listing

    def _planned(self, entries: Sequence[Entry]) -> Iterator[Turn]:
        now = self._clock.monotonic()
        files: list[Entry] = []
        others: list[Entry] = []
        for entry in entries:
            if self._may_be_considered(entry, now):
                (files if is_queue_file(entry) else others).append(entry)
        oldest = files[0] if files else None
        ordered = [candidate for entry in self._in_order(files) if (candidate := self._candidate(entry, oldest, now))]
        return in_turns(ordered, others, lambda entry: self._urgency.is_urgent(entry, self._expected))

    def _may_be_considered(self, entry: Entry, now: float) -> bool:
        if is_foreign(entry.name) or entry.name in self._under_way:
            return False
        return (self._deferrals.pause(entry.name, now) or 0.0) <= 0

    def _in_order(self, files: Sequence[Entry]) -> Iterator[Entry]:
        """The most urgent first; what is postponed comes when its turn by age has come."""
        yield from self._urgency.in_order(
            [entry for entry in files if entry.name not in self._postponed], self._expected
        )
        yield from (entry for entry in files[:1] if entry.name in self._postponed)

    def _candidate(self, entry: Entry, oldest: Entry | None, now: float) -> Candidate | None:
        ready = self._arrivals.ready(entry.name, now)
        if ready is Ready.NO or (ready is Ready.IF_WHOLE and not entry.name.lower().endswith(JSON_SUFFIX)):
            if now - (appeared := self._arrivals.appeared(entry.name)) >= REPORTED_AFTER[0]:
                reason = f"it keeps changing: it is read once it has rested for {self._settings.rest:g} s"
                self._stale.note(entry.name, reason, appeared)
            return None
        candidate = Candidate(entry, ready is Ready.YES, entry is not oldest, self._expected.get(entry.name))
        return candidate if self._decider.worth_reading(candidate) else None

    async def _take(self, turn: Turn, large: TaskGroup) -> bool:
        """Decide one turn; returns whether anything left the folder. Large files are decided beside it."""
        group, others = turn
        moved = False
        small = [each for each in group if self._large.get(each.entry.name) != each.entry]
        for candidate in (each for each in group if self._large.get(each.entry.name) == each.entry):
            self._begin_large(candidate, large)
        if small:
            decided = await self._decider.decide(small)
            moved |= self._note(small, decided)
            for candidate in (each for each in small if each.entry.name in decided.large):
                self._large[candidate.entry.name] = candidate.entry
                self._begin_large(candidate, large)
        for entry in others:
            moved |= await self._consider_other(entry)
        return moved

    def _begin_large(self, candidate: Candidate, large: TaskGroup) -> None:
        if len(self._under_way) < LARGE_AT_A_TIME:
            self._under_way.add(candidate.entry.name)
            large.start_soon(self._decide_large, candidate)

    async def _decide_large(self, candidate: Candidate) -> None:
        try:
            self._note([candidate], await self._decider.decide_large(candidate))
        finally:
            self._under_way.remove(candidate.entry.name)
            self._large_ended.set()

    async def _more_to_see(self) -> None:
        """Return when a large file was decided, when something happened in the folder, or when it is to be listed."""
        async with anyio.create_task_group() as group:

            async def ended() -> None:
                await self._large_ended.wait()
                group.cancel_scope.cancel()

            group.start_soon(ended)
            await self._watch.wait(self._next_scan)
            group.cancel_scope.cancel()
        self._large_ended = anyio.Event()

    def _note(self, group: Sequence[Candidate], decided: Decided) -> bool:
        now = self._clock.monotonic()
        for candidate in group:
            name = candidate.entry.name
            if (error := decided.failures.get(name)) is not None:
                self._defer(name, error, now)
            else:
                self._deferrals.end(name)
        self._postponed |= decided.postponed
        return bool(decided.names or decided.postponed)

    def _defer(self, name: str, error: Exception, now: float) -> None:
        reason = reason_of(error)
        self._deferrals.defer(name, reason, now)
        self._publish(FileDeferred(name, reason))

    async def _consider_other(self, entry: Entry) -> bool:
        """Decide on what is no queue file; returns whether it was rejected. Never raises for a local error."""
        now = self._clock.monotonic()
        try:
            mistakes = await refusal(entry, self._decider, self._orphans, now)
            if mistakes is not None:  # a table may have gone with its queue file since the folder was listed
                for there in await anyio.to_thread.run_sync(self._still_there, [entry]):
                    await self._decider.reject(there, mistakes)
        except Exception as error:  # noqa: BLE001 - any error is local: the file stays, and other files are decided
            self._defer(entry.name, error, now)
            return False
        self._deferrals.end(entry.name)
        self._progress.step()
        return mistakes is not None

    async def _report_unclaimed_tables(self, entries: Sequence[Entry]) -> None:
        """Once no queue file is left that might name a table."""
        tables = [entry for entry in entries if is_table(entry.name) and entry.name not in self._deferrals]
        if resting := self._orphans.to_report(tables, self._clock.monotonic()):
            self._orphans.report(await anyio.to_thread.run_sync(self._still_there, resting))

    def _may_be_named(self, table: str) -> bool:
        """Whether a queue file that lies here goes with a table. What a local error defers may name any."""
        return self._decider.awaits(table) or not all(map(is_table, self._deferrals))

    # ------------------------------------------------------------ what is left

    def _undecided(self, entry: Entry) -> bool:
        """Whether it will be decided without an operator."""
        now = self._clock.monotonic()
        if is_foreign(entry.name) or self._stale.stays(entry.name, now):
            return False
        if is_table(entry.name) and entry.name not in self._deferrals and GOOD_NAME.fullmatch(entry.name):
            return False
        return not self._deferrals.lasts(entry.name, now)

    def _still_there(self, entries: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in entries if os.path.lexists(self._folders.incoming / entry.name)]

    def _plan_next_scan(self, left: Sequence[Entry]) -> None:
        now = self._clock.monotonic()
        pauses = [self._settings.scan_interval]
        for entry in left:
            if (deferred := self._deferrals.pause(entry.name, now)) is not None:
                pauses.append(deferred)
            elif (pause := self._arrivals.next_scan(entry.name, self._listed_at)) > 0:
                pauses.append(self._listed_at + pause - now)
        self._next_scan = max(0.01, min(pauses))
