"""The demonstration: a simulated platform, a real daemon, sample files, and a judgement at the end."""
