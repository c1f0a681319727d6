"""Seven Bridges in the demonstration: DRS imports, and tasks that depend on them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from orchestrator.cli.showcase.demonstration import (
    AnySimulated,
    Demonstration,
    Outcomes,
    Sample,
    announce_failures,
    as_json_file,
    state,
    suffix,
    with_table,
)
from orchestrator.domain.model import ItemState
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator

PROJECT: Final = "lab/cohort-7"
_APP: Final = "lab/cohort-7/align/3"

_TASK_OUTCOMES: Final[Outcomes] = {
    7: ("fail", ItemState.FAILED),
    11: ("invalid", ItemState.FAILED),
    17: ("odd", ItemState.SUCCEEDED),
    23: ("flip", ItemState.SUCCEEDED),
}
_IMPORT_OUTCOMES: Final[Outcomes] = {13: ("fail", ItemState.FAILED), 19: ("slow", ItemState.SUCCEEDED)}
_REQUESTS: Final = 10_000
"""In 300 s: ten times what the platform allows, as tasks take seconds here and not hours."""
_ENDS: Final = {"COMPLETED": ItemState.SUCCEEDED, "FAILED": ItemState.FAILED}
_IMPORTED: Final = "FINISHED"
"""The status of every item of a DRS import whose job has ended; its row says how."""

_BROKEN: Final = """version: 1
jobs:
  - name: broken-0001
    kind: sevenbridges.task
    account: sevenbridges
    project: My cohort
    items:
      - {name: s1, app: lab/cohort-7/align}
      - {name: s1, app: lab/cohort-7/align}
      - {name: s2, app: align}
"""

_READS: Final = ("get*", "list*", "bulk_get*")
_FAULTS: Final = (
    *(Fault(kind=FaultKind.ERROR, operation=reads, probability=0.05, status=503, html=True) for reads in _READS),
    *(Fault(kind=FaultKind.TRUNCATED, operation=reads, probability=0.03) for reads in _READS),
    Fault(kind=FaultKind.RESET_AFTER, operation="create*", probability=0.1),
    Fault(kind=FaultKind.RESET_AFTER, operation="run_task", probability=0.1),
    Fault(kind=FaultKind.QUIRK, quirk="row_vanishes", operation="bulk_get*", probability=0.1),
)


def _simulate(faults: Sequence[Fault]) -> Simulator:
    knobs = Knobs(task_seconds=5.0, drs_seconds=2.0, requests=_REQUESTS)
    return Simulator(Config(seed=1, knobs=knobs, faults=tuple(faults)))


# ---------------------------------------------------------------- samples


def _samples(jobs: int, items: int) -> list[Sample]:
    """`jobs` jobs of `items` items: alternately DRS imports, and tasks that depend on them."""
    return [_imports(n, items) if n % 2 else _tasks(n, items) for n in range(1, jobs + 1)]


def _imports(number: int, items: int) -> Sample:
    name = f"import-run-{number:04}"
    expected = {
        f"drs://dg.example.org/run-{number:04}/s{n}{suffix(n, _IMPORT_OUTCOMES)}": state(n, _IMPORT_OUTCOMES)
        for n in range(1, items + 1)
    }
    job = {
        "name": name,
        "kind": "sevenbridges.drs_import",
        "account": "sevenbridges",
        "project": PROJECT,
        "count": items,
        "items": [{"drs_uri": uri, "name": f"run-{number:04}-{uri.rpartition('/')[2]}.bam"} for uri in expected],
    }
    return as_json_file(job, expected)


def _tasks(number: int, items: int) -> Sample:
    name, table = f"align-run-{number:04}", f"manifest-{number:04}.csv"
    samples = [f"s{n}{suffix(n, _TASK_OUTCOMES)}" for n in range(1, items + 1)]
    files = [(f"{number:08x}{n:016x}", f"{sample}.bam", sample) for n, sample in enumerate(samples, 1)]
    rows = [("id", "name", "sample_id"), *files]
    text = f"""version: 1
jobs:
  - name: {name}
    kind: sevenbridges.task
    account: sevenbridges
    project: {PROJECT}
    after: {{jobs: [import-run-{number - 1:04}], accept: [succeeded, partial]}}
    count: {items}
    template:
      name: run-{number:04} ${{sample_id}}
      app: {_APP}
      description: Sample ${{sample_id}}
      inputs: {{input_bam: {{class: File, path: "${{id}}"}}}}
    table: {table}
"""
    expected = {f"run-{number:04} {sample}": state(n, _TASK_OUTCOMES) for n, sample in enumerate(samples, 1)}
    return with_table(name, text, table, rows, expected)


# ---------------------------------------------------------------- comparison


def _differences(simulated: AnySimulated, item: Mapping[str, Any], expected: ItemState) -> Iterator[str]:
    """By the run of a task, by the row of an import; a task that was never run says why in its detail."""
    truth = cast("Simulator", simulated).truth
    if item["state"] != expected:
        yield f"{item['state']}, not {expected}"
    if item["stage"] == "import":
        status = truth.status("drs_import", item["key"])
        if (item["status"], _ENDS.get(status or "")) != (_IMPORTED, expected):
            yield f"{item['status']}, the platform says {status or 'no status'}"
        return
    status = truth.status("run", item["key"])
    if status is None and not item["detail"]:
        yield "never run, without a reason"
    if status is not None and item["status"] != status:
        yield f"{item['status']}, the platform says {status}"


def _created(simulated: AnySimulated) -> Iterator[tuple[str, str]]:
    made = Counter(cast("Simulator", simulated).truth.made())
    runs = {name: count for (kind, name), count in made.items() if kind == "run"}
    imports = {name: count for (kind, name), count in made.items() if kind == "drs_import"}
    yield "tasks run", str(sum(runs.values()))
    yield "imports requested again (harmless)", str(sum(imports.values()) - len(imports))


SEVEN_BRIDGES: Final = Demonstration(
    platform="sevenbridges",
    items=100,
    simulate=_simulate,
    account={"budget": {"requests": _REQUESTS, "per": "300s"}},
    samples=_samples,
    broken=_BROKEN,
    faults=_FAULTS,
    announce=announce_failures,
    chaos=(
        "answers questions with errors, cuts connections after processing a request and omits rows from its answers; "
        "as it knows no idempotency keys, what got no answer is searched for twice, a minute apart"
    ),
    differences=_differences,
    created=_created,
)
