"""How late ends are seen where the budget is idle: the schedule and its forecasts, against work of any duration."""

import math
import random
from dataclasses import replace

import pytest
from planned_batch import planned_batch

from orchestrator.clock import SECOND
from orchestrator.domain.model import BatchId, BatchKey, BatchState, JobId, Poll
from orchestrator.domain.polling.targets import BudgetState, PollTargets
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.store.changes import Ended

HOURS, DAY = 4 * 3600.0, 24 * 3600.0
AIMS = PollTargets(min_interval=10, max_interval=300)
START = 1_000_000.0
MEANS = BudgetState(requests=1000, per=300, used=0.0)
"""Half of it is 33 looks each 20 seconds."""


def constant(seconds, _random):
    return seconds


def bimodal(seconds, random):
    return seconds * random.choice([0.1, 1.0]) * random.uniform(0.95, 1.05)


def long_tailed(seconds, random):
    return seconds * random.lognormvariate(0.0, 1.0)


class FollowUps:
    """Batches of one kind that are followed to their end, each by a look of its own or all by one."""

    def __init__(self, *, alone):
        self.alone = alone
        self.now = START
        self.forecasts = Forecasts({})
        self.schedule = Schedule(AIMS, lambda: MEANS)
        self.batches = {}
        self.ends = {}
        self.late = []
        """Of each end, what it was seen late as a part of what is in time."""

    def submit(self, number, durations):
        self.batches[number] = batch(number, self.now, len(durations))
        self.ends[number] = sorted(self.now + duration for duration in durations)

    def polls(self):
        open_batches = list(self.batches.values())
        groups = [[each] for each in open_batches] if self.alone else [open_batches] if open_batches else []
        return [
            Poll(
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
        self.forecasts.plan(list(self.batches.values()), round(self.now * SECOND))
        self.schedule.want([(poll, self.forecasts.of(poll)) for poll in self.polls()], now=self.now)

    def run(self, submissions):
        """Submit each batch (seconds from now, durations) at its time; until the end of all of them was seen."""
        waiting = sorted((self.now + after, durations) for after, durations in submissions)
        while self.batches or waiting:
            next_at = waiting[0][0] if waiting else math.inf
            self.now = max(self.now, min(self.schedule.next_due(), next_at))
            if self.now >= next_at:
                self.submit(len(waiting), waiting.pop(0)[1])
            for poll in self.schedule.due(now=self.now):
                self.schedule.start(poll)
                for number in [number for number, each in self.batches.items() if each.id in poll.batches]:
                    self.see(number)
                self.schedule.done(poll, began=self.now, now=self.now)
            self.plan()

    def see(self, number):
        ended = [end for end in self.ends[number] if end <= self.now]
        began = self.batches[number].submitted_at / SECOND
        self.late += [(self.now - end) / max(2 * AIMS.min_interval, 0.01 * (end - began)) for end in ended]
        self.forecasts.learn(Ended(JobId("j"), number, self.now - began) for _ in ended)
        self.ends[number] = self.ends[number][len(ended) :]
        self.batches[number] = replace(self.batches[number], open=len(self.ends[number]))
        if not self.ends[number]:
            del self.batches[number]


def batch(number, now, items):
    return planned_batch(
        job="j",
        number=number,
        items=items,
        id=BatchId(f"b{number}"),
        job_name="run",
        account="ica",
        project="p",
        kind="ica.data_linking",
        key=BatchKey(f"k{number}"),
        state=BatchState.TRACKING,
        remote_id=f"remote-{number}",
        sends=1,
        submitted_at=round(now * SECOND),
    )


@pytest.mark.parametrize(
    ("durations", "seconds", "alone"),
    [
        *((constant, seconds, alone) for seconds in (30.0, DAY) for alone in (True, False)),
        *((bimodal, seconds, alone) for seconds in (30.0, 900.0, HOURS, DAY) for alone in (True, False)),
        *((long_tailed, seconds, alone) for seconds in (30.0, 900.0, HOURS) for alone in (True, False)),
        (long_tailed, DAY, False),
    ],
)
def test_an_end_is_seen_in_time_however_long_work_takes(durations, seconds, alone):
    """A thousand ends of unknown work, and a thousand once its durations are learned: p99 of each is in time."""
    it, random_ = FollowUps(alone=alone), random.Random(7)
    for _ in ("first", "known"):
        it.late.clear()
        it.run((random_.uniform(0, seconds), [durations(seconds, random_) for _ in range(100)]) for _ in range(10))
        assert len(it.late) == 1000
        assert sorted(it.late)[989] <= 1.0


def test_work_of_many_ages_under_one_look_is_seen_in_time():
    """A minute's work beside a day's that began long before: each within what is in time for its own age."""
    it, random_ = FollowUps(alone=False), random.Random(7)
    days = (0, [random_.uniform(20_000, 80_000) for _ in range(500)])
    it.run([days, *((300 * number, [random_.uniform(30, 6000) for _ in range(50)]) for number in range(1, 11))])
    assert len(it.late) == 1000
    assert sorted(it.late)[989] <= 1.0
