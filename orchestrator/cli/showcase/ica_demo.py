"""ICA in the demonstration: links, and analyses that depend on them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from orchestrator.cli.showcase.demonstration import (
    AnySimulated,
    Demonstration,
    Outcomes,
    Sample,
    as_json_file,
    state,
    suffix,
    with_table,
)
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import ItemState
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.simulator.ica.truth import LinkTruth

PROJECT: Final = "7c9a1f3e-52b8-4d0e-9b66-0a5d3c2e8f41"
_PIPELINE: Final = "2f64c1a7-8d0b-4f53-a7be-91c4d6e0b213"
_LINKED_EARLIER: Final = "ALREADY_LINKED"
"""What the platform reports for a link that is requested again after it was made."""

_ANALYSIS_OUTCOMES: Final[Outcomes] = {
    7: ("fail", ItemState.FAILED),
    11: ("nocreate", ItemState.FAILED),
    17: ("odd", ItemState.SUCCEEDED),
    23: ("await", ItemState.SUCCEEDED),
}
_LINK_OUTCOMES: Final[Outcomes] = {
    13: ("partial", ItemState.PARTIAL),
    19: ("already", ItemState.SUCCEEDED),
    29: ("fail", ItemState.FAILED),
}

_BROKEN = """version: 1
jobs:
  - name: broken-0001
    kind: ica.data_linking
    account: ica
    projekt: 7c9a1f3e-52b8-4d0e-9b66-0a5d3c2e8f41
    items:
      - {dataId: fil.0001}
      - {dataId: fil.0001}
      - {dataID: fil.0002}
"""

_FAULTS: Final = (
    Fault(kind=FaultKind.ERROR, probability=0.03, status=503, html=True),
    Fault(kind=FaultKind.RESET_AFTER, operation="create*", probability=0.1),
    Fault(kind=FaultKind.TRUNCATED, probability=0.02),
    Fault(kind=FaultKind.QUIRK, quirk="item_vanishes", probability=0.05),
)


def _simulate(faults: Sequence[Fault]) -> Simulator:
    knobs = Knobs(link_seconds=2.0, creation_seconds=1.0, analysis_seconds=5.0, await_seconds=1.0)
    return Simulator(Config(seed=1, knobs=knobs, faults=tuple(faults)))


# ---------------------------------------------------------------- samples


def _samples(jobs: int, items: int) -> list[Sample]:
    """`jobs` jobs of `items` items: alternately links, and analyses that depend on them."""
    return [_links(n, items) if n % 2 else _analyses(n, items) for n in range(1, jobs + 1)]


def _links(number: int, items: int) -> Sample:
    name = f"link-run-{number:04}"
    expected = {
        f"fil.{number:04x}{n:06x}{suffix(n, _LINK_OUTCOMES)}": state(n, _LINK_OUTCOMES) for n in range(1, items + 1)
    }
    job = {
        "name": name,
        "kind": "ica.data_linking",
        "account": "ica",
        "project": PROJECT,
        "count": items,
        "items": [{"dataId": data_id} for data_id in expected],
    }
    return as_json_file(job, expected)


def _analyses(number: int, items: int) -> Sample:
    name, table = f"germline-run-{number:04}", f"samples-{number:04}.csv"
    rows = [("sample", "r1", "r2"), *_rows(number, items)]
    text = f"""version: 1
jobs:
  - name: {name}
    kind: ica.analysis_creation
    account: ica
    project: {PROJECT}
    after: {{jobs: [link-run-{number - 1:04}], accept: [succeeded, partial]}}
    engine: nextflow
    count: {items}
    template:
      userReference: run-{number:04}/${{sample}}
      pipelineId: {_PIPELINE}
      analysisInput: {{inputs: [{{parameterCode: fastqs, dataIds: ["${{r1}}", "${{r2}}"]}}]}}
    table: {table}
"""
    expected = {
        f"run-{number:04}/s{n}{suffix(n, _ANALYSIS_OUTCOMES)}": state(n, _ANALYSIS_OUTCOMES)
        for n in range(1, items + 1)
    }
    return with_table(name, text, table, rows, expected)


def _rows(number: int, items: int) -> Iterator[tuple[str, str, str]]:
    for n in range(1, items + 1):
        yield f"s{n}{suffix(n, _ANALYSIS_OUTCOMES)}", f"fil.{number:04x}{n:06x}a1", f"fil.{number:04x}{n:06x}a2"


def _announce(samples: Sequence[Sample]) -> str:
    states = Counter(each for sample in samples for each in sample.expected.values())
    failing, partial = states[ItemState.FAILED], states[ItemState.PARTIAL]
    return f"to fail {counted(failing, 'item')} and to link {partial} only in part"


# ---------------------------------------------------------------- comparison


def _differences(simulated: AnySimulated, item: Mapping[str, Any], expected: ItemState) -> Iterator[str]:
    truth = cast("Simulator", simulated).truth
    key, status = item["key"], item["status"]
    link = truth.links().get((PROJECT, key))
    again = status == _LINKED_EARLIER and _LINKED_EARLIER in _link_statuses(link)
    wanted = ItemState.SUCCEEDED if again else expected
    if item["state"] != wanted:
        yield f"{item['state']}, not {wanted}"
    analyses = truth.by_reference(PROJECT).get(key, [])
    match item["stage"]:
        case "analysis":
            possible = analyses[-1:]
        case "link":
            possible = _link_statuses(link)
        case _:
            if analyses:
                yield f"{status}, the platform created {analyses[-1]}"
            return
    if status not in possible:
        yield f"{status}, the platform says {' or '.join(possible) or 'no status'}"


def _link_statuses(link: LinkTruth | None) -> list[str]:
    """The statuses that the platform may have reported for a link; one requested twice has several."""
    if link is None or link.status is None:
        return []
    again = [_LINKED_EARLIER] if link.sent > 1 and link.status in ("LINKED", "PARTIALLY_LINKED") else []
    return [link.status, *again]


def _created(simulated: AnySimulated) -> Iterator[tuple[str, str]]:
    truth = cast("Simulator", simulated).truth
    yield "analyses created", str(len(truth.analyses()))
    yield "links requested again (harmless)", str(sum(link.sent - 1 for link in truth.links().values()))


ICA: Final = Demonstration(
    platform="ica",
    items=300,
    simulate=_simulate,
    account={"batch_size": {"analysis_creation": 50}},
    samples=_samples,
    broken=_BROKEN,
    faults=_FAULTS,
    announce=_announce,
    chaos="answers with errors, cuts connections after processing a request and omits rows from its lists",
    differences=_differences,
    created=_created,
)
