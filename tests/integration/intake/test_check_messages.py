"""How the mistakes of a queue file are told: all of them, in order, each where it is to be mended, each once."""

import json

import pytest

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.webhook import WebhookTerms
from orchestrator.intake.validation.check import check

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
PROJECT = "11111111-1111-1111-1111-111111111111"
LINKING = {"kind": "ica.data_linking", "account": "ica", "project": PROJECT}
ANALYSIS = {"kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
ITEMS = {"items": [{"dataId": "fil.1"}]}
ID = "must be an id such as fil.0a1b or fol.0a1b: letters, digits, `_` and `-` behind `fil.` or `fol.`"
SAMPLES = "s,r1,r2\nA,fil.1,fil.2\nB,fil.3,fil.4\nC,fil.5,fil.6\n"
TEMPLATE = {
    "userReference": "run/${s}",
    "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
    "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${r1}", "${r2}"]}]},
}


@pytest.fixture
def told(tmp_path):
    """The mistakes of a file of these jobs, as text; one line for each job."""

    async def mistakes(*jobs, **tables):
        for name, text in tables.items():
            (tmp_path / f"{name}.csv").write_text(text)
        path = tmp_path / "a.json"
        path.write_text('{"version": 1, "jobs": [\n' + ",\n".join(map(json.dumps, jobs)) + "\n]}\n")
        with await check(path, ACCOUNTS) as report:
            return [str(mistake) for mistake in report.mistakes]

    return mistakes


# ---------------------------------------------------------------- after


def linking(name, **more):
    return LINKING | ITEMS | {"name": name} | more


async def test_jobs_that_wait_for_each_other_are_told_without_a_database(told):
    """Every circle, with the first of its jobs; in either spelling of `after`, and without regard to case."""
    assert await told(
        linking("fine", after=["c1"]),
        linking("c1", after=["C2"]),
        linking("c2", after={"jobs": ["C1", "elsewhere"]}),
        linking("Self", after=["self"]),
        linking("late", after=["c1", "Self", "fine"]),
    ) == [
        "line 3, jobs[1].after: jobs wait for each other: c1 after c2 after c1 - take one of them out of `after`",
        "line 5, jobs[3].after: Self waits for itself - take it out of `after`",
    ]


async def test_a_circle_through_a_job_with_other_mistakes_is_told_too(told):
    """Mending those must not bring up the next."""
    mistakes = await told(linking("a", after=["b"], priority=10), linking("b", after=["a"], kind="no"))
    assert [mistake.partition(": ")[0] for mistake in mistakes] == [
        "line 2, jobs[0].priority",
        "line 2, jobs[0].after",
        "line 3, jobs[1].kind",
    ]


@pytest.mark.parametrize("after", [5, "a", [5], {"jobs": 5}, {}, [], None])
async def test_what_is_no_list_of_names_makes_no_circle(told, after):
    """It is told as what it is."""
    assert not any("wait" in mistake for mistake in await told(linking("a", after=after)))


# ---------------------------------------------------------------- order


async def test_mistakes_are_told_from_the_top_of_the_file(told):
    """By their lines, whatever found them; those of tables behind them, by their lines as well."""
    mistakes = await told(
        linking("a", kind="no"),
        linking("b", priority=10, items=[{"dataId": "x y"}]),
        ANALYSIS | {"name": "c", "template": TEMPLATE, "table": "t.csv"},
        linking("d", account="no"),
        t="s,r1,r2\nA,fil.1,x y\nA,fil.1\n",
    )
    places = [mistake.partition(", ")[::2] for mistake in mistakes]
    assert [first for first, _ in places] == ["line 2", "line 3", "line 3", "line 5", "t.csv", "t.csv"]
    assert [rest[:6] for first, rest in places if first == "t.csv"] == ["line 2", "line 3"]


async def test_what_two_jobs_have_from_one_table_is_told_once(told):
    """The table is broken in one place."""
    jobs = [ANALYSIS | {"name": name, "template": TEMPLATE, "table": "t.csv"} for name in "ab"]
    assert len(await told(*jobs, t="s,r1,r2\nA,fil.1\n")) == 1


# ---------------------------------------------------------------- a wrong kind


