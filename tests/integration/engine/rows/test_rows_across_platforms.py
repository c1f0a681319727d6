"""The example of the documentation: one file over three platforms, each job made of the rows of another."""

import re
from dataclasses import replace
from pathlib import Path

from made_of_rows import Rows
from platform_setups import ODM, SEVEN_BRIDGES

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission, Admitted
from orchestrator.intake.validation.check import check

DOC = Path(__file__).parents[4] / "docs/queue-files.md"
CAVATICA = replace(SEVEN_BRIDGES, name="cavatica", project="kfdrc/cohort-7")
ACCOUNTS = {
    "ica": AccountLimits("ica", 5000),
    "cavatica": AccountLimits("sevenbridges", 5000),
    "odm": AccountLimits("odm", 5000),
}
JOBS = (
    "link-cohort-7",
    "germline-cohort-7",
    "import-cohort-7",
    "annotate-cohort-7",
    "register-cohort-7",
    "publish-cohort-7",
)


async def test_rows_cross_accounts_and_platforms(world, tmp_path):
    """Word for word as it stands there; what failed on the way is in no later job."""
    ica = await world()
    others = [await world(setup=CAVATICA), await world(setup=ODM)]
    for other in others:
        await other.store.aclose()
        other.store = ica.store
        other._build("world", "simulator", {})
    cavatica, odm = others
    section = DOC.read_text().partition("## Rows of an earlier job")[2]
    (tmp_path / "cohort-7.yaml").write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    table = "ica_id,sample\nfil.01,S1\nfil.02,S2-fail\nfil.fail1,S3\nfil.partial1,S4\n"
    (tmp_path / "cohort-7.csv").write_text(table)
    with await check(tmp_path / "cohort-7.yaml", ACCOUNTS) as report:
        assert list(report.mistakes) == []
        admission = Admission(ica.store.jobs, ica.store.advance, ACCOUNTS, ica.clock)
        assert isinstance(await admission.admit(report, "drop"), Admitted)
    rows = Rows(ica, **ACCOUNTS)

    async def settled():
        for other in others:
            await other.turn()
            other.time.move(30.0)
        if await ica.store.planned_rows.next() is not None:
            await rows.plan()
        return all([(await ica.job(name)).state.settled for name in JOBS])

    await ica.until(settled, within=12 * 3600)
    assert [(await ica.job(name)).state for name in JOBS] == ["partial", "partial", *["succeeded"] * 4]
    assert sorted(await ica.states("germline-cohort-7")) == ["cohort-7/S1", "cohort-7/S2-fail", "cohort-7/S4"]
    assert sorted(await ica.states("annotate-cohort-7")) == ["annotate S1", "annotate S4"]
    files = [item.remote_id for item in (await ica.items("import-cohort-7")).values()]
    assert len(files) == 2
    runs = {name for (kind, name), count in cavatica.simulator.truth.made().items() if kind == "run" and count == 1}
    assert runs == {"annotate S1", "annotate S4"}
    made = {name: count for (kind, name), count in odm.simulator.truth.made().items() if kind == "import"}
    assert made == {f"https://data.example.org/cohort-7/{sample}.vcf.gz": 1 for sample in ("S1", "S4")}
    assert odm.simulator.truth.duplicates() == {}
