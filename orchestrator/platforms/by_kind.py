"""A platform of which each kind of work has its own calls: one object a kind, and this to choose among them.

The route of a poll begins with the `setting` of its kind and a slash: `task/get`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchReport, Item, ItemReport, Observation, Poll, PollResult, Receipt
from orchestrator.domain.submission import Submission


class Work(Protocol):
    """What a platform does for one kind of work. The methods are those of `Platform`, for batches of this kind."""

    @property
    def kind(self) -> Kind: ...

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None: ...

    async def submit(self, batch: Batch) -> Receipt: ...

    async def reconcile(self, batch: Batch) -> Receipt: ...

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]: ...

    async def poll(self, poll: Poll) -> PollResult: ...

    async def abort(self, batch: Batch, item: Item) -> None: ...


class Session(Protocol):
    """The account's connection, which all kinds share."""

    async def user(self) -> str: ...

    async def aclose(self) -> None: ...


class ByKind:
    """One account. Implements `Platform`."""

    def __init__(self, session: Session, works: Sequence[Work]) -> None:
        self._session = session
        self._by_name = {work.kind.name: work for work in works}
        self._by_setting = {work.kind.setting: work for work in works}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return MappingProxyType({name: work.kind for name, work in self._by_name.items()})

    async def user(self) -> str:
        return await self._session.user()

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None:
        return self._work(batch).compose(batch, items)

    async def submit(self, batch: Batch) -> Receipt:
        return await self._work(batch).submit(batch)

    async def reconcile(self, batch: Batch) -> Receipt:
        return await self._work(batch).reconcile(batch)

    async def knows_instance(self, project: str) -> bool:
        """No: what could be sent twice is searched for before its first send anyway, batch by batch."""
        del project
        return False

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        of_kind: defaultdict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            of_kind[batch.kind].append(batch)
        return [poll for name, some in of_kind.items() for poll in self._by_name[name].polls(some)]

    async def poll(self, poll: Poll) -> PollResult:
        result = await self._asked(poll).poll(poll)
        ends = _batches_without_status(result.observations)
        return replace(result, observations=[*result.observations, *ends]) if ends else result

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """No polls: each one names its items, and no other could report more."""
        del poll, missing
        return ()

    async def abort(self, batch: Batch, item: Item) -> None:
        await self._work(batch).abort(batch, item)

    async def aclose(self) -> None:
        await self._session.aclose()

    def _work(self, batch: Batch) -> Work:
        try:
            return self._by_name[batch.kind]
        except KeyError:
            raise ValueError(f"there is no {batch.kind} here; there is {', '.join(self._by_name)}") from None

    def _asked(self, poll: Poll) -> Work:
        return self._by_setting[poll.route.partition("/")[0]]


def _batches_without_status(observations: Sequence[Observation]) -> Sequence[BatchReport]:
    """Reports that batches have no status of their own: those of which items have ended, and nothing else is reported.

    The answer to a submission says the same; but a batch that was adopted never had one, and would wait for a status.
    """
    ended = [
        each.batch for each in observations if isinstance(each, ItemReport) and each.state.final and not each.parent
    ]
    reported = {each.batch for each in observations if isinstance(each, BatchReport)}
    return [BatchReport(batch, None, final=True) for batch in dict.fromkeys(ended) if batch not in reported]
