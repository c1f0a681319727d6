"""Keys and tags: names that must stay the same forever, and never be the same for two things."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.identity import (
    batch_key,
    batch_tag,
    depth_of,
    echo_lineage,
    halves_of,
    instance_tag,
    is_echo,
    item_tag,
    retry_lineage,
)
from orchestrator.domain.model import BatchKey

# Few characters, among them those that could be taken for the joints between the parts.
TRICKY = st.text("ab1:.", max_size=4)
PARTS = st.tuples(TRICKY, TRICKY, TRICKY, st.integers(0, 12))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)

INSTANCE = "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3d2c1b0a"


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ((INSTANCE, "germline-run-0172", "1", 0), "79e63184-d1e8-5bd1-ba96-c0770fd621a2"),
        ((INSTANCE, "germline-run-0172", "1", 1), "46fab58e-5bcb-5162-9bcd-7c2f7c9476c2"),
        ((INSTANCE, "germline-run-0172", "1.2", 0), "7ff18e10-b83f-5c08-80a8-d2d204ef3198"),
        (("lab", "link.a_B-9", "r7", 0), "57e83154-c374-52b8-8d29-50f132a29827"),
    ],
)
def test_keys_stay_what_they_are(parts, key):
    """A release that computes another key would send what is under way once more, to be paid for twice."""
    assert key == batch_key(*parts)


@given(PARTS, PARTS)
def test_different_submissions_have_different_keys(one, other):
    """No two tuples run together into one key, wherever their parts begin and end."""
    assert (one == other) == (batch_key(*one) == batch_key(*other))


@given(st.text(max_size=8), NAMES, st.integers(0, 99))
def test_the_case_of_a_jobs_name_does_not_matter(instance, name, attempt):
    """Job names are one name in any case, so their keys are one key."""
    keys = {batch_key(instance, spelt, "1", attempt) for spelt in (name, name.upper(), name.lower(), name.swapcase())}
    assert len(keys) == 1


def test_the_case_of_an_instance_matters():
    """Instances are compared as they are written."""
    assert batch_key("Lab", "job", "1", 0) != batch_key("lab", "job", "1", 0)


@given(st.text(), st.text(), st.text(), st.integers(0))
def test_a_key_is_a_uuid_of_version_5(instance, job, lineage, attempt):
    """A platform that checks the form of a key takes ours."""
    key = batch_key(instance, job, lineage, attempt)
    assert (key, 5) == (str(uuid.UUID(key)), uuid.UUID(key).version)


# ---------------------------------------------------------------- lineages


def test_halves_are_named_after_what_was_split():
    """The two halves of batch 3 are 3.1 and 3.2, and theirs go on like this."""
    assert halves_of("3") == ("3.1", "3.2")
    assert halves_of("3.2") == ("3.2.1", "3.2.2")


@given(st.lists(st.booleans(), max_size=7), st.integers(1, 500))
def test_every_split_is_one_deeper(path, number):
    """Depth counts the splits, also below a retry."""
    for lineage in (str(number), retry_lineage([(number, 2)])):
        depth = 0
        for second in path:
            assert depth == depth_of(lineage)
            lineage, depth = halves_of(lineage)[second], depth + 1  # noqa: PLW2901 - the walk down is the loop's business
        assert depth == depth_of(lineage)


def test_no_two_batches_of_a_job_share_a_lineage():
    """Slices, retries and all halves of both, three levels down, have keys of their own."""
    level = [*map(str, range(1, 21)), *(retry_lineage([(seq, 2)]) for seq in range(1, 21))]
    lineages = list(level)
    for _ in range(3):
        level = [half for lineage in level for half in halves_of(lineage)]
        lineages += level
    assert len(lineages) == len({batch_key("lab", "job", lineage, 0) for lineage in lineages})


def test_a_retry_is_named_after_what_it_sends():
    """The same items at the same attempt, in any order, have one lineage; whatever differs has another."""
    assert retry_lineage([(3, 2), (5, 2)]) == retry_lineage([(5, 2), (3, 2)])
    others = [[(3, 2)], [(3, 2), (5, 3)], [(3, 3), (5, 2)], [(3, 2), (5, 2), (6, 2)], [(35, 2)], []]
    assert len({retry_lineage(sent) for sent in [*others, [(3, 2), (5, 2)]]}) == len(others) + 1


def test_an_echo_is_known_by_its_lineage():
    """Also when it was split since; no other lineage looks like one."""
    echo = echo_lineage([(1, 1)])
    assert all(map(is_echo, (echo, *halves_of(echo))))
    assert not any(map(is_echo, ("1", "1.2", retry_lineage([(1, 1)]))))


# ---------------------------------------------------------------- tags


def test_tags_stay_what_they_are():
    """A search finds what an earlier release has tagged."""
    key = BatchKey("79e63184-d1e8-5bd1-ba96-c0770fd621a2")
    assert ("orc-instance=lab", f"orc-batch={key}", "orc-item=7") == (instance_tag("lab"), batch_tag(key), item_tag(7))
