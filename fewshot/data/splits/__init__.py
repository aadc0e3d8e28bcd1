"""CSV files of splits from one CSV."""
