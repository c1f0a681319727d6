"""What the simulated Seven Bridges works on, and which status it has at which time."""
