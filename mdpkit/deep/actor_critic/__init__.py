"""Algorithms whose policy follows a critic of its own."""