@pytest.mark.parametrize("kind", ["ica.data_linkng", "ica.import", 5, None])
async def test_a_wrong_kind_hides_nothing_that_does_not_depend_on_it(told, kind):
    """Project, names, numbers, templates and counts are checked all the same."""
    job = {"name": "ä", "kind": kind, "account": "ica", "project": "mine", "after": ["a b"], "priority": 10}
    job |= {"template": {"a": "${nope}"}, "table": "t.csv", "max_open": 0, "engine": "wdl", "count": "3"}
    fields = {mistake.partition(": ")[0].rpartition("jobs[0].")[2] for mistake in await told(job, t=SAMPLES)}
    expected = {"kind", "project", "name", "after[0]", "priority", "t.csv, line 1", "max_open", "engine", "count"}
    assert fields == expected


async def test_the_project_is_checked_by_the_kind_where_there_is_no_account(told):
    """The platform is known from either."""
    mistakes = await told(linking("a", kind="ica.no", account="no", project="mine"))
    assert [mistake.split(":")[0].rpartition(".")[2] for mistake in mistakes] == ["kind", "account", "project"]


# ---------------------------------------------------------------- templates


async def test_a_mistake_of_the_template_is_told_once_at_the_template(told):
    """With how many rows it concerns, and with the key that is nearly the one."""
    template = {("pipelineID" if key == "pipelineId" else key): value for key, value in TEMPLATE.items()}
    job = ANALYSIS | {"name": "a", "template": template | {"tags": {"userTags": 5}}, "table": "t.csv"}
    assert await told(job, t=SAMPLES) == [
        (
            "line 2, jobs[0].template.pipelineId: `pipelineId` is missing, for 3 rows of t.csv"
            " - write `pipelineId:` in place of `pipelineID:`"
        ),
        "line 2, jobs[0].template.tags.userTags: must be a list, and is the number 5, for 3 rows of t.csv",
    ]


async def test_a_mistake_of_a_row_is_told_at_the_row(told):
    """With what the template fills from it."""
    table = "s,r1,r2\nA,fil x,fil/2\nB,,fil.3\nÖ,fil.4,fil.5\n D , fil.6,fil.7\n"
    inputs = "analysisInput.inputs[0].dataIds"
    assert await told(ANALYSIS | {"name": "a", "template": TEMPLATE, "table": "t.csv"}, t=table) == [
        (
            f"t.csv, line 2, column r1, {inputs}[0]: 'fil x' has spaces, which no id has; it {ID} - enter the id,"
            " not the name"
        ),
        (
            f"t.csv, line 2, column r2, {inputs}[1]: 'fil/2' is a path, and an id is needed; it {ID} - enter the"
            " platform's id of what the path names"
        ),
        (
            f"t.csv, line 3, column r1, {inputs}[0]: is empty - enter the value, or write `${{?r1}}`, which leaves the"
            " element out where the cell is empty"
        ),
        (
            "t.csv, line 4, column s, userReference: 'run/Ö' holds U+00D6 LATIN CAPITAL LETTER O WITH DIAERESIS behind"
            " run/; it may have nothing but A-Z a-z 0-9, spaces, `_`, `-`, and `/` between parts: no dots, no accents"
            " - type it again with plain letters"
        ),
    ]


async def test_a_key_that_no_row_changes_is_told_once(told):
    """Each row would make the same item."""
    job = LINKING | {"name": "a", "template": {"dataId": "fil.1"}, "table": "t.csv"}
    assert await told(job, t=SAMPLES) == [
        (
            "line 2, jobs[0].template.dataId: is the same for 3 rows of t.csv, and each may stand once"
            " - fill it from a column: `${...}`"
        )
    ]


async def test_items_over_a_template_share_its_mistakes(told):
    """What the template says is told there, what an item says or leaves out at the item."""
    items = [{"userReference": "a", "pipelineId": 5}, {"userReference": "b"}, {"userReference": "ö"}, None]
    template = {"pipelineID": "x", "analysisInput": {"inputs": 5}}
    mistakes = await told(ANALYSIS | {"name": "a", "template": template, "items": items})
    assert {mistake.partition(": ")[::2][0].rpartition("jobs[0].")[2] for mistake in mistakes} == {
        "template.pipelineId",
        "template.analysisInput.inputs",
        "items[0].pipelineId",
        "items[2].userReference",
        "items[3]",
    }
    assert any("`pipelineId` is missing, for 2 items - write" in mistake for mistake in mistakes)


