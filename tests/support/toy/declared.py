"""The toy platform, as the rest of the program sees it."""

from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.domain.model import Stage
from orchestrator.platforms.account import Account, batch_sizes
from orchestrator.platforms.declaration import Connection, Declaration
from orchestrator.platforms.platform import Platform

TASK, COPY, SESSION = Stage("task"), Stage("copy"), Stage("session")


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskItem(_Item):
    """A task that is drafted, then run; its parts appear as tasks of their own."""

    name: str
    parts: int = 0


class CopyItem(_Item):
    """A file of a copy."""

    source: str


class SessionItem(_Item):
    """A session that somebody else began."""

    id: str


KINDS = (
    Kind(
        name="toy.task",
        stage=TASK,
        keys=("name",),
        batch_size=1,
        max_batch_size=1,
        models=MappingProxyType({NO_ENGINE: TaskItem}),
        created_first=True,
        abortable=True,
        requests=2,
    ),
    Kind(
        name="toy.file_copy",
        stage=COPY,
        keys=("source",),
        batch_size=100,
        models=MappingProxyType({NO_ENGINE: CopyItem}),
    ),
    Kind(
        name="toy.session",
        stage=SESSION,
        keys=("id",),
        batch_size=100,
        models=MappingProxyType({NO_ENGINE: SessionItem}),
        follow_only=True,
        requests=0,
    ),
)

ToyBatchSizes = batch_sizes(KINDS)


class ToyAccount(Account):
    """An account on the toy platform."""

    platform: Literal["toy"]
    base_url: str
    batch_size: ToyBatchSizes = ToyBatchSizes()  # type: ignore[valid-type]


def _connect(connection: Connection) -> Platform:
    from toy.adapter import Toy

    return Toy(remote=connection.remote, secret=connection.secret)


PLATFORM = Declaration(name="toy", title="Toy", account=ToyAccount, kinds=KINDS, connect=_connect)
