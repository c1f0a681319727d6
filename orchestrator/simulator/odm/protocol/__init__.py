"""How the simulated ODM reads requests and writes answers."""
