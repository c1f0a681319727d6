"""The Seven Bridges Platform and its siblings: CGC, CAVATICA, BioData Catalyst."""
