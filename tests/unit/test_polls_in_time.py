"""How late ends are seen where the budget is idle: the schedule and its forecasts, against work of any duration."""

import math
import random
from dataclasses import replace

import pytest

from orchestrator.clock import SECOND
from orchestrator.domain.cadence import Aims, Means
from orchestrator.domain.model import Batch, BatchId, BatchKey, BatchState, JobId, Look
from orchestrator.engine.prospects import Prospects
from orchestrator.engine.schedule import Schedule
from orchestrator.store.changes import Ended

AIMS = Aims(min_interval=10, max_interval=300)
START = 1_000_000.0
MEANS = Means(requests=1000, per=300, used=0.0)
"""Half of it is 33 looks each 20 seconds."""


def constant(seconds, _random):
    return seconds


def bimodal(seconds, random):
    return seconds * random.choice([0.1, 1.0]) * random.uniform(0.95, 1.05)


def long_tailed(seconds, random):
    return seconds * random.lognormvariate(0.0, 1.0)


class Following:
    """Batches of one kind that are followed to their end, each by a look of its own or all by one."""

    def __init__(self, *, alone):
        self.alone = alone
        self.now = START
        self.prospects = Prospects({})
        self.schedule = Schedule(AIMS, lambda: MEANS)
        self.batches = {}
        self.ends = {}
        self.late = []
        """Of each end, what it was seen late as a part of what is in time."""

    def submit(self, number, durations):
        self.batches[number] = batch(number, self.now, len(durations))
        self.ends[number] = sorted(self.now + duration for duration in durations)

    def looks(self):
        open_batches = list(self.batches.values())
        groups = [[each] for each in open_batches] if self.alone else [open_batches] if open_batches else []
        return [
            Look(
                name=f"items:{group[0].id}" if self.alone else "search",
                route="r",
                project="p",
                subjects={},
                batches=tuple(each.id for each in group),
                cost=1,
            )
            for group in groups
        ]

    def plan(self):
        self.prospects.plan(list(self.batches.values()), round(self.now * SECOND))
        self.schedule.want([(look, self.prospects.of(look)) for look in self.looks()], now=self.now)

    def run(self, submissions):
        """Submit each batch (seconds from now, durations) at its time; until the end of all of them was seen."""
        waiting = sorted((self.now + after, durations) for after, durations in submissions)
        while self.batches or waiting:
            next_at = waiting[0][0] if waiting else math.inf
            self.now = max(self.now, min(self.schedule.next_due(), next_at))
            if self.now >= next_at:
                self.submit(len(waiting), waiting.pop(0)[1])
            for look in self.schedule.due(now=self.now):
                self.schedule.start(look)
                for number in [number for number, each in self.batches.items() if each.id in look.batches]:
                    self.see(number)
                self.schedule.done(look, began=self.now, now=self.now)
            self.plan()

    def see(self, number):
        ended = [end for end in self.ends[number] if end <= self.now]
        began = self.batches[number].submitted_at / SECOND
        self.late += [(self.now - end) / max(2 * AIMS.min_interval, 0.01 * (end - began)) for end in ended]
        self.prospects.learn(Ended(JobId("j"), number, self.now - began) for _ in ended)
        self.ends[number] = self.ends[number][len(ended) :]
        self.batches[number] = replace(self.batches[number], open=len(self.ends[number]))
        if not self.ends[number]:
            del self.batches[number]


def batch(number, now, items):
    return Batch(
        id=BatchId(f"b{number}"),
        job=JobId("j"),
        job_name="run",
        account="ica",
        project="p",
        kind="ica.data_linking",
        engine=None,
        number=number,
        lineage=str(number),
        attempt=0,
        key=BatchKey(f"k{number}"),
        state=BatchState.TRACKING,
        items=items,
        open=items,
        creating=0,
        remote_id=f"remote-{number}",
        status=None,
        status_final=False,
        detail=None,
        sends=1,
        first_sent_at=None,
        sent_at=None,
        submitted_at=round(now * SECOND),
        settled_at=None,
        user=None,
        searched_at=None,
    )


@pytest.mark.parametrize("alone", [True, False], ids=["a look a batch", "one look for all"])
@pytest.mark.parametrize("seconds", [30.0, 900.0, 4 * 3600.0, 24 * 3600.0])
@pytest.mark.parametrize("durations", [constant, bimodal, long_tailed])
def test_an_end_is_seen_in_time_however_long_work_takes(durations, seconds, alone):
    """A thousand ends of unknown work, and a thousand once its durations are learnt: p99 of each is in time."""
    it, random_ = Following(alone=alone), random.Random(7)
    for _ in ("first", "known"):
        it.late.clear()
        it.run((random_.uniform(0, seconds), [durations(seconds, random_) for _ in range(50)]) for _ in range(20))
        assert len(it.late) == 1000
        assert sorted(it.late)[989] <= 1.0


def test_work_of_many_ages_under_one_look_is_seen_in_time():
    """A minute's work beside a day's that began long before: each within what is in time for its own age."""
    it, random_ = Following(alone=False), random.Random(7)
    days = (0, [random_.uniform(20_000, 80_000) for _ in range(500)])
    it.run([days, *((300 * number, [random_.uniform(30, 6000) for _ in range(50)]) for number in range(1, 11))])
    assert len(it.late) == 1000
    assert sorted(it.late)[989] <= 1.0
