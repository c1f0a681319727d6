"""The state machines: what an observation means for an item, where a batch can go, what a job came to.

An item and a word about it have few enough values to try every pair, so most laws here are proved, not sampled.
"""

import functools
import itertools
import re
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import Stage

from orchestrator.domain.lifecycle import (
    TRANSITIONS,
    BatchEvent,
    Change,
    Contradiction,
    IllegalTransitionError,
    Same,
    decide,
    draw,
    next_batch_state,
    outcome_of,
)
from orchestrator.domain.model import (
    FINAL_ITEM_STATES,
    BatchKey,
    BatchState,
    Item,
    ItemReport,
    ItemState,
    JobId,
    JobState,
    Needs,
)
from orchestrator.platforms.ica.statuses import ANALYSIS, CREATION, LINK
from orchestrator.platforms.registry import KINDS
from orchestrator.platforms.status_table import state_of

STATES_PAGE = Path(__file__).parents[3] / "docs" / "states.md"

OPEN_STATES = [state for state in ItemState if not state.final]
BOTH = (False, True)


def item_in(state, stage=Stage.ANALYSIS, *, status="OLD", remote_id="a", detail=None):
    return Item(
        job=JobId("j"),
        seq=1,
        key="s1",
        batch=1,
        stage=stage,
        state=state,
        status=status,
        remote_id=remote_id,
        detail=detail,
    )


def word(state, stage=Stage.ANALYSIS, *, status="NEW", remote_id="a", detail=None, hint=False, known_status=True):
    return ItemReport(
        batch=BatchKey("k"),
        seq=1,
        stage=stage,
        state=state,
        status=status,
        remote_id=remote_id,
        detail=detail,
        hint=hint,
        known_status=known_status,
    )


def applied(item, change):
    return replace(
        item,
        stage=change.stage,
        state=change.state,
        status=change.status,
        remote_id=change.remote_id,
        detail=change.detail,
    )


ITEMS = [
    item_in(state, stage, status=status, remote_id=remote_id)
    for state, stage, status, remote_id in itertools.product(ItemState, Stage, (None, "SAID"), (None, "a", "b"))
]
WORDS = [
    word(state, stage, status=status, remote_id=remote_id, detail=detail, hint=hint)
    for state, stage, status, remote_id, detail, hint in itertools.product(
        ItemState, Stage, ("SAID", "NEW"), (None, "a"), (None, "why"), BOTH
    )
]


@functools.cache
def every_pair():
    """Every item with every word about it, and what it means."""
    return [(item, seen, decide(item, seen)) for item, seen in itertools.product(ITEMS, WORDS)]


# ---------------------------------------------------------------- items


def test_every_word_about_every_item_has_a_meaning():
    """No pair of item and word is left undecided, and none raises."""
    assert all(isinstance(decision, (Same, Change, Contradiction)) for _, _, decision in every_pair())
    assert {Same, Change, Contradiction} == {type(decision) for _, _, decision in every_pair()}


def test_a_final_item_never_changes():
    """Whatever the platform says after an outcome, the outcome stands."""
    changed = [(item, seen) for item, seen, it in every_pair() if item.state.final and isinstance(it, Change)]
    assert changed == []


def test_a_hint_never_ends_an_item():
    """A word that may be stale makes nothing final, not even in part: the ending word is not kept either."""
    for item, seen, decision in every_pair():
        if seen.hint and isinstance(decision, Change):
            assert not decision.state.final, (item, seen)
            assert not seen.state.final or decision.status in {None, item.status}, (item, seen)


def test_a_hint_never_contradicts():
    """A word that may be stale accuses nobody."""
    accused = [(item, seen) for item, seen, it in every_pair() if seen.hint and isinstance(it, Contradiction)]
    assert accused == []


def test_a_hint_never_takes_an_item_back():
    """What a better source said of a known object is neither turned back nor reworded by a word that may be stale."""
    far = {ItemState.PENDING: 0, ItemState.SUBMITTED: 1, ItemState.RUNNING: 2, ItemState.ATTENTION: 2}
    for item, seen, decision in every_pair():
        if seen.hint and isinstance(decision, Change) and seen.stage is item.stage:
            moved_on = far[decision.state] > far[item.state]
            kept = (decision.state, decision.status, decision.detail) == (item.state, item.status, item.detail)
            assert moved_on or kept, (item, seen)


