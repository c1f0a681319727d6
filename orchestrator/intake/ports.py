"""What intake needs of the store, and nothing more."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId, JobSpec, NewItem


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


class Jobs(Protocol):
    """How jobs come in. See `orchestrator.store.reading.jobs.Jobs`."""

    async def load_all(self, specs: Sequence[JobSpec], now: Micros) -> Sequence[JobId]: ...

    async def add_all(self, new: Sequence[tuple[JobId, Sequence[NewItem]]]) -> None: ...

    async def commit(self, loads: Sequence[JobId], now: Micros, *, replaces: Collection[JobId] = ()) -> object: ...

    async def abandon(self, loads: Sequence[JobId]) -> None: ...

    async def abandon_all_loading(self) -> int: ...

    async def known(self, names: Collection[str]) -> Mapping[str, Known]: ...

    async def after_of(self, names: Collection[str]) -> Mapping[str, Sequence[str]]: ...


class Done(Protocol):
    """What became of a control."""

    @property
    def repeated(self) -> bool:
        """Whether this very one was carried out before."""
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
