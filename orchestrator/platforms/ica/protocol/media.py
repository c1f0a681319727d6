"""ICA's versioned media types. An operation takes exact ones only, and answers 400 to anything else."""

from typing import Final

V3: Final = "application/vnd.illumina.v3+json"
V4: Final = "application/vnd.illumina.v4+json"
PROBLEM: Final = "application/problem+json"
