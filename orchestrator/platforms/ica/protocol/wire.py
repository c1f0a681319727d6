"""The parts of ICA's responses that are read: the fields for a status and its owner.

A page is decoded at once. Only when that fails, it is decoded row by row, so that an invalid row is skipped alone.
Every field that ICA may omit or write as null is optional.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import UNREADABLE, Id, decode, read, unreadable

Row = TypeVar("Row")


class Wire(msgspec.Struct, gc=False, rename="camel"):
    """An object of ICA's API; other fields than those declared are skipped."""


class Tags(Wire):
    """The tags of an analysis, or of the request that creates one. This program uses technical tags."""

    technical_tags: list[str] | None = None


class Analysis(Wire):
    """An analysis: from a search, requested by id, or embedded in the item that created it."""

    id: Id
    status: str
    user_reference: str | None = None
    tags: Tags | None = None
    end_date: str | None = None
    summary: str | None = None


class Processing(Wire):
    """The progress of a batch item."""

    status: str
    additional_status_information: str | None = None


class CreationRequest(Wire):
    """The request of an analysis creation item."""

    user_reference: str | None = None
    tags: Tags | None = None


class CreationItem(Wire):
    """An item of an analysis creation batch."""

    processing: Processing
    request: CreationRequest | None = None
    created_analysis: Analysis | None = None


class DataRequest(Wire):
    """The request of an item that works on one datum."""

    data_id: str


class OwnerId(Wire):
    """A project, bundle or datum, by its id."""

    id: Id


class ProjectData(Wire):
    """A datum of a project."""

    data: OwnerId


class DataItem(Wire):
    """An item that links, unlinks, copies or moves a datum."""

    processing: Processing
    request: DataRequest
    created_project_data: ProjectData | None = None


class TagUpdate(Wire):
    """Tags to add and to remove."""

    add_tags: list[str | None] | None = None
    remove_tags: list[str | None] | None = None


class Change(Wire):
    """What an update changes; None where it is not said."""

    user_tags: TagUpdate | None = None
    technical_tags: TagUpdate | None = None
    will_be_archived_at: str | None = None
    will_be_deleted_at: str | None = None


class UpdateRequest(Change, kw_only=True):
    """The request of an item that changes a datum."""

    data_id: str


class UpdateItem(Wire):
    """An item of a data update batch."""

    processing: Processing
    request: UpdateRequest


class SampleTags(Wire):
    """The tags of a sample. This program uses technical tags."""

    technical_tags: list[str | None] | None = None


class SampleToCreate(Wire):
    """A sample as it was asked for."""

    name: str
    tags: SampleTags | None = None


class SampleRequest(Wire):
    """The request of an item that creates a sample."""

    sample_to_create: SampleToCreate


class Sample(Wire):
    """A sample."""

    id: Id
    name: str
    status: str
    tags: SampleTags | None = None


class SampleId(Wire):
    """The sample that an item created."""

    id: Id


class SampleItem(Wire):
    """An item of a sample creation batch."""

    processing: Processing
    request: SampleRequest
    created_sample: SampleId | None = None


class ProjectSample(Wire):
    """A row of a search for samples."""

    sample: Sample


class Job(Wire):
    """The job of a batch; `subject_id` is the id of the batch."""

    subject_id: Id
    status: str
    time_created: str | None = None
    subject_type: str | None = None
    additional_status_information: str | None = None
    project: OwnerId | None = None
    bundle: OwnerId | None = None


class BatchJob(Wire):
    """The job as embedded in its batch."""

    status: str | None = None
    additional_status_information: str | None = None


class RemoteBatch(Wire):
    """A batch, as returned by its creation or by a request for it."""

    id: Id
    job: BatchJob | None = None


class Parameters(Wire):
    """What a copy or move says of all its items at once, as it is sent and as the batch shows it."""

    destination_folder_id: str | None = None
    copy_user_tags: bool | None = None
    copy_technical_tags: bool | None = None
    copy_instrument_info: bool | None = None
    action_on_exist: str | None = None


class Token(Wire):
    """The response to a request for a JSON Web Token."""

    token: str


class _Page(Wire, Generic[Row]):
    items: list[Row] | None = None
    next_page_token: str | None = None
    total_item_count: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page."""

    rows: list[Row]
    token: str | None
    """Where the next page begins, under cursor paging; None after the last."""
    total: int | None
    """Number of rows of the whole listing, under offset paging."""
    bad_rows: int = 0
    """Number of invalid rows, which were skipped."""


class PageReader(Generic[Row]):
    """Decodes pages with one type of row."""

    def __init__(self, row: type[Row]) -> None:
        self._row = msgspec.json.Decoder(row)
        self._page = msgspec.json.Decoder(_Page[row])  # type: ignore[valid-type]

    def read(self, answer: Answer) -> Page[Row]:
        """Decode the page in a response.

        Raises:
            Transient: the body is not a page.
        """
        try:
            page = decode(self._page, answer.body)
        except msgspec.ValidationError:
            return self._row_by_row(answer)
        except UNREADABLE as error:
            raise unreadable(answer, error) from error
        return Page(page.items or [], page.next_page_token or None, page.total_item_count)

    def _row_by_row(self, answer: Answer) -> Page[Row]:
        page = read(answer, _RAW_PAGE)
        rows, bad_rows = [], 0
        for raw in page.items or ():
            try:
                rows.append(decode(self._row, raw))
            except UNREADABLE:
                bad_rows += 1
        return Page(rows, page.next_page_token or None, page.total_item_count, bad_rows)


_RAW_PAGE = msgspec.json.Decoder(_Page[msgspec.Raw])

CREATION_ITEMS = PageReader(CreationItem)
DATA_ITEMS = PageReader(DataItem)
UPDATE_ITEMS = PageReader(UpdateItem)
SAMPLE_ITEMS = PageReader(SampleItem)
SAMPLES = PageReader(ProjectSample)
ANALYSES = PageReader(Analysis)
JOBS = PageReader(Job)
ANALYSIS = msgspec.json.Decoder(Analysis)
REMOTE_BATCH = msgspec.json.Decoder(RemoteBatch)
PARAMETERS = msgspec.json.Decoder(Parameters)
TOKEN = msgspec.json.Decoder(Token)
