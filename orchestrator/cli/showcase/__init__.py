"""The demonstration: a simulated platform, a real daemon, sample files, and a check of the results."""
