"""The keys of a Seven Bridges account, with their defaults."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.domain.fields import BaseUrl
from orchestrator.platforms.account import Account, Section, batch_sizes
from orchestrator.platforms.sevenbridges.kinds import KINDS

BASE_URLS = (
    "https://api.sbgenomics.com/v2",
    "https://eu-api.sbgenomics.com/v2",
    "https://cgc-api.sbgenomics.com/v2",
    "https://cavatica-api.sbgenomics.com/v2",
    "https://api.sb.biodatacatalyst.nhlbi.nih.gov/v2",
)
"""The Seven Bridges Platform (US, EU), CGC, CAVATICA, BioData Catalyst."""
MAX_PAGE_SIZE = 100
"""Rows in one answer of the platform, at most."""


def _of_version_2(url: str) -> str:
    if not url.endswith("/v2"):
        raise ValueError(f"must end in /v2, such as {BASE_URLS[2]}")
    return url


if TYPE_CHECKING:
    BatchSize = Section
else:
    BatchSize = batch_sizes(KINDS)


class SevenBridgesAccount(Account):
    """One authentication token on one of the platforms."""

    platform: Literal["sevenbridges"]
    base_url: Annotated[BaseUrl, AfterValidator(_of_version_2)]
    profile: str | None = None
    """The section of the credentials file of Seven Bridges' own clients that holds token and address."""
    batch_size: BatchSize = BatchSize()
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = MAX_PAGE_SIZE
