"""Data: a table and its images, packed; splits, samplers, augmentation, importers."""
