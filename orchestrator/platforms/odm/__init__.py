"""Genestack's Open Data Manager."""
