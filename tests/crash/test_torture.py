"""The torture runner itself: it ends, it reports, and its judge sees what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.simulator import FaultKind

TORTURE = Path(__file__).with_name("torture")
SEED = 7

DRAW = """
import sys
from chance import Plan
from sides import PLATFORMS

plan = Plan.draw(int(sys.argv[2]), PLATFORMS[sys.argv[1]], kills=8, faults=10)
print(*{fault.kind for rules in plan.faults for fault in rules}, sep="\\n")
"""


def run_beside_torture(program, *arguments):
    """The output of a program that imports the modules of the torture."""
    command, environ = [sys.executable, "-c", program, *arguments], {"PYTHONPATH": str(TORTURE)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.parametrize("platform", ["ica", "sevenbridges"])
def test_the_round_of_this_suite_draws_every_kind_of_fault(platform):
    """One round is enough here, as none of what may go wrong is missing in it."""
    assert set(run_beside_torture(DRAW, platform, str(SEED)).split()) == set(FaultKind)


@pytest.mark.parametrize("platform", ["ica", "sevenbridges"])
def test_a_round_of_torture_ends_right(tmp_path, platform):
    """A round of kills and faults: nothing is lost, nothing is created twice, and no result differs."""
    report = tmp_path / "report.json"
    command = [sys.executable, str(TORTURE), "--platform", platform, "--seed", str(SEED), "--rounds", "1"]
    command += ["--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    summary = json.loads(report.read_text())["summary"]
    assert summary["seeds"] == [SEED]
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
import json, os, sys, anyio
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
        files = {path: path.read_bytes() for path in ground.queue.rglob("*") if path.is_file()}
        for name, lie in json.loads(sys.argv[2]).items():
            if os.fork() == 0:  # what a lie changes in memory ends with the child
                exec(lie)
                print(name, *judge(ground, documents).wrong, flush=True)
                os._exit(0)
            assert os.wait()[1] == 0
            for path, content in files.items():
                path.write_bytes(content)

anyio.run(play)
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What the judge says of each change made after a round that ended right: the round is played once for all."""
    said = run_beside_torture(PLAY, str(tmp_path_factory.mktemp("lies")), json.dumps(LIES))
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


@pytest.mark.parametrize("lie", LIES)
def test_the_judge_sees_what_is_wrong(lie, verdicts):
    """A round that ended right is spoilt in one way, and the judge says so."""
    assert verdicts[lie].strip()
