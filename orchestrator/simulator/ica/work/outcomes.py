"""A name decides what becomes of its item.

A `userReference`, `dataId` or name of a sample is split at `-`, `_`, `.`, `/` and spaces; digits at the end of a word
do not count, nor does case. So `run-0172/s1-fail`, `Fail_3` and `fil.fail0001` all carry the word `fail`, but `failure`
and an ordinary hexadecimal id do not. The first word that names an outcome decides; `slow` and `never` go together with
any. "Data" is every other item than an analysis: links, copies, moves, updates, samples, …

    fail       FAILED                                   (analysis, data)
    failfinal  FAILED_FINAL                             (analysis)
    flaky      FAILED the first time, SUCCEEDED when it is created again (analysis)
    abort      ABORTING, then ABORTED, by itself        (analysis); STOPPED (sample)
    await      AWAITING_INPUT for a while, then IN_PROGRESS again (analysis)
    stuck      never ends                               (analysis, data)
    odd        passes through HIBERNATING, an undocumented status, and succeeds   (analysis, data)
    nocreate   the creation item fails: there is no analysis
    partial    PARTIALLY_LINKED, PARTIALLY_COPIED, …    (data)
    already    ALREADY_LINKED, ALREADY_UNLINKED; success where the family has no such status   (data)
    bad        an invalid item: see the knob `bad_item`
    slow       takes ten times as long
    never      is never listed among its batch's items

`unknown` in a dataId (anywhere, also among an analysis's inputs) stands for data that does not exist, and so does a
pipelineId that is no UUID, or the UUID of zeros, for a pipeline: both make an item invalid, as `bad` does.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_SEPARATORS = re.compile(r"[-_./ ]+")
_DIGITS = "0123456789"


class Outcome(StrEnum):
    """What becomes of an item; the value is the word that asks for it."""

    SUCCEED = "succeed"
    FAIL = "fail"
    FAIL_FINAL = "failfinal"
    FLAKY = "flaky"
    ABORT = "abort"
    AWAIT = "await"
    STUCK = "stuck"
    ODD = "odd"
    NOT_CREATED = "nocreate"
    PARTIAL = "partial"
    ALREADY = "already"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Fate:
    """An outcome and its modifiers."""

    outcome: Outcome = Outcome.SUCCEED
    slow: bool = False
    unlisted: bool = False
    unknown: bool = False

    def of_attempt(self, *, is_first: bool) -> "Fate":
        """What becomes of one attempt: only the first of a flaky item fails."""
        if self.outcome is not Outcome.FLAKY:
            return self
        return replace(self, outcome=Outcome.FAIL if is_first else Outcome.SUCCEED)


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_ORDINARY = Fate()


def fate_of(name: str) -> Fate:
    """Read a name; see the module's docstring."""
    words = [word.rstrip(_DIGITS) for word in _SEPARATORS.split(name.lower())]
    outcome = next((_OUTCOMES[word] for word in words if word in _OUTCOMES), Outcome.SUCCEED)
    slow, unlisted, unknown = "slow" in words, "never" in words, "unknown" in words
    if outcome is Outcome.SUCCEED and not (slow or unlisted or unknown):
        return _ORDINARY
    return Fate(outcome, slow, unlisted, unknown)
