"""The chart of the requests of the last hour."""

from orchestrator.clock import ManualClock
from orchestrator.telemetry.events import DaemonStopping, RequestDone
from orchestrator.web.pages.content.request_history import BAR, GAP, HEIGHT, RequestHistory


def request(lane, outcome="200", account="ica"):
    """A request that has ended."""
    return RequestDone(account, "GET /x", outcome, lane, 0.0, 0.1)


async def test_requests_are_counted_by_minute_and_lane():
    """As columns with the lanes upon each other, as rows of a table, and as a sentence."""
    clock = ManualClock()
    history = RequestHistory(clock)
    for _ in range(30):
        history(request("observe"))
    history(request("submit", "503"))
    history(request("submit", "timeout", account="other"))
    history(DaemonStopping("SIGTERM"))
    await clock.advance(120)
    for _ in range(20):
        history(request("observe"))
    chart = history.chart("ica")
    assert (chart.top, chart.totals, chart.failed) == (50, {"control": 0, "submit": 1, "poll": 50}, 1)
    assert [(bar.lane, bar.x // (BAR + GAP), bar.height) for bar in chart.bars] == [
        ("submit", 57, round(HEIGHT / 50, 2)),
        ("poll", 57, 30 * HEIGHT / 50),
        ("poll", 59, 20 * HEIGHT / 50),
    ]
    assert chart.bars[1].y + chart.bars[1].height <= chart.bars[0].y + 0.01
    assert sum(row.total for row in chart.rows) == 51
    assert len(chart.rows) == 12
    assert chart.text == "51 requests in the last hour: 1 submit, 50 poll; 1 without success. At most 31 in one minute."


async def test_what_is_older_than_an_hour_is_gone():
    """And an account that has sent nothing has an empty chart."""
    clock = ManualClock()
    history = RequestHistory(clock)
    history(request("observe"))
    await clock.advance(3600)
    assert history.chart("ica").bars == []
    assert history.chart("nobody").text == "No requests in the last hour."


def test_a_clock_that_is_set_back_loses_no_request():
    """They count in the newest minute that there is."""
    clock = ManualClock()
    history = RequestHistory(clock)
    history(request("observe"))
    clock.step_wall(-120)
    history(request("observe"))
    assert len(history._accounts["ica"]) == 1
    assert history._accounts["ica"][0].lanes["observe"] == 2