@pytest.mark.parametrize("truth", [ItemState.RUNNING, ItemState.ATTENTION])
@pytest.mark.parametrize("stale", list(ItemState))
def test_two_sources_do_not_turn_each_others_words(truth, stale):
    """An item that a search calls running stays as the search says, however often a page repeats an old word."""
    item = item_in(truth, status="IN_PROGRESS")
    assert Same() == decide(item, word(stale, status="REQUESTED", hint=True))


def test_a_hint_tells_that_an_analysis_exists():
    """The first word about an analysis, stale or not, gives the item its stage, its id and where it stands."""
    created = item_in(ItemState.SUBMITTED, Stage.CREATION, status="RUNNING", remote_id=None)
    decision = decide(created, word(ItemState.RUNNING, status="IN_PROGRESS", hint=True))
    assert Change(Stage.ANALYSIS, ItemState.RUNNING, "IN_PROGRESS", "a", None) == decision


def test_a_hint_of_an_end_tells_only_that_the_analysis_exists():
    """An embedded SUCCEEDED names the analysis; how it ended is left to the analysis itself."""
    created = item_in(ItemState.SUBMITTED, Stage.CREATION, status="SUCCEEDED", remote_id=None)
    decision = decide(created, word(ItemState.SUCCEEDED, status="SUCCEEDED", detail="done", hint=True))
    assert Change(Stage.ANALYSIS, ItemState.SUBMITTED, None, "a", None) == decision


def test_a_hint_may_tell_that_an_analysis_began_to_move():
    """A submitted analysis that a page shows running is running."""
    decision = decide(item_in(ItemState.SUBMITTED), word(ItemState.RUNNING, status="IN_PROGRESS", hint=True))
    assert Change(Stage.ANALYSIS, ItemState.RUNNING, "IN_PROGRESS", "a", None) == decision


def test_a_word_of_a_creation_never_overrides_a_word_of_the_analysis():
    """Once an analysis is known, what its creation says changes nothing."""
    for item, seen, decision in every_pair():
        if seen.stage == Stage.CREATION != item.stage:
            assert not isinstance(decision, Change), (item, seen)


@pytest.mark.parametrize("state", OPEN_STATES)
def test_a_failed_creation_contradicts_an_analysis_that_goes_on(state):
    """It is shown, for something is wrong, and the analysis goes on."""
    failed = word(ItemState.FAILED, Stage.CREATION, status="FAILED", remote_id=None)
    assert Contradiction("FAILED") == decide(item_in(state), failed)


def test_words_are_taken_as_they_come():
    """A sure word about an open item becomes its state, status and detail, unchanged, also back from running."""
    for item, seen, decision in every_pair():
        other = seen.remote_id and item.remote_id and seen.remote_id != item.remote_id
        creation_late = seen.stage == Stage.CREATION != item.stage
        if item.state.final or seen.hint or other or creation_late:
            continue
        after = applied(item, decision) if isinstance(decision, Change) else item
        told = (seen.stage, seen.state, seen.status, seen.detail)
        assert told == (after.stage, after.state, after.status, after.detail), (item, seen)


def test_the_same_word_a_second_time_changes_nothing():
    """Looking again has no effect: after a change, the same observation means `Same`."""
    for item, seen, decision in every_pair():
        if isinstance(decision, Change):
            assert applied(item, decision) != item, (item, seen)
            assert decide(applied(item, decision), seen) == Same(), (item, seen)


def test_an_object_once_known_is_never_exchanged():
    """A second object for the same item is shown, never adopted; an id once known never gets lost."""
    for item, seen, decision in every_pair():
        if isinstance(decision, Change):
            assert decision.remote_id == (item.remote_id or seen.remote_id), (item, seen)
        if item.remote_id and seen.remote_id and item.remote_id != seen.remote_id:
            assert decision == (Same() if seen.hint else Contradiction(seen.status)), (item, seen)


@pytest.mark.parametrize("state", sorted(FINAL_ITEM_STATES))
@pytest.mark.parametrize("said", list(ItemState))
def test_a_sure_word_against_an_outcome_is_a_contradiction(state, said):
    """Only the same outcome again is no news."""
    expected = Same() if said is state else Contradiction("NEW")
    assert expected == decide(item_in(state), word(said))


