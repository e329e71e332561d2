"Where real data are, for the tests that need them; browsers and JupyterLab, for those that need these."
import os
from pathlib import Path
import pytest
from browser import chromium, visit  # noqa: F401
from lab import lab, lab_server  # noqa: F401


@pytest.fixture(scope="session")
def data():
    "The folder that HYBRID_LIT_DATA names; the test is skipped where there is none"
    folder = os.environ.get("HYBRID_LIT_DATA")
    if not folder or not Path(folder).is_dir(): pytest.skip("HYBRID_LIT_DATA names no folder: the public data sets are absent")
    return Path(folder)
