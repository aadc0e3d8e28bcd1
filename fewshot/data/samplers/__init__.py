"""Row indices of each batch."""
