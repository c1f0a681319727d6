"""Illumina Connected Analytics: batches of analyses and of data links."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.errors import KeyConflict, Refused, Transient, Unconfirmed
from orchestrator.domain.identity import depth_of
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, Look, Receipt, Sighting
from orchestrator.domain.submission import Submission
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.calls import Answer
from orchestrator.platforms.ica import creation, linking, requests, stages, wire
from orchestrator.platforms.ica.absent import Absent
from orchestrator.platforms.ica.auth import ApiKey, Session
from orchestrator.platforms.ica.families import ANALYSES, FAMILIES
from orchestrator.platforms.ica.find import Finder
from orchestrator.platforms.ica.following import Following
from orchestrator.platforms.ica.kinds import KINDS
from orchestrator.platforms.ica.learning import Embedded, Words
from orchestrator.platforms.ica.narrow import Narrow
from orchestrator.platforms.ica.plan import Plan, Strategy
from orchestrator.platforms.ica.sight import Sight
from orchestrator.platforms.ica.silence import Silence
from orchestrator.platforms.ica.statuses import FINAL_JOB
from orchestrator.platforms.ica.sweeps import Sweeps
from orchestrator.platforms.reading import read
from orchestrator.platforms.transport import Remote

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in KINDS})

_MOST_CLAIMED: Final = 8192
"""Remote batches that are remembered to be somebody's; what is forgotten costs a request, not a mistake."""
_OTHER_BODY: Final = 422


class Ica:
    """One account on ICA. Implements `Platform`.

    `memory` is what this account taught us before, as `Learnt` observations told it; `strategy` is `auto`, or `items`
    to read analyses off their batches' items wherever these can be believed.
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
    ) -> None:
        self._remote = remote
        self._account = account
        self._instance = instance
        self._session = Session(remote, api_key, clock)
        self._claimed: Bounded[str, BatchKey] = Bounded(_MOST_CLAIMED)
        self._finder = Finder(self._session, page_size, self._claimed)
        embedded, words, sweeps = Embedded(memory, clock), Words(memory), Sweeps()
        narrow, absent, silence = Narrow(memory, page_size), Absent(clock), Silence(clock)
        self._plan = Plan(
            page_size=page_size,
            strategy=strategy,
            embedded=embedded,
            sweeps=sweeps,
            narrow=narrow,
            absent=absent,
            silence=silence,
            clock=clock,
        )
        self._following = Following(
            page_size=page_size, embedded=embedded, narrow=narrow, absent=absent, silence=silence, clock=clock
        )
        self._sight = Sight(
            session=self._session,
            instance=instance,
            page_size=page_size,
            strategy=strategy,
            embedded=embedded,
            words=words,
            sweeps=sweeps,
            narrow=narrow,
            plan=self._plan,
            following=self._following,
            absent=absent,
            silence=silence,
        )

    def __repr__(self) -> str:
        return f"Ica({self._account!r})"

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return _KINDS

    async def user(self) -> str:
        return await self._session.user()

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        if batch.kind == linking.KIND:
            return linking.compose(batch, items)
        if batch.kind == creation.KIND:
            return creation.compose(batch, items, self._instance)
        raise ValueError(f"ICA does no {batch.kind}; it does {' and '.join(_KINDS)}")

    async def submit(self, batch: Batch) -> Receipt:
        if batch.submission is None:
            raise ValueError(f"batch {batch.id} has nothing to send")
        call = requests.submission(batch.submission, FAMILIES[batch.kind].segment)
        try:
            receipt = _receipt(await self._session.send(call))
        except Refused as refusal:
            if refusal.status == _OTHER_BODY and batch.kind == creation.KIND and _may_be_used(batch):
                raise _other_body(batch, refusal) from refusal
            raise
        if receipt.remote_id is not None:
            self._claimed[receipt.remote_id] = batch.key
        return receipt

    async def find(self, batch: Batch) -> Receipt:
        family = FAMILIES[batch.kind]
        return await (self._finder.analyses(batch) if family is ANALYSES else self._finder.data(batch, family))

    async def remembers(self, project: str) -> bool:
        return await self._finder.remembers(project, self._instance)

    def looks(self, batches: Sequence[Batch]) -> Sequence[Look]:
        for batch in batches:
            if batch.remote_id is not None and batch.remote_id not in self._claimed:
                self._claimed[batch.remote_id] = batch.key
        return self._plan.looks(batches)

    async def look(self, look: Look) -> Sighting:
        return await self._sight.look(look)

    def follow_up(self, look: Look, missing: Sequence[Item]) -> Sequence[Look] | None:
        return self._following.up(look, missing)

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
    try:
        batch = read(answer, wire.REMOTE_BATCH)
    except Transient as unreadable:
        raise Unconfirmed(str(unreadable), status=answer.status, server_date=answer.server_date) from unreadable
    if batch.job is None or batch.job.status is None:
        return Receipt(batch.id)
    return Receipt(batch.id, batch.job.status, final=batch.job.status in FINAL_JOB)


def _may_be_used(batch: Batch) -> bool:
    """Whether somebody may have used the key before us: after a restored backup, say.

    What was looked for in vain has got a new key, and halves are made of what was refused; nobody used those.
    """
    return batch.attempt == 0 and depth_of(batch.lineage) == 0


def _other_body(batch: Batch, refusal: Refused) -> KeyConflict:
    """Under this key ICA holds another request: something was created under it that must be found before anything else.

    Sending it again, or parts of it under new keys, might create the same analyses twice.
    """
    return KeyConflict(
        f"ICA holds another request under the key {batch.key}: {refusal.detail or refusal}. "
        "What it created under that key is being looked for",
        status=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        server_date=refusal.server_date,
        by_platform=True,
    )
