"""The platforms as real HTTP servers, with faults and a ledger that tells what was created."""
