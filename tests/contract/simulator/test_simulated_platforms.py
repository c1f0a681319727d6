"""What every simulated platform shares: quirks that are checked, evidence in one shape, one port for all."""

import httpx
import pytest

from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.registry import PLATFORMS, SideBySide


@pytest.fixture(params=PLATFORMS)
def platform(request):
    """Each platform as the registry makes it."""
    return PLATFORMS[request.param](7)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.QUIRK, quirk="earthquake"),
        Fault(kind=FaultKind.QUIRK),
        Fault(kind=FaultKind.RESET, quirk="stale"),
    ],
)
def test_a_quirk_that_a_platform_does_not_have_is_an_error(platform, fault):
    """Set, added or configured: a test with a misspelt quirk must not pass for lack of it."""
    with pytest.raises(ValueError, match="quirk"):
        platform.faults.set([fault], 0.0)
    with pytest.raises(ValueError, match="quirk"):
        platform.faults.add(fault, 0.0)
    assert platform.faults.rules == []


def test_every_platform_lies_below_a_base_path_of_its_own():
    """No base path is the beginning of another one."""
    paths = [f"{make(0).base_path}/" for make in PLATFORMS.values()]
    assert not [(one, other) for one in paths for other in paths if one is not other and other.startswith(one)]


async def test_one_port_serves_all_platforms():
    """Each below its base path, with its own steering; elsewhere a 404 names the places."""
    platforms = {name: make(0) for name, make in PLATFORMS.items()}
    side_by_side = SideBySide(platforms.values())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(side_by_side.app), base_url="http://all") as client:
        for platform in platforms.values():
            answer = await client.get(f"{platform.base_path}/_simulator/knobs")
            assert answer.json() == platform.knobs_json()
            assert (await client.get(f"{platform.base_path}/nothing")).status_code in (401, 404)
            assert platform.ledger.calls == {"unknown": 1}
        lost = await client.get("/_simulator/knobs")
    assert lost.status_code == 404
    assert all(f"{platform.base_path}/_simulator/" in lost.json()["error"] for platform in platforms.values())


async def test_evidence_has_one_shape(make_ica):
    """How often each thing was made, by kind and name, and what became of the latest of them."""
    ica = make_ica()
    await ica.create("a", "b-fail")
    await ica.create("a")
    await ica.link("fil.1")
    await ica.clock.advance(60)
    truth = ica.simulator.truth
    assert truth.made() == {("analysis", "a"): 2, ("analysis", "b-fail"): 1, ("link", "fil.1"): 1}
    told = [truth.status(*thing) for thing in (*truth.made(), ("analysis", "c"), ("link", "c"), ("run", "a"))]
    assert told == ["SUCCEEDED", "FAILED", "LINKED", None, None, None]
