"""The Seven Bridges Platform (also CGC, CAVATICA, BioData Catalyst), as far as a batch daemon meets it.

Tasks and batch tasks, imports and exports, file jobs, DRS imports, automation runs, files, the rate limit. Any project,
app, volume and file id is taken as existing; what becomes of an item is chosen by the words in its name (see
`work/naming.py`), what nobody outside knows is a knob (`knobs.py`), what goes wrong is a fault, and the platform's own
odd ways are quirks (`quirks.py`). The token is `simulator`.
"""

from orchestrator.simulator.sevenbridges.app import Simulator
from orchestrator.simulator.sevenbridges.config import Config
from orchestrator.simulator.sevenbridges.knobs import Knobs

__all__ = ["Config", "Knobs", "Simulator"]
