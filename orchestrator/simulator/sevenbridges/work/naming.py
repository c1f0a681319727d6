"""A name decides what becomes of an item.

The name of a task or an automation run, the location of an import or an export, the id or name of a file, and a DRS URI
are split at `-`, `_`, `.`, `/`, `:` and spaces; digits at the end of a word do not count, nor does case. So
`run-0172/s1-fail` and `Fail_3` carry the word `fail`, but `failure` does not. The first word that names an outcome
decides; `slow` goes together with any.

    fail      FAILED; in a file job or a DRS import an error row                     (everything)
    abort     ABORTED by itself                                                     (task, automation run)
    stuck     never ends; a file job or a DRS import that holds one never ends       (everything)
    flip      goes back from RUNNING to QUEUED, twice                               (task)
    odd       passes through HIBERNATING, which no one knows, and succeeds           (everything)
    invalid   cannot be run: it stays DRAFT, with `errors` (knob `invalid_run`)      (task)
    bad       refused with 400 when it is sent; in a bulk call an error row          (everything)
    busy      refused with 503 when it is sent; in a bulk call an error row          (everything)
    unknown   names a file, volume, app or package that does not exist: 404          (everything)
    slow      takes ten times as long                                               (everything)

A child of a batch task is named after its parent and the file or group that it works on; only the latter decides.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.simulator.outcomes.words import first_known, words_of


class Outcome(StrEnum):
    """What becomes of an item; the value is the word that asks for it."""

    SUCCEED = "succeed"
    FAIL = "fail"
    ABORT = "abort"
    STUCK = "stuck"
    FLIP = "flip"
    ODD = "odd"
    INVALID = "invalid"
    BAD = "bad"
    BUSY = "busy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fate:
    """An outcome, and how fast."""

    outcome: Outcome = Outcome.SUCCEED
    slow: bool = False


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def fate_of(*names: str) -> Fate:
    """Read names, the first one first; see the module's docstring."""
    words = words_of(*names)
    outcome = first_known(words, _OUTCOMES, Outcome.SUCCEED)
    return Fate(outcome, "slow" in words)
