"""What pages show, as values that templates print: texts, drawings, lists."""
