"""Evaluators: objective and datasets -> figures, tables, pictures."""