async def test_a_column_that_a_table_lacks_is_told_at_its_first_line(told):
    """Without a template the columns are the fields; once, and not for each row."""
    (mistake,) = await told(LINKING | {"name": "a", "table": "t.csv"}, t=SAMPLES)
    assert mistake.startswith(
        "t.csv, line 1, dataId: `dataId` is missing, for 3 rows of t.csv - its columns are s, r1, r2;"
    )


# ---------------------------------------------------------------- other tables


@pytest.mark.parametrize("job", [ANALYSIS | {"template": TEMPLATE}, LINKING])
@pytest.mark.parametrize("separator", [";", "\t", "|"])
async def test_a_table_with_another_separator_is_read_as_such(told, job, separator):
    """Where a column is missing as long as the first line is one column."""
    table = SAMPLES if "template" in job else "dataId,label\nfil.1,x\n"
    assert await told(job | {"name": "a", "table": "t.csv"}, t=table.replace(",", separator)) == []


async def test_a_column_that_is_named_so_is_taken(told):
    """Where no column is missing, nothing is guessed."""
    job = LINKING | {"name": "a", "template": {"dataId": "${id;x}"}, "table": "t.csv"}
    assert await told(job, t="id;x\nfil.1\n") == []


async def test_blanks_around_a_cell_reach_no_platform(tmp_path):
    """Neither in the item nor in its key."""
    (tmp_path / "t.csv").write_text("s,r1,r2\n A, fil.1,fil.2 \n")
    job = ANALYSIS | {"name": "a", "template": TEMPLATE, "table": "t.csv"}
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [job]}))
    with await check(tmp_path / "a.json", ACCOUNTS) as report:
        ((item,),) = report.jobs[0].chunks()
    assert item.key == "run/A"
    assert json.loads(item.request)["analysisInput"]["inputs"][0]["dataIds"] == ["fil.1", "fil.2"]


# ---------------------------------------------------------------- webhooks

HOOKS = WebhookTerms(("lims.example.org", "lims.example.org:8443"), signed=True)


@pytest.mark.parametrize(
    ("terms", "url", "says"),
    [
        (HOOKS, "https://lims.example.org/hook", None),
        (HOOKS, "https://LIMS.example.org:8443/hook", None),
        (
            HOOKS,
            "https://evil.example.org/hook",
            (
                "jobs[0].notify.webhook: evil.example.org is not one of the hosts that may be notified - allowed are "
                "lims.example.org, lims.example.org:8443; add it to `notify.allowed_hosts` of the configuration"
            ),
        ),
        (HOOKS, "https://lims.example.org:444/hook", "lims.example.org:444 is not one of the hosts"),
        (HOOKS, "http://lims.example.org/hook", "jobs[0].notify.webhook: must begin with https:// - write the URL"),
        (HOOKS, "https://a:b@lims.example.org/", "must not hold a user or a password"),
        (WebhookTerms(), "https://lims.example.org/hook", "jobs[0].notify: names a webhook, and none can be called"),
        (WebhookTerms(signed=True), "https://lims.example.org/hook", "allowed are none; add it to"),
    ],
)
async def test_a_webhook_that_may_not_be_called_is_a_mistake_of_the_file(terms, url, says, tmp_path):
    """With the hosts that are allowed, and where more of them are named."""
    path = tmp_path / "a.json"
    job = linking("a", notify={"webhook": url, "on": ["settled", "blocked"]}, labels={"run": "0172"})
    path.write_text(json.dumps({"version": 1, "jobs": [job]}) + "\n")
    with await check(path, ACCOUNTS, webhooks=terms) as report:
        mistakes = [str(mistake) for mistake in report.mistakes]
        assert [says in mistake for mistake in mistakes] == ([] if says is None else [True]), mistakes
        if says is None:
            (job,) = report.jobs
            assert (job.spec.notify.webhook, job.spec.labels) == (url, {"run": "0172"})
