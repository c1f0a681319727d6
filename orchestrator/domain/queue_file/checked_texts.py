"""Texts of items that a pattern alone does not describe: ids that are ids, names whose every character shows."""

from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from orchestrator.domain.messages.printable import invisible_in
from orchestrator.domain.queue_file.cells import no_id

MISFIT: Final = "misfit"
"""Type of the error of a text that matches its pattern, which is in the context, and is not what that stands for."""
VISIBLE: Final = r"^[^\x00-\x1f\x7f]+$"
UNSEEN: Final = "has characters that cannot be seen, or none at all"
"""Describes what does not match VISIBLE."""


def is_id(pattern: str) -> AfterValidator:
    """Refuses what matches the pattern of an id and is none: `NA`, the name of a file, a date of a spreadsheet."""

    def check(text: str) -> str:
        if no_id(text) is not None:
            raise _misfit(pattern)
        return text

    return AfterValidator(check)


def _shows(text: str) -> str:
    if invisible_in(text) is not None:
        raise _misfit(VISIBLE)
    return text


def _misfit(pattern: str) -> PydanticCustomError:
    return PydanticCustomError(MISFIT, "does not match {pattern}", {"pattern": pattern})


SHOWS: Final = AfterValidator(_shows)
"""Refuses what matches VISIBLE and has a character all the same that does not show."""
Visible = Annotated[str, StringConstraints(pattern=VISIBLE), SHOWS]
"""A text whose characters all show, in any script."""
