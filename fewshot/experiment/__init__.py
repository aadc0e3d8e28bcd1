"""The folder of one run: its files, its figures, where it ran."""
