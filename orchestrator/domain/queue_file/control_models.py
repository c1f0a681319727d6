"""The controls of a queue file: what is to happen to jobs that are there."""

from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from orchestrator.domain.fields import Count
from orchestrator.domain.queue_file.names import STRICT, JobName, Text
from orchestrator.domain.queue_file.nearest import nearest
from orchestrator.domain.queue_file.validation_messages import TAG


class _Strict(BaseModel):
    model_config = STRICT


class OfAccount(_Strict):
    """Everything on one account."""

    account: Text


class OfAll(_Strict):
    """Everything."""

    all: Literal[True]


class OfJob(_Strict):
    """One job, as `pause: NAME` says too."""

    job: JobName


SCOPES = ("job", "account", "all")


def _scope(value: object) -> str | None:
    if isinstance(value, str):
        return f"{TAG}name"
    if not isinstance(value, dict):
        return f"{TAG}name"
    meant = next((found for key in value if (found := nearest(str(key), SCOPES))), "job")
    return next((f"{TAG}{key}" for key in SCOPES if key in value), f"{TAG}{meant}")


Scope = Annotated[
    Annotated[JobName, Tag(f"{TAG}name")]
    | Annotated[OfJob, Tag(f"{TAG}job")]
    | Annotated[OfAccount, Tag(f"{TAG}account")]
    | Annotated[OfAll, Tag(f"{TAG}all")],
    Discriminator(_scope),
]


class CancelJob(_Strict):
    """Send nothing more of a job, and abort what runs."""

    cancel: JobName


class RetryJob(_Strict):
    """Send items of a job again."""

    retry: JobName
    items: Annotated[list[Text], Field(min_length=1)] | None = None
    """Keys of the items; without them, every item that did not succeed."""
    state: Literal["failed", "aborted", "partial", "cancelled"] | None = None
    """Only the items in this state."""


class Pause(_Strict):
    """Submit nothing until `resume`; what was submitted is still polled."""

    pause: Scope


class Resume(_Strict):
    """Undo `pause`, and continue after `stop_after`."""

    resume: Scope


class Adoption(_Strict):
    """Which batch is which object on the platform."""

    job: JobName
    batch: Count
    remote_id: Text


class Adopt(_Strict):
    """Link a batch whose outcome could not be determined to the batch on the platform that it became."""

    adopt: Adoption


class GiveUp(_Strict):
    """End items that the platform does not bring to an end; nothing is aborted there."""

    give_up: Annotated[JobName, Field(alias="give-up")]
    items: Annotated[list[Text], Field(min_length=1)] | None = None
    """Keys of the items; without them, every open item of the job."""


AnyControl = CancelJob | RetryJob | Pause | Resume | Adopt | GiveUp

CONTROLS = ("cancel", "retry", "pause", "resume", "adopt", "give-up")


def _control(value: object) -> str | None:
    return next((f"{TAG}{key}" for key in CONTROLS if isinstance(value, dict) and key in value), None)


Control = Annotated[
    Annotated[CancelJob, Tag(f"{TAG}cancel")]
    | Annotated[RetryJob, Tag(f"{TAG}retry")]
    | Annotated[Pause, Tag(f"{TAG}pause")]
    | Annotated[Resume, Tag(f"{TAG}resume")]
    | Annotated[Adopt, Tag(f"{TAG}adopt")]
    | Annotated[GiveUp, Tag(f"{TAG}give-up")],
    Discriminator(_control),
]
