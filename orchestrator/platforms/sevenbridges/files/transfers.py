"""Imports from volumes and exports to volumes: up to a hundred in a call, each with an id or an error of its own.

The platform knows no key: what became of a lost call is found in the user's own list, by content and time. A transfer
that fails because the file is there already starts a search for the one that made it: an earlier send of this batch, or
the same files dropped into a daemon whose records were lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from orchestrator.clock import Clock, Micros
from orchestrator.domain.errors import PlatformError, Refused, Unconfirmed
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY, SECOND
from orchestrator.platforms.declaration import ItemsOf, SentBesides
from orchestrator.platforms.http.json_bodies import unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import facts_of, request_of
from orchestrator.platforms.listed_once import ListedOnce
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import statuses, wire
from orchestrator.platforms.sevenbridges.protocol import polls, sent
from orchestrator.platforms.sevenbridges.protocol.listing import begun_since
from orchestrator.platforms.sevenbridges.protocol.matching import match
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.status_table import state_of

FIELDS: Final = "id,state,source,destination,started_on,finished_on,error,result"
"""Of a transfer that we read."""
ALREADY_THERE: Final = frozenset({9107, 9108})
"""Codes of a location, or of a name, that is taken."""
_SLACK: Micros = 600 * SECOND
"""A transfer may seem to be that much older than its request: the platform's clock and ours differ."""
_REPEATED: Final = "get-repeated"
"""A poll of transfers that may repeat earlier ones of the same batch."""
_REPEATED_WITHIN: Micros = 7 * DAY
"""A repeat and the transfer that it repeats are no further apart."""


class Direction(Protocol):
    """What imports and exports differ in."""

    @property
    def kind(self) -> Kind: ...

    @property
    def collection(self) -> str:
        """Its name in the paths."""
        ...

    def body_of(self, request: dict[str, Any], project: str) -> sent.Sent: ...

    def params_of(self, batch: Batch) -> Mapping[str, str]: ...

    def resend_of(self, items: Sequence[sent.Sent]) -> Resend: ...

    def matches(self, asked: sent.Sent, transfer: wire.Transfer) -> bool | None: ...


