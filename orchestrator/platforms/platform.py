"""What the engine asks of a platform. One implementation a platform; nothing else knows its words."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, Poll, PollResult, Receipt
from orchestrator.domain.submission import Submission


class Platform(Protocol):
    """One account on one platform.

    Every request goes through the account's budget. Every method that sends may raise the errors of `domain.errors`;
    none of them changes anything of ours.
    """

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of job it knows, by name."""
        ...

    async def user(self) -> str:
        """Who the platform takes us for, to notice another user behind the credential before a key is used again."""
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
        """Look for what became of a batch whose answer was lost.

        `batch.submission` is what was sent, or would be. Of a batch that was never sent, as far as we know, only what
        bears its name is looked for.
        """
        ...

    async def knows_instance(self, project: str) -> bool:
        """Whether it holds anything in this project that was made in the name of this installation, ever."""
        ...

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        """The questions that together tell all about these open batches. Pure."""
        ...

    async def poll(self, poll: Poll) -> PollResult:
        """Ask one of them: one request, one answer. None where only its follow-ups can tell anything."""
        ...

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """What to ask about the open items that the whole of `look` did not tell, which may be none of them.

        Empty: nothing tells more, so they count as passed over. None: it is too early to ask, and they do not.
        """
        ...

    async def abort(self, batch: Batch, item: Item) -> None:
        """Ask the platform to stop what was created for this item.

        Raises:
            Refused: there is nothing to stop (any more).
        """
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
