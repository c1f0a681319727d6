"""A platform that is none: the smallest one that needs each notion of the engine. See docs/platforms.md."""
