"""Statuses in the course of time."""

import pytest

from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.ica import Knobs
from orchestrator.simulator.ica.work.lifecycle import analysis, pace_of
from orchestrator.simulator.ica.work.outcomes import Fate, fate_of


async def _course(ica, read, seconds, step=1.0):
    """The statuses that follow one another, without repetition."""
    seen = [await read()]
    for _ in range(round(seconds / step)):
        await ica.clock.advance(step)
        if (status := await read()) != seen[-1]:
            seen.append(status)
    return seen


_USUAL = ["REQUESTED", "QUEUED", "INITIALIZING", "PREPARING_INPUTS", "IN_PROGRESS"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s1", [*_USUAL, "GENERATING_OUTPUTS", "SUCCEEDED"]),
        ("cohort/s1-fail", [*_USUAL, "FAILED"]),
        ("FailFinal_2", [*_USUAL, "FAILED_FINAL"]),
        ("abort7", [*_USUAL, "ABORTING", "ABORTED"]),
        ("s1 await", [*_USUAL, "AWAITING_INPUT", "IN_PROGRESS", "GENERATING_OUTPUTS", "SUCCEEDED"]),
        ("odd", [*_USUAL, "HIBERNATING", "IN_PROGRESS", "GENERATING_OUTPUTS", "SUCCEEDED"]),
        ("stuck", _USUAL),
        ("failure-aborted-oddly", [*_USUAL, "GENERATING_OUTPUTS", "SUCCEEDED"]),
    ],
)
async def test_the_name_decides_the_course_of_an_analysis(ica, name, expected):
    """Statuses follow one another by the clock, and end as a word of the userReference says."""
    await ica.create(name)
    await ica.clock.advance(2.1)

    async def status():
        return (await ica.search({})).json()["items"][0]["status"]

    assert await _course(ica, status, 60, step=0.5) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fil.1", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "LINKED"]),
        ("fil.fail0001", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "FAILED"]),
        ("fol.partial", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "PARTIALLY_LINKED"]),
        ("fil.already", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "ALREADY_LINKED"]),
        ("fil.odd1", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "HIBERNATING", "RUNNING", "LINKED"]),
        ("fil.stuck", ["INITIALISED", "WAITING_RESOURCES", "RUNNING"]),
        ("fil.0bad1fa11", ["INITIALISED", "WAITING_RESOURCES", "RUNNING", "LINKED"]),
    ],
)
async def test_the_name_decides_the_course_of_a_link(ica, name, expected):
    """As with analyses; a hexadecimal id is no word."""
    batch = f"{ica.links}/{(await ica.link(name)).json()['id']}"

    async def status():
        return (await ica.items(batch))[0]["processing"]["status"]

    assert await _course(ica, status, 10, step=0.25) == expected


async def test_creation_comes_before_the_analysis(ica):
    """An item waits, runs and succeeds; only then it has an analysis, which search and GET did not know before."""
    batch = f"{ica.creations}/{(await ica.create('a', 'nocreate')).json()['id']}"

    async def statuses():
        return tuple(row["processing"]["status"] for row in await ica.items(batch))

    assert await _course(ica, statuses, 1.5, step=0.5) == [("WAITING_RESOURCES",) * 2, ("RUNNING",) * 2]
    assert await ica.found({}) == []
    assert all("createdAnalysis" not in row for row in await ica.items(batch))
    await ica.clock.advance(1)
    good, refused = await ica.items(batch)
    assert (good["processing"]["status"], good["createdAnalysis"]["status"]) == ("SUCCEEDED", "REQUESTED")
    assert refused["processing"]["status"] == "FAILED"
    assert refused["processing"]["additionalStatusInformation"]
    assert "createdAnalysis" not in refused
    assert await ica.found({}) == ["a"]


