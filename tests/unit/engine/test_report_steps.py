"""What the report of a job says of the way to its end: who did what, further attempts, and how long items took."""

import re
from dataclasses import replace

from documents import START, item, job
from report_pages import Read, failed, page_of

from orchestrator.clock import SECOND
from orchestrator.domain.model import ItemState
from orchestrator.engine.report.page import STEPS_SHOWN
from orchestrator.store.reading.history import HistoryEvent


def event(event, *, batch=None, new=None, detail=None, actor=None):
    """One step of a job's history."""
    return HistoryEvent(1, START + 60 * SECOND, event, batch, None, None, new, detail, actor)


def test_it_says_what_was_done_on_the_way_and_by_whom():
    """Stops of the daemon, and what operators did, with their names: those of the system, and those of the pages."""
    ada = "Ada (token, from 10.0.0.7)"
    steps = [
        event("needs", new="stopped", detail="10 items failed (stop_after)"),
        event("needs", new="blocked", detail="batch 2: refused"),
        event("resume", actor=ada, detail="10 items failed (stop_after)"),
        event("retry", actor="0", detail="1 item"),
        event("adopt", batch=3, actor=ada),
        event("pause", actor="4242424"),
        event("give_up", detail=f"5 items, by {ada}", actor=ada),
    ]
    spec = replace(job().spec, labels={"run": "0172"}, dropped_by=ada)
    text = Read(page_of([item(1)], steps=steps, spec=spec)).text
    for row in (
        "2023-11-14 22:14:20 Stopped: 10 items failed (stop_after) the daemon",
        "Blocked: batch 2: refused the daemon",
        f"Resumed {ada}",
        "Retried: 1 item root (user id 0)",
        f"Adopted batch 3 {ada}",
        "Paused user id 4242424",
        f"Gave up: 5 items {ada}",
        f"Submitted by{ada}",
        "Labelsrun=0172",
    ):
        assert row in text, row
    assert "What was done on the way" not in Read(page_of([item(1)])).text


def test_a_long_list_of_steps_is_cut():
    """The page stays bounded, and names the command that lists all."""
    text = Read(page_of([item(1)], steps=[event("pause")] * (STEPS_SHOWN + 1))).text
    assert text.count("Paused") == STEPS_SHOWN
    assert "orchestrator show germline-run-0172 --history" in text


def test_it_says_how_long_items_took_and_which_needed_another_attempt():
    """Half and nine tenths of those that succeeded, within 2%; nothing where too few did."""
    items = [item(seq, submitted_at=START, finished_at=START + seq * 100 * SECOND) for seq in range(1, 11)]
    items += [item(11, attempts=2), failed(12, attempts=3), failed(13)]
    text = Read(page_of(items)).text
    assert "2 items were submitted more than once; 1 of them succeeded." in text
    half, most = re.search(r"at most about (.*?), nine in ten at most (.*?)\.", text).groups()
    assert re.fullmatch(r"8 min 2\d s", half)  # of 500 s
    assert most == "15 min"  # of 900 s
    few = Read(page_of([item(1), item(2, attempts=2)])).text
    assert "nine in ten" not in few
    assert "1 item was submitted more than once; it succeeded." in few


def test_it_says_what_the_counts_alone_would_hide():
    """What stands for an item of the queue file, what the drawing leaves out, and why nothing was submitted."""
    again = "those that were submitted again are drawn as of their last attempt"
    plain = Read(page_of([item(1), item(2, state=ItemState.CANCELLED, status=None)])).text
    assert "cancelled never submitted, as the job was cancelled" in plain
    assert again not in plain
    assert "led to others" not in plain
    text = Read(page_of([item(1, attempts=2), failed(2)], parents=2)).text
    assert again in text
    assert "2 items of the queue file led to others on the platform, which are counted in their place." in text
