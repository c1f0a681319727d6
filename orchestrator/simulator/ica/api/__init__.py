"""What the simulated ICA can be asked, one module for each resource."""
