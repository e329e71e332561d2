"""Make some cells of the study again, in a fresh folder and with PyTorch's own number of threads, and write how far they are off to results/study/reproduced.csv.

Needs HYBRID_LIT_DATA, and for the pretrained cell its checkpoint in the hub's cache; a quarter of an hour. Other cells may be named: python benchmarks/reproduced.py cpu/x-y/3
"""
import os, sys, tempfile
from pathlib import Path
import pandas as pd
from hybrid_lit.evidence import reproduce
from hybrid_lit.files import write_file

if not os.environ.get("HYBRID_LIT_DATA"): sys.exit("benchmarks/reproduced.py: set HYBRID_LIT_DATA to the data folder")

to = Path(__file__).resolve().parents[1]/"results"/"study"
with tempfile.TemporaryDirectory() as d:
    tables = [reproduce(cell, Path(d)/cell.replace("/", "-"), folder=to).assign(cell=cell) for cell in sys.argv[1:] or ("cpu/en-en/1", "cpu/hybrid-0.5/0", "cpu/x-x-mono-negatives/2", "minilm/hybrid-0.5/0")]
table = pd.concat(tables)[["cell", "arm", "benchmark", "setting", "metric", "stored", "now", "difference", "within"]]
write_file(to/"reproduced.csv", table.round(6).to_csv(index=False))
print(table[~table.within].to_string() if not table.within.all() else f"{len(table)} figures, all within the tolerance")
