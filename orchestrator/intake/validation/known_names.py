"""A job whose name the database has already: refused with other content, left alone with the same."""

from collections.abc import Mapping

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.model import JobSpec
from orchestrator.intake.ports import Known

_CONTENT = "`retry` sends its items again; other content needs a new name"


def same_content(spec: JobSpec, known: Mapping[str, Known]) -> bool:
    """Whether the database has this very job; `known` maps folded names."""
    old = known.get(spec.name.casefold())
    return old is not None and old.digest == spec.digest


def conflict(spec: JobSpec, known: Mapping[str, Known], index: int) -> Mistake | None:
    """Why the job at `index` of a file is refused: something was sent under its name with other content."""
    old = known.get(spec.name.casefold())
    if old is None or old.digest == spec.digest or not old.sent:
        return None
    message = f"a job named {old.name!r} was sent already, with other content"
    return Mistake(message, _CONTENT, ("jobs", index, "name"))


def note_known(spec: JobSpec, known: Mapping[str, Known]) -> str | None:
    """What becomes of a job whose name is known, where it is not refused; None for a new name."""
    if same_content(spec, known):
        return f"{spec.name} is known already with the same content: nothing changes"
    if spec.name.casefold() in known:
        return f"{spec.name} takes the place of the job of that name, of which nothing was sent"
    return None
