"""What is rejected without being read as a queue file: names, links, folders, pipes, tables that no file names."""

import anyio.to_thread

from orchestrator.domain.mistake import Mistakes
from orchestrator.intake.arrivals import Entry
from orchestrator.intake.check import refused
from orchestrator.intake.deciding import Decider
from orchestrator.intake.folder import GOOD_NAME
from orchestrator.intake.orphans import Orphans
from orchestrator.intake.source import NotTakenError


async def refusal(entry: Entry, decider: Decider, orphans: Orphans, now: float) -> Mistakes | None:
    """Why something is rejected; None while it may stay. Raises OSError."""
    if not GOOD_NAME.fullmatch(entry.name):
        mistakes = Mistakes()
        mistakes.add("has a name that is not taken", "1 to 200 of the characters A-Z a-z 0-9 . _ -")
        return mistakes
    if not entry.regular:
        return await _unlike_a_file(entry, decider)
    return None if decider.awaits(entry.name) else orphans.given_up(entry.name, now)


async def _unlike_a_file(entry: Entry, decider: Decider) -> Mistakes | None:
    """Opening says what it is."""
    try:
        (await anyio.to_thread.run_sync(decider.open, entry.name)).close()
    except FileNotFoundError:
        return None
    except NotTakenError as error:
        return refused(entry.name, error.mistake).mistakes
    return None
