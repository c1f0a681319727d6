"""What the check of a queue file goes by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from orchestrator.domain.kinds import Kinds
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.webhook import NO_WEBHOOKS, WebhookTerms
from orchestrator.platforms.registry import KINDS

_NOT_SENT = ("is not there", "send it as a further part of the form, under this file name")
"""What to say of a table that is missing in a request, and what to do."""


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """Accounts, kinds and settings, and where the tables of the file come from."""

    accounts: Mapping[str, AccountLimits]
    scratch: Path | None = None
    """Folder for scratch files; it needs room for the file's items. None: the system's temporary folder."""
    tables: bool = True
    """Whether a table may come with the file."""
    wait_for_tables: bool = False
    """Stop as soon as a table is found missing, for it may come."""
    absent_table: tuple[str, str] = (
        "is not there",
        "drop it beside this file; a table goes with one queue file, and may have gone with another",
    )
    """What to say of a table that is missing, and what to do."""
    dropped_by: str | None = None
    folder: Path | None = None
    """Where the file lies, if a table's name is to be compared with those in there."""
    kinds: Kinds = KINDS
    """The kinds of work that there are."""
    webhooks: WebhookTerms = NO_WEBHOOKS
    """Which webhooks jobs may name."""

    @classmethod
    def of_request(
        cls,
        accounts: Mapping[str, AccountLimits],
        scratch: Path | None,
        *,
        tables: bool,
        kinds: Kinds,
        webhooks: WebhookTerms,
    ) -> Self:
        """For a file that comes in a request, with its tables if there are any."""
        return cls(accounts, scratch, tables=tables, absent_table=_NOT_SENT, kinds=kinds, webhooks=webhooks)
