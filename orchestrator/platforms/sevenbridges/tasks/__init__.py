"""Tasks, and the runs of automations that make tasks."""
