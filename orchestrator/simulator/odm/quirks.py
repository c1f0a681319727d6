"""The odd ways of the simulated ODM: names for a fault of kind QUIRK."""

MADE_TWICE = "made_twice"
"""A gateway sends a publishing, importing or restarting call twice: the second answer is passed on."""
STALE = "stale"
"""The answer gives the statuses of `seconds` ago: they seem to go backwards."""

QUIRKS = frozenset({MADE_TWICE, STALE})
