"""ICA's families of batches on data as tests take them: what is sent, what comes of it, and what a repeat does."""

import json
from dataclasses import dataclass

from orchestrator.domain.submission import Resend
from orchestrator.platforms.registry import KINDS

FOLDER = "fol.0f"


@dataclass(frozen=True)
class Family:
    """How a family is asked for, and what the platform's ledger calls its work."""

    kind: str
    effect: str
    operation: str
    resend: Resend
    words: tuple[str, str]
    """Of an item that succeeds, and of one that succeeds in part."""
    options: dict[str, object] | None = None
    keys: tuple[str, ...] = ("fil.1", "fil.2-fail", "fil.3-partial", "fil.4-odd")

    @property
    def most(self):
        """How often an item may meet its effect when its batch goes out twice: a link made twice is one link."""
        return 2 if self.resend is Resend.HARMLESS and self.effect != "copy" else 1

    def judge(self, made):
        """What fails where its batch may have been sent twice is sent once more before the failure counts."""
        for key, count in made.items():
            assert count <= (3 if self.resend is Resend.HARMLESS and "fail" in key else self.most), (key, count)


def copying(action, **more):
    options = {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": False, "actionOnExist": action}
    words = ("COPIED", "PARTIALLY_COPIED")
    resend = more.pop("resend", Resend.HARMLESS)
    return Family(
        "copies",
        "copy",
        "createProjectDataCopyBatch",
        resend,
        words,
        options | {"destinationFolderId": FOLDER},
        **more,
    )


LINKED, UNLINKED = ("LINKED", "PARTIALLY_LINKED"), ("UNLINKED", "PARTIALLY_UNLINKED")
FAMILIES = {
    "unlinking": Family("unlinks", "unlink", "createProjectDataUnlinkingBatch", Resend.HARMLESS, UNLINKED),
    "copy-skip": copying("SKIP"),
    "copy-rename": copying("RENAME", resend=Resend.NEVER),
    "copy-folders": copying("SKIP", resend=Resend.NEVER, keys=("fol.1", "fil.2-fail", "fol.3-partial", "fil.4-odd")),
    "move": Family(
        "moves",
        "move",
        "createProjectDataMoveBatch",
        Resend.NEVER,
        ("MOVED", "PARTIALLY_MOVED"),
        {"destinationFolderId": FOLDER},
    ),
    "update": Family(
        "updates", "update", "createProjectDataUpdateBatch", Resend.NEVER, ("UPDATED", "PARTIALLY_UPDATED")
    ),
    "samples": Family(
        "samples",
        "sample",
        "createSampleCreationBatch",
        Resend.SAME_KEY,
        ("SUCCEEDED", "PARTIALLY_SUCCEEDED"),
        keys=("s1", "s2-fail", "s3-partial", "s4-odd"),
    ),
    "bundle-linking": Family("bundle_links", "bundle_link", "createBundleDataLinkingBatch", Resend.HARMLESS, LINKED),
    "bundle-unlinking": Family(
        "bundle_unlinks", "bundle_unlink", "createBundleDataUnlinkingBatch", Resend.HARMLESS, UNLINKED
    ),
}
STATES = ["succeeded", "failed", "partial", "succeeded"]
"""How the items of a family end."""


async def submit(it, family, *, name="run", keys=None, **spec):
    """A job of this family."""
    first_stage = KINDS[it.setup.kinds[family.kind]].first_stage
    options = json.dumps(family.options).encode() if family.options else None
    await it.submit(name, keys or family.keys, kind=family.kind, options=options, first_stage=first_stage, **spec)


def made(it, family):
    """How often each item had its effect."""
    return {name: count for (kind, name), count in it.simulator.truth.made().items() if kind == family.effect}
