"""Operators: each equation of dynamic programming once, with its fast twins under it."""
