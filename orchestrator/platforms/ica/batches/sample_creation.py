"""Batches of samples: the request that creates one, with our tags, and what is reported of its items and samples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.domain.identity import OUR_TAGS, batch_tag, instance_tag, item_tag
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY
from orchestrator.platforms.ica.batches.analyses import Owner, owner_of
from orchestrator.platforms.ica.batches.batch_work import BatchWork, Repeat, request_of
from orchestrator.platforms.ica.protocol.wire import Parameters, Sample, SampleItem, SampleTags, Tags, Wire
from orchestrator.platforms.ica.statuses import SAMPLE_OBJECT
from orchestrator.platforms.status_table import state_of

_KEY_LIFE: Final = 6 * DAY
"""ICA keeps the answer to a key for 7 days; it is relied on for one day less."""
_FOUND: Final = "found by its tag, after the answer was lost; whether all of its data was linked is not known"

_Fields = dict[str, msgspec.Raw]
_OBJECT: Final = msgspec.json.Decoder(_Fields)
_MAYBE: Final = msgspec.json.Decoder(_Fields | None)
_LIST: Final = msgspec.json.Decoder(list[str | None] | None)


class _Name(Wire):
    name: str


class _Asked(Wire):
    sample_to_create: _Name
    complete_sample: bool


class _Sent(Wire):
    items: list[_Asked]


_SENT: Final = msgspec.json.Decoder(_Sent)


def by_key(_parameters: Parameters, _keys: Iterable[str]) -> Repeat:
    """The key makes ICA repeat its answer."""
    return Repeat(Resend.SAME_KEY, _KEY_LIFE)


class SampleCreation(BatchWork[SampleItem]):
    """The family of samples."""

    __slots__ = ()

    def compose(self, batch: Batch, items: Sequence[Item], instance: str) -> Submission:
        """Each sample gets our tags behind its own; it stays incomplete unless the item says otherwise."""
        common = (instance_tag(instance), batch_tag(batch.key))
        body = {"items": [_tagged(item, (*common, item_tag(item.seq))) for item in items]}
        composed = self.submission(batch, body, [item.key for item in items])
        return replace(composed, headers={**composed.headers, "Idempotency-Key": batch.key})

    def keys(self, submission: Submission) -> frozenset[str]:
        return frozenset(self.completed(submission))

    def completed(self, submission: Submission) -> Mapping[str, bool]:
        """By name: whether the sample was to be completed."""
        return {each.sample_to_create.name: each.complete_sample for each in _SENT.decode(submission.body).items}

    def report(self, row: SampleItem, batch: BatchKey) -> ItemReport:
        """The report of a row of this batch, whatever its tags: an adopted batch may have those of another one."""
        sample, (_, owner, number) = row.request.sample_to_create, owner_of_row(row)
        created = row.created_sample.id if row.created_sample is not None else None
        seq = number if owner == batch else None
        return self.reported(row.processing, batch, key=sample.name, remote_id=created, seq=seq)

    def found(self, sample: Sample, batch: BatchKey, seq: int | None, *, completed: bool) -> ItemReport:
        """The report of a sample of which no batch is known. One that was not to be completed stays in part."""
        state, known = state_of(sample.status, SAMPLE_OBJECT)
        if state is ItemState.PARTIAL and not completed:
            state = ItemState.SUCCEEDED
        return ItemReport(
            batch=batch,
            stage=self.stage,
            state=state,
            status=sample.status,
            seq=seq,
            key=sample.name,
            remote_id=sample.id,
            detail=_FOUND,
            known_status=known,
        )


def owner_of_row(row: SampleItem) -> Owner:
    """The instance, batch and item that the tags of an item name."""
    return owner_of_sample(row.request.sample_to_create.tags)


def owner_of_sample(tags: SampleTags | None) -> Owner:
    """The same, of a sample."""
    given = tags.technical_tags or () if tags is not None else ()
    return owner_of(Tags([tag for tag in given if tag is not None]))


def _tagged(item: Item, tags: Sequence[str]) -> _Fields:
    fields = _OBJECT.decode(request_of(item))
    sample = _OBJECT.decode(fields["sampleToCreate"])
    given = (_MAYBE.decode(sample["tags"]) if "tags" in sample else None) or {}
    own = (_LIST.decode(given["technicalTags"]) if "technicalTags" in given else None) or []
    kept = [tag for tag in own if tag is None or not tag.startswith(OUR_TAGS)]
    sample["tags"] = _written({**given, "technicalTags": _written([*kept, *tags])})
    return {"completeSample": _written(value=False), **fields, "sampleToCreate": _written(sample)}


def _written(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
