"""The torture runner itself: it ends, it reports, and its judge sees what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).with_name("torture")


@pytest.mark.parametrize("platform", ["ica", "sevenbridges"])
def test_a_round_of_torture_ends_right(tmp_path, platform):
    """A round of kills and faults or two: nothing is lost, nothing is created twice, and no result differs."""
    report = tmp_path / "report.json"
    rounds = {"ica": 2, "sevenbridges": 1}[platform]
    command = [sys.executable, str(TORTURE), "--platform", platform, "--seed", "7", "--rounds", str(rounds)]
    command += ["--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    summary = json.loads(report.read_text())["summary"]
    assert summary["seeds"] == [7, 8][:rounds]
    assert (summary["lost"], summary["created_twice"], summary["results_that_differ"]) == (0, 0, 0)
    assert summary["kills"] > 0
    assert summary["faults"] > 0


LIES = {
    "lost": "documents['links']['items'].pop()",
    "created_twice": "ground.simulator.ledger.record([ground.simulator.ledger.effects('analysis')[0]])",
    "unknown": "documents['analyses']['items'][0]['remote_id'] = None",
    "differs": "documents['analyses']['items'][0].update(status='FAILED', state='failed')",
    "link_differs": "documents['links']['items'][0].update(status='FAILED', state='failed')",
    "file_lost": "(ground.queue / 'accepted/links.json').unlink()",
    "result_lost": "(ground.queue / 'results/links.json').unlink()",
}

PLAY = """
import sys, anyio
from pathlib import Path
from chance import Plan, Work
from ground import Ground
from ica_chance import PROJECT, PIPELINE
from judge import judge
from sides import ICA
from orchestrator.simulator.ica import Knobs

def job(name, kind, items, **more):
    return {"name": name, "kind": kind, "account": "ica", "project": PROJECT, "items": items} | more

request = {"pipelineId": PIPELINE, "analysisInput": {"inputs": []}}
links = Work(job("links", "ica.data_linking", [{"dataId": "fil.0a"}, {"dataId": "fil.0b"}]), ("fil.0a", "fil.0b"))
analyses = Work(
    job("analyses", "ica.analysis_creation", [{"userReference": "a/1", **request}], engine="nextflow"), ("a/1",)
)
plan = Plan(seed=1, platform=ICA, knobs=Knobs(requests=1000), account={}, work=[links, analyses], kills=[], faults=[])

async def play():
    ground = Ground(Path(sys.argv[1]), plan)
    async with ground.open():
        for work in plan.work:
            ground.drop_work(work)
        await ground.run_to_rest(60)
        documents = await ground.documents()
        assert judge(ground, documents).wrong == []
        exec(sys.argv[2])
        print(*judge(ground, documents).wrong, sep="\\n")

anyio.run(play)
"""


@pytest.mark.parametrize("lie", LIES)
def test_the_judge_sees_what_is_wrong(lie, tmp_path):
    """A round that ended right is spoilt in one way, and the judge says so."""
    command = [sys.executable, "-c", PLAY, str(tmp_path), LIES[lie]]
    said = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{TORTURE}:{TORTURE.parents[1] / 'support'}"},
    )
    assert said.returncode == 0, said.stderr[-2000:]
    assert said.stdout.strip()
