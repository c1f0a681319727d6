"""What the platform reports is bounded before it is kept."""

import json

import msgspec
import pytest
from stages import Stage

from orchestrator.domain.model import BatchKey, BatchReport, ItemReport, ItemState, Receipt
from orchestrator.domain.reported_limits import MOST_BYTES, MOST_FACTS, bounded, bounded_receipt, cut, end_of
from orchestrator.domain.units import DAY, rfc3339

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
    """Nearly every report is: it stays the same object."""
    assert bounded(SEEN) is SEEN


def reported(**fields):
    return msgspec.structs.replace(SEEN, **fields)


@pytest.mark.parametrize("values", [{"outputs": "x" * 5_000_000}, {f"output{n:06d}": "y" * 90 for n in range(5000)}])
def test_facts_are_kept_up_to_a_size_and_what_is_left_out_is_named(values):
    """The largest are left out, the others keep their order: outputs of megabytes must not fill the database."""
    facts = {"price": 0.42, **values, "execution_status": {"running": 0}}
    kept = bounded(reported(facts=json.dumps(facts))).facts
    assert len(kept.encode()) <= MOST_FACTS
    held = json.loads(kept)
    assert next(iter(held)) == "price"
    assert held["execution_status"] == {"running": 0}
    assert held["omitted"].startswith("output")


def test_facts_that_fit_stay_as_they_are():
    """A task with a thousand output files keeps them all."""
    facts = json.dumps({"outputs": [{"path": f"{n:024x}", "name": f"S{n}.cram"} for n in range(1000)]})
    assert bounded(reported(facts=facts)).facts == facts


def test_the_answer_to_a_submission_is_bounded_too():
    """Its own status, and what it reports of its items."""
    long = "y" * 100_000
    receipt = bounded_receipt(
        Receipt("id", status=long, items=[reported(status=long, facts=json.dumps({"a": long * 9}))])
    )
    assert len(receipt.status.encode()) <= MOST_BYTES
    assert len(receipt.items[0].status.encode()) <= MOST_BYTES
    assert json.loads(receipt.items[0].facts) == {"omitted": "a"}


NOW = 1_800_000_000_000_000


@pytest.mark.parametrize(
    ("reported", "end"),
    [
        (NOW - DAY, NOW - DAY),
        (NOW + DAY, NOW + DAY),
        (None, NOW),
        (0, NOW),
        (-62_135_647_200_000_000, NOW),
        (253_402_351_199_000_000, NOW),
        (10**30, NOW),
    ],
)
def test_an_end_that_cannot_be_true_is_when_it_was_seen(reported, end):
    """A clock may be a day wrong; the year 9999 can be neither stored everywhere nor shown."""
    assert end_of(reported, NOW) == end
    assert rfc3339(end_of(reported, NOW))
