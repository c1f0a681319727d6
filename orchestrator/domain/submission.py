"""What is sent to create a batch, and what sending it again would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.units import HOUR, Micros


class Resend(StrEnum):
    """What sending a submission again would do when the first answer was lost."""

    SAME_KEY = "same_key"
    """Nothing: the platform knows the key and replays its answer."""
    HARMLESS = "harmless"
    """Repeat an effect that does not add up (a link made twice is one link)."""
    NEVER = "never"
    """Repeat an effect that may not be repeated: it must be found, or the operator decides."""
    FIND_FIRST = "find_first"
    """Make another one: it is searched for first, and what two searches do not show is sent anew."""
    FOLLOW_ONLY = "follow_only"
    """Nothing is ever sent: what the items name is there, and is only followed."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is sent to create a batch, byte for byte; durable before it leaves."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    resend: Resend
    """What sending it again would do; decided with the bytes, and stored with them."""
    pipeline: str | None = None
    """What runs there, by the platform's own id: batches of one pipeline are likely to take equally long."""
    key_life: Micros | None = None
    """For how long after the first send a repeat is what `resend` says; None: for as long as the platform runs."""
    search_delay: Micros = HOUR
    """Between two searches in vain, before what was not found counts as never created."""


@dataclass(frozen=True, slots=True)
class SentWork:
    """What else of one kind of work was sent lately, according to the records."""

    ids: frozenset[str] = frozenset()
    """Of the ids in question, those of other batches and of their items: they do not belong to the batch."""
    in_doubt: int = 0
    """Other batches of as many items whose outcome is not known either: each might be what is found."""
