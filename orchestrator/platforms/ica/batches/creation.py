"""Batches of analyses: the request that creates one, and the reports of its items.

The items of a batch are reliable about creation. The analysis embedded in an item may be current, or a snapshot from
its creation; `EmbeddedStatus` learns which, and until then its status is a hint.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from orchestrator.domain.identity import OUR_TAGS, batch_tag, instance_tag, item_tag
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.analyses import NO_OWNER, Owner, analysis_report, owner_of
from orchestrator.platforms.ica.protocol.batch_paths import ANALYSIS_CREATION
from orchestrator.platforms.ica.protocol.media import V3
from orchestrator.platforms.ica.protocol.wire import CreationItem, Wire
from orchestrator.platforms.ica.statuses import CREATION
from orchestrator.platforms.status_table import state_of

KIND: Final = "ica.analysis_creation"

_KEY_LIFE: Final = 6 * DAY
"""ICA keeps the answer to a key for 7 days; we stop relying on it a day before."""

_LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {"nextflow": "nextflowItems", "nextflow_json": "nextflowJsonItems", "cwl": "cwlItems"}
)
"""Engine → name of its list of items in the request."""


class _Runs(Wire):
    pipeline_id: str | None = None


_PIPELINE: Final = msgspec.json.Decoder(_Runs)
_Fields = dict[str, msgspec.Raw]
_REQUEST: Final = msgspec.json.Decoder(_Fields)
_TAGS: Final = msgspec.json.Decoder(_Fields | None)
_LIST: Final = msgspec.json.Decoder(list[str | None] | None)


def compose(batch: Batch, items: Sequence[Item], instance: str) -> Submission:
    """The request that creates these analyses, each with the tags of this program behind its own.

    The values of items are copied without decoding, so numbers and text stay exactly as written.

    Raises:
        ValueError: ICA does not have the batch's engine, or an item has no request.
    """
    engine = batch.engine or "nextflow"
    if engine not in _LISTS:
        raise ValueError(f"ICA runs no engine {engine!r}; it knows {', '.join(_LISTS)}")
    common = (instance_tag(instance), batch_tag(batch.key))
    body = {_LISTS[engine]: [_tagged(item, (*common, item_tag(item.seq))) for item in items]}
    first = items[0].request if items else None
    return Submission(
        method="POST",
        path=ANALYSIS_CREATION.of(batch.project),
        headers={"Content-Type": V3, "Accept": V3, "Idempotency-Key": batch.key},
        body=msgspec.json.encode(body),
        resend=Resend.SAME_KEY,
        key_life=_KEY_LIFE,
        pipeline=_PIPELINE.decode(first).pipeline_id if first is not None else None,
    )


def report(row: CreationItem, batch: BatchKey, *, hint: bool) -> ItemReport | None:
    """The report of a row of this batch's items; None when it does not identify the item.

    The row belongs to this batch because it is listed there, whatever its tags are: an adopted batch may have the tags
    of another one. The item number in the tags is used only when the batch in them is this one.
    """
    request, created = row.request, row.created_analysis
    _, owner, number = owner_of_item(row)
    seq = number if owner == batch else None
    key = request.user_reference if request is not None else None
    if key is None and created is not None:
        key = created.user_reference
    if seq is None and key is None:
        return None
    if created is not None and row.processing.status != "FAILED":
        return analysis_report(created, batch, seq, key, hint=hint)
    state, known = state_of(row.processing.status, CREATION)
    return ItemReport(
        batch=batch,
        stage=stages.CREATION,
        state=state,
        status=row.processing.status,
        seq=seq,
        key=key,
        detail=row.processing.additional_status_information or None,
        known_status=known,
    )


def owner_of_item(row: CreationItem) -> Owner:
    """The owner of a row by the tags of its request, or of its analysis when ICA does not return the request's."""
    owner = owner_of(row.request.tags) if row.request is not None else NO_OWNER
    if owner is NO_OWNER and row.created_analysis is not None:
        owner = owner_of(row.created_analysis.tags)
    return owner


def _tagged(item: Item, tags: Sequence[str]) -> _Fields:
    if item.request is None:
        raise ValueError(f"item {item.key!r} has no request")
    fields = _REQUEST.decode(item.request)
    given = (_TAGS.decode(fields["tags"]) if "tags" in fields else None) or {}
    written = {
        "technicalTags": _written([*_without_ours(given.get("technicalTags")), *tags]),
        "userTags": _written(_list(given.get("userTags"))),
        "referenceTags": _written(_list(given.get("referenceTags"))),
    }
    return {**fields, "tags": _written({**given, **written})}


def _without_ours(raw: msgspec.Raw | None) -> list[str | None]:
    """The tags without those of this program, which a request copied from an earlier run may have."""
    return [tag for tag in _list(raw) if tag is None or not tag.startswith(OUR_TAGS)]


def _list(raw: msgspec.Raw | None) -> list[str | None]:
    return (_LIST.decode(raw) if raw is not None else None) or []


def _written(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
