"""The torture runner itself: it ends, it reports, and its judges see what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.platforms.registry import KINDS
from orchestrator.simulator import FaultKind

TORTURE = Path(__file__).with_name("torture")
SEED = 7
"""Of a round in which every kind of fault is drawn."""

DRAW = """
import sys
from chance import Plan
from sides import PLATFORMS

plan = Plan.draw(int(sys.argv[1]), list(PLATFORMS.values()), kills=4, faults=15, every_kind=True)
print(*{fault.kind for side in plan.sides for rules in side.faults for fault in rules}, sep="\\n")
"""


def run_beside_torture(program, *arguments):
    """The output of a program that imports the modules of the torture."""
    environ = {"PYTHONPATH": f"{TORTURE}:{TORTURE.parents[1] / 'support'}"}
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


def test_the_round_of_this_suite_draws_every_kind_of_fault():
    """One round is enough here, as none of what may go wrong is missing in it."""
    assert set(run_beside_torture(DRAW, str(SEED)).split()) == set(FaultKind)


def test_a_round_of_torture_ends_right(tmp_path):
    """A small job of every kind on every platform: nothing is lost, nothing is done twice, and no result differs."""
    report = tmp_path / "report.json"
    command = [sys.executable, str(TORTURE), "--every-kind", "--seed", str(SEED), "--rounds", "1"]
    command += ["--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    summary = json.loads(report.read_text())["summary"]
    assert summary["seeds"] == [SEED]
    assert set(summary["items_by_kind"]) == set(KINDS)
    assert (summary["lost"], summary["created_twice"], summary["results_that_differ"]) == (0, 0, 0)
    assert summary["kills"] > 0


LIES = {
    "lost": "documents['links']['items'].pop()",
    "created_twice": "ledger('ica').record([ledger('ica').effects('analysis')[0]])",
    "unknown": "documents['analyses']['items'][0]['remote_id'] = None",
    "differs": "documents['analyses']['items'][0].update(status='FAILED', state='failed')",
    "link_differs": "documents['links']['items'][0].update(status='FAILED', state='failed')",
    "copy_unknown": "documents['copies']['items'][0]['remote_id'] = 'fil.other'",
    "moved_twice": "again('ProjectDataMoveBatch')",
    "never_moved": "documents['moves']['batches'][0]['remote_id'] = None",
    "session_lost": "documents['night']['items'] = documents['night']['items'][:1]",
    "analysis_misplaced": "documents['night']['items'][-1]['parent'] = None",
    "session_differs": "documents['night']['items'][1].update(status='FAILED', state='failed')",
    "published_often": "ledger('odm').record(ledger('odm').effects('publish') * 2)",
    "version_invented": "documents['publish']['items'][0]['facts'] = {'version': 'GSF1.9'}",
    "imported_twice": "ledger('odm').record(list(ledger('odm').effects('import')))",
    "import_differs": "documents['import']['items'][0].update(status='FAILED', state='failed')",
    "task_differs": "documents['tasks']['items'][0].update(status='KILLED', state='aborted')",
    "file_lost": "(ground.queue / 'accepted/links.json').unlink()",
    "result_lost": "(ground.queue / 'results/links.json').unlink()",
}

PLAY = """
import json, os, random, sys, anyio
from pathlib import Path
from chance import Plan, Side, Work
from ground import Ground
from judge import judge
from platforms.ica_jobs import PIPELINE, PROJECT
from sides import PLATFORMS
from orchestrator.simulator import ica, odm

def job(name, kind, items, **more):
    [account, _] = kind.split(".")
    return {"name": name, "kind": kind, "account": account, "items": items} | more

def work(name, kind, items, *keys, events=(), **more):
    more |= {"project": PROJECT} if kind.startswith("ica.") else {}
    return Work(job(name, kind, items, **more), keys, events=events)

request = {"pipelineId": PIPELINE, "analysisInput": {"inputs": []}}
copying = {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": False, "actionOnExist": "RENAME"}
night = {"project": PROJECT, "user_reference": "run-1", "analyses": ["a1"], "technical_tags": ["night-night"]}
jobs = [
    work("links", "ica.data_linking", [{"dataId": "fil.0a"}, {"dataId": "fil.0b"}], "fil.0a", "fil.0b"),
    work("analyses", "ica.analysis_creation", [{"userReference": "a/1", **request}], "a/1", engine="nextflow"),
    work("copies", "ica.data_copy", [{"dataId": "fil.0c"}], "fil.0c", options=copying),
    work("moves", "ica.data_move", [{"dataId": "fil.0d"}], "fil.0d"),
    work("night", "ica.workflow_session", [{"name": "tonight", "until": "+1s"}], "tonight",
         events=[{"begin_session": night}]),
    work("publish", "odm.publish", [{"study": "GSF1"}], "GSF1"),
    work("import", "odm.import", [{"type": "samples", "metadataLink": "s1"}], "s1"),
    work("tasks", "odm.task", [{"id": "GSF9"}], "GSF9"),
]
sides = [Side(PLATFORMS["ica"], ica.Knobs()), Side(PLATFORMS["odm"], odm.Knobs())]
plan = Plan(seed=1, sides=sides, work=jobs)

async def play():
    ground = Ground(Path(sys.argv[1]), plan)
    async with ground.open():
        for each in plan.work:
            ground.drop_work(each)
        await ground.run_to_rest(600)
        documents = await ground.documents()
        assert judge(ground, documents).wrong == [], judge(ground, documents).wrong
        files = {path: path.read_bytes() for path in ground.queue.rglob("*") if path.is_file()}

        def ledger(platform):
            return ground.sites[platform].simulator.ledger

        def again(subject):
            batches = ground.sites["ica"].simulator._world.batches
            batches |= {"again": next(each for each in batches.values() if each.job.subject_type == subject)}

        for name, lie in json.loads(sys.argv[2]).items():
            if os.fork() == 0:  # what a lie changes in memory ends with the child
                exec(lie)
                wrong = judge(ground, documents).wrong
                wrong = [each for each in wrong if "is not what the database says" not in each]
                print(name, *wrong, flush=True)
                os._exit(0)
            assert os.wait()[1] == 0
            for path, content in files.items():
                path.write_bytes(content)

anyio.run(play)
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What the judges say of each change made after a round that ended right: the round is played once for all."""
    said = run_beside_torture(PLAY, str(tmp_path_factory.mktemp("lies")), json.dumps(LIES))
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


@pytest.mark.parametrize("lie", LIES)
def test_the_judge_sees_what_is_wrong(lie, verdicts):
    """A round that ended right is spoilt in one way, and the judge of that kind says so."""
    assert verdicts[lie].strip()
