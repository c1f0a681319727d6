"""The main job, whole: dropped files to results on disk, over real HTTP, under everything that is unknown of ICA."""

import json
import tempfile
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
from forkserver import ForkServer

PROGRAM = Path(__file__).parents[1] / "support/program.py"

KNOBS = {
    "live": {},
    "snapshot": {"embedded": "snapshot"},
    "lagging": {"embedded": "lagging", "embedded_lag": 0.4},
    "search_lags": {"search_lag": 0.4},
    "tags_any": {"tag_filter": "any"},
    "tags_prefix": {"tag_filter": "prefix"},
    "item_fails_alone": {"bad_item": "fail_item"},
    "null_job_and_lists": {"job_null": True, "null_lists": True},
    "shuffled": {"page_order": "shuffled", "last_page": "absent"},
    "cursors_expire": {"cursor_seconds": 0.05},
}

SEEN_IN_PAGES = ("snapshot", "lagging", "shuffled", "cursors_expire")
"""What changes pages of items, so is another matter where these are asked for instead of searches."""

STATES = {
    "LINKED": "succeeded",
    "ALREADY_LINKED": "succeeded",
    "PARTIALLY_LINKED": "partial",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "FAILED_FINAL": "failed",
    "ABORTED": "aborted",
}


def link_ids():
    """400 ids, some of which do not simply succeed."""
    words = {13: "partial", 17: "fail", 19: "already", 23: "odd"}
    return [f"fil.{next((w for k, w in words.items() if n % k == 0), 'd')}{n:06}" for n in range(400)]


def references():
    """100 references, some of which do not simply succeed; one is refused by the platform."""
    words = {7: "fail", 11: "nocreate", 13: "odd", 17: "abort", 19: "failfinal", 23: "await"}
    names = [f"cohort/s{n}-{next((w for k, w in words.items() if n % k == 0), 'x')}" for n in range(99)]
    return [*names, "cohort/bad"]


@pytest.fixture(scope="session")
def forks():
    """What starts daemons; the tests beside these start the program itself."""
    with tempfile.TemporaryDirectory() as folder, ForkServer.running(Path(folder) / "s", PROGRAM) as server:
        yield server


@pytest.fixture
def lab(lab, forks):
    """A laboratory whose daemons start without importing the program again."""
    lab.forks, lab.program = forks, (str(PROGRAM), "run")
    return lab


@pytest.mark.parametrize(
    ("strategy", "knob"), [*(("auto", knob) for knob in KNOBS), *(("items", knob) for knob in SEEN_IN_PAGES)]
)
async def test_every_item_ends_as_the_platform_says(knob, strategy, lab):
    """400 links and 100 analyses in several batches and pages: the results agree with the ledger item by item.

    And nothing is created twice.
    """
    lab.knobs = replace(lab.knobs, **KNOBS[knob])
    lab.account = {"batch_size": {"data_linking": 170, "analysis_creation": 20}, "page_size": 65}
    lab.account["poll"] = {"min_interval": "50ms", "max_interval": "500ms", "strategy": strategy}
    async with lab.open():
        lab.drop_jobs("work.json", lab.links("links", link_ids()), lab.analyses("analyses", references()))
        async with anyio.create_task_group() as group:
            if knob == "cursors_expire":
                group.start_soon(let_pages_turn, lab)
            ended = await lab.run()
            group.cancel_scope.cancel()
        assert ended.code == 0, ended.log[-3000:]

        truth = lab.simulator.truth
        assert truth.duplicates() == {}
        links = truth.links()
        told = {item["key"]: item for item in lab.result("links")["items"]}
        assert set(told) == set(link_ids())
        for key, item in told.items():
            assert (item["status"], item["state"]) == (links[lab.project, key].status, STATES[item["status"]])

        analyses = truth.by_reference()
        told = {item["key"]: item for item in lab.result("analyses")["items"]}
        assert set(told) == set(references())
        for key, item in told.items():
            if item["stage"] == "analysis":
                assert ([item["status"]], item["state"]) == (analyses[key], STATES[item["status"]])
            else:
                assert item["state"] == "failed"
                assert item["detail"]
                assert key not in analyses
        assert not [name for name in lab.simulator.ledger.calls if name.endswith("Items/v3")]


async def let_pages_turn(lab):
    """Let the cursors live once some have expired: on a busy machine no page would ever be followed by another."""

    def expired():
        answers = lab.simulator.ledger.answers.items()
        return sum(n for (name, status), n in answers if status == HTTPStatus.BAD_REQUEST and "Items" in name)

    await lab.until(lambda: expired() >= 4)
    lab.simulator.change_knobs({"cursor_seconds": 600.0})


async def test_nothing_is_asked_singly_that_a_page_or_a_search_tells(lab):
    """Where search and pages work, at most the last few of 250 analyses are requested by their ids."""
    lab.account = {"batch_size": {"analysis_creation": 50}}
    async with lab.open():
        lab.drop_jobs("work.json", lab.analyses("analyses", [f"a/s{n}" for n in range(250)]))
        ended = await lab.run()
        assert ended.code == 0
        calls = lab.simulator.ledger.calls
        singles = sum(count for name, count in calls.items() if name.partition("/")[0] == "getAnalysis")
        assert singles < 25, calls


async def test_the_csv_carries_the_columns_of_the_table(lab):
    """The CSV of a job made from a table begins with the table's own columns, then ours."""
    async with lab.open():
        lab.drop("samples.csv", "sample,lane\ns1,1\ns2,2\n")
        template = {"userReference": "t/${sample}", "pipelineId": lab.pipeline, "analysisInput": {"inputs": []}}
        job = lab.analyses("table", []) | {"table": "samples.csv", "template": template}
        del job["items"]
        lab.drop("work.json", json.dumps({"version": 1, "jobs": [job]}) + "\n")
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        lines = (lab.queue / "results/table.csv").read_text().splitlines()
        assert lines[0].startswith("sample,lane,state,reason,")
        row = dict(zip(lines[0].split(","), lines[2].split(","), strict=True))
        assert (row["sample"], row["lane"], row["key"], row["state"]) == ("s2", "2", "t/s2", "succeeded")
        assert sorted(path.name for path in (lab.queue / "accepted").iterdir()) == ["samples.csv", "work.json"]
