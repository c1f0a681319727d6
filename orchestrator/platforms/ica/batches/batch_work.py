"""What a family does with batches: how one is composed, what sending it twice would do, and how its items report."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import msgspec

from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState, Stage
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import Micros
from orchestrator.platforms.ica.protocol.batch_paths import BatchPath
from orchestrator.platforms.ica.protocol.wire import PARAMETERS, Parameters, Processing
from orchestrator.platforms.status_table import state_of

Row = TypeVar("Row")


class Repeat(NamedTuple):
    """What sending the same again would do."""

    resend: Resend
    life: Micros | None = None
    """For how long after the first send that holds; None: always."""


Rule = Callable[[Parameters, Iterable[str]], Repeat]
"""The rule of a submission with these parameters and keys."""


@dataclass(frozen=True, slots=True)
class BatchWork(ABC, Generic[Row]):
    """The work of one family whose items have ended when their own status is final."""

    at: BatchPath
    stage: Stage
    statuses: Mapping[str, ItemState]
    rule: Rule
    has_parameters: bool = False
    """Whether its batches show what they were asked to do with all items."""

    @abstractmethod
    def compose(self, batch: Batch, items: Sequence[Item], instance: str) -> Submission:
        """The request that creates this batch.

        Raises:
            ValueError: an item has no request.
        """

    @abstractmethod
    def keys(self, submission: Submission) -> frozenset[str]:
        """The keys of the items of a submission."""

    @abstractmethod
    def report(self, row: Row, batch: BatchKey) -> ItemReport:
        """The report of a row of its items."""

    def may_be(self, submission: Submission, rows: Sequence[Row]) -> bool:
        """Whether rows with the keys of this submission may be its rows."""
        del submission, rows
        return True

    def submission(self, batch: Batch, body: Mapping[str, object], keys: Iterable[str]) -> Submission:
        """The request with this body."""
        written = msgspec.json.encode(body)
        repeat = self.rule(PARAMETERS.decode(written), keys)
        return Submission(
            method="POST",
            path=self.at.of(batch.project),
            headers={"Content-Type": self.at.creating, "Accept": self.at.creating},
            body=written,
            resend=repeat.resend,
            key_life=repeat.life,
        )

    def reported(
        self, processing: Processing, batch: BatchKey, *, key: str, remote_id: str | None, seq: int | None = None
    ) -> ItemReport:
        """The report of an item with this progress."""
        state, known = state_of(processing.status, self.statuses)
        return ItemReport(
            batch=batch,
            stage=self.stage,
            state=state,
            status=processing.status,
            seq=seq,
            key=key,
            remote_id=remote_id,
            detail=processing.additional_status_information or None,
            known_status=known,
        )


def request_of(item: Item) -> msgspec.Raw:
    """The item as it was asked for.

    Raises:
        ValueError: it has none, as it was pruned.
    """
    if item.request is None:
        raise ValueError(f"item {item.key!r} has no request")
    return msgspec.Raw(item.request)
