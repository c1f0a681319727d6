"""The odd ways of the simulated ICA: names for a fault of kind QUIRK."""

OTHER_USER = "other_user"
"""The credential counts as another user's."""
JOB_NULL = "job_null"
"""A creating call answers without its job."""
JOB_STUCK = "job_stuck"
"""The job that a creating call starts stays in RUNNING, whatever its items do."""
ITEM_UNLISTED = "item_unlisted"
"""One item that a creating call makes is never listed."""
ITEM_VANISHES = "item_vanishes"
"""A page lacks one of its rows."""
ITEM_TWICE = "item_twice"
"""A page carries a row that the next page will carry too."""
STALE = "stale"
"""The answer gives the statuses of `seconds` ago: they seem to go backwards."""

QUIRKS = frozenset({OTHER_USER, JOB_NULL, JOB_STUCK, ITEM_UNLISTED, ITEM_VANISHES, ITEM_TWICE, STALE})
