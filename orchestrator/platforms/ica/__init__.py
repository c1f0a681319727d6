"""Illumina Connected Analytics: wire types, credentials, one file a kind."""
