"""What is rejected without being read as a queue file: names, links, folders, pipes, tables that no file names."""

import anyio.to_thread

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.deciding.decider import Decider
from orchestrator.intake.directory.arrivals import Entry
from orchestrator.intake.directory.moves import mistake_of_name
from orchestrator.intake.directory.open_file import NotReadableError
from orchestrator.intake.directory.unclaimed_tables import UnclaimedTables
from orchestrator.intake.validation.check import refused


async def refusal(entry: Entry, decider: Decider, orphans: UnclaimedTables, now: float) -> Mistakes | None:
    """Why something is rejected; None while it may stay. Raises OSError."""
    if (mistake := mistake_of_name(entry.name)) is not None:
        return Mistakes([mistake])
    if not entry.regular:
        return await _unlike_a_file(entry, decider)
    return orphans.expired(entry.name, now)


async def _unlike_a_file(entry: Entry, decider: Decider) -> Mistakes | None:
    """Opening says what it is."""
    try:
        (await anyio.to_thread.run_sync(decider.open, entry.name)).close()
    except FileNotFoundError:
        return None
    except NotReadableError as error:
        return refused(entry.name, error.mistake).mistakes
    return None
