"""What becomes of queue files: opened, checked, admitted, moved. Small ones in groups, large ones one at a time."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.kinds import Kinds
from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission, Admitted, Drop
from orchestrator.intake.deciding.awaited_tables import NEVER_CAME, AwaitedTables
from orchestrator.intake.deciding.candidates import Candidate, Decided
from orchestrator.intake.directory.arrivals import Arrivals, Entry
from orchestrator.intake.directory.moves import Folders, Moving, SpoolSettings
from orchestrator.intake.directory.open_file import NotReadableError, Signature, Source, open_source
from orchestrator.intake.directory.recently_accepted import RecentlyAccepted
from orchestrator.intake.directory.stale_files import UNDATED, StaleFiles
from orchestrator.intake.directory.syncing import sync_all
from orchestrator.intake.error_file import error_document
from orchestrator.intake.standstill import Progress
from orchestrator.intake.validation.check import (
    Report,
    check_source,
    in_slices,
    located,
    refused,
)
from orchestrator.intake.validation_context import ValidationContext
from orchestrator.telemetry.events import Event, FileAccepted, FileRejected

SMALL_BYTES = 256 * 1024
"""Bytes of a file with its tables that is decided in a group; a larger one is decided beside them."""
SMALL_STEPS = 20
"""Steps of a check after which a file counts as large: a group takes its turn in some tens of milliseconds a file."""
GROUP_BYTES = 8 * 1024 * 1024
"""Bytes of items after which a group is full."""


@dataclass(slots=True)
class _Examined:
    """One file of a group."""

    candidate: Candidate
    opened: dict[str, Source] = field(default_factory=dict)
    report: Report | None = None
    changed: bool = False
    """It is gone, or was written to meanwhile."""
    token: str = ""

    @property
    def entry(self) -> Entry:
        return self.candidate.entry

    @property
    def source(self) -> Source:
        return self.opened[self.entry.name]

    @property
    def tables(self) -> list[Source]:
        return [source for name, source in self.opened.items() if name != self.entry.name]

    def close(self) -> None:
        if self.report is not None:
            self.report.close()
        for source in self.opened.values():
            source.close()


class Decider:
    """Decides on queue files. What it remembers is only which of them are not worth reading again yet."""

    def __init__(
        self,
        settings: SpoolSettings,
        folders: Folders,
        arrivals: Arrivals,
        stale: StaleFiles,
        *,
        admission: Admission,
        accounts: Mapping[str, AccountLimits],
        kinds: Kinds,
        clock: Clock,
        progress: Progress,
        publish: Callable[[Event], None],
    ) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called when jobs came in or a control was carried out."""
        self._settings = settings
        self._folders = folders
        self._arrivals = arrivals
        self._stale = stale
        self._admission = admission
        self._accounts = accounts
        self._kinds = kinds
        self._clock = clock
        self._progress = progress
        self._publish = publish
        self._awaited = AwaitedTables(arrivals, stale)
        self._recent = RecentlyAccepted(folders, publish)
        self._claimed: dict[str, str] = {}
        """Tables of files that are being decided: table → file."""
        self._not_whole: dict[str, Signature] = {}
        """Files that did not prove to be complete; not read again before they change or rested."""
        self._undated: dict[str, dict[str, Signature | None]] = {}
        """Files that an interrupted copy may have left: as each and its tables were."""

    def worth_reading(self, candidate: Candidate) -> bool:
        """Whether anything changed since the file was last left where it is."""
        entry, now = candidate.entry, self._clock.monotonic()
        if not candidate.sure and self._not_whole.get(entry.name) == entry.signature:
            return False
        if (undated := self._undated.get(entry.name)) is not None:
            if all(self._arrivals.signature(name) == signature for name, signature in undated.items()):
                return False
            del self._undated[entry.name]
        return self._awaited.worth_reading(entry, now)

    def awaits(self, table: str) -> bool:
        """Whether a queue file that is left where it is names a table."""
        return self._awaited.awaits(table) or any(table in names for names in self._undated.values())

    def forget_gone(self, present: set[str]) -> None:
        """Forget what left the folder, and compare what is there with what was accepted of late."""
        self._recent.check(present, self._arrivals, self._clock.monotonic())
        self._awaited.forget_gone(present)
        for gone in (self._not_whole.keys() | self._undated.keys()) - present:
            for left in (self._not_whole, self._undated):
                left.pop(gone, None)

    # ------------------------------------------------------------ groups

    async def decide(self, group: Sequence[Candidate]) -> Decided:
        """Decide on small files together; what proves to be large is left, and named."""
        decided = Decided()
        examined = await anyio.to_thread.run_sync(self._examine_all, group, decided)
        try:
            await self._conclude(examined, decided)
        finally:
            for each in examined:
                self._release(each)
        return decided

    async def decide_large(self, candidate: Candidate) -> Decided:
        """Decide on one file of any size, a slice at a time."""
        decided = Decided()
        each = _Examined(candidate)
        try:
            if await anyio.to_thread.run_sync(self._opens, each):
                each.report = await in_slices(self._check(each), self._progress.step)
                await anyio.to_thread.run_sync(self._finish, each)
            if self._claims_tables(each):
                await self._conclude([each], decided)
        except Exception as error:  # noqa: BLE001 - any error is local: the file stays
            decided.failures[candidate.entry.name] = error
        finally:
            self._release(each)
        return decided

    def _examine_all(self, group: Sequence[Candidate], decided: Decided) -> list[_Examined]:
        examined: list[_Examined] = []
        size = 0
        for candidate in group:
            each = _Examined(candidate)
            try:
                whole = candidate.entry.signature.size <= SMALL_BYTES and self._examine(each)
            except Exception as error:  # noqa: BLE001 - any error is local: the file stays, and the others are decided
                self._release(each)
                decided.failures[candidate.entry.name] = error
                continue
            except BaseException:
                for opened in (*examined, each):
                    self._release(opened)
                raise
            if whole and self._claims_tables(each):
                examined.append(each)
                size += sum(job.size for job in each.report.jobs) if each.report else 0
            else:
                self._release(each)
                if not whole:
                    decided.large.add(candidate.entry.name)
            self._progress.step()
            if size >= GROUP_BYTES:
                break
        return examined

    def _examine(self, each: _Examined) -> bool:
        """Open and check a file; False when that takes longer than a small one may."""
        if not self._opens(each):
            return True
        work = self._check(each)
        try:
            for _ in range(SMALL_STEPS):
                next(work)
                if sum(source.signature.size for source in each.opened.values()) > SMALL_BYTES:
                    return False
        except StopIteration as stop:
            each.report = stop.value
            self._finish(each)
            return True
        finally:
            work.close()
        return False

    def _opens(self, each: _Examined) -> bool:
        """Whether there is something to check. What is refused unread gets its report here."""
        entry = each.entry
        try:
            source = self.open(entry.name)
        except FileNotFoundError:
            each.changed = True  # taken back meanwhile
            return False
        except NotReadableError as error:
            each.report = refused(entry.name, error.mistake)
            return False
        each.opened[entry.name] = source
        crash_point(CrashPoint.FILE_OPENED)
        each.changed = source.signature != entry.signature
        return not each.changed

    def _check(self, each: _Examined) -> Generator[None, None, Report]:
        may_wait = self._may_wait(each.entry)
        terms = ValidationContext(
            self._accounts,
            self._settings.scratch,
            wait_for_tables=may_wait,
            absent_table=NEVER_CAME,
            dropped_by=each.candidate.dropped_by,
            kinds=self._kinds,
            webhooks=self._settings.webhooks,
        )
        return check_source(each.source, lambda name: self._open_table(name, each.opened), terms)

    def _finish(self, each: _Examined) -> None:
        each.changed = not all(source.unchanged() for source in each.opened.values())
        if not each.changed and each.report is not None and not each.report.mistakes:
            each.token = each.source.token(self._progress.step)

    def open(self, name: str) -> Source:
        """Open something in incoming/; raises as `open_source`."""
        return open_source(self._folders.incoming / name, max_bytes=self._settings.max_bytes)

    # ------------------------------------------------------------ verdicts

    async def _conclude(self, examined: Sequence[_Examined], decided: Decided) -> None:
        sound: list[_Examined] = []
        for each in examined:
            if each.report is None or not self._to_decide(each, each.report):
                continue
            if each.report.mistakes:
                await self._reject_each(each, each.report.mistakes, decided)
            else:
                sound.append(each)
        if not sound:
            return
        drops = [Drop(each.report, each.token, each.candidate.dropped_by) for each in sound if each.report is not None]
        admitted: list[tuple[_Examined, Admitted]] = []
        for each, verdict in zip(sound, await self._admission.admit_all(drops), strict=True):
            match verdict:
                case Admitted():
                    admitted.append((each, verdict))
                case Mistakes() if each.candidate.early:
                    decided.postponed.add(each.entry.name)
                case Mistakes():
                    await in_slices(located(each.source, verdict), self._progress.step)
                    await self._reject_each(each, verdict, decided)
                case error:
                    decided.failures[each.entry.name] = error
        if admitted:
            self.changed()
            await self._accept(admitted, decided)

    def _to_decide(self, each: _Examined, report: Report) -> bool:
        """Whether the file is to be decided now, as what was read of it says."""
        entry = each.entry
        if each.changed:
            return False  # it was written to meanwhile: the next listing shows that
        if not (each.candidate.sure or report.whole):
            self._not_whole[entry.name] = entry.signature
            return False
        if report.missing and self._may_wait(entry):
            self._awaited.wait(entry, report.tables, self._clock.monotonic())
            return False
        if self._is_undated(each, report):
            self._undated[entry.name] = {name: self._arrivals.signature(name) for name in each.opened}
            self._stale.note(entry.name, UNDATED, self._clock.monotonic())
            return False
        self._awaited.end(entry.name)
        self._stale.drop(entry.name)
        return True

    def _is_undated(self, each: _Examined, report: Report) -> bool:
        """Whether an interrupted copy may have left it, and nothing in it says that it is whole."""
        undated = [source for source in each.opened.values() if source.signature.undated]
        if not undated or all(self._arrivals.renamed_by_hand(source.name) for source in undated):
            return False
        return bool(report.mistakes) or not all(job.counted for job in report.jobs) or not report.jobs

    async def _reject_each(self, each: _Examined, mistakes: Mistakes, decided: Decided) -> None:
        try:
            await self.reject(each.entry, mistakes, each.tables)
        except Exception as error:  # noqa: BLE001 - any error is local: the file stays, and the others are decided
            decided.failures[each.entry.name] = error
        else:
            decided.names.add(each.entry.name)

    async def reject(self, entry: Entry, mistakes: Mistakes, tables: Sequence[Source] = ()) -> None:
        """Write down what is wrong with something, and move it into rejected/. Raises OSError."""
        file = Moving(entry.name, entry.signature)
        error = error_document(file, mistakes, now=self._clock.now(), dropped_by=str(entry.owner))
        files = [*(Moving(table.name, table.signature) for table in tables), file]
        lies = await anyio.to_thread.run_sync(self._folders.reject, files, error)
        first = str(next(iter(mistakes)))
        self._publish(FileRejected(entry.name, mistakes.total, first, f"{lies}.error.json"))

    async def _accept(self, admitted: Sequence[tuple[_Examined, Admitted]], decided: Decided) -> None:
        opened = [[source.file.fileno() for source in each.opened.values()] for each, _ in admitted]
        errors = await sync_all(opened, self._progress.step)
        failed = {each.entry.name: error for (each, _), error in zip(admitted, errors, strict=True) if error}
        decided.failures |= failed
        synced = [each for each, _ in admitted if each.entry.name not in failed]
        moved = await anyio.to_thread.run_sync(self._move_all, synced, decided)
        for each, verdict in admitted:
            if each.entry.name in moved:
                crash_point(CrashPoint.FILE_MOVED)
                jobs = (*verdict.new, *verdict.known)
                self._recent.note(each.opened.values(), jobs, self._clock.monotonic())
                notes = (*(each.report.notes if each.report is not None else ()), *verdict.notes)
                self._publish(FileAccepted(each.entry.name, tuple(verdict.new), verdict.items, verdict.note, notes))
        decided.names |= moved

    def _move_all(self, accepted: Sequence[_Examined], decided: Decided) -> set[str]:
        """Move what was admitted; the folders are synced once for all files that come without a table."""
        moved: set[str] = set()
        for each in accepted:
            files = [Moving(source.name, source.signature) for source in (*each.tables, each.source)]
            try:
                self._folders.accept(files, sync=bool(each.tables))
            except OSError as error:
                decided.failures[each.entry.name] = error
            else:
                moved.add(each.entry.name)
            self._progress.step()
        if moved:
            self._folders.sync_accepted()
        return moved

    # ------------------------------------------------------------ tables

    def _claims_tables(self, each: _Examined) -> bool:
        """A table goes with the first file that names it: others have to wait until that is decided."""
        name = each.entry.name
        return all(self._claimed.setdefault(table.name, name) == name for table in each.tables)

    def _release(self, each: _Examined) -> None:
        for table in each.tables:
            if self._claimed.get(table.name) == each.entry.name:
                del self._claimed[table.name]
        each.close()

    def _may_wait(self, entry: Entry) -> bool:
        return self._awaited.may_wait(entry, self._clock.monotonic())

    def _open_table(self, name: str, opened: dict[str, Source]) -> Source | None:
        if name in opened:
            return opened[name]
        if not self._arrivals.settled(name, self._clock.monotonic()):
            return None
        try:
            source = self.open(name)
        except FileNotFoundError:
            return None
        opened[name] = source
        return source
