"""The platforms that tests run against: how each is simulated, connected to, and given work."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.clock import Clock
from orchestrator.platforms.declaration import ItemsOf, no_items
from orchestrator.platforms.http.responses import Classifier, unclassified
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.platform import Ica
from orchestrator.platforms.ica.protocol.error_classes import classify
from orchestrator.platforms.odm.platform import connect as connect_odm
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.sevenbridges.classification import classify as classify_seven_bridges
from orchestrator.platforms.sevenbridges.platform import connect as connect_seven_bridges
from orchestrator.simulator import ica, odm, sevenbridges
from orchestrator.simulator.simulated import Simulated

PROJECT = "11111111-1111-1111-1111-111111111111"
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"


@dataclass(frozen=True)
class PlatformSetup:
    """One platform, as a laboratory, a bench or a world takes it."""

    name: str
    """What `platform:` of an account says."""
    simulate: Callable[..., Simulated[Any, Any, Any]]
    """Keywords: `clock`, `seed`, `api_keys`, `faults`, and `knobs`, a mapping."""
    connect: Callable[..., Platform]
    """Keywords: what every adapter is built from, and the account's own keys."""
    kinds: Mapping[str, str]
    """The kinds of work under short names."""
    engines: Mapping[str, str]
    """The engine of a kind that needs one, by short name."""
    request: Callable[[str, str], dict[str, Any]]
    """A native object for an item, by short name of its kind and by key."""
    classify: Classifier
    """What a refusal of the platform means beyond its status."""
    project: str = PROJECT


def _connect_ica(*, items_of: ItemsOf = no_items, **given: Any) -> Platform:
    del items_of
    return Ica(**given)


def _simulate_ica(
    clock: Clock | None,
    *,
    seed: int = 0,
    api_keys: tuple[str, ...] = ("simulator",),
    faults: tuple[Any, ...] = (),
    knobs: Mapping[str, Any],
) -> ica.Simulator:
    config = ica.Config(seed=seed, api_keys=api_keys, faults=faults, knobs=ica.Knobs(**knobs))
    return ica.Simulator(config, clock)


def _ica_request(kind: str, key: str) -> dict[str, Any]:
    match kind:
        case "analyses":
            return {"userReference": key, "pipelineId": PIPELINE, "analysisInput": {"inputs": []}}
        case "updates":
            return {"dataId": key, "userTags": {"addTags": ["seen"]}, "willBeDeletedAt": "2031-01-30T08:30:00Z"}
        case "samples":
            sample = {"name": key, "tags": {"userTags": ["cohort"]}}
            return {"sampleToCreate": sample, "dataToLink": [{"dataId": "fil.1"}], "completeSample": True}
        case _:
            return {"dataId": key}


ICA = PlatformSetup(
    name="ica",
    simulate=_simulate_ica,
    connect=_connect_ica,
    kinds={
        "analyses": "ica.analysis_creation",
        "links": "ica.data_linking",
        "unlinks": "ica.data_unlinking",
        "copies": "ica.data_copy",
        "moves": "ica.data_move",
        "updates": "ica.data_update",
        "samples": "ica.sample_creation",
        "bundle_links": "ica.bundle_linking",
        "bundle_unlinks": "ica.bundle_unlinking",
    },
    engines={"analyses": "nextflow"},
    request=_ica_request,
    classify=classify,
)


def _simulate_seven_bridges(
    clock: Clock | None,
    *,
    seed: int = 0,
    api_keys: tuple[str, ...] = ("simulator",),
    faults: tuple[Any, ...] = (),
    knobs: Mapping[str, Any],
) -> sevenbridges.Simulator:
    config = sevenbridges.Config(seed=seed, tokens=api_keys, faults=faults, knobs=sevenbridges.Knobs(**knobs))
    return sevenbridges.Simulator(config, clock)


def _connect_seven_bridges(
    *,
    remote: Remote,
    api_key: str,
    instance: str,
    page_size: int,
    clock: Clock,
    sent_besides: Any,
    items_of: ItemsOf = no_items,
    **_: Any,
) -> Platform:
    return connect_seven_bridges(
        remote=remote,
        secret=api_key,
        instance=instance,
        page_size=min(page_size, 100),
        clock=clock,
        sent_besides=sent_besides,
        items_of=items_of,
    )


def _seven_bridges_request(kind: str, key: str) -> dict[str, Any]:
    name, volume = key.rpartition("/")[2], "lab/bucket"
    reads = [{"class": "File", "path": f"{key}-{number}"} for number in range(3)]
    by = {"batch_input": "reads", "batch_by": {"type": "item"}}
    requests: Mapping[str, dict[str, Any]] = {
        "tasks": {"name": key, "app": "lab/cohort/align", "inputs": {}},
        "batch_tasks": {"name": key, "app": "lab/cohort/align", "inputs": {"reads": reads}} | by,
        "imports": {"source": {"volume": volume, "location": key}},
        "exports": {"source": {"file": f"file-of-{name}"}, "destination": {"volume": volume, "location": key}},
        "updates": {"file": key, "tags": ["seen"]},
        "drs": {"drs_uri": key, "name": name},
        "runs": {"name": key, "package": "lab/rheo/1", "inputs": {"project": "lab/cohort"}},
    }
    return requests.get(kind, {"file": key})


SEVEN_BRIDGES = PlatformSetup(
    name="sevenbridges",
    simulate=_simulate_seven_bridges,
    connect=_connect_seven_bridges,
    kinds={
        "tasks": "sevenbridges.task",
        "batch_tasks": "sevenbridges.task",
        "imports": "sevenbridges.import",
        "exports": "sevenbridges.export",
        "drs": "sevenbridges.drs_import",
        "copies": "sevenbridges.file_copy",
        "moves": "sevenbridges.file_move",
        "deletions": "sevenbridges.file_delete",
        "updates": "sevenbridges.file_update",
        "runs": "sevenbridges.automation_run",
    },
    engines={},
    request=_seven_bridges_request,
    classify=classify_seven_bridges,
    project="lab/cohort",
)


def _simulate_odm(
    clock: Clock | None,
    *,
    seed: int = 0,
    api_keys: tuple[str, ...] = ("simulator",),
    faults: tuple[Any, ...] = (),
    knobs: Mapping[str, Any],
) -> odm.Simulator:
    return odm.Simulator(odm.Config(seed=seed, tokens=api_keys, faults=faults, knobs=odm.Knobs(**knobs)), clock)


def _connect_odm(*, remote: Remote, api_key: str, instance: str, clock: Clock, **_: Any) -> Platform:
    return connect_odm(remote=remote, secret=api_key, header="Genestack-API-Token", instance=instance, clock=clock)


def _odm_request(kind: str, key: str) -> dict[str, Any]:
    match kind:
        case "imports":
            return {"type": "samples", "metadataLink": key}
        case "tasks":
            return {"id": key}
        case _:
            return {"study": key}


ODM = PlatformSetup(
    name="odm",
    simulate=_simulate_odm,
    connect=_connect_odm,
    kinds={"publications": "odm.publish", "imports": "odm.import", "tasks": "odm.task"},
    engines={},
    request=_odm_request,
    classify=unclassified,
    project="",
)


def request_bytes(setup: PlatformSetup, kind: str, key: str) -> bytes:
    """The native object as an item keeps it."""
    return json.dumps(setup.request(kind, key)).encode()
