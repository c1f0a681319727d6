"""What intake needs of the store, and nothing more."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from orchestrator.clock import Micros
from orchestrator.domain.model import Item, ItemState, JobId, JobSpec, JobState, NewItem


class Known(Protocol):
    """A job that the store has already."""

    @property
    def id(self) -> JobId: ...

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def sent(self) -> bool: ...


class EarlierJob(Protocol):
    """A job that has the same work as another one."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> JobState: ...

    @property
    def items(self) -> int: ...

    @property
    def succeeded(self) -> int: ...


class EarlierItem(Protocol):
    """An item of another job."""

    @property
    def job(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def succeeded(self) -> bool: ...


class EarlierWork(Protocol):
    """Work that was asked for before. See `orchestrator.store.reading.earlier_work`."""

    async def with_content(self, digests: Collection[str]) -> Mapping[str, Sequence[EarlierJob]]: ...

    async def with_keys(
        self, kind: str, project: str, keys: Collection[str], since: Micros
    ) -> Sequence[EarlierItem]: ...


class Jobs(Protocol):
    """How jobs come in. See `orchestrator.store.reading.jobs.Jobs`."""

    @property
    def earlier(self) -> EarlierWork: ...

    async def load_all(self, specs: Sequence[JobSpec], now: Micros) -> Sequence[JobId]: ...

    async def add_all(self, new: Sequence[tuple[JobId, Sequence[NewItem]]]) -> None: ...

    async def commit(self, loads: Sequence[JobId], now: Micros, *, replaces: Collection[JobId] = ()) -> object: ...

    async def abandon(self, loads: Sequence[JobId]) -> None: ...

    async def abandon_all_loading(self) -> int: ...

    async def known(self, names: Collection[str]) -> Mapping[str, Known]: ...

    async def after_of(self, names: Collection[str]) -> Mapping[str, Sequence[str]]: ...


class Source(Protocol):
    """The job whose items are the rows of another one, as it was when they were read."""

    @property
    def id(self) -> JobId: ...

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> JobState: ...

    @property
    def pruned(self) -> bool: ...


class Plannable(Protocol):
    """A job whose rows are there."""

    @property
    def id(self) -> JobId: ...

    @property
    def name(self) -> str: ...

    @property
    def document(self) -> bytes: ...

    @property
    def file(self) -> str | None: ...

    @property
    def source(self) -> Source: ...


Waiting = TypeVar("Waiting", bound=Plannable)


class PlannedRows(Protocol[Waiting]):
    """Jobs that are made of rows. See `orchestrator.store.writing.jobs.planned_rows.PlannedRows`."""

    async def next(self, after: JobId | None = None) -> Waiting | None: ...

    async def begin(self, job: Waiting, spec: JobSpec) -> JobId: ...

    async def commit(self, load: JobId, job: Waiting, now: Micros) -> object | None: ...

    async def block(self, job: Waiting, reason: str, now: Micros) -> Sequence[object]: ...


class ItemRows(Protocol):
    """The items of a job as rows. See `orchestrator.store.reading.items.Items`."""

    def as_rows(self, job: JobId, states: Collection[ItemState]) -> AsyncIterator[Sequence[Item]]: ...


class Done(Protocol):
    """What became of a control."""

    @property
    def repeated(self) -> bool:
        """Whether this very one was carried out before."""
        ...

    @property
    def outcome(self) -> str:
        """What it did, with numbers, or why nothing changed."""
        ...


class Controls(Protocol):
    """Controls of users. Each returns None when there is no such job; see `orchestrator.store.writing.advance`."""

    async def cancel(
        self, name: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Done | None: ...

    async def pause(
        self,
        *,
        now: Micros,
        name: str | None = None,
        account: str | None = None,
        user: str = ...,
        token: str | None = None,
        actor: str | None = None,
    ) -> Done | None: ...

    async def resume(
        self,
        *,
        now: Micros,
        name: str | None = None,
        account: str | None = None,
        token: str | None = None,
        actor: str | None = None,
    ) -> Done | None: ...

    async def retry(
        self,
        name: str,
        *,
        now: Micros,
        keys: Sequence[str] = (),
        state: ItemState | None = None,
        token: str | None = None,
        actor: str | None = None,
        batch_bytes: Mapping[str, int] = ...,
    ) -> Done | None: ...

    async def give_up(
        self,
        name: str,
        *,
        now: Micros,
        user: str,
        keys: Sequence[str] = (),
        token: str | None = None,
        actor: str | None = None,
    ) -> Done | None: ...

    async def adopt(
        self, name: str, number: int, remote_id: str, *, now: Micros, token: str | None = None, actor: str | None = None
    ) -> Done | None: ...
