"""Illumina Connected Analytics: batches, analyses, jobs and tokens, as far as a batch daemon meets them."""

from orchestrator.simulator.ica.app import Simulator
from orchestrator.simulator.ica.config import Config
from orchestrator.simulator.ica.knobs import Knobs

__all__ = ["Config", "Knobs", "Simulator"]
