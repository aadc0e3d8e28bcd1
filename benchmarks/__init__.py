"""Side-by-side timings; each prints a ratio of two things measured in one run."""
