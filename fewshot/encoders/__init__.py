"""Encoders: images to features, with no knowledge of labels or losses."""
