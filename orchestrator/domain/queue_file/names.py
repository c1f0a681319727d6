"""Names that every part of the queue file's model uses."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

JOB_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

JobName = Annotated[str, StringConstraints(pattern=JOB_NAME)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
"""Of the objects of the document: unknown keys are mistakes, and values are not converted."""
