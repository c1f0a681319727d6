"""Batches of data links: the request that creates one, and the reports of its items."""

from collections.abc import Sequence
from typing import Final

import msgspec

from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.protocol.media import V4
from orchestrator.platforms.ica.protocol.requests import project
from orchestrator.platforms.ica.protocol.wire import LinkItem, LinkRequest, Wire
from orchestrator.platforms.ica.statuses import LINK
from orchestrator.platforms.status_table import state_of

KIND: Final = "ica.data_linking"
SEGMENT: Final = "dataLinkingBatch"


class _Sent(Wire):
    items: list[LinkRequest]


_SENT: Final = msgspec.json.Decoder(_Sent)


def compose(batch: Batch, items: Sequence[Item]) -> Submission:
    """The request that links these data.

    Raises:
        ValueError: an item has no request.
    """
    written = []
    for item in items:
        if item.request is None:
            raise ValueError(f"item {item.key!r} has no request")
        written.append(msgspec.Raw(item.request))
    return Submission(
        method="POST",
        path=f"{project(batch.project)}/{SEGMENT}",
        headers={"Content-Type": V4, "Accept": V4},
        body=msgspec.json.encode({"items": written}),
        resend=Resend.HARMLESS,
    )


def data_ids(submission: Submission) -> frozenset[str]:
    """The ids of the data that a submission links."""
    return frozenset(item.data_id for item in _SENT.decode(submission.body).items)


def report(row: LinkItem, batch: BatchKey) -> ItemReport:
    """The report of a row. The remote id of linked data is the id that was requested."""
    state, known = state_of(row.processing.status, LINK)
    return ItemReport(
        batch=batch,
        stage=stages.LINK,
        state=state,
        status=row.processing.status,
        key=row.request.data_id,
        remote_id=row.request.data_id,
        detail=row.processing.additional_status_information or None,
        known_status=known,
    )
