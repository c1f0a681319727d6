"""Everything that knows a remote platform."""
