"""Settings of all tests: no absolute times (machines are noisy), the same examples in every CI run, who runs what."""

import gc
import os
from functools import cache

import pytest
from hypothesis import settings

from tests import scheduling

JAVA_OPTIONS = "JDK_JAVA_OPTIONS"
settings.register_profile("waybill", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("waybill")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: scheduling.rank(item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep thousands of tests, which live as long as the run, out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return scheduling.from_both_ends(config, log)


@cache
def java_options() -> str:
    from tests.kafka import class_archive  # the other tests need not wait for it

    return class_archive.java_options()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures of a module, which may start its broker."""
    if item.get_closest_marker("kafka"):
        os.environ[JAVA_OPTIONS] = java_options()
    else:
        os.environ.pop(JAVA_OPTIONS, None)
