"""One job of a queue file: its rows or items merged with the template, checked, and made ready for the store."""

import io
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

import msgspec

from orchestrator.domain.kinds import Kind, Kinds, find_kind, qualified
from orchestrator.domain.messages.mistake import Mistake, Mistakes, Path, spell
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.estimate import (
    BATCH_BYTES,
    AccountLimits,
    Cutter,
    Digest,
    Estimate,
    batch_size,
    canonical,
    estimate,
    job_spec,
    policy_notes,
)
from orchestrator.domain.queue_file.model import QueuedJob
from orchestrator.domain.queue_file.nearest import did_you_mean, nearest
from orchestrator.domain.queue_file.validation_messages import missing_key
from orchestrator.domain.webhook import WebhookTerms
from orchestrator.intake.bounds import Bounds
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.reading.odd_rows import no_object, no_row, repeats_columns
from orchestrator.intake.reading.spill import PortionWriter
from orchestrator.intake.reading.tables import Table
from orchestrator.intake.rows.job_table import JobTable
from orchestrator.intake.validated_job import StoredItem, ValidatedJob
from orchestrator.intake.validation.document import MOST_WRONG, ItemRun
from orchestrator.intake.validation.duplicate_keys import Keys, Place, same_keys
from orchestrator.intake.validation.entries import Entries, Entry, Rows
from orchestrator.intake.validation.faulty_cells import KeyTexts, of_bare_cell, of_cell, of_template
from orchestrator.intake.validation.repeated_mistakes import RepeatedMistakes, from_template
from orchestrator.intake.validation.rows_to_come import RowsToCome
from orchestrator.intake.validation.same_data import SameData
from orchestrator.intake.validation.webhook_terms import mistakes_of_notify


