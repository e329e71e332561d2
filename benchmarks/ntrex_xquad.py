"""The study on real input: the static encoder trained on NTREX, evaluated zero-shot on XQuAD-R, three policies, five seeds.

Needs HYBRID_LIT_DATA; takes about a minute per run on two cores. Runs are kept in the folder named on the command line (default
runs/ntrex-xquad-r), so that it can be stopped and started. Writes results/ntrex-xquad-r.csv (macro figures per arm and seed) and .json (how they
came about).
"""
import os, sys
from pathlib import Path
from hybrid_lit.files import read_json, to_json, write_file
from hybrid_lit.study import finding, macros, run_study, study_data

data = os.environ.get("HYBRID_LIT_DATA")
if not data: sys.exit("benchmarks/ntrex_xquad.py: set HYBRID_LIT_DATA to the folder that holds ntrex/ and xquad-r/")
out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/ntrex-xquad-r")
summary = run_study(out, *study_data(data), seeds=range(5))
results = Path(__file__).resolve().parents[1]/"results"
write_file(results/"ntrex-xquad-r.csv", macros(summary).round(5).to_csv())
runs = {f"{arm} seed {seed}": read_json(out/f"{arm}-seed{seed}"/"run.json") for arm, seed in macros(summary).index}
first = next(iter(runs.values()))
write_file(results/"ntrex-xquad-r.json", to_json(dict(command="python benchmarks/ntrex_xquad.py", **{k: v for k, v in first.items() if k not in ("policy", "alpha", "seed", "loss", "seconds")},
                                                      seconds={k: r["seconds"] for k, r in runs.items()}, finding=finding(summary))))
print(macros(summary).groupby("arm", sort=False).mean().round(4).to_string(), finding(summary), sep="\n")
