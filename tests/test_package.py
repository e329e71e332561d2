"The wheel: works from any folder, holds its data file, needs nbdev nowhere."
import shutil, subprocess, sys, zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROBE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("nbdev", "fastcore", "execnb", "ghapi", "IPython", "pytest", "pytrec_eval"): raise ImportError("development tool: " + name)
sys.meta_path.insert(0, Refuse())
import importlib, hybrid_lit
for m in "files corpus atlas mmarco sources benchmarks translation samplers losses cards chunks checkpoints embeddings training trainer ranks search negatives evaluation formats bias mitigations significance arms figures explorer study audit recipes grid evidence plans cli".split(): importlib.import_module("hybrid_lit." + m)
assert hybrid_lit.__file__.startswith(sys.argv[1]), hybrid_lit.__file__
from hybrid_lit.atlas import atlas
print(len(atlas("test")))
"""


def test_wheel(tmp_path):
    for f in ("setup.py", "settings.ini", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"): (tmp_path/"src").mkdir(exist_ok=True); shutil.copy(ROOT/f, tmp_path/"src")
    shutil.copytree(ROOT/"hybrid_lit", tmp_path/"src"/"hybrid_lit", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, tmp_path/"src"], check=True)
    wheel, = tmp_path.glob("hybrid_lit-*.whl")
    with zipfile.ZipFile(wheel) as z:
        names = z.namelist()
        assert {"hybrid_lit/atlas.json", "hybrid_lit/web/plot.js", "hybrid_lit/web/explorer.js", "hybrid_lit/web/plot.LICENSES.txt"} <= set(names) and not [n for n in names if n.startswith(("tests", "nbs", "benchmarks"))]
        entry = next(n for n in names if n.endswith("entry_points.txt"))
        assert "hybrid-lit = hybrid_lit.cli:main" in z.read(entry).decode()
        z.extractall(tmp_path/"site")
    (tmp_path/"elsewhere").mkdir()
    site = str(tmp_path/"site")
    r = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {site!r})\n" + PROBE, site], cwd=tmp_path/"elsewhere", capture_output=True, text=True)
    assert r.returncode == 0 and int(r.stdout) > 200, r.stderr
