"""What the simulated Seven Bridges can be asked, one module for each resource."""
