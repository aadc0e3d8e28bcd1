"""Studies that a .gin file describes: which runs, with what, after which."""
