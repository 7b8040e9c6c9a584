"""The contract lives outside of test modules: its asserts are to explain themselves all the same."""

import pytest

pytest.register_assert_rewrite("tests.providers.contract", "tests.providers.contract_manifest")
