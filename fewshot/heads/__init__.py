"""Heads: (support, labels, query features) -> scores, with no state between calls."""
