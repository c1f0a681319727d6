"""The adapter for Illumina Connected Analytics (ICA)."""
