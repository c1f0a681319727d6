"""The platforms as real HTTP servers, with faults to inject and a ledger of what was created.

Each platform has its own package: `ica` simulates the batch side of Illumina Connected Analytics, `sevenbridges` the
Seven Bridges Platform; `registry.py` names them all. What they share is here: `simulated.py` takes a request from its
arrival to its answer. Three ways to use a platform:

As a server on a real socket, in a test or a demo (port 0 takes a free one)::

    from orchestrator.simulator import Fault, FaultKind, serve
    from orchestrator.simulator.ica import Config, Knobs, Simulator

    simulator = Simulator(Config(seed=7, knobs=Knobs(analysis_seconds=0.2)))
    async with serve(simulator) as base_url:            # http://127.0.0.1:PORT/ica/rest
        ...                                             # API key: "simulator"
    assert simulator.truth.duplicates() == {}

As a bare ASGI app in virtual time; every status follows from the clock, nothing runs in the background::

    clock = ManualClock()
    simulator = Simulator(Config(), clock)
    httpx.AsyncClient(transport=httpx.ASGITransport(simulator.app), base_url="http://ica/ica/rest")
    await clock.advance(60)

As a process, `orchestrator simulator`, which serves all platforms on one port, each below its base path (`/ica/rest`,
`/v2`). Other programs steer a platform over HTTP: `/_simulator/` below its base path answers `ledger`, `requests`,
`knobs`, `faults` and `clock`, without credentials and outside the budget. See `admin.py`.

What happens to an item is chosen by the words in its name (`outcomes.py` of ICA, `naming.py` of Seven Bridges):
`cohort/s1-fail` fails, `fil.partial0001` links in part. What happens to a request is chosen by the faults (`faults.py`)
and the platform's own quirks (`quirks.py` of each), how a platform behaves where nobody knows by its knobs
(`knobs.py`). What was done is judged by the ledger and the evidence (`ledger.py`, `evidence.py`).
"""

from orchestrator.simulator.budget import Limit, Window
from orchestrator.simulator.clock import OffsetClock
from orchestrator.simulator.faults import Fault, FaultKind, Faults
from orchestrator.simulator.ledger import Ledger
from orchestrator.simulator.server import serve

__all__ = ["Fault", "FaultKind", "Faults", "Ledger", "Limit", "OffsetClock", "Window", "serve"]
