"""Oracles are held against in float64; nothing sets it for the whole process."""

import jax
import pytest


@pytest.fixture
def float64():
    """JAX computes in float64 while this lasts."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def quickly():
    """XLA leaves out what only long runs repay; what is computed is the same up to rounding."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
