"""Pages for operators: server-rendered HTML that works without JavaScript, and stays current with a little of it."""
