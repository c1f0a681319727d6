"""Batches of data ids: links and their removal, copies, moves. The items go out as they were asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import HOUR
from orchestrator.platforms.ica.batches.batch_work import BatchWork, Repeat, request_of
from orchestrator.platforms.ica.protocol.wire import DataItem, DataRequest, Parameters, Wire

_FOLDER: Final = "fol."


class _Sent(Wire):
    items: list[DataRequest]


_SENT: Final = msgspec.json.Decoder(_Sent)
_OPTIONS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class DataWork(BatchWork[DataItem]):
    """A family whose items keep the ids of their data."""

    __slots__ = ()

    def compose(self, batch: Batch, items: Sequence[Item], instance: str) -> Submission:
        """The items, and beside them what the job says of all."""
        del instance
        body = {"items": [request_of(item) for item in items], **_options_of(batch)}
        return self.submission(batch, body, [item.key for item in items])

    def keys(self, submission: Submission) -> frozenset[str]:
        return frozenset(item.data_id for item in _SENT.decode(submission.body).items)

    def report(self, row: DataItem, batch: BatchKey) -> ItemReport:
        return self.reported(row.processing, batch, key=row.request.data_id, remote_id=row.request.data_id)


class DataCopies(DataWork):
    """The family whose items make new data: an item's remote id is that of the copy, once there is one."""

    __slots__ = ()

    def report(self, row: DataItem, batch: BatchKey) -> ItemReport:
        made = row.created_project_data
        return self.reported(
            row.processing, batch, key=row.request.data_id, remote_id=made.data.id if made is not None else None
        )


def harmless(_parameters: Parameters, _keys: Iterable[str]) -> Repeat:
    """A link made twice is one link, and a link removed twice is removed."""
    return Repeat(Resend.HARMLESS)


def never(_parameters: Parameters, _keys: Iterable[str]) -> Repeat:
    """The data may have been moved or changed by others since."""
    return Repeat(Resend.NEVER)


def of_a_copy(parameters: Parameters, keys: Iterable[str]) -> Repeat:
    """A file that is skipped or overwritten stays one file: for an hour that is harmless.

    Under a new name it is another file, and `actionOnExist` is not about folders.
    """
    if parameters.action_on_exist == "RENAME" or any(key.startswith(_FOLDER) for key in keys):
        return Repeat(Resend.NEVER)
    return Repeat(Resend.HARMLESS, HOUR)


def differ(sent: Parameters, shown: Parameters) -> bool:
    """Whether a batch shows other parameters than those sent. What it does not show says nothing."""
    pairs = zip(msgspec.structs.astuple(sent), msgspec.structs.astuple(shown), strict=True)
    return any(theirs not in (None, "", ours) for ours, theirs in pairs)


def _options_of(batch: Batch) -> Mapping[str, msgspec.Raw]:
    return _OPTIONS.decode(batch.options) if batch.options is not None else {}
