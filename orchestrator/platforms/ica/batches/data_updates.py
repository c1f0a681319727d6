"""Batches that change tags and dates of data: equal changes go out as one group of data ids."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport
from orchestrator.domain.submission import Submission
from orchestrator.platforms.ica.batches.analyses import moment
from orchestrator.platforms.ica.batches.batch_work import BatchWork, request_of
from orchestrator.platforms.ica.protocol.wire import Change, TagUpdate, UpdateItem, Wire

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ID: Final = msgspec.json.Decoder(str)


class _Group(Change, kw_only=True):
    data_ids: list[str]


class _Sent(Wire):
    data_update_groups: list[_Group]


_SENT: Final = msgspec.json.Decoder(_Sent)


class DataUpdates(BatchWork[UpdateItem]):
    """The family of updates."""

    __slots__ = ()

    def compose(self, batch: Batch, items: Sequence[Item], instance: str) -> Submission:
        """One group for each different change, in the order of the first item that has it.

        Items are stored in canonical JSON, so equal changes are equal bytes.
        """
        del instance
        groups: defaultdict[bytes, list[str]] = defaultdict(list)
        for item in items:
            fields = _FIELDS.decode(request_of(item))
            data_id = _ID.decode(fields.pop("dataId"))
            groups[msgspec.json.encode(fields)].append(data_id)
        written = [{**_FIELDS.decode(change), "dataIds": ids} for change, ids in groups.items()]
        return self.submission(batch, {"dataUpdateGroups": written}, [item.key for item in items])

    def keys(self, submission: Submission) -> frozenset[str]:
        return frozenset(data_id for group in _groups(submission) for data_id in group.data_ids)

    def report(self, row: UpdateItem, batch: BatchKey) -> ItemReport:
        asked = row.request.data_id
        return self.reported(row.processing, batch, key=asked, remote_id=asked)

    def may_be(self, submission: Submission, rows: Sequence[UpdateItem]) -> bool:
        """Whether each row shows the change of its datum. What a row does not show says nothing."""
        changes = {data_id: _said(group) for group in _groups(submission) for data_id in group.data_ids}
        return all(
            reported is None or reported == sent
            for row in rows
            for sent, reported in zip(changes[row.request.data_id], _said(row.request), strict=True)
        )


def _groups(submission: Submission) -> Sequence[_Group]:
    return _SENT.decode(submission.body).data_update_groups


def _said(change: Change) -> tuple[Any, ...]:
    """A change in a form that compares equal whatever its spelling; None for what it does not say."""
    return (
        _tags(change.user_tags),
        _tags(change.technical_tags),
        moment(change.will_be_archived_at),
        moment(change.will_be_deleted_at),
    )


def _tags(update: TagUpdate | None) -> tuple[frozenset[str | None], frozenset[str | None]] | None:
    if update is None or not (update.add_tags or update.remove_tags):
        return None
    return frozenset(update.add_tags or ()), frozenset(update.remove_tags or ())
