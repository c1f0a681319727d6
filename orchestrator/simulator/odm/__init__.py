"""Genestack's Open Data Manager (ODM), as far as a batch daemon meets it.

Publishing of studies, their versions, tasks, import jobs of nine types with their restarts and stops, audit events. Any
study and any link is taken as existing; what becomes of an item is chosen by the words in its name (see
`work/naming.py`), what nobody outside knows is a knob (`knobs.py`), what goes wrong is a fault, and the platform's own
odd ways are quirks (`quirks.py`). The token is `simulator`, in either of the two headers.
"""

from orchestrator.simulator.odm.app import Simulator
from orchestrator.simulator.odm.config import Config
from orchestrator.simulator.odm.knobs import Knobs

__all__ = ["Config", "Knobs", "Simulator"]
