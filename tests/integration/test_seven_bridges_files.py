"""Queue files for Seven Bridges, from their bytes to a report."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check

ACCOUNTS = {name: AccountLimits("sevenbridges", 5000) for name in ("cavatica", "sb")}
DOC = Path(__file__).parents[2] / "docs/queue-files.md"
IMPORT = {"source": {"volume": "lab/bucket", "location": "a.bam"}}
TASK = {"name": "s1", "app": "lab/cohort/align"}


async def mistakes(path):
    with await check(path, ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


async def mistakes_of(tmp_path, kind, item, **job):
    """The mistakes of a file with one job of one item."""
    asked = {"name": "a", "kind": f"sevenbridges.{kind}", "account": "sb", "items": [item]}
    if kind != "automation_run":
        asked["project"] = "lab/cohort"
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked | job]}))
    return await mistakes(tmp_path / "a.json")


async def test_the_example_of_the_documentation_has_no_mistakes(tmp_path):
    """With a manifest as the platform exports it."""
    section = DOC.read_text().partition("## A cohort on CAVATICA")[2]
    (tmp_path / "cohort.yaml").write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    (tmp_path / "manifest.csv").write_text("id,name,sample_id\n5f50018f,S1.bam,S1\n5f50018e,S2.bam,S2\n")
    assert await mistakes(tmp_path / "cohort.yaml") == []


def place(kind, volume, location):
    """An import from, or an export to, a place on a volume."""
    where = {"volume": volume, "location": location}
    return {"source": where} if kind == "import" else {"source": {"file": "f1"}, "destination": where}


@pytest.mark.parametrize("kind", ["import", "export"])
@pytest.mark.parametrize(
    ("volumes", "keys"),
    [(("lab/a", "lab/a"), ["x", "y"]), (("lab/a", "lab/b"), ["lab/a:x", "lab/b:y"])],
)
async def test_keys_have_the_volume_where_a_job_names_several(tmp_path, kind, volumes, keys):
    """With one volume the location alone is the key, as it says everything."""
    items = [place(kind, volume, location) for volume, location in zip(volumes, "xy", strict=True)]
    asked = {"name": "a", "kind": f"sevenbridges.{kind}", "account": "sb", "project": "lab/cohort", "items": items}
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked]}))
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        (job,) = report.jobs
        assert [item.key for chunk in job.chunks() for item in chunk] == keys


async def test_keys_have_the_volume_whatever_else_an_item_says(tmp_path):
    """Also beside a number that no float holds."""
    items = [place("export", "lab/a", "x") | {"properties": {"n": "@"}}, place("export", "lab/b", "x")]
    asked = {"name": "a", "kind": "sevenbridges.export", "account": "sb", "project": "lab/cohort", "items": items}
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked]}).replace('"@"', "1e400"))
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        assert [item.key for chunk in report.jobs[0].chunks() for item in chunk] == ["lab/a:x", "lab/b:x"]


@pytest.mark.parametrize(("kind", "side"), [("import", "source"), ("export", "destination")])
async def test_a_location_may_stand_once_on_each_volume(tmp_path, kind, side):
    """The same location on another volume is another item; on the same volume it is a mistake."""
    (a, b), more = (place(kind, volume, "x") for volume in ("lab/a", "lab/b")), place(kind, "lab/a", "x")
    assert await mistakes_of(tmp_path, kind, a, items=[a, b]) == []
    (mistake,) = await mistakes_of(tmp_path, kind, a, items=[a, b, more])
    assert f"jobs[0].items[2].{side}.location: has the same {side}.volume and {side}.location as" in mistake


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("task", TASK | {"batch_input": "reads", "batch_by": {"type": "criteria", "criteria": ["metadata.sample_id"]}}),
        ("import", IMPORT | {"destination": {"parent": "folder"}, "overwrite": True}),
        ("export", {"source": {"file": "f1"}, "destination": {"volume": "lab/bucket", "location": "x"}}),
        ("file_copy", {"file": "f1", "project": "lab/other", "name": "x.bam"}),
        ("file_move", {"file": "f1", "parent": "folder"}),
        ("file_delete", {"file": "f1"}),
        ("file_update", {"file": "f1", "metadata": {"sample_id": None}, "tags": ["a"]}),
        ("drs_import", {"drs_uri": "drs://dg.org/1", "metadata": {"x": "y"}}),
        ("automation_run", {"name": "n", "package": "lab/rheo/1", "inputs": {}, "new_field": 1}),
    ],
)
async def test_the_platforms_own_objects_pass(tmp_path, kind, item):
    """Fields that we do not know pass too."""
    assert await mistakes_of(tmp_path, kind, item) == []


@pytest.mark.parametrize(
    ("kind", "item", "told"),
    [
        ("task", {"name": "s1", "app": "align"}, "it is written OWNER/PROJECT/APP"),
        ("task", TASK | {"project": "lab/cohort"}, "is said by the job's `project`"),
        ("task", TASK | {"batch_input": "reads"}, "needs both `batch_by` and `batch_input`"),
        (
            "task",
            TASK | {"batch_input": "r", "batch_by": {"type": "criteria"}},
            "and no `criteria`",
        ),
        ("import", {"source": {"volume": "v"}}, "location"),
        ("import", IMPORT | {"destination": {"project": "a/b", "parent": "f"}}, "has both `project` and `parent`"),
        (
            "import",
            IMPORT | {"destination": {"project": "lab/other"}},
            "'lab/other' is not the project of the job, 'lab/cohort' - leave it out, or write a job for each project",
        ),
        ("file_copy", {"file": "a/b"}, "is no id of a file"),
        ("file_copy", {"file": "NA"}, "'NA' stands for a missing value; it is no id of a file"),
        ("file_delete", {"file": "S1_R1.fastq.gz"}, "is the name of a file, and its id is needed"),
        ("file_update", {"file": "f1\u200b"}, "U+200B ZERO WIDTH SPACE behind f1"),
        ("file_move", {"file": "f\u0430"}, "U+0430 CYRILLIC SMALL LETTER A"),
        ("task", TASK | {"name": "s1\u200b"}, "U+200B ZERO WIDTH SPACE behind s1"),
        ("import", {"source": {"volume": "lab/bucket", "location": "a\ufeffb"}}, "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("file_update", {"file": "f1", "id": "f2", "tags": ["x"]}, "items[0].id: is said by `file`: leave it out here"),
        ("file_update", {"file": "f1"}, "changes nothing: write a `name`, `metadata` or `tags`"),
        ("file_update", {"file": "f1", "name": None, "metadata": {}}, "changes nothing"),
        ("drs_import", {"drs_uri": "https://x"}, "it begins with drs://"),
        ("drs_import", {"drs_uri": "drs://dg.org/1\u200b"}, "holds U+200B ZERO WIDTH SPACE behind drs://dg.org/1"),
        ("task", {"name": "s1", "app": "lab/cohort/align\u200b"}, "holds U+200B ZERO WIDTH SPACE behind"),
        ("automation_run", {"name": "n", "package": "p", "secret_settings": {"k": "v"}}, "the automation's own secret"),
    ],
)
async def test_a_mistake_says_what_to_write_instead(tmp_path, kind, item, told):
    """Before anything is sent."""
    found = await mistakes_of(tmp_path, kind, item)
    assert any(told in line for line in found), found


@pytest.mark.parametrize(
    ("kind", "item", "project", "told"),
    [
        ("automation_run", {"name": "n", "package": "p"}, None, None),
        ("automation_run", {"name": "n", "package": "p"}, "lab/cohort", "belongs to no project - leave `project` out"),
        ("task", TASK, None, "`project` is missing - add `project:`"),
        ("unheard_of", TASK, None, "`project` is missing"),
    ],
)
async def test_a_job_has_a_project_where_its_kind_has_one(tmp_path, kind, item, project, told):
    """A run of an automation belongs to none; a job of any other kind needs one."""
    found = await mistakes_of(tmp_path, kind, item, project=project)
    assert found == [] if told is None else any(told in line for line in found), found


async def test_a_job_without_a_project_has_none_in_its_specification(tmp_path):
    """The store keeps an empty text."""
    job = {
        "name": "a",
        "kind": "sevenbridges.automation_run",
        "account": "sb",
        "items": [{"name": "n", "package": "p"}],
    }
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [job]}))
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        (checked,) = report.jobs
        assert checked.spec.project == ""


async def test_a_project_is_not_its_name(tmp_path):
    """The platform's own spelling has two parts."""
    (line,) = await mistakes_of(tmp_path, "task", TASK, project="My cohort")
    assert "it is written OWNER/PROJECT" in line
    (line,) = await mistakes_of(tmp_path, "task", TASK, project="lab/cohort\ufeff")
    assert "holds U+FEFF ZERO WIDTH NO-BREAK SPACE behind lab/cohort" in line


