"""Texts of the platform that are kept are bounded."""

import pytest
from stages import Stage

from orchestrator.domain.details import MOST_BYTES, bounded, cut
from orchestrator.domain.model import BatchKey, BatchReport, ItemReport, ItemState, Learned

SEEN = ItemReport(batch=BatchKey("k"), stage=Stage.LINK, state=ItemState.FAILED, status="FAILED", seq=1)


@pytest.mark.parametrize("text", ["x" * 5_000_000, "é" * 3000, "𝄞" * 2000, "x" * 4097])
def test_a_long_text_is_cut_with_a_mark(text):
    """At most 4 KiB as UTF-8, never in the middle of a character."""
    short = cut(text)
    assert len(short.encode()) <= MOST_BYTES
    assert short.endswith(" […cut]")
    assert text.startswith(short.removesuffix(" […cut]"))


@pytest.mark.parametrize("text", ["", "x" * 4096, "é" * 2048, "𝄞" * 1024])
def test_a_text_that_fits_stays_as_it_is(text):
    """4 KiB are kept whole."""
    assert cut(text) == text


def test_details_and_statuses_of_items_and_batches_are_cut():
    """Whatever a status page says goes through here before it is compared and kept."""
    long = "y" * 100_000
    item = bounded(ItemReport(batch=SEEN.batch, stage=SEEN.stage, state=SEEN.state, status=long, seq=1, detail=long))
    batch = bounded(BatchReport(SEEN.batch, long, final=True, detail=long))
    for seen in (item, batch):
        assert len(seen.status.encode()) <= MOST_BYTES
        assert len(seen.detail.encode()) <= MOST_BYTES
    assert item.seq == 1
    assert batch.final


def test_what_is_short_is_not_copied():
    """Nearly every row is: they stay the same objects."""
    learned = Learned("a", "b")
    assert bounded(SEEN) is SEEN
    assert bounded(learned) is learned