@pytest.mark.parametrize(
    ("names", "final"),
    [
        (("a", "b"), "SUCCEEDED"),
        (("a", "nocreate"), "PARTIALLY_SUCCEEDED"),
        (("nocreate", "nocreate2"), "FAILED"),
        (("a-fail", "b-fail"), "SUCCEEDED"),
    ],
)
async def test_a_job_ends_with_its_last_item(ica, names, final):
    """A creation job tells of creation only: what becomes of the analyses does not change it."""
    job = (await ica.create(*names)).json()["job"]["id"]

    async def status():
        return (await ica.get(f"/api/jobs/{job}")).json()["status"]

    assert await _course(ica, status, 3, step=0.05) == ["INITIALIZED", "WAITING_FOR_RESOURCES", "RUNNING", final]


async def test_a_job_may_stay_running(make_ica):
    """By a fault: its items are done, the job never is."""
    ica = make_ica(Fault(kind=FaultKind.QUIRK, quirk="job_stuck", operation="create*"))
    answer = await ica.link("fil.1")
    await ica.clock.advance(10_000)
    job = (await ica.get(f"/api/jobs/{answer.json()['job']['id']}")).json()
    assert (job["status"], job["timeFinished"]) == ("RUNNING", None)
    assert [row["processing"]["status"] for row in await ica.items(f"{ica.links}/{answer.json()['id']}")] == ["LINKED"]


async def test_slow_items_take_ten_times_as_long(ica):
    """`slow` goes together with any other word."""
    await ica.create("a", "b-slow", "c-slow-fail")
    await ica.clock.advance(40)
    assert ica.simulator.truth.by_reference() == {
        "a": ["SUCCEEDED"],
        "b-slow": ["QUEUED"],
        "c-slow-fail": ["QUEUED"],
    }
    await ica.clock.advance(300)
    assert ica.simulator.truth.by_reference()["c-slow-fail"] == ["FAILED"]


async def test_an_abort_takes_time(ica):
    """204, then ABORTING, then ABORTED; the other analysis goes on; a final one cannot be aborted."""
    await ica.create("a", "b")
    await ica.clock.advance(15)
    ids = {row["userReference"]: row["id"] for row in (await ica.search({})).json()["items"]}
    answer = await ica.client.post(f"{ica.analyses}/{ids['a']}:abort")

    async def status():
        return (await ica.get(f"{ica.analyses}/{ids['a']}", ica.v4)).json()["status"]

    assert (answer.status_code, answer.content) == (204, b"")
    assert await _course(ica, status, 5) == ["ABORTING", "ABORTED"]
    assert await ica.found({"status": ["IN_PROGRESS"]}) == ["b"]
    assert (await ica.client.post(f"{ica.analyses}/{ids['a']}:abort")).status_code == 400
    assert [effect.id for effect in ica.simulator.ledger.effects("abort")] == [ids["a"]]


async def test_times_fit_the_statuses(ica):
    """A startDate appears with INITIALIZING, endDate with the final status, all in order; the ETag follows."""
    await ica.create("a")
    await ica.clock.advance(2.5)
    row = (await ica.search({})).json()["items"][0]
    early = await ica.get(f"{ica.analyses}/{row['id']}", ica.v4)
    await ica.clock.advance(60)
    late = await ica.get(f"{ica.analyses}/{row['id']}", ica.v4)
    assert (early.json()["startDate"], early.json()["endDate"]) == (None, None)
    ended = late.json()
    assert ended["timeCreated"] < ended["startDate"] < ended["endDate"] == ended["timeModified"]
    assert early.headers["etag"] != late.headers["etag"]


async def test_a_flaky_analysis_succeeds_when_it_is_created_again(ica):
    """In its own project; one that is created for the first time fails."""
    for statuses in ({"a-flaky": "FAILED"}, {"a-flaky": "SUCCEEDED", "b-flaky": "FAILED"}):
        batch = f"{ica.creations}/{(await ica.create(*statuses)).json()['id']}"
        await ica.clock.advance(60)
        found = [row["createdAnalysis"]["status"] for row in await ica.items(batch)]
        assert found == list(statuses.values())


