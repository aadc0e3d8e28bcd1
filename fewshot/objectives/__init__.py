"""Objectives: what training minimises; one module a method."""
