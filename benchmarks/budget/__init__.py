"""How much of a request budget the ways to keep to it use, side by side."""
