"""Heads that look at all queries together, so that a score depends on the other queries."""
