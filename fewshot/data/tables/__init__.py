"""CSV files with one row an image."""
