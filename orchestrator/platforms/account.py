"""The configuration of one account: the keys that every platform has. Each platform adds its own.

Durations are seconds (float) once read. The secret is filled in by `settings.load` and is no key of the file.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from orchestrator.domain.fields import MOST_COUNT, BaseUrl, ConfigPath, Count, PositiveDuration, Size, WebUrl
from orchestrator.domain.kinds import Kind
from orchestrator.domain.queue_file.estimate import BATCH_BYTES, MOST_BATCH_BYTES
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.units import format_duration

MOST_REQUESTS = 1_000_000
"""The rate limiter keeps a slot in memory and on disk for each request of a window."""
UNREAD = SecretStr("")
"""The value of a secret that was not read, as the command does not need it."""


class Section(BaseModel):
    """A mapping of the configuration: frozen, without unknown keys; its errors do not show the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BudgetSettings(Section):
    """How many requests an account may send in any window of `per` seconds."""

    requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)] = 1000
    per: PositiveDuration = 300.0
    use_at_most: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0

    @field_validator("use_at_most")
    @classmethod
    def _leaves_one_request(cls, share: float, info: ValidationInfo) -> float:
        requests = info.data.get("requests")
        if requests is not None and requests * share < 1:
            raise ValueError(f"leaves no request at all: {share} of {requests} is less than one")
        return share


class PollSettings(Section):
    """How often to poll, as far as the request budget allows."""

    min_interval: PositiveDuration = 10.0
    max_interval: PositiveDuration = 300.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_interval < self.min_interval:
            shortest, longest = format_duration(self.min_interval), format_duration(self.max_interval)
            raise ValueError(f"max_interval ({longest}) must not be shorter than min_interval ({shortest})")
        return self


class LimitSettings(Section):
    """How many items of an account may be open on the platform at a time."""

    open_items: Count = 5000


class Account(Section):
    """One credential on one platform with its settings. Each platform's own model sets the defaults."""

    platform: str
    base_url: BaseUrl
    api_key_file: ConfigPath | None = None
    budget: BudgetSettings = BudgetSettings()
    poll: PollSettings = PollSettings()
    limits: LimitSettings = LimitSettings()
    batch_size: Section = Section()
    """Items per submission, by kind of work; see `batch_sizes`."""
    batch_bytes: Annotated[Size, Field(ge=64 * 1024, le=MOST_BATCH_BYTES)] = BATCH_BYTES
    """Maximum bytes of the items of one submission, and so of one item."""
    page_size: Count = 1000
    """Rows that the platform returns per page."""
    web_url: dict[str, WebUrl] = {}
    """Addresses of pages about single items, by kind of work; see `known_kinds_only`."""
    api_key: Annotated[SecretStr, Field(exclude=True)] = UNREAD
    """Never empty after `load` for the daemon."""


def batch_sizes(kinds: Iterable[Kind]) -> type[Section]:
    """The model of `batch_size`: one key for each of a platform's kinds, up to what one submission may hold."""
    fields: dict[str, Any] = {
        kind.setting: (Annotated[int, Field(ge=1, le=kind.max_batch_size or MOST_COUNT)], kind.batch_size)
        for kind in kinds
    }
    model: type[Section] = create_model("BatchSize", __base__=Section, **fields)
    return model


def known_kinds_only(kinds: Iterable[Kind]) -> Callable[[Account], Account]:
    """Return a validator of accounts that allows only these kinds in `web_url`; raises ValueError for others."""
    known = [kind.setting for kind in kinds]

    def check(account: Account) -> Account:
        for name in account.web_url:
            if name not in known:
                meant = did_you_mean(name, known) or f"known are {', '.join(known)}"
                raise ValueError(f"web_url names {name!r}, which is no kind of {account.platform}: {meant}")
        return account

    return check
