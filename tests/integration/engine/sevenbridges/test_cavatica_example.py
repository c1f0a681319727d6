"""The example of the documentation for CAVATICA, as it stands there: a manifest becomes a task for each file."""

import re
from dataclasses import replace
from pathlib import Path

from platform_setups import SEVEN_BRIDGES

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission, Admitted
from orchestrator.intake.validation.check import check

DOC = Path(__file__).parents[4] / "docs/queue-files.md"
CAVATICA = replace(SEVEN_BRIDGES, name="cavatica", project="kfdrc/cohort-7")
ACCOUNTS = {"cavatica": AccountLimits("sevenbridges", 5000)}
JOBS = ("import-cohort-7", "align-cohort-7")
MANIFEST = "id,name,sample_id\nfile-1,S1.bam,S1\nfile-2,S2.bam,S2\n"


async def test_a_manifest_becomes_a_task_for_each_file(world, tmp_path):
    """Once the imports have ended; each task keeps its name and runs once."""
    cavatica = await world(setup=CAVATICA)
    section = DOC.read_text().partition("## A cohort on CAVATICA")[2]
    (tmp_path / "cohort.yaml").write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    with await check(tmp_path / "cohort.yaml", ACCOUNTS) as report:
        admission = Admission(cavatica.store.jobs, cavatica.store.advance, ACCOUNTS, cavatica.clock)
        assert isinstance(await admission.admit(report, "drop"), Admitted)
    await cavatica.until_settled(*JOBS, within=12 * 3600)
    assert [(await cavatica.job(name)).state for name in JOBS] == ["succeeded"] * 2
    made = cavatica.simulator.truth.made()
    assert {name: count for (kind, name), count in made.items() if kind == "run"} == {
        "align S1.bam": 1,
        "align S2.bam": 1,
    }
    assert cavatica.simulator.truth.duplicates() == {}
