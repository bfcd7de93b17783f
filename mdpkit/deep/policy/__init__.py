"""Algorithms that follow the gradient of the policy's value."""
