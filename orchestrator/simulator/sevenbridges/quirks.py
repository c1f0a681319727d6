"""The odd ways of the simulated Seven Bridges: names for a fault of kind QUIRK."""

OTHER_USER = "other_user"
"""The token counts as another user's."""
MAINTENANCE = "maintenance"
"""503 with code 0, and nothing was done. With `lasts` it is a maintenance window."""
ROW_ERROR = "row_error"
"""One row of a bulk answer is an error 503; what it asked for was not done."""
SHUFFLED = "shuffled"
"""The rows of this bulk answer or result are in another order."""
ROWS_SHIFT = "rows_shift"
"""A row is missed between this page and the one before."""
ROW_VANISHES = "row_vanishes"
"""A page or a bulk answer lacks one of its rows."""
TWICE_LISTED = "twice_listed"
"""A page carries one of its rows twice."""
MADE_TWICE = "made_twice"
"""A gateway sends a creating call twice: two things are made, the second one is answered."""
STALE = "stale"
"""The answer gives the statuses of `seconds` ago: they seem to go backwards."""

QUIRKS = frozenset(
    {OTHER_USER, MAINTENANCE, ROW_ERROR, SHUFFLED, ROWS_SHIFT, ROW_VANISHES, TWICE_LISTED, MADE_TWICE, STALE}
)
