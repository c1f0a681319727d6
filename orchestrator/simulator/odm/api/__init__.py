"""The operations of the simulated ODM."""
