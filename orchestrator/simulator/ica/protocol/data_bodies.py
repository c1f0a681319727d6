"""The bodies that create batches on data and samples, and what is wrong with them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from orchestrator.simulator.ica.protocol.bodies import DataId, Row, echo_of, is_data, read
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem
from orchestrator.simulator.ica.work.entities import Tags
from orchestrator.simulator.ica.work.outcomes import Outcome, fate_of

MOST_UPDATES = 100_000
"""Data ids that one update may name."""
_MOST_NAME = 255
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class DataBatch(msgspec.Struct, frozen=True):
    """Body of the calls that link and unlink data; rows are read one by one, so that one bad row can fail alone."""

    items: list[msgspec.Raw]


class CopyBatch(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Body of createProjectDataCopyBatch."""

    items: list[msgspec.Raw]
    copy_user_tags: bool
    copy_technical_tags: bool
    copy_instrument_info: bool
    action_on_exist: Literal["OVERWRITE", "SKIP", "RENAME"]
    destination_folder_id: str | None = None

    def echo(self) -> dict[str, Any]:
        """The parameters, as the batch shows them."""
        shown = {
            "copyUserTags": self.copy_user_tags,
            "copyTechnicalTags": self.copy_technical_tags,
            "copyInstrumentInfo": self.copy_instrument_info,
            "actionOnExist": self.action_on_exist,
        }
        return shown | _folder(self.destination_folder_id)


class MoveBatch(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Body of createProjectDataMoveBatch."""

    items: list[msgspec.Raw]
    destination_folder_id: str | None = None

    def echo(self) -> dict[str, Any]:
        """The parameters, as the batch shows them."""
        return _folder(self.destination_folder_id)


class TagUpdate(msgspec.Struct, rename="camel", frozen=True):
    """Tags that go and come."""

    add_tags: list[str] | None = None
    remove_tags: list[str] | None = None


class UpdateGroup(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """One change of several data."""

    data_ids: list[str]
    user_tags: TagUpdate | None = None
    technical_tags: TagUpdate | None = None
    will_be_archived_at: datetime | None = None
    will_be_deleted_at: datetime | None = None
    clear_will_be_archived_at: bool | None = None
    clear_will_be_deleted_at: bool | None = None

    def echo(self) -> dict[str, Any]:
        """The change, as its items show it: without the flags that clear a time."""
        shown: dict[str, Any] = {}
        for name, tags in (("userTags", self.user_tags), ("technicalTags", self.technical_tags)):
            if tags is not None:
                shown[name] = {"addTags": tags.add_tags or [], "removeTags": tags.remove_tags or []}
        for name, time in (
            ("willBeArchivedAt", self.will_be_archived_at),
            ("willBeDeletedAt", self.will_be_deleted_at),
        ):
            if time is not None:
                shown[name] = time.astimezone(UTC).strftime(_TIME)
        return shown


class UpdateBatch(msgspec.Struct, rename="camel", frozen=True):
    """Body of createProjectDataUpdateBatch."""

    data_update_groups: list[UpdateGroup]


class _SampleTags(msgspec.Struct, rename="camel", frozen=True):
    technical_tags: list[str | None] | None = None
    user_tags: list[str | None] | None = None
    connector_tags: list[str | None] | None = None
    run_in_tags: list[str | None] | None = None


class _CreateSample(msgspec.Struct, rename="camel", frozen=True):
    name: str
    description: str | None = None
    tags: _SampleTags | None = None


class _SampleItem(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    sample_to_create: _CreateSample
    complete_sample: bool
    data_to_link: list[DataId] | None = None


class SampleSearch(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Body of getProjectSamples."""

    conditions: list[msgspec.Raw]
    date_conditions: list[msgspec.Raw]
    number_conditions: list[msgspec.Raw]
    boolean_conditions: list[msgspec.Raw]
    tech_tags: list[str | None] | None = None
    tech_tag_match_mode: Literal["EXACT", "EXCLUDE", "FUZZY"] | None = None


def data_rows(raws: list[msgspec.Raw]) -> list[Row]:
    """The data that a batch names."""
    return [_data_row(raw) for raw in raws]


def update_rows(groups: list[UpdateGroup]) -> list[Row]:
    """The data that an update names, each with its change; raises Problem 400 for too many."""
    if sum(len(group.data_ids) for group in groups) > MOST_UPDATES:
        raise Problem(BAD_REQUEST, f"More than {MOST_UPDATES} dataIds are not allowed")
    return list(_updates(groups))


def sample_rows(body: bytes) -> list[Row]:
    """The samples that a batch asks for."""
    return [_sample_row(raw) for raw in read(body, DataBatch).items]


def check_folder(folder_id: str | None) -> None:
    """Raise Problem 400 unless it is a folder that exists, or none."""
    if folder_id is not None and not (folder_id.startswith("fol.") and is_data(folder_id)):
        raise Problem(BAD_REQUEST, f"The folder '{folder_id}' was not found")


def _folder(folder_id: str | None) -> dict[str, Any]:
    return {"destinationFolderId": folder_id} if folder_id is not None else {}


def _data_row(raw: msgspec.Raw) -> Row:
    try:
        asked = msgspec.json.decode(raw, type=DataId)
    except msgspec.DecodeError as error:
        return Row(str(echo_of(raw).data_id), mistake=str(error))
    return _row_of(asked.data_id)


def _row_of(data_id: str, echo: dict[str, Any] | None = None) -> Row:
    fate = fate_of(data_id)
    mistake = None
    if fate.outcome is Outcome.BAD:
        mistake = f"dataId '{data_id}' is not acceptable"
    elif not is_data(data_id):
        mistake = f"Data '{data_id}' was not found"
    return Row(data_id, fate, mistake=mistake, echo=echo)


def _updates(groups: list[UpdateGroup]) -> Iterator[Row]:
    for group in groups:
        for data_id in group.data_ids:
            yield _row_of(data_id, {"dataId": data_id, **group.echo()})


def _sample_row(raw: msgspec.Raw) -> Row:
    try:
        asked = msgspec.json.decode(raw, type=_SampleItem)
    except msgspec.DecodeError as error:
        return Row("", mistake=str(error), echo={"sampleToCreate": {"name": "?"}, "completeSample": False})
    sample, fate = asked.sample_to_create, fate_of(asked.sample_to_create.name)
    mistake = None
    if fate.outcome is Outcome.BAD or not 0 < len(sample.name) <= _MOST_NAME:
        mistake = f"The name '{sample.name}' is not acceptable"
    for datum in asked.data_to_link or ():
        if not is_data(datum.data_id):
            mistake = f"Data '{datum.data_id}' was not found"
    shown = {name: value for name, value in msgspec.to_builtins(sample).items() if value is not None}
    tags = tuple(tag for tag in (sample.tags and sample.tags.technical_tags) or () if tag is not None)
    echo = {"sampleToCreate": shown, "completeSample": asked.complete_sample}
    return Row(sample.name, fate, tags=Tags(tags), mistake=mistake, echo=echo)
