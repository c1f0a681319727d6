"""Tasks on Seven Bridges, beside scripts with sevenbridges-python."""
