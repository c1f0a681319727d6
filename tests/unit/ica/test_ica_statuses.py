"""ICA's words in ours."""

import pytest

from orchestrator.domain.model import ItemState
from orchestrator.platforms.ica import statuses
from orchestrator.platforms.status_table import state_of

S = ItemState


@pytest.mark.parametrize(
    ("table", "words", "state"),
    [
        (statuses.CREATION, "WAITING_RESOURCES RUNNING SUCCEEDED", S.SUBMITTED),
        (statuses.CREATION, "FAILED", S.FAILED),
        (statuses.ANALYSIS, "REQUESTED QUEUED", S.SUBMITTED),
        (
            statuses.ANALYSIS,
            "INITIALIZING PREPARING_INPUTS IN_PROGRESS GENERATING_OUTPUTS ABORTING",
            S.RUNNING,
        ),
        (statuses.ANALYSIS, "AWAITING_INPUT", S.ATTENTION),
        (statuses.ANALYSIS, "SUCCEEDED", S.SUCCEEDED),
        (statuses.ANALYSIS, "FAILED FAILED_FINAL", S.FAILED),
        (statuses.ANALYSIS, "ABORTED", S.ABORTED),
        (statuses.LINK, "INITIALISED WAITING_RESOURCES", S.SUBMITTED),
        (statuses.LINK, "RUNNING", S.RUNNING),
        (statuses.LINK, "LINKED ALREADY_LINKED", S.SUCCEEDED),
        (statuses.LINK, "PARTIALLY_LINKED", S.PARTIAL),
        (statuses.LINK, "FAILED", S.FAILED),
    ],
)
def test_each_word_has_its_state(table, words, state):
    """The tables say what is promised to the user, word by word."""
    assert {state_of(word, table) for word in words.split()} == {(state, True)}


@pytest.mark.parametrize("table", [statuses.CREATION, statuses.ANALYSIS, statuses.LINK])
def test_a_word_that_no_table_has_keeps_the_item_open(table):
    """Nothing ends on a word that nobody knows."""
    assert state_of("HIBERNATING", table) == (S.RUNNING, False)


def test_open_and_final_words_are_all_words_of_an_analysis():
    """A search for open ones and one for ended ones leave no documented word out."""
    assert {*statuses.OPEN_ANALYSIS} | {*statuses.FINAL_ANALYSIS} == set(statuses.ANALYSIS)
    assert not {*statuses.OPEN_ANALYSIS} & {*statuses.FINAL_ANALYSIS}
    assert {"AWAITING_INPUT", "ABORTING"} <= {*statuses.OPEN_ANALYSIS}