async def test_version_3_knows_fewer_words(ica):
    """Old statuses in items, in GET and in the deprecated listing, which filters by them too."""
    batch = f"{ica.creations}/{(await ica.create('a-await', 'b-failfinal', 'c')).json()['id']}"
    await ica.clock.advance(2.1 + 16)
    items = [row["createdAnalysis"]["status"] for row in await ica.items(batch, ica.v3)]
    assert items == ["AWAITINGINPUT", "INPROGRESS", "INPROGRESS"]
    await ica.clock.advance(60)
    listing = await ica.get(ica.analyses, status="FAILEDFINAL")
    assert [row["userReference"] for row in listing.json()["items"]] == ["b-failfinal"]
    assert (await ica.get(f"{ica.analyses}/{listing.json()['items'][0]['id']}")).json()["status"] == "FAILEDFINAL"


async def test_linking_again_does_no_harm(ica):
    """What is linked, or on its way, is ALREADY_LINKED; what failed is tried again; in another project it is new."""
    await ica.link("fil.1", "fil.fail")
    again = f"{ica.links}/{(await ica.link('fil.1', 'fil.1', 'fil.fail')).json()['id']}"
    await ica.clock.advance(10)
    statuses = [row["processing"]["status"] for row in await ica.items(again)]
    assert statuses == ["ALREADY_LINKED", "ALREADY_LINKED", "FAILED"]
    ica.links = ica.links.replace("1111", "2222")
    elsewhere = f"{ica.links}/{(await ica.link('fil.1')).json()['id']}"
    await ica.clock.advance(10)
    assert [row["processing"]["status"] for row in await ica.items(elsewhere)] == ["LINKED"]


async def test_linking_what_is_being_linked_may_fail(make_ica):
    """The knob `link_race`: a second batch in the midst of the first fails, one after it finds the link."""
    ica = make_ica(link_race="failed")
    batches = [(await ica.link("fil.1")).json()["id"] for _ in range(2)]
    await ica.clock.advance(10)
    batches.append((await ica.link("fil.1")).json()["id"])
    await ica.clock.advance(10)
    statuses = [(await ica.items(f"{ica.links}/{batch}"))[0]["processing"]["status"] for batch in batches]
    assert statuses == ["LINKED", "FAILED", "ALREADY_LINKED"]
    assert ica.simulator.truth.links() == {(ica.project, "fil.1"): ("LINKED", 3)}


async def test_the_same_seed_gives_the_same_world(make_ica):
    """Ids, jitter and order repeat themselves."""
    worlds = [make_ica(jitter=0.5, page_order="shuffled") for _ in range(2)]
    seen = []
    for ica in worlds:
        batch = (await ica.create(*(f"s{number}" for number in range(50)))).json()["id"]
        await ica.clock.advance(20)
        seen.append((batch, await ica.items(f"{ica.creations}/{batch}")))
    assert seen[0] == seen[1]
    assert len({row["createdAnalysis"]["status"] for row in seen[0][1]}) > 1


@pytest.mark.parametrize(
    ("durations", "least", "median", "most"),
    [("even", 0.79, 1.0, 1.21), ("bimodal", 0.07, 0.5, 1.21), ("long_tailed", 0.01, 1.0, 100.0)],
)
def test_durations_are_distributed_as_the_knob_says(durations, least, median, most):
    """Evenly around the usual one; or half of them a tenth of it; or with one in a hundred ten times as long."""
    knobs = Knobs(durations=durations)
    paces = sorted(pace_of(f"run/s{number}", Fate(), knobs, 1) for number in range(2000))
    assert least < paces[0] <= paces[-1] < most
    assert sum(pace < median for pace in paces) == pytest.approx(1000, abs=150)
    assert (paces[1980] > 7) == (durations == "long_tailed")


@pytest.mark.parametrize("seconds", [0.0, 0.001, 30.0])
@pytest.mark.parametrize("name", ["s1", "s1-fail", "s1-await", "s1-abort", "s1-odd"])
def test_an_analysis_of_any_length_ends_with_its_end(name, seconds):
    """Also one that takes no time and waits for input: nothing comes after its last status."""
    course = analysis(10.0, fate_of(name), 1.0, Knobs(), seconds=seconds)
    assert list(course.instants) == sorted(course.instants)
    assert course.statuses[-1] in {"SUCCEEDED", "FAILED", "ABORTED"}
