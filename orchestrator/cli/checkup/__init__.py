"""What `doctor` looks at: the machine, the database, the daemon, and each account."""
