"""Work on data and samples of ICA: links, copies, moves, changes, samples."""

import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from chance import Draw, Work, how_many, word
from platforms.ica_jobs import BUNDLE, PROJECT, job

from orchestrator.simulator.ica import Knobs

LINK_WORDS = ("partial", "fail", "odd", "already", "slow", "bad")
DATA_WORDS = ("partial", "fail", "odd", "slow", "bad")
SAMPLE_WORDS = ("partial", "fail", "abort", "odd", "slow", "bad")
FOLDER = "fol.d0e5"
SIZED = ("data_unlinking", "data_copy", "data_move", "data_update", "sample_creation", "bundle_linking")
"""Kinds whose batches have a size of their own."""


def _members(kind: str, chance: random.Random, name: str, knobs: Knobs, share: float) -> Work:
    # Where the second of two links fails while the first one still runs, a first one that runs for very long cannot be
    # distinguished from a failure: docs/reliability.md says so.
    words = tuple(each for each in LINK_WORDS if knobs.link_race == "already" or each != "slow")
    keys = tuple(f"fil.{word(chance, words)}_{name}_{n:04}" for n in how_many(chance, 10, 150, share))
    project = BUNDLE if kind.startswith("bundle") else PROJECT
    return Work(job(chance, name, f"ica.{kind}", project) | {"items": [{"dataId": key} for key in keys]}, keys)


def _transfers(kind: str, chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    """Copies or moves, a few of which are of folders: what is done with those is never done again."""
    folders = chance.random() < 0.3
    keys = tuple(
        f"{'fol' if folders and chance.random() < 0.2 else 'fil'}.{word(chance, DATA_WORDS)}_{name}_{n:04}"
        for n in how_many(chance, 5, 80, share)
    )
    options: dict[str, Any] = {"destinationFolderId": FOLDER} if chance.random() < 0.5 else {}
    if kind == "data_copy":
        options |= {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": chance.random() < 0.5}
        options["actionOnExist"] = chance.choice(("SKIP", "OVERWRITE", "RENAME"))
    document = job(chance, name, f"ica.{kind}", PROJECT) | {"items": [{"dataId": key} for key in keys]}
    return Work(document | ({"options": options} if options else {}), keys)


def _changes(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    keys = tuple(f"fil.{word(chance, DATA_WORDS)}_{name}_{n:04}" for n in how_many(chance, 5, 80, share))
    changes: tuple[Mapping[str, Any], ...] = (
        {"userTags": {"addTags": [name]}},
        {"technicalTags": {"removeTags": ["raw"]}},
        {"willBeArchivedAt": "2031-01-30T08:30:00Z"},
    )
    items = [{"dataId": key, **chance.choice(changes)} for key in keys]
    return Work(job(chance, name, "ica.data_update", PROJECT) | {"items": items}, keys)


def _samples(chance: random.Random, name: str, _knobs: Knobs, share: float) -> Work:
    keys = tuple(f"{name} s{n} {word(chance, SAMPLE_WORDS)}" for n in how_many(chance, 5, 60, share))
    items = [
        {
            "sampleToCreate": {"name": key},
            "dataToLink": [{"dataId": "fil.0a"}],
            "completeSample": chance.random() < 0.5,
        }
        for key in keys
    ]
    return Work(job(chance, name, "ica.sample_creation", PROJECT) | {"items": items}, keys)


DRAWS: tuple[Draw, ...] = (
    *(partial(_members, kind) for kind in ("data_linking", "data_unlinking", "bundle_linking", "bundle_unlinking")),
    partial(_transfers, "data_copy"),
    partial(_transfers, "data_move"),
    _changes,
    _samples,
)
