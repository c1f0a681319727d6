"""ODM in the demonstration: imports of samples, and imports of expression data that depend on them.

Publications are left out: one whose answer was lost is searched for twice, an hour apart.
"""

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
from orchestrator.simulator.odm import Config, Knobs, Simulator

_OUTCOMES: Final[Outcomes] = {
    7: ("fail", ItemState.FAILED),
    11: ("abandon", ItemState.FAILED),
    13: ("odd", ItemState.SUCCEEDED),
    17: ("slow", ItemState.SUCCEEDED),
}
_REQUESTS: Final = 10_000
"""In 300 s: imports take seconds here and not hours, and each is polled by itself."""
_CONFLICT: Final = 409
_LINK: Final = "https://bucket.example.org"

_BROKEN: Final = """version: 1
jobs:
  - name: broken-0001
    kind: odm.import
    account: odm
    items:
      - {type: samples, metadataLink: "https://bucket.example.org/s1.tsv"}
      - {type: samples, dataLink: "https://bucket.example.org/s2.tsv"}
      - {type: sample, metadataLink: "https://bucket.example.org/s3.tsv"}
"""

_FAULTS: Final = (
    Fault(kind=FaultKind.ERROR, operation="get*", probability=0.05, status=503, html=True),
    Fault(kind=FaultKind.TRUNCATED, operation="get*", probability=0.03),
    Fault(kind=FaultKind.QUIRK, quirk="stale", operation="get_job", probability=0.05, seconds=2.0),
    Fault(kind=FaultKind.RESET_AFTER, operation="start_import", probability=0.1),
    Fault(kind=FaultKind.QUIRK, quirk="made_twice", operation="start_import", probability=0.05),
)


def _simulate(faults: Sequence[Fault]) -> Simulator:
    knobs = Knobs(import_seconds=4.0, requests=_REQUESTS, window="sliding")
    return Simulator(Config(seed=1, knobs=knobs, faults=tuple(faults)))


# ---------------------------------------------------------------- samples


def _samples(jobs: int, items: int) -> list[Sample]:
    """`jobs` jobs of `items` items: alternately of samples, and of expression data that depends on them."""
    return [_metadata(n, items) if n % 2 else _expression(n, items) for n in range(1, jobs + 1)]


def _metadata(number: int, items: int) -> Sample:
    name = f"samples-run-{number:04}"
    expected = {
        f"{_LINK}/run-{number:04}/s{n}{suffix(n, _OUTCOMES)}.tsv": state(n, _OUTCOMES) for n in range(1, items + 1)
    }
    rows = [{"type": "samples", "metadataLink": link} for link in expected]
    job = {"name": name, "kind": "odm.import", "account": "odm", "count": items, "items": rows}
    return as_json_file(job, expected)


def _expression(number: int, items: int) -> Sample:
    name, table = f"expression-run-{number:04}", f"manifest-{number:04}.csv"
    samples = [f"s{n}{suffix(n, _OUTCOMES)}" for n in range(1, items + 1)]
    rows = [("sample_id",), *((sample,) for sample in samples)]
    text = f"""version: 1
jobs:
  - name: {name}
    kind: odm.import
    account: odm
    after: {{jobs: [samples-run-{number - 1:04}], accept: [succeeded, partial]}}
    count: {items}
    template: {{type: expression, dataLink: "{_LINK}/run-{number:04}/${{sample_id}}.gct"}}
    table: {table}
"""
    expected = {f"{_LINK}/run-{number:04}/{sample}.gct": state(n, _OUTCOMES) for n, sample in enumerate(samples, 1)}
    return with_table(name, text, table, rows, expected)


# ---------------------------------------------------------------- comparison


def _differences(simulated: AnySimulated, item: Mapping[str, Any], expected: ItemState) -> Iterator[str]:
    """By the job of each import."""
    status = cast("Simulator", simulated).truth.status("import", item["key"])
    if item["state"] != expected:
        yield f"{item['state']}, not {expected}"
    if item["status"] != status:
        yield f"{item['status']}, the platform says {status or 'no status'}"


def _created(simulated: AnySimulated) -> Iterator[tuple[str, str]]:
    simulator = cast("Simulator", simulated)
    yield "import jobs it started", str(len(simulator.ledger.effects("import")))
    yield "imports requested again (answered with their job)", str(simulator.ledger.answers["start_import", _CONFLICT])


ODM: Final = Demonstration(
    platform="odm",
    items=60,
    simulate=_simulate,
    account={"budget": {"requests": _REQUESTS, "per": "300s"}},
    samples=_samples,
    broken=_BROKEN,
    faults=_FAULTS,
    announce=announce_failures,
    chaos=(
        "answers questions with errors and statuses of the past, cuts connections after starting an import and starts "
        "some twice; as it refuses the same links with the job that has them, what got no answer is sent again"
    ),
    differences=_differences,
    created=_created,
)
