"""What becomes of a thing on a simulated platform: chosen by the words in its name, read from its timeline."""
