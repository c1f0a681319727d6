"""A batch-orchestration daemon for genomics platforms."""

__version__ = "0.1.0"
