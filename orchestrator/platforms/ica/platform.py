"""Illumina Connected Analytics: batches of analyses, of work on data and samples, and sessions that are followed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.errors import KeyConflict, Refused
from orchestrator.domain.identity import depth_of
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.declaration import SentBesides, nothing_else
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import read, unreadable_is_unconfirmed
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches import creation
from orchestrator.platforms.ica.batches.families import FAMILIES
from orchestrator.platforms.ica.kinds import KINDS
from orchestrator.platforms.ica.polling.follow_ups import FollowUps
from orchestrator.platforms.ica.polling.poll_memory import PollMemory
from orchestrator.platforms.ica.polling.poll_plan import Plan, Strategy
from orchestrator.platforms.ica.polling.poll_reader import PollReader
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.session import ApiKey, Session
from orchestrator.platforms.ica.reconcile import Reconciler
from orchestrator.platforms.ica.sessions import following
from orchestrator.platforms.ica.sessions.following import WorkflowSessions
from orchestrator.platforms.ica.statuses import FINAL_JOB
from orchestrator.platforms.prepared import prepared

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in KINDS})

_MOST_CLAIMED: Final = 8192
"""Maximum remote batches whose batch is remembered; a forgotten one costs a request."""
_OTHER_BODY: Final = 422


class Ica:
    """One account on ICA. Implements `Platform`.

    `memory` has the values of earlier `Learned` observations by name. `strategy` is `auto`, or `items` to read the
    status of analyses from the items of their batches where that is reliable.
    """

    def __init__(
        self,
        *,
        remote: Remote,
        api_key: ApiKey,
        account: str,
        instance: str,
        page_size: int,
        strategy: Strategy,
        memory: Mapping[str, str],
        clock: Clock,
        sent_besides: SentBesides = nothing_else,
    ) -> None:
        self._remote = remote
        self._account = account
        self._instance = instance
        self._session = Session(remote, api_key, clock)
        self._claimed: Bounded[str, BatchKey] = Bounded(_MOST_CLAIMED)
        self._reconciler = Reconciler(
            self._session, page_size, self._claimed, started_at=clock.now(), sent_besides=sent_besides
        )
        polled = PollMemory.from_learned(memory, page_size, clock)
        self._sessions = WorkflowSessions(self._session, page_size, polled.statuses, clock)
        self._plan = Plan(page_size, strategy, polled, clock)
        self._follow_ups = FollowUps(page_size, polled, clock)
        self._reader = PollReader(
            session=self._session,
            instance=instance,
            page_size=page_size,
            strategy=strategy,
            memory=polled,
            plan=self._plan,
            follow_ups=self._follow_ups,
        )

    def __repr__(self) -> str:
        return f"Ica({self._account!r})"

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return _KINDS

    async def user(self) -> str:
        return await self._session.user()

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None:
        if batch.kind == following.KIND:
            return None
        family = FAMILIES.get(batch.kind)
        if family is None:
            raise ValueError(f"ICA does no {batch.kind}; it does {', '.join(_KINDS)}")
        if family.data is None:
            return creation.compose(batch, items, self._instance)
        return family.data.compose(batch, items, self._instance)

    async def submit(self, batch: Batch) -> Receipt:
        submission = prepared(batch)
        call = requests.submission(submission, FAMILIES[batch.kind].at)
        keyed = submission.resend is Resend.SAME_KEY
        try:
            receipt = _receipt(await self._session.send(call, user=batch.user if keyed else None))
        except Refused as refusal:
            if refusal.status == _OTHER_BODY and keyed and _may_be_used(batch):
                raise _other_body(batch, refusal) from refusal
            raise
        if receipt.remote_id is not None:
            self._claimed[receipt.remote_id] = batch.key
        return receipt

    async def reconcile(self, batch: Batch) -> Receipt:
        return await self._reconciler.find(batch)

    async def knows_instance(self, project: str) -> bool:
        return await self._reconciler.knows_instance(project, self._instance)

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        for batch in batches:
            if batch.remote_id is not None and batch.remote_id not in self._claimed:
                self._claimed[batch.remote_id] = batch.key
        sessions = [batch for batch in batches if batch.kind == following.KIND]
        return [*self._plan.polls(batches), *self._sessions.polls(sessions)]

    async def poll(self, poll: Poll) -> PollResult:
        if poll.route.startswith(following.PREFIX):
            return await self._sessions.poll(poll)
        return await self._reader.poll(poll)

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        if poll.route.startswith(following.PREFIX):
            return self._sessions.follow_up(poll, missing)
        return self._follow_ups.up(poll, missing)

    async def abort(self, batch: Batch, item: Item) -> None:
        if item.remote_id is None or item.stage != stages.ANALYSIS:
            raise Refused(f"nothing is known on ICA of item {item.key!r} that could be stopped")
        await self._session.send(requests.abort(batch.project, item.remote_id))

    async def aclose(self) -> None:
        await self._remote.aclose()


def _receipt(answer: Answer) -> Receipt:
    """What ICA says that it created.

    Raises:
        Unconfirmed: it says that it did, and cannot be understood; the batch is there.
    """
    with unreadable_is_unconfirmed():
        batch = read(answer, wire.REMOTE_BATCH)
    if batch.job is None or batch.job.status is None:
        return Receipt(batch.id)
    return Receipt(batch.id, batch.job.status, final=batch.job.status in FINAL_JOB)


def _may_be_used(batch: Batch) -> bool:
    """Whether an earlier database may have used the key, for example before a backup was restored.

    A batch that was searched for and not found has a new key, and halves come from refused batches: those are unused.
    """
    return batch.attempt == 0 and depth_of(batch.lineage) == 0


def _other_body(batch: Batch, refusal: Refused) -> KeyConflict:
    """The error when ICA has another request under this key: what that one created must be found first.

    Sending the batch again, or parts of it under new keys, might create the same twice.
    """
    return KeyConflict(
        f"ICA has another request under the key {batch.key}: {refusal.detail or refusal}. "
        "The daemon is searching for what it created under that key",
        status=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        server_date=refusal.server_date,
        by_platform=True,
    )
