"Where real data are, for the tests that need them."
import os
from pathlib import Path
import pytest


@pytest.fixture(scope="session")
def data():
    "The folder that HYBRID_LIT_DATA names; the test is skipped where there is none"
    folder = os.environ.get("HYBRID_LIT_DATA")
    if not folder or not Path(folder).is_dir(): pytest.skip("HYBRID_LIT_DATA names no folder: the public data sets are absent")
    return Path(folder)
