"""How the simulated Seven Bridges speaks HTTP: bodies, pages, bulk rows, selected fields, errors."""
