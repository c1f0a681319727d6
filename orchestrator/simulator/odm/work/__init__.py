"""What the simulated ODM works on, and which status it has at which time."""
