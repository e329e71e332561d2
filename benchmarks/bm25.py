"""What words alone give on the study's English sets: nDCG@10 of BM25, as bm25s has it (k1 1.5, b 0.75, English stopwords left out, no stemming), to results/study/bm25.csv.

Needs HYBRID_LIT_DATA; half a minute.
"""
import os, sys
from pathlib import Path
import bm25s, pandas as pd
from hybrid_lit.benchmarks import load_benchmark
from hybrid_lit.evaluation import metrics
from hybrid_lit.files import write_file
from hybrid_lit.formats import ranks_from_run

if not os.environ.get("HYBRID_LIT_DATA"): sys.exit("benchmarks/bm25.py: set HYBRID_LIT_DATA to the data folder")

lines = []
for name in ("squadshifts", "scifact"):
    b = load_benchmark(name)
    index = bm25s.BM25(k1=1.5, b=.75)
    index.index(bm25s.tokenize(list(b.candidates.text), stopwords="en", show_progress=False), show_progress=False)
    found, score = index.retrieve(bm25s.tokenize(list(b.queries.text), stopwords="en", show_progress=False), k=100, show_progress=False, backend_selection="numpy")
    run = pd.DataFrame(dict(query_id=b.queries.query_id.repeat(100).to_numpy(), document_id=b.candidates.answer_id.to_numpy()[found.ravel()], score=score.ravel()))
    m = metrics(ranks_from_run(run, b))
    lines.append(dict(benchmark=name, candidates=len(b.candidates), queries=len(b.queries), value=m[(m.metric == "ndcg@10") & m.query_language.isna()].value.item()))
table = pd.DataFrame(lines).round(4)
write_file(Path(__file__).resolve().parents[1]/"results"/"study"/"bm25.csv", table.to_csv(index=False))
print(table.to_string(index=False))
