"""The rate limit, credentials and faults of the simulated Seven Bridges."""

import pytest

from orchestrator.simulator import Fault, FaultKind

NOW = 1_700_000_000
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


async def _statuses(sb, count):
    return [(await sb.get("/user")).status_code for _ in range(count)]


def _rate(answer):
    return [answer.headers.get(name) for name in HEADERS]


async def test_a_window_begins_with_the_first_request_after_the_last_one(make_sb):
    """Not on a grid: it ends 300 s after that request, and headers say so on every answer, refusals included."""
    sb = make_sb(requests=2)
    await sb.clock.advance(100)
    assert _rate(await sb.get("/user")) == ["2", "1", str(NOW + 400)]
    await sb.clock.advance(299)
    answers = [await sb.get("/tasks/no-uuid"), await sb.draft("s1")]
    assert [(answer.status_code, _rate(answer)) for answer in answers] == [
        (400, ["2", "0", str(NOW + 400)]),
        (429, ["2", "0", str(NOW + 400)]),
    ]
    assert (answers[1].json()["code"], "Retry-After" in answers[1].headers, sb.truth.made()) == (1000, False, {})
    await sb.clock.advance(1)
    assert await _statuses(sb, 3) == [200, 200, 429]


@pytest.mark.parametrize(
    ("window", "granted"), [("fixed_from_first", [200, 429]), ("fixed", [200, 200]), ("sliding", [200, 429])]
)
async def test_where_a_window_is_anchored_is_a_knob(make_sb, window, granted):
    """The clock begins 200 s before the end of a window on the grid of 300 s."""
    sb = make_sb(requests=2, window=window)
    await sb.clock.advance(150)
    assert await _statuses(sb, 1) == [200]
    await sb.clock.advance(100)
    assert await _statuses(sb, 2) == granted


async def test_another_program_may_use_up_part_of_the_limit(make_sb):
    """It is gone as soon as the window begins, and the headers tell."""
    sb = make_sb(requests=10, elsewhere=7)
    assert _rate(await sb.get("/user"))[:2] == ["10", "2"]
    assert await _statuses(sb, 3) == [200, 200, 429]


async def test_what_is_free_uses_up_nothing(make_sb):
    """The rate limit and the list of paths; the latter needs no token."""
    sb = make_sb(requests=1)
    answers = [await sb.get("/rate_limit") for _ in range(3)]
    assert [answer.json()["rate"]["remaining"] for answer in answers] == [1, 1, 1]
    assert (await sb.client.get("/", headers={"X-SBG-Auth-Token": ""})).status_code == 200
    assert await _statuses(sb, 2) == [200, 429]
    assert (await sb.get("/rate_limit")).json()["rate"]["remaining"] == 0


async def test_limits_may_come_in_milliseconds_or_not_at_all(make_sb):
    """Both the headers and the answer to `GET /rate_limit`."""
    milliseconds, silent = make_sb(rate_reset="ms"), make_sb(rate_headers=False)
    assert _rate(await milliseconds.get("/user"))[2] == str((NOW + 300) * 1000)
    assert (await milliseconds.get("/rate_limit")).json()["rate"]["reset"] == (NOW + 300) * 1000
    assert _rate(await silent.get("/user")) == [None, None, None]


async def test_a_token_comes_in_either_header(sb):
    """Without a valid one: 401, in the platform's form."""
    empty = {"X-SBG-Auth-Token": ""}
    right = await sb.client.get("/user", headers=empty | {"Authorization": "Bearer simulator"})
    wrong = await sb.client.get("/user", headers={"X-SBG-Auth-Token": "wrong"})
    assert (right.status_code, wrong.status_code, wrong.json()["status"]) == (200, 401, 401)


async def test_a_token_may_count_as_another_users(make_sb):
    """Who then sees none of the first one's tasks."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk="other_user", operation="get_user", nth=2))
    users = [(await sb.get("/user")).json()["username"] for _ in range(3)]
    assert users == ["user-1", "not-user-1", "user-1"]


async def test_during_maintenance_nothing_is_done(make_sb):
    """503 with code 0, for as long as it lasts."""
    sb = make_sb(Fault(kind=FaultKind.QUIRK, quirk="maintenance", lasts=60.0))
    answer = await sb.draft("s1")
    assert (answer.status_code, answer.json()["code"], sb.truth.made()) == (503, 0, {})
    await sb.clock.advance(60)
    assert (await sb.draft("s1")).status_code == 201


@pytest.mark.parametrize(
    ("kind", "html", "done"),
    [
        (FaultKind.ERROR, False, 0),
        (FaultKind.ERROR, True, 0),
        (FaultKind.ERROR_AFTER, False, 1),
        (FaultKind.ERROR_AFTER, True, 1),
    ],
)
async def test_errors_of_the_platform_and_of_its_gateway(make_sb, kind, html, done):
    """Before and after the effect; JSON of the platform's own, or a page."""
    sb = make_sb(Fault(kind=kind, operation="create_task", status=504, html=html, nth=1))
    answer = await sb.draft("s1")
    assert (answer.status_code, "html" in answer.headers["Content-Type"]) == (504, html)
    assert len(sb.simulator.ledger.effects("draft")) == done
    assert (await sb.draft("s2")).status_code == 201


async def test_steering_and_evidence(sb):
    """Knobs change while it runs; the ledger tells each effect with its present status."""
    changed = await sb.client.put("/_simulator/knobs", json={"task_seconds": 1.0})
    assert changed.json()["task_seconds"] == 1.0
    await sb.run(await sb.draft("s1"))
    await sb.clock.advance(2)
    ledger = (await sb.get("/_simulator/ledger")).json()
    told = [(effect["kind"], effect["name"], effect["status"]) for effect in ledger["effects"]]
    assert told == [("draft", "s1", "COMPLETED"), ("run", "s1", "COMPLETED")]
