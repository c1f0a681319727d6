"""The interface between the engine and a platform. Only its implementation knows the platform's API."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, Poll, PollResult, Receipt
from orchestrator.domain.submission import Submission


class Platform(Protocol):
    """One account on one platform.

    Every request goes through the account's rate limiter. Every method that sends may raise the errors of
    `domain.errors`. No method writes to the store.
    """

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of job it knows, by name."""
        ...

    async def user(self) -> str:
        """The user of the credential. An idempotency key is only sent again as the same user."""
        ...

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None:
        """The next submission of this batch; None where nothing is sent, and its items are only followed.

        Pure in the batch's key and step and in the items: the same give the same bytes, always.
        """
        ...

    async def submit(self, batch: Batch) -> Receipt:
        """Send `batch.submission` as stored.

        Raises:
            Refused: it had no effect, and never will.
            Transient, Unauthorised: it had no effect. Where each item has its own answer: none was accepted so far.
            Unconfirmed: it may have had its effect.
        """
        ...

    async def reconcile(self, batch: Batch) -> Receipt:
        """Search for a batch whose response was lost.

        `batch.submission` is what was sent, or would be. Of a batch that was never sent, as far as we know, only what
        bears its name is searched for.
        """
        ...

    async def knows_instance(self, project: str) -> bool:
        """Whether the project has any object with the tag of this installation."""
        ...

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        """The polls that together report everything about these open batches. Pure."""
        ...

    async def poll(self, poll: Poll) -> PollResult:
        """Read one page of a poll with at most one request."""
        ...

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """The polls to run for the open items that a whole poll did not report (`missing` may be empty).

        Empty: no poll can report more, so the items count as missed. None: it is too early, and they do not count.
        """
        ...

    async def abort(self, batch: Batch, item: Item) -> None:
        """Ask the platform to stop what was created for this item.

        Raises:
            Refused: there is nothing to stop.
        """
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
