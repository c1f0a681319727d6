"""What the report of a job says of the way to its end: who did what, further attempts, and how long items took."""

import re
from dataclasses import replace

from documents import START, item, job
from report_pages import Read, failed, page_of

from orchestrator.clock import SECOND
from orchestrator.engine.report.page import STEPS_SHOWN
from orchestrator.store.reading.history import HistoryEvent


def event(event, *, batch=None, detail=None, actor=None):
    """One step of a job's history."""
    return HistoryEvent(1, START + 60 * SECOND, event, batch, None, None, None, detail, actor)


def test_it_says_what_was_done_on_the_way_and_by_whom():
    """Stops of the daemon, and what operators did, with their names: those of the system, and those of the pages."""
    ada = "Ada (token, from 10.0.0.7)"
    steps = [
        event("stop", detail="10 items failed (stop_after)"),
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
