"""What ICA sends, as far as we read it: the few fields that tell a status and whose it is.

A page is decoded in one go. Only when that fails is it read row by row, so that a bad row costs that row and no more.
Everything that ICA may leave out or write as null may be missing here too.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from orchestrator.platforms.calls import Answer
from orchestrator.platforms.reading import UNREADABLE, decode, read, unreadable

Row = TypeVar("Row")


class Wire(msgspec.Struct, gc=False, rename="camel"):
    """Something that ICA sends; fields that we do not name are skipped unread."""


class Tags(Wire):
    """Of an analysis, or of the request that creates one. Ours are technical tags."""

    technical_tags: list[str] | None = None


class Analysis(Wire):
    """An analysis, whether listed by a search, asked for by its id, or embedded in the item that created it."""

    id: str
    status: str
    user_reference: str | None = None
    tags: Tags | None = None
    end_date: str | None = None
    summary: str | None = None


class Processing(Wire):
    """How far a batch item is."""

    status: str
    additional_status_information: str | None = None


class CreationRequest(Wire):
    """What ICA repeats of the analysis that an item asked for."""

    user_reference: str | None = None
    tags: Tags | None = None


class CreationItem(Wire):
    """An item of an analysis creation batch."""

    processing: Processing
    request: CreationRequest | None = None
    created_analysis: Analysis | None = None


class LinkRequest(Wire):
    """What ICA repeats of a link."""

    data_id: str


class LinkItem(Wire):
    """An item of a data linking batch."""

    processing: Processing
    request: LinkRequest


class ProjectId(Wire):
    """A project, by its id."""

    id: str


class Job(Wire):
    """What ICA does for a batch; `subject_id` is the id of that batch."""

    subject_id: str
    status: str
    time_created: str | None = None
    subject_type: str | None = None
    additional_status_information: str | None = None
    project: ProjectId | None = None


class BatchJob(Wire):
    """The job inside a batch; the batch says whose it is."""

    status: str | None = None
    additional_status_information: str | None = None


class RemoteBatch(Wire):
    """A batch, as its creation or a look at it answers."""

    id: str
    job: BatchJob | None = None


class Token(Wire):
    """The answer to a request for a JSON Web Token."""

    token: str


class _Page(Wire, Generic[Row]):
    items: list[Row] | None = None
    next_page_token: str | None = None
    total_item_count: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one answer."""

    rows: list[Row]
    token: str | None
    """Where the next page begins, under cursor paging; None after the last."""
    total: int | None
    """All rows of the listing, under offset paging."""
    bad_rows: int = 0


class PageReader(Generic[Row]):
    """Reads pages of one kind of row."""

    def __init__(self, row: type[Row]) -> None:
        self._row = msgspec.json.Decoder(row)
        self._page = msgspec.json.Decoder(_Page[row])  # type: ignore[valid-type]

    def read(self, answer: Answer) -> Page[Row]:
        """The page in `answer`.

        Raises:
            Transient: it is no page at all.
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
