"""The keys of an ICA account, with their defaults."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from orchestrator.domain.fields import BaseUrl
from orchestrator.platforms.account import Account, PollSettings, Section, batch_sizes
from orchestrator.platforms.ica.kinds import KINDS

BASE_URL = "https://ica.illumina.com/ica/rest"


class PollStrategy(StrEnum):
    """How the progress of items is polled."""

    AUTO = "auto"
    """By the polls that take the fewest requests."""
    ITEMS = "items"
    """Always by the item pages of each batch."""


class IcaPoll(PollSettings):
    """How often to poll, and by which requests."""

    strategy: PollStrategy = PollStrategy.AUTO


if TYPE_CHECKING:
    BatchSize = Section
else:
    BatchSize = batch_sizes(KINDS)


class IcaAccount(Account):
    """One API key on ICA."""

    platform: Literal["ica"]
    base_url: BaseUrl = BASE_URL
    poll: IcaPoll = IcaPoll()
    batch_size: BatchSize = BatchSize()
    page_size: Annotated[int, Field(ge=1, le=1000)] = 1000