@dataclass(slots=True)
class Transfers:
    """One direction. Implements `Work`."""

    direction: Direction
    session: Session
    page_size: int
    clock: Clock
    started_at: Micros
    """When this process began, by our clock: what was planned later was sent by no earlier process."""
    sent_besides: SentBesides
    items_of: ItemsOf
    _before: ListedOnce[Sequence[wire.Transfer]] = field(init=False)
    """What an earlier process may have begun."""

    def __post_init__(self) -> None:
        self._before = ListedOnce(self._listed)

    @property
    def kind(self) -> Kind:
        return self.direction.kind

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        bodies = [self.direction.body_of(request_of(item), batch.project) for item in items]
        return sent.submission(self._path("create"), {"items": bodies}, self.direction.resend_of(bodies))

    async def submit(self, batch: Batch) -> Receipt:
        route, keys = f"bulk/{self.direction.collection}/create", await self._keys(batch)
        answer = await self.session.submit(prepared(batch), route, self.direction.params_of(batch))
        with unreadable_is_unconfirmed():
            rows = wire.TRANSFER_ROWS.read(answer)
        asked = sent.items_of(batch)
        matched = match(asked, rows, self.direction.matches)
        reports = [report for at, row in matched.items() if (report := self._accepted(batch, keys(asked[at]), row))]
        taken = [(asked[at], row.error) for at, row in matched.items() if _is_taken(row.error)]
        reports += await self._made_already(batch, taken, keys) if taken else []
        if not reports:
            raise sent.undecided(rows)
        unclear = sum(not _says_something(matched.get(at)) for at in range(len(asked)))
        if unclear and batch.resend is Resend.NEVER:
            raise Unconfirmed(f"{unclear} of {len(asked)} items have no readable row in the answer, and may have begun")
        return Receipt(final=True, items=reports)

    async def reconcile(self, batch: Batch) -> Receipt:
        if batch.first_sent_at is None and (batch.planned_at or 0) >= self.started_at:
            return Receipt()
        since = (batch.first_sent_at or batch.planned_at or self.started_at) - _SLACK
        listed = await self._listed(since) if batch.first_sent_at is not None else await self._before.since(since)
        keys, found = await self._keys(batch), list[ItemReport]()
        used = set((await self.sent_besides(batch, since, [each.id for each in listed])).ids)
        for asked in sent.items_of(batch):
            alike = [each for each in listed if each.id not in used and self.direction.matches(asked, each) is True]
            alike = [each for each in alike if (wire.moment(each.started_on) or since) >= since]
            if alike:
                best = min(alike, key=_first_that_worked)
                used.add(best.id)
                found.append(self._answered(batch, best, keys(asked)))
        return Receipt(final=True, items=found)

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        repeated = [batch for batch in batches if sent.may_repeat(batch)]
        first = [batch for batch in batches if not sent.may_repeat(batch)]
        setting, expects = self.kind.setting, {self.kind.stage}
        return [
            *polls.by_id(first, f"{setting}/get", expects),
            *polls.by_id(repeated, f"{setting}/{_REPEATED}", expects),
        ]

    async def poll(self, poll: Poll) -> PollResult:
        ids = {item.remote_id: item for item in poll.named if item.remote_id is not None}
        if not ids:
            return PollResult(())
        rows = await self._read(list(ids))
        transfers = [row.resource for row in rows if row.resource is not None and row.resource.id in ids]
        bad = sum(row.resource is None and row.error is None for row in rows)
        reports = []
        for transfer in transfers:
            item = ids[transfer.id]
            batch = polls.home_of(poll, item)
            if batch is None:
                continue
            report = self._report(batch, transfer, item=item)
            if _is_taken(transfer.error):
                repeated = poll.route == f"{self.kind.setting}/{_REPEATED}"
                report = await self._by_original(transfer, item, poll.project, report, repeated=repeated)
            reports.append(report)
        return PollResult(reports, bad_rows=bad)

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"the platform cannot stop the {self.kind.setting} of {item.key!r}")

    # ------------------------------------------------------------ reports

    async def _keys(self, batch: Batch) -> Callable[[sent.Sent], str]:
        """The keys of the items of a batch, by what was sent. The job decides whether they have the volume in them."""
        requests = {item.key: request_of(item) for item in await self.items_of(batch) if item.request is not None}
        keys = {self.kind.qualified_key_of(request): key for key, request in requests.items()}

        def key_of(asked: sent.Sent) -> str:
            return keys.get(self.kind.qualified_key_of(asked)) or sent.key_of(self.kind, asked)

        return key_of

    def _accepted(self, batch: Batch, key: str, row: wire.Row[wire.Transfer]) -> ItemReport | None:
        """What a row says of its item; None where it neither accepts it nor refuses it for good."""
        if row.resource is not None:
            return self._answered(batch, row.resource, key)
        if row.error is None or not row.error.lasting:
            return None
        if _is_taken(row.error):
            return None  # a search decides
        return sent.declined(batch.key, self.kind, key, row.error)

    def _answered(self, batch: Batch, transfer: wire.Transfer, key: str) -> ItemReport:
        """The report of a transfer of this batch; one that failed as the file is there is open, and a poll searches."""
        report = self._report(batch.key, transfer, key=key)
        return sent.unended(report) if _is_taken(transfer.error) else report

    def _report(
        self, batch: BatchKey, transfer: wire.Transfer, *, key: str | None = None, item: Item | None = None
    ) -> ItemReport:
        state, known = state_of(transfer.state, statuses.TRANSFER)
        result = transfer.result or wire.File()
        return ItemReport(
            batch=batch,
            stage=self.kind.stage,
            state=state,
            status=transfer.state,
            seq=item.seq if item is not None else None,
            key=item.key if item is not None else key,
            remote_id=transfer.id,
            detail=str(transfer.error) if transfer.error is not None else None,
            finished_at=wire.moment(transfer.finished_on) if state.final else None,
            known_status=known,
            facts=facts_of(file=result.id, name=result.name),
        )

    # ------------------------------------------------------------ searches

    async def _made_already(
        self,
        batch: Batch,
        refused: Sequence[tuple[sent.Sent, wire.Problem | None]],
        keys: Callable[[sent.Sent], str],
    ) -> list[ItemReport]:
        """What became of items that were refused because their files are there: done before, or failed.

        What is left out is sent again: an item of a batch that may have been sent before, and all of them where the
        list cannot be read. That must not look like a failure of the call, which others of its items were accepted by.
        """
        now, repeated = self.clock.now(), sent.may_repeat(batch)
        reports: list[ItemReport] = []
        try:
            listed = await self._may_be_original(now, repeated=repeated)
        except PlatformError:
            return reports
        for asked, error in refused:
            key = keys(asked)
            original = self._original(listed, asked, now)
            if original is not None:
                done = self._report(batch.key, original, key=key)
                detail = f"done before by {self.kind.setting} {original.id}"
                reports.append(msgspec.structs.replace(done, detail=detail))
            elif error is not None and not repeated:
                reports.append(sent.declined(batch.key, self.kind, key, error))
        return reports

    async def _by_original(
        self, repeat: wire.Transfer, item: Item, project: str, report: ItemReport, *, repeated: bool
    ) -> ItemReport:
        """The report of a repeat that failed because an earlier one had worked: what became of that one."""
        asked = self.direction.body_of(request_of(item), project)
        began = wire.moment(repeat.started_on) or self.clock.now()
        original = self._original(await self._may_be_original(began, repeated=repeated), asked, began, but=repeat.id)
        if original is None:
            return report
        done = self._report(report.batch, await self._up_to_date(original), item=item)
        detail = f"done by {self.kind.setting} {original.id}, which this one repeated"
        return msgspec.structs.replace(done, remote_id=repeat.id, detail=detail)

    async def _read(self, ids: Sequence[str]) -> Sequence[wire.Row[wire.Transfer]]:
        """A bulk read of transfers."""
        asked = {f"{self.kind.setting}_ids": ids}
        fields = {"fields": ",".join(f"resource.{field}" for field in FIELDS.split(","))}
        route = f"bulk/{self.direction.collection}/get"
        return wire.TRANSFER_ROWS.read(await self.session.ask(self._path("get"), route, asked, fields))

    async def _up_to_date(self, listed: wire.Transfer) -> wire.Transfer:
        """A transfer as it is now, if it had not ended when it was listed."""
        if state_of(listed.state, statuses.TRANSFER)[0].final:
            return listed
        rows = await self._read([listed.id])
        return next((row.resource for row in rows if row.resource is not None), listed)

    async def _may_be_original(self, until: Micros, *, repeated: bool) -> Sequence[wire.Transfer]:
        """What may have put a file there: an earlier send of the same batch, else work of which the records were lost.

        Such work began before this process, so it is listed once, however many files are dropped again.
        """
        if repeated:
            return await self._listed(until - _REPEATED_WITHIN)
        before = await self._before.since(self.started_at - _REPEATED_WITHIN)
        return [each for each in before if (wire.moment(each.started_on) or 0) < self.started_at]

    def _original(
        self, listed: Sequence[wire.Transfer], asked: sent.Sent, until: Micros, *, but: str | None = None
    ) -> wire.Transfer | None:
        """The latest transfer of the same content that began by then, and has not failed."""
        earlier = [
            each
            for each in listed
            if each.id != but
            and self.direction.matches(asked, each) is True
            and (wire.moment(each.started_on) or 0) <= until
            and state_of(each.state, statuses.TRANSFER)[0] is not ItemState.FAILED
        ]
        return max(earlier, key=lambda each: wire.moment(each.started_on) or 0, default=None)

    async def _listed(self, since: Micros) -> Sequence[wire.Transfer]:
        """The user's transfers that began at `since` or later."""
        route, size = f"storage/{self.direction.collection}", self.page_size
        return await begun_since(
            self.session, f"/{route}", route, fields=FIELDS, reader=wire.TRANSFERS, size=size, since=since
        )

    def _path(self, action: str) -> str:
        return f"/bulk/storage/{self.direction.collection}/{action}"


def _says_something(row: wire.Row[wire.Transfer] | None) -> bool:
    """Whether a row says what became of its item; an error for the moment says that nothing was done."""
    return row is not None and (row.resource is not None or row.error is not None)


def _is_taken(error: wire.Problem | None) -> bool:
    """Whether something failed because the file is there already."""
    return error is not None and error.code in ALREADY_THERE


def _first_that_worked(transfer: wire.Transfer) -> tuple[bool, Micros]:
    failed = state_of(transfer.state, statuses.TRANSFER)[0] is ItemState.FAILED
    return failed, wire.moment(transfer.started_on) or 0
