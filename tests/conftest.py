"""Settings of all tests: no absolute times (machines are noisy), and the same examples in every CI run."""

import os

from hypothesis import settings

settings.register_profile("waybill", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("waybill")