@pytest.mark.parametrize(
    ("kind", "item", "options", "told"),
    [
        (
            "export",
            {"source": {"file": "f"}, "destination": {"volume": "v", "location": "x"}},
            {"copy_only": True},
            None,
        ),
        ("drs_import", {"drs_uri": "drs://x"}, {"conflict_resolution": "SKIP", "tags": ["a"]}, None),
        ("drs_import", {"drs_uri": "drs://x"}, {"conflict_resolution": "KEEP"}, "options.conflict_resolution"),
        ("drs_import", {"drs_uri": "drs://x"}, {"tag": ["a"]}, "options.tag: `tag` is not a key that belongs here"),
        ("task", TASK, {"copy_only": True}, "sevenbridges.task has no options - leave `options` out"),
        ("task", TASK, "copy_only", "options"),
    ],
)
async def test_options_of_a_job_are_those_of_its_kind(tmp_path, kind, item, options, told):
    """They hold for all items, and are checked as these are."""
    found = await mistakes_of(tmp_path, kind, item, options=options)
    assert found == [] if told is None else any(told in line for line in found), found


async def test_options_are_part_of_what_a_job_is(tmp_path):
    """Other options are other content; without any, the digest is what it always was."""
    specs = []
    for options in [{}, {"options": {"tags": ["a"]}}, {"options": {"tags": ["b"]}}, {"options": {}}]:
        asked = {"name": "a", "kind": "sevenbridges.drs_import", "account": "sb", "project": "lab/cohort"}
        job = asked | {"items": [{"drs_uri": "drs://x"}]} | options
        (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [job]}))
        with await check(tmp_path / "a.json", ACCOUNTS) as report:
            (checked,) = report.jobs
            specs.append(checked.spec)
    assert [spec.options for spec in specs] == [None, b'{"tags":["a"]}', b'{"tags":["b"]}', None]
    assert len({spec.digest for spec in specs}) == 3
