"""Text of a platform, whatever is in it, is stored as it is or told as what cannot be written."""

import pytest

from orchestrator.domain.model import BatchReport, ItemState
from orchestrator.domain.reported_limits import cut

WILD = {
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85",
    "quotes": "';--\"`\\ $1 :name %s ? {}",
    "line ends": "a\r\nb\u2028c\u2029d",
    "astral": "\U0001f9ec\U0010ffff",
    "no characters": "\ufffe\uffff\ufeff",
    "right to left": "\u202eabc\u0301\u0301",
    "long": "x\u00e4" * 1_000_000,
}


@pytest.mark.parametrize("name", WILD)
async def test_wild_text_is_stored_as_it_is(scene, name):
    """Statuses, details, identifiers, of items and of batches; only statuses and details beyond 4 KiB are cut."""
    text = WILD[name]
    kept = cut(text)
    assert (kept == text) is (name != "long")
    await scene.add(items=2)
    batch = await scene.track()
    seen = scene.seen(batch, 1, ItemState.FAILED, status=text, detail=text, remote_id=text)
    observed = await scene.apply_reports(seen, BatchReport(batch.key, text, final=False, detail=text))
    assert (observed.broken, observed.changed) == ((), 1)
    item = (await scene.items())[0]
    assert (item.status, item.detail, item.remote_id) == (kept, kept, text)
    after = await scene.store.batches.get(batch.id)
    assert (after.status, after.detail) == (kept, kept)
    assert (await scene.apply_reports(seen)).changed == 0


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
async def test_half_a_character_is_told_and_keeps_nothing_else_back(scene, text):
    """Neither database takes a lone surrogate, which is no text: its batch is told as broken, others are written."""
    await scene.add(items=4)
    spoilt, sound = await scene.track_all()
    observed = await scene.apply_reports(
        scene.seen(spoilt, 1, ItemState.FAILED, detail=text), scene.seen(sound, 3, ItemState.FAILED)
    )
    assert [(broken.batch, type(broken.error)) for broken in observed.broken] == [(spoilt.key, UnicodeEncodeError)]
    assert await scene.states() == ["submitted", "submitted", "failed", "submitted"]
