"""What the simulated ICA works on, and which status it has at which time."""