@dataclass(frozen=True, slots=True)
class Setting:
    """What the jobs of one file have in common."""

    accounts: Mapping[str, AccountLimits]
    kinds: Kinds
    scratch: TemporaryFiles
    items: IO[bytes]
    """What the document's reader wrote."""
    out: IO[bytes]
    """The items as they will be sent."""
    tables: Mapping[str, Table]
    mistakes: Mistakes
    notes: Notes
    file: str
    dropped_by: str | None
    bounds: Bounds
    webhooks: WebhookTerms | None = None  # None for a job that was accepted earlier
    rows: JobTable | None = None
    """The rows of the earlier job that a job is made of, once they are there."""
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The columns of the rows of each job of the file, without `facts.…`, by folded name, where they are known."""


class JobValidation:
    """Checks one job; `check` is a generator so that the caller may do it in slices."""

    def __init__(
        self, setting: Setting, index: int, raw: Mapping[str, Any], job: QueuedJob | None, run: ItemRun | None
    ) -> None:
        self._setting = setting
        self._mistakes = setting.mistakes
        self._path: Path = ("jobs", index)
        self._raw = raw
        self._job = job
        self._run = run
        self._of_rows = isinstance(raw.get("table"), dict)
        self._table: Rows | None = setting.tables.get(_text(raw, "table") or "")
        if self._of_rows:
            self._table = setting.rows
        self._engine = _text(raw, "engine")
        template = raw.get("template")
        self._under: dict[str, Any] | None = template or None if isinstance(template, dict) else None
        """The template, where there is one that says anything."""
        self._repeated = RepeatedMistakes()
        self._qualifiers: set[str | None] = set()
        """Of the items so far; two are enough to know that they differ."""
        self._bytes = 0
        self._most_bytes = BATCH_BYTES
        self._bounds = setting.bounds
        self._cutter: Cutter | None = None
        self._items = Entries(
            self._path, self._under, mistakes=setting.mistakes, notes=setting.notes, scratch=setting.scratch
        )
        if run is not None:
            self._items.counted = run.count
        self._key_texts = KeyTexts()
        self._no_object: Path = ()  # the first item that is no object

    def check(self) -> Generator[None, None, ValidatedJob | None]:
        """The job, or None when it has a mistake. What is wrong with other jobs is no matter here."""
        before = self._mistakes.total
        kind = self._kind()
        self._check_engine(kind)
        self._check_options(kind)
        if kind is not None:
            self._all_at(kind.mistakes_of_sending(self._raw))
        limits = self._limits(kind)
        self._check_project(kind, limits)
        self._all_at(mistakes_of_notify(self._raw.get("notify"), self._setting.webhooks))
        if limits is not None:
            self._most_bytes = limits.batch_bytes
            if kind is not None and self._job is not None:
                self._cutter = Cutter(batch_size(kind, limits, self._job.max_open), limits.batch_bytes)
        if self._of_rows and self._table is None:
            return self._before_rows(kind, limits, before)
        return (yield from self._check_items(kind, limits, before))

    def _check_items(
        self, kind: Kind | None, limits: AccountLimits | None, before: int
    ) -> Generator[None, None, ValidatedJob | None]:
        offset = self._setting.out.seek(0, io.SEEK_END)
        digest = Digest(self._job) if self._job else None
        keys = Keys(self._setting.scratch.file())
        same = SameData(kind, self._setting.scratch, self._setting.notes, self._table.name if self._table else None)
        out = PortionWriter[StoredItem](self._setting.out)
        under = len(canonical(self._under)) if self._under else 0
        for entry in self._entries(kind):
            before_it = self._bytes
            if entry is not None and (request := self._take(entry, kind, keys, digest, out)):
                same.see(request, entry, self._path)
            self._bounds.add_item(max(self._bytes - before_it, under if entry is not None else 0))
            if (bound := self._bound_reached(self._mistakes.total - before)) is not None:
                self._at(bound)
                self._report_repeated()
                return None
            if self._bounds.slice_is_full():
                yield
        out.flush()
        self._report_repeated()
        self._report_duplicates((yield from keys.twice()), kind)
        yield from same.note(self._path)
        self._compare_count()
        if self._mistakes.total > before or not (self._job and kind and limits and digest):
            return None
        if self._items.counted is None:
            return None
        spec = self._spec(self._job, kind, limits, digest)
        self._note_policies(self._job, self._items.counted, limits)
        cut = self._cutter.batches if self._cutter else None
        cost = estimate(self._items.counted, spec.batch_size, limits, cut=cut, per_batch=kind.requests)
        counted = self._job.count is not None
        size, most = self._bytes, limits.batch_bytes
        qualified = kind if len(self._qualifiers) > 1 else None
        return ValidatedJob(spec, self._items.counted, cost, counted, size, most, self._setting.out, offset, qualified)

    def _before_rows(self, kind: Kind | None, limits: AccountLimits | None, before: int) -> ValidatedJob | None:
        """The job without its items: they are made when the job that their rows come from has settled."""
        if self._job is not None and self._job.rows is not None and self._under is not None:
            columns = self._setting.columns.get(self._job.rows.job.casefold())
            to_come = RowsToCome(self._job, self._under, kind, columns)
            self._all_at(to_come.mistakes())
            for note in to_come.notes():
                self._setting.notes.add(note, place=self._job.name)
        if self._mistakes.total > before or not (self._job and kind and limits):
            return None
        self._note_policies(self._job, None, limits)
        spec = self._spec(self._job, kind, limits, Digest(self._job), canonical(self._raw))
        none = Estimate(0, 0, 0.0)
        return ValidatedJob(spec, 0, none, True, 0, limits.batch_bytes, self._setting.out, 0)

    def _note_policies(self, job: QueuedJob, items: int | None, limits: AccountLimits) -> None:
        for note in policy_notes(job, items, limits):
            self._setting.notes.add(note, place=job.name)

    def _spec(
        self, job: QueuedJob, kind: Kind, limits: AccountLimits, digest: Digest, document: bytes | None = None
    ) -> JobSpec:
        names = {"file": self._setting.file, "dropped_by": self._setting.dropped_by}
        work = digest.work() if document is None else None
        return job_spec(job, kind, limits, digest=digest.hexdigest(), work=work, document=document, **names)

    def _take(
        self, entry: Entry, kind: Kind | None, keys: Keys, digest: Digest | None, out: PortionWriter[StoredItem]
    ) -> bytes | None:
        """Check one item and keep it; returns it as it will be sent, None where it will not be."""
        seq, item, request, row, line, _ = entry
        wrong = self._mistakes_in(entry, kind)
        if kind is None or wrong is None:
            return None
        self._bounds.add_mistakes(len(wrong))
        for mistake in wrong:
            self._wrong(entry, mistake)
        key = kind.key_of(item)
        if key is None:
            return None  # reported already
        if not (wrong and any(mistake.path in kind.identity_paths for mistake in wrong)):
            qualifier = kind.qualifier_of(item)
            keys.add(qualified(key, qualifier), seq, line)
            if len(self._qualifiers) <= 1:
                self._qualifiers.add(qualifier)
        if wrong or digest is None:
            return None
        request = request or canonical(item)
        if len(request) > self._most_bytes:
            self._bytes += len(request)
            self._wrong(entry, self._too_large(len(request), kind.key))
            return None
        for odd in kind.odd(item) if kind.odd is not None else ():
            place = self._table.name if self._table else spell((*self._path, "items", seq - 1))
            self._setting.notes.add(odd.message, place=place, line=line, example=odd.value)
        if self._cutter is not None:
            self._cutter.add(len(request))
        digest.add(request, canonical(row) if row is not None else None)
        cells = _in_order(row) if row is not None else None
        size = len(request) + len(cells or b"")
        self._bytes += size
        out.add((key, request, cells), size)
        return request

    def _mistakes_in(self, entry: Entry, kind: Kind | None) -> Sequence[Mistake] | None:
        """What is wrong with an item; None where it is no item at all, which is reported."""
        if not isinstance(entry.item, dict):
            self._no_object = self._no_object or (*self._path, "items", entry.seq - 1)
            self._repeated.add(replace(no_object(entry.item, kind), path=self._no_object))
            return None
        row = entry.row
        if kind is None or (row and self._is_no_row(repeats_columns(row), entry.line)):
            return None
        wrong = tuple(kind.mistakes_of_item(entry.item, self._engine))
        if kind.project_of_item:
            wrong = (*wrong, *kind.mistakes_of_place(entry.item, _text(self._raw, "project")))
        if row is not None and self._under is not None:
            wrong = self._key_texts.mistakes_of(kind, self._under, row, wrong)
        return None if wrong and row and self._is_no_row(no_row(row), entry.line) else wrong

    def _is_no_row(self, mistake: Mistake | None, line: int) -> bool:
        """Report a line that is no row; whether it is none."""
        if mistake is None or self._table is None:
            return False
        self._repeated.add_cell(replace(mistake, file=self._table.name, line=line))
        return True

    # ------------------------------------------------------------ where items come from

    def _entries(self, kind: Kind | None) -> Iterator[Entry | None]:
        value = self._raw.get("template")
        if value is not None and not isinstance(value, dict):
            return iter(())  # reported already, and without it every item would look wrong
        if self._of_rows and self._setting.rows is not None and not self._setting.rows.count:
            self._items.counted = 0  # and no columns, which the template could name
            return iter(())
        if self._table is not None:
            return self._items.from_table(self._table, kind, _text(self._raw, "group_by"))
        if self._run is not None:
            return self._items.from_items(self._run, self._setting.items)
        return iter(())

    # ------------------------------------------------------------ what is wrong

    def _too_large(self, size: int, key: str) -> Mistake:
        message = f"has {size} bytes, and one request takes {self._most_bytes} (`batch_bytes` of the account)"
        return Mistake(message, "make the item smaller: a platform takes references to data, not the data", (key,))

    def _bound_reached(self, reported: int) -> Mistake | None:
        """The mistake of a job that is checked no further, after so many that are reported."""
        key = "template" if self._under is not None else "items"
        if reported + self._repeated.distinct > MOST_WRONG:
            return Mistake(f"has more than {MOST_WRONG} mistakes, and was checked no further", None, (key,))
        return self._bounds.reached(key)

    def _report_repeated(self) -> None:
        for mistake in self._repeated.reported(self._table.name if self._table else None):
            self._mistakes.append(mistake)

    def _kind(self) -> Kind | None:
        name = _text(self._raw, "kind")
        if not name:
            return None
        kind = find_kind(name, self._setting.kinds)
        if isinstance(kind, Mistake):
            self._at(kind)
            meant = nearest(name, self._setting.kinds)  # what is corrected is checked by it
            return self._setting.kinds[meant] if meant is not None else None
        return kind

    def _check_engine(self, kind: Kind | None) -> None:
        """By the kind; where that is wrong, by all of them."""
        if self._raw.get("engine") is not None and not self._engine:
            return  # reported already
        engines = self._setting.kinds.engines
        if kind is not None:
            self._all_at(kind.mistakes_of_engine(self._engine))
            self._engine = kind.engine_meant(self._engine)  # the items are checked by what is corrected
        elif self._engine is not None and self._engine not in engines:
            meant = did_you_mean(self._engine, engines) or "one of " + ", ".join(engines)
            self._at(Mistake(f"{self._engine!r} is an engine of no kind", meant, ("engine",)))

    def _limits(self, kind: Kind | None) -> AccountLimits | None:
        name = _text(self._raw, "account")
        if not name:
            return None
        limits = self._setting.accounts.get(name)
        if limits is None:
            known = ", ".join(self._setting.accounts) or "none"
            meant = did_you_mean(name, self._setting.accounts) or f"known are {known}"
            self._at(Mistake(f"{name!r} is no account of the configuration", meant, ("account",)))
        elif kind and kind.platform != limits.platform:
            message = f"{name!r} is an account on {limits.platform}, and {kind.name} is done on {kind.platform}"
            others = [name for name, each in self._setting.accounts.items() if each.platform == kind.platform]
            remedy = (
                f"take {' or '.join(others)}" if others else f"add an account on {kind.platform} to the configuration"
            )
            self._at(Mistake(message, remedy, ("account",)))
        return limits

    def _check_options(self, kind: Kind | None) -> None:
        options = self._raw.get("options")
        if kind is not None and (options is None or isinstance(options, dict)):
            self._all_at(kind.mistakes_of_options(options))

    def _check_project(self, kind: Kind | None, limits: AccountLimits | None) -> None:
        """By the kind; where that is wrong, by any kind of the platform: it has one way to name projects."""
        platform = limits.platform if limits else (_text(self._raw, "kind") or "").partition(".")[0]
        of = kind or next((each for each in self._setting.kinds.values() if each.platform == platform), None)
        project = _text(self._raw, "project")
        if of and project:
            self._all_at(of.mistakes_of_project(project))
        elif self._raw.get("project") is None and "<<" not in self._raw and (kind is None or kind.project is not None):
            self._at(Mistake(*missing_key("project", self._raw), ("project",)))

    def _compare_count(self) -> None:
        if self._items.counted is None:
            return
        said = self._raw.get("count")
        if self._items.counted == 0 and not self._of_rows:
            if self._table is not None:
                text = "has the names of its columns, and no rows"
                self._mistakes.add(text, "a job is made of one row or more", file=self._table.name, line=1)
            else:
                self._at(Mistake("is empty", "a job is made of one item or more", ("items",)))
        elif isinstance(said, int) and not isinstance(said, bool) and said != self._items.counted:
            message = f"says {said}, and there are {self._items.counted}: something was cut off, or the number is wrong"
            self._at(Mistake(message, "write the whole file again, or put the number right", ("count",)))

    def _report_duplicates(self, twice: Sequence[tuple[Place, Place]], kind: Kind | None) -> None:
        if kind is not None and twice:
            self._mistakes.append(same_keys(twice, kind, self._path, self._table, self._under))

    def _at(self, mistake: Mistake) -> None:
        self._mistakes.append(replace(mistake, path=self._path + mistake.path))

    def _all_at(self, mistakes: Iterable[Mistake]) -> None:
        for mistake in mistakes:
            self._at(mistake)

    def _wrong(self, entry: Entry, mistake: Mistake) -> None:
        path = mistake.path
        if self._table is None:
            if self._under is not None and from_template(self._under, path, entry.own):
                self._repeated.add(replace(mistake, path=(*self._path, "template", *path)))
            else:
                self._repeated.add_item(mistake, (*self._path, "items"), entry.seq - 1)
        elif self._under is None:
            if path[0] in entry.item:
                self._repeated.add_cell(replace(of_bare_cell(mistake), line=entry.line, file=self._table.name))
            else:
                columns = f"its columns are {', '.join(entry.item)}; a `template` makes items from them"
                meant = did_you_mean(str(path[0]), entry.item)
                named = replace(mistake, remedy=f"{meant} {columns}" if meant else columns)
                self._repeated.add(replace(named, line=1, file=self._table.name))
        elif (cell := of_cell(mistake, self._under, entry.row or {})) is not None:
            self._repeated.add_cell(replace(cell, line=entry.line, file=self._table.name))
        else:
            found = of_template(mistake, self._under, entry.row or {})
            self._repeated.add(replace(found, path=(*self._path, "template", *path)))


def _text(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    return value if isinstance(value, str) else None


def _in_order(row: Mapping[str, str]) -> bytes:
    """A row with its columns as the table has them, for the result's table; the order is no content."""
    return msgspec.json.encode(row)
