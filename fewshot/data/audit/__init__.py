"""Leaks between splits."""
