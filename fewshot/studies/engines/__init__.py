"""Where the runs of a study are computed, one module each, whose `build` makes the engine."""
