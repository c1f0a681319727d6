"""The report of a job for people: one self-contained page, `JOB.html`."""
