"""Transforms of whole batches, each a pure function of (images, keys)."""
