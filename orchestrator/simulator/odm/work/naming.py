"""A name decides what becomes of an item.

The accession of a study, the id of a task, the message of a publication of everything and the link of an import are
split at `-`, `_`, `.`, `/`, `:` and spaces; digits at the end of a word do not count, nor does case. So `GSF7-fail` and
`https://x.org/s1-fail.tsv` carry the word `fail`, but `failure` does not. The first word that names an outcome decides;
`slow` goes together with any.

    fail       FAILED; an import with errors in its output                          (everything)
    flaky      FAILED, and COMPLETED once it is restarted                           (import)
    kill       KILLED                                                               (task)
    halt       STOPPED by itself                                                    (import)
    abandon    ABANDONED                                                            (import)
    blocked    BLOCKED_BY_DEPENDENCY_FAILURE for a while, then that with an end     (task)
    resumed    BLOCKED_BY_DEPENDENCY_FAILURE for a while, then RUNNING and DONE     (task)
    stuck      never ends                                                           (everything)
    odd        passes through a status that no one knows, an import through UNKNOWN (everything)
    unchanged  a study that has nothing to publish                                  (study)
    private    refused with 403                                                     (study)
    bad        refused with 400                                                     (study, import)
    unknown    does not exist: 404, or what the knob `missing_study` says           (study, task)
    slow       takes ten times as long                                              (everything)
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.simulator.outcomes.words import first_known, words_of


class Outcome(StrEnum):
    """What becomes of an item; the value is the word that asks for it."""

    SUCCEED = "succeed"
    FAIL = "fail"
    FLAKY = "flaky"
    KILL = "kill"
    HALT = "halt"
    ABANDON = "abandon"
    BLOCKED = "blocked"
    RESUMED = "resumed"
    STUCK = "stuck"
    ODD = "odd"
    UNCHANGED = "unchanged"
    PRIVATE = "private"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fate:
    """An outcome, and how fast."""

    outcome: Outcome = Outcome.SUCCEED
    slow: bool = False


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def fate_of(name: str) -> Fate:
    """Read a name; see the module's docstring."""
    words = words_of(name)
    outcome = first_known(words, _OUTCOMES, Outcome.SUCCEED)
    return Fate(outcome, "slow" in words)
