"""Faults of people, files and machines, by the thousand: what must hold of each, and what held.

`make faults` runs the whole of it, `test_short.py` a few of each.
"""
