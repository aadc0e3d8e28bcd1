"""Where the runs of a study are computed, one module each; `build(jobs)` of it makes the engine."""
