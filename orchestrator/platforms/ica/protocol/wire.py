"""The parts of ICA's responses that are read: the fields for a status and its owner.

A page is decoded at once. Only when that fails, it is decoded row by row, so that an invalid row is skipped alone.
Every field that ICA may omit or write as null is optional.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import UNREADABLE, decode, read, unreadable

Row = TypeVar("Row")


class Wire(msgspec.Struct, gc=False, rename="camel"):
    """An object of ICA's API; other fields than those declared are skipped."""


class Tags(Wire):
    """The tags of an analysis, of the request that creates one, or of a session. This program uses technical tags."""

    technical_tags: list[str] | None = None
    user_tags: list[str] | None = None


class Analysis(Wire):
    """An analysis: from a search, requested by id, or embedded in the item that created it."""

    id: str
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


class LinkRequest(Wire):
    """The request of a link item."""

    data_id: str


class LinkItem(Wire):
    """An item of a data linking batch."""

    processing: Processing
    request: LinkRequest


class ProjectId(Wire):
    """A project, by its id."""

    id: str


class Job(Wire):
    """The job of a batch; `subject_id` is the id of the batch."""

    subject_id: str
    status: str
    time_created: str | None = None
    subject_type: str | None = None
    additional_status_information: str | None = None
    project: ProjectId | None = None


class BatchJob(Wire):
    """The job as embedded in its batch."""

    status: str | None = None
    additional_status_information: str | None = None


class RemoteBatch(Wire):
    """A batch, as returned by its creation or by a request for it."""

    id: str
    job: BatchJob | None = None


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
LINK_ITEMS = PageReader(LinkItem)
ANALYSES = PageReader(Analysis)
JOBS = PageReader(Job)
ANALYSIS = msgspec.json.Decoder(Analysis)
REMOTE_BATCH = msgspec.json.Decoder(RemoteBatch)
TOKEN = msgspec.json.Decoder(Token)
