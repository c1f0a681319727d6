"""The controls of operators: what each does to the stored jobs, and what it reports."""
