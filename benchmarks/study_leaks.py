"""Which training rows of the study hold a text of an evaluation set, or of its sibling splits? Needs HYBRID_LIT_DATA; takes minutes.

Every training set is compared with every evaluation set (questions with questions, passages with passages; equal after normalisation, or 80% of their character
5-grams in common), in all languages that both have. XQuAD-R stands for all of SQuAD v1.1 (train and dev) in English beside its own eleven languages, MLQA-R for MLQA dev
and test. Writes results/study/leaks.csv (a line per pair of sets: what was found) and prints the rows to leave out, which the grids name as `excluded`.
"""
import json, os, sys
from pathlib import Path
import pandas as pd
from hybrid_lit.benchmarks import load_benchmark
from hybrid_lit.corpus import ParallelCorpus, leaks
from hybrid_lit.files import find_file, write_file
from hybrid_lit.grid import read_grid
from hybrid_lit.recipes import recipe_corpus
from hybrid_lit.sources import squadshifts

data = os.environ.get("HYBRID_LIT_DATA")
if not data: sys.exit("benchmarks/study_leaks.py: set HYBRID_LIT_DATA to the data folder")
data, grid = Path(data), read_grid("cpu")

def judged(name): # a row per judgement, and every candidate that nobody judged as the passage of the first question
    b = load_benchmark(name, data)
    text = {(r.answer_id, r.language): r.text for r in b.candidates.itertuples()}
    asked = {(r.query_id, r.language): r.text for r in b.queries.itertuples()}
    right = [(q, a, l) for q, a, l in b.qrels[["query_id", "answer_id", "answer_language"]].itertuples(index=False) if (q, l) in asked]
    first = {l: next(q for q, m in asked if m == l) for l in b.languages}
    rest = [(first[l], a, l) for a, l in text.keys() - {(a, l) for _, a, l in right} if l in first]
    return ParallelCorpus.from_rows((dict(id=f"{q}|{a}|{l}|{n}", query={l: asked[q, l]}, positive={l: text[a, l]}) for n, (q, a, l) in enumerate([*right, *sorted(rest)])), name)

def of_squad(files, name): return ParallelCorpus.from_squad(files, name)

sets = {"squadshifts (all three)": [squadshifts(data, p) for p in ("new_wiki", "reddit", "amazon_reviews")], "scifact": [judged("scifact")], "atlas": [judged("atlas")],
        "xquad-r": [of_squad({l: find_file(data/"xquad-r", f"{l}.json")}, f"xquad-{l}") for l in grid["languages"] + grid["unseen"]],
        "squad v1.1 (train, dev)": [of_squad({"en": find_file(data/"squad-v1.1-en", f"{s}-v1.1.json")}, s) for s in ("train", "dev")],
        "mlqa dev": [of_squad({l: find_file(data/"mlqa"/"dev", f"dev-context-{l}-question-{l}.json")}, f"mlqa-{l}") for l in "ar de en es hi vi zh".split()],
        "mlqa test": [of_squad({l: p}, p.name) for l in ("de", "es", "zh", "vi") for p in sorted((data/"mlqa"/"test").glob(f"test-context-{l}-question-*.json*"))[:1]]}
lines, gone = [], {}
for name in dict.fromkeys([*grid["corpora"], "squad"]):
    train = recipe_corpus(name, data, grid["languages"])
    queries, passages = (t.ids.take(train.rows[:, k]).to_pylist() for k, t in enumerate((train.queries, train.passages)))
    for against, corpora in sets.items():
        found = [leaks(train, c) for c in corpora if {*c.languages} & {*train.languages}]
        found = pd.concat(found) if found else pd.DataFrame(columns=["kind", "match", "train_id"])
        bad = [set(found.train_id[found.kind == k]) for k in ("question", "passage")]
        rows = sorted({q for q, p in zip(queries, passages) if q in bad[0] or p in bad[1]})
        if not (name == "squad" and against.startswith("squad v1.1")): gone.setdefault(name, set()).update(rows)
        lines.append(dict(training=name, rows=len(train), evaluation=against, questions=len(bad[0]), passages=len(bad[1]), exact=int((found.match == "exact").sum()), near=int((found.match == "near").sum()), rows_left_out=len(rows)))
        print(lines[-1], file=sys.stderr, flush=True)
to = Path(__file__).resolve().parents[1]/"results"/"study"
to.mkdir(parents=True, exist_ok=True)
write_file(to/"leaks.csv", pd.DataFrame(lines).to_csv(index=False))
print(json.dumps({n: sorted(r) for n, r in gone.items() if r}))
