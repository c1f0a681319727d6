"""Work on files: transfers from and to volumes, jobs over many files, changes of metadata."""
