"""The checks of `doctor`: the machine, the database, the daemon, and each account."""