def test_an_analysis_of_an_item_that_was_never_sent_is_a_contradiction():
    """A cancelled item that shows up on the platform must be seen by a person."""
    never_sent = item_in(ItemState.CANCELLED, Stage.CREATION, status=None, remote_id=None)
    assert Contradiction("IN_PROGRESS") == decide(never_sent, word(ItemState.RUNNING, status="IN_PROGRESS"))


@given(st.text(max_size=40), st.sampled_from(OPEN_STATES), st.sampled_from([CREATION, ANALYSIS, LINK]))
def test_a_word_that_no_table_has_runs(text, state, table):
    """A word we do not know is kept as it came, counts as running, and ends nothing."""
    if text in table:
        return
    ours, known = state_of(text, table)
    decision = decide(item_in(state), word(ours, status=text, known_status=known))
    assert not known
    assert Change(Stage.ANALYSIS, ItemState.RUNNING, text, "a", None) == decision


def test_links_begin_as_links_and_analyses_as_creations():
    """The first word about a link is the link's; the first about an analysis is its creation's."""
    kinds = (KINDS["ica.data_linking"], KINDS["ica.analysis_creation"])
    assert [kind.first_stage for kind in kinds] == [Stage.LINK, Stage.CREATION]


# ---------------------------------------------------------------- batches


def reachable(start):
    seen, waiting = {start}, deque([start])
    while waiting:
        state = waiting.popleft()
        for (before, _), after in TRANSITIONS.items():
            if before is state and after not in seen:
                seen.add(after)
                waiting.append(after)
    return seen


@pytest.mark.parametrize("state", list(BatchState))
def test_every_batch_can_settle(state):
    """From each state a way leads to settled."""
    assert BatchState.SETTLED in reachable(state)


def test_every_state_of_a_batch_is_reached():
    """A planned batch can come into every state: none is there in vain."""
    assert set(BatchState) == reachable(BatchState.PLANNED)


def test_every_event_of_a_batch_is_used():
    """The table knows what to do with each event, in one state at least."""
    assert set(BatchEvent) == {event for _, event in TRANSITIONS}


def test_settled_is_the_end():
    """Nothing happens to a settled batch; items that are done again go into new ones."""
    assert not [event for state, event in TRANSITIONS if state is BatchState.SETTLED]


def test_a_blocked_batch_has_the_ways_out_that_are_printed():
    """`retry` renews it (or finds out first what a lost send did), `adopt` tracks it, `cancel` ends it."""
    ways = {event: after for (state, event), after in TRANSITIONS.items() if state is BatchState.BLOCKED}
    expected = {
        BatchEvent.RENEW: BatchState.PLANNED,
        BatchEvent.INQUIRE: BatchState.UNCONFIRMED,
        BatchEvent.ADOPT: BatchState.TRACKING,
        BatchEvent.ABANDON: BatchState.SETTLED,
        BatchEvent.REOPEN: BatchState.TRACKING,
    }
    assert expected == ways


def test_nothing_is_sent_but_by_a_durable_beginning():
    """`submitting` is entered by `begin` alone, which comes after the bytes are stored."""
    assert {BatchEvent.BEGIN} == {event for (_, event), after in TRANSITIONS.items() if after is BatchState.SUBMITTING}


def test_what_may_have_had_an_effect_is_never_planned_again_by_itself():
    """From an unknown outcome back to planned leads a new key or the next step, and from tracking nothing does."""
    back = {(before, event) for (before, event), after in TRANSITIONS.items() if after is BatchState.PLANNED}
    expected = {
        (BatchState.SUBMITTING, BatchEvent.RELEASE),
        *((state, BatchEvent.PROCEED) for state in (BatchState.SUBMITTING, BatchState.UNCONFIRMED)),
        (BatchState.SUBMITTING, BatchEvent.RENEW),  # what the step before made is gone
        (BatchState.UNCONFIRMED, BatchEvent.RENEW),
        (BatchState.BLOCKED, BatchEvent.RENEW),
    }
    assert expected == back


def test_every_answer_to_a_submission_leads_out_of_it():
    """A submission is accepted, in a step or whole, put back, lost, split, refused or blocked: none is left hanging."""
    out = {event for state, event in TRANSITIONS if state is BatchState.SUBMITTING}
    assert {"confirm", "proceed", "release", "renew", "lose", "split", "refuse", "block"} == out


