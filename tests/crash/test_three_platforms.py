"""One file whose jobs are fed by each other's rows over three platforms, with the plug pulled ten times."""

from platform_setups import ODM, SEVEN_BRIDGES

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator import odm, sevenbridges

SAMPLES = ("S1", "S2", "S3", "S4-fail", "S5")
PUBLISHED = ("S1", "S2", "S3", "S5")
"""Of S4 the analysis fails, and of S6 the link."""
TABLE = "ica_id,sample\n" + "".join(f"fil.{n:02},{sample}\n" for n, sample in enumerate(SAMPLES)) + "fil.fail1,S6\n"
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
KILLS = (
    CrashPoint.ROWS_LOADED,
    CrashPoint.FILE_DURABLE,
    CrashPoint.BATCH_FOLLOWED,
    CrashPoint.BATCH_SENT,
    CrashPoint.PLAN_LOADED,
    CrashPoint.BATCH_CONFIRMED,
    CrashPoint.PLAN_DURABLE,
    f"{CrashPoint.BATCH_SENT}:2",
    CrashPoint.BATCH_PROCEEDED,
    CrashPoint.RESULT_WRITTEN,
)
"""In an order in which each is still to come when the process before it has died."""


def jobs(project):
    """Link, analyse what was linked, publish what was analysed; import, run what was imported; and follow a night."""
    ica, bridges = {"account": "ica", "project": project}, {"account": "sevenbridges", "project": "lab/cohort"}
    return (
        {"name": "link", "kind": "ica.data_linking", **ica, "template": {"dataId": "${ica_id}"}, "table": "cohort.csv"},
        {
            "name": "analyse",
            "kind": "ica.analysis_creation",
            **ica,
            "engine": "nextflow",
            "template": {
                "userReference": "cohort/${sample}",
                "pipelineId": PIPELINE,
                "analysisInput": {"inputs": [{"parameterCode": "reads", "dataIds": ["${remote_id}"]}]},
            },
            "table": {"job": "link"},
        },
        {
            "name": "publish",
            "kind": "odm.publish",
            "account": "odm",
            "template": {"study": "GSF-${sample}"},
            "table": {"job": "analyse"},
        },
        {
            "name": "import",
            "kind": "sevenbridges.import",
            **bridges,
            "after": {"jobs": ["analyse"], "accept": ["succeeded", "partial"]},
            "items": [{"source": {"volume": "lab/bucket", "location": f"{sample}.bam"}} for sample in SAMPLES],
        },
        {
            "name": "run",
            "kind": "sevenbridges.task",
            **bridges,
            "template": {
                "name": "count ${facts.file}",
                "app": "lab/cohort/count",
                "inputs": {"reads": {"class": "File", "path": "${facts.file}"}},
            },
            "table": {"job": "import"},
        },
        {"name": "tasks", "kind": "odm.task", "account": "odm", "items": [{"id": "GSF1"}, {"id": "GSF2-kill"}]},
        {"name": "night", "kind": "ica.workflow_session", **ica, "items": [{"name": "tonight", "until": "+2m"}]},
    )


async def test_ten_kills_between_three_platforms_change_nothing(lab):
    """Whatever was about to happen: each thing is made once, on each platform, and the results say what was made."""
    seven_bridges = sevenbridges.Knobs(transfer_seconds=60, task_seconds=120, requests=10_000)
    lab.beside = [
        (SEVEN_BRIDGES, seven_bridges),
        (ODM, odm.Knobs(publish_seconds=60, version_shown="at_once", republish="version")),
    ]
    async with lab.open():
        begun = [lab.simulator.begin_session(lab.project, f"run-{n}", ["a1", "a2-fail"]) for n in range(2)]
        lab.drop("cohort.csv", TABLE)
        lab.drop_jobs("cohort.json", *jobs(lab.project))
        for point in KILLS:
            crashed = await lab.run(environ={"CRASH_POINT": point})
            assert crashed.killed, f"{point} was never reached"
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        states = {job["name"]: lab.result(job["name"])["job"]["state"] for job in jobs(lab.project)}
        assert states == {
            "link": "partial",
            "analyse": "partial",
            "publish": "succeeded",
            "import": "partial",
            "run": "succeeded",
            "tasks": "partial",
            "night": "partial",
        }
        _judge_ica(lab, begun)
        _judge_seven_bridges(lab)
        _judge_odm(lab)


def _items(lab, job):
    return {item["key"]: item for item in lab.result(job)["items"]}


def _judge_ica(lab, begun):
    truth = lab.simulator.truth
    links = {key: item["status"] for key, item in _items(lab, "link").items()}
    assert {key: status.removeprefix("ALREADY_") for key, status in links.items()} == {
        key: link.status for (_, key), link in truth.links().items()
    }
    analyses = {key: [item["status"]] for key, item in _items(lab, "analyse").items()}
    assert analyses == truth.by_reference()
    assert list(analyses) == [f"cohort/{sample}" for sample in SAMPLES]
    assert (truth.duplicates(), truth.duplicate_tags()) == ({}, {})
    night = _items(lab, "night")
    assert {key: item["status"] for key, item in night.items() if item["parent"] == "tonight"} == (
        truth.workflow_sessions()
    )
    assert {key: item["status"] for key, item in night.items() if item["parent"] in begun} == truth.orchestrated()


def _judge_seven_bridges(lab):
    made, world = lab.simulators["sevenbridges"].truth.made(), lab.simulators["sevenbridges"]._world
    imported, ran = _items(lab, "import"), _items(lab, "run")
    assert {name: count for (kind, name), count in made.items() if kind == "import"} == dict.fromkeys(imported, 1)
    assert {key: item["state"] == "succeeded" for key, item in imported.items()} == {
        f"{sample}.bam": "fail" not in sample for sample in SAMPLES
    }
    assert {name: count for (kind, name), count in made.items() if kind == "run"} == dict.fromkeys(ran, 1)
    files = [item["facts"]["file"] for item in imported.values() if item["state"] == "succeeded"]
    assert list(ran) == [f"count {file}" for file in files]
    assert {item["remote_id"] for item in ran.values()} == set(world.tasks)


def _judge_odm(lab):
    made, published = lab.simulators["odm"].truth.made(), _items(lab, "publish")
    assert set(published) == {f"GSF-{sample}" for sample in PUBLISHED}
    for kind in ("publish", "version"):
        assert {name: count for (what, name), count in made.items() if what == kind} == dict.fromkeys(published, 1)
    assert {key: item["facts"]["version"] for key, item in published.items()} == {key: f"{key}.1" for key in published}
    assert {key: item["state"] for key, item in _items(lab, "tasks").items()} == {
        "GSF1": "succeeded",
        "GSF2-kill": "aborted",
    }
