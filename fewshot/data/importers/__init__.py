"""Importers: other layouts into the one this project reads."""
