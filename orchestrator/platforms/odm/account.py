"""The keys of an ODM account, with their defaults."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.domain.fields import BaseUrl
from orchestrator.platforms.account import Account, BudgetSettings, Section, batch_sizes
from orchestrator.platforms.odm.kinds import KINDS

Header = Literal["Genestack-API-Token", "Authorization"]

_PATH = "/api/v1"


def _without_path(url: str) -> str:
    if url.rstrip("/").endswith(_PATH):
        raise ValueError(f"must not have {_PATH} at its end: it is the address of the server, as in the browser")
    return url


if TYPE_CHECKING:
    BatchSize = Section
else:
    BatchSize = batch_sizes(KINDS)


class OdmAccount(Account):
    """One token on one server."""

    platform: Literal["odm"]
    base_url: Annotated[BaseUrl, AfterValidator(_without_path)]
    header: Header = "Genestack-API-Token"
    """How requests are signed: with the token of the profile page, or with an access token, as a bearer."""
    budget: BudgetSettings = BudgetSettings(requests=300)
    """ODM documents no limit; this one leaves room for its other users."""
    batch_size: BatchSize = BatchSize()
    page_size: Annotated[int, Field(ge=1, le=1)] = 1
    """One response reports one task or job."""
