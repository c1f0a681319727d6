"""ICA's versioned media types. Each operation accepts exactly one, and responds 400 to others."""

from typing import Final

V3: Final = "application/vnd.illumina.v3+json"
V4: Final = "application/vnd.illumina.v4+json"
PROBLEM: Final = "application/problem+json"
