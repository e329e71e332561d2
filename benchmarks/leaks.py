"Time `leaks` on SQuAD v1.1: 87,599 training rows against 10,570 development rows. Needs HYBRID_LIT_DATA. Prints JSON."
import json, os, resource, sys, time
from pathlib import Path
from hybrid_lit.corpus import ParallelCorpus, leaks

data = os.environ.get("HYBRID_LIT_DATA")
if not data: sys.exit("benchmarks/leaks.py: set HYBRID_LIT_DATA to the folder that holds squad-v1.1-en/")
train, dev = (ParallelCorpus.from_squad({"en": Path(data)/f"squad-v1.1-en/{s}-v1.1.json.gz"}, s) for s in ("train", "dev"))
start = time.perf_counter()
found = leaks(train, dev)
seconds = time.perf_counter() - start
counts = found.groupby(["kind", "match"]).size()
print(json.dumps(dict(train_rows=len(train), test_rows=len(dev), seconds=round(seconds, 1), peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                      found={" ".join(k): int(v) for k, v in counts.items()})))