def test_what_cannot_happen_is_refused_by_name():
    """Every pair outside the table raises, and the message names state and event."""
    for state, event in itertools.product(BatchState, BatchEvent):
        if (state, event) in TRANSITIONS:
            assert next_batch_state(state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(IllegalTransitionError, match=f"a {state} batch cannot {event}"):
                next_batch_state(state, event)


# ---------------------------------------------------------------- jobs


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ({ItemState.SUCCEEDED: 3}, JobState.SUCCEEDED),
        ({ItemState.SUCCEEDED: 3, ItemState.FAILED: 0}, JobState.SUCCEEDED),
        ({ItemState.SUCCEEDED: 2, ItemState.FAILED: 1}, JobState.PARTIAL),
        ({ItemState.SUCCEEDED: 1, ItemState.ABORTED: 99}, JobState.PARTIAL),
        ({ItemState.SUCCEEDED: 1, ItemState.CANCELLED: 1}, JobState.PARTIAL),
        ({ItemState.SUCCEEDED: 2, ItemState.PARTIAL: 1}, JobState.PARTIAL),
        ({ItemState.PARTIAL: 3}, JobState.PARTIAL),
        ({ItemState.PARTIAL: 1, ItemState.FAILED: 2}, JobState.PARTIAL),
        ({ItemState.FAILED: 3}, JobState.FAILED),
        ({ItemState.ABORTED: 3}, JobState.FAILED),
        ({ItemState.FAILED: 1, ItemState.ABORTED: 1, ItemState.CANCELLED: 1}, JobState.FAILED),
    ],
)
def test_a_job_comes_to_what_its_items_came_to(counts, outcome):
    """Succeeded when all did, failed when none did even in part, else partial; cancelled when it was."""
    assert outcome is outcome_of(counts, cancelled=False)
    assert outcome_of(counts, cancelled=True) is JobState.CANCELLED


@given(st.dictionaries(st.sampled_from(sorted(FINAL_ITEM_STATES)), st.integers(0, 5)))
def test_every_count_of_final_items_is_a_settled_job(counts):
    """Whatever its items came to, the job is settled, and items that no state has do not matter."""
    outcome = outcome_of(counts, cancelled=False)
    assert outcome.settled
    assert outcome not in {JobState.CANCELLED, JobState.SKIPPED}
    assert outcome is outcome_of({state: count for state, count in counts.items() if count}, cancelled=False)


@given(st.dictionaries(st.sampled_from(sorted(FINAL_ITEM_STATES)), st.integers(1, 5), min_size=1))
def test_one_more_failure_never_makes_a_job_better(counts):
    """A job with a failed item has not succeeded, and a failed job stays failed with one more."""
    more = {**counts, ItemState.FAILED: counts.get(ItemState.FAILED, 0) + 1}
    before, after = outcome_of(counts, cancelled=False), outcome_of(more, cancelled=False)
    assert after is not JobState.SUCCEEDED
    assert (before, after) in {
        (JobState.SUCCEEDED, JobState.PARTIAL),
        (JobState.PARTIAL, JobState.PARTIAL),
        (JobState.FAILED, JobState.FAILED),
    }


# ---------------------------------------------------------------- the page for operators


def test_the_drawing_in_the_documentation_is_the_machine():
    """docs/states.md holds exactly what `draw` renders from the table."""
    drawings = re.findall(r"```mermaid\n(.*?)\n```", STATES_PAGE.read_text(), flags=re.DOTALL)
    assert [draw()] == drawings


def test_the_drawing_has_every_transition_once():
    """One arrow each, besides the first and the last."""
    arrows = [line.strip() for line in draw().splitlines() if "-->" in line]
    assert len(TRANSITIONS) + 2 == len(set(arrows)) == len(arrows)
    assert "submitting --> unconfirmed: lose" in arrows


def test_the_documentation_explains_every_state_and_event():
    """Each word that an operator may meet stands in a row of a table of docs/states.md."""
    rows = [line for line in STATES_PAGE.read_text().splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`([a-z]+)`", row.split("|")[1])}
    hidden = {JobState.LOADING}  # never shown: the job is not there yet
    words = {*ItemState, *BatchState, *BatchEvent, *JobState, *Needs} - hidden
    assert set() == {str(each) for each in words} - explained
