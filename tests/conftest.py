"""Hypothesis profiles, and a line for what was not run."""

import os

import pytest
from hypothesis import settings

# quick draws the same examples every time, so that a red test is red again.
settings.register_profile("quick", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("deep", max_examples=2000, derandomize=False, deadline=None)
settings.load_profile(os.environ.get("MDPKIT_PROFILE", "quick"))

GPU_NOT_RUN = pytest.StashKey[int]()


def pytest_report_header(config):
    name = settings.get_current_profile_name()
    return f"hypothesis profile: {name}, {settings.get_profile(name).max_examples} examples"


def pytest_deselected(items):
    for item in items:
        if item.get_closest_marker("gpu"):
            item.config.stash[GPU_NOT_RUN] = item.config.stash.get(GPU_NOT_RUN, 0) + 1


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes
        session.config.workeroutput["gpu"] = session.config.stash.get(GPU_NOT_RUN, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[GPU_NOT_RUN] = getattr(node, "workeroutput", {}).get("gpu", 0)


def pytest_terminal_summary(terminalreporter, config):
    if count := config.stash.get(GPU_NOT_RUN, 0):
        terminalreporter.write_line(f"gpu: {count} tests not run, they need a device (-m gpu)")
