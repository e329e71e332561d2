"Runs and judgements through files, against pytrec_eval: odd ids, ties, cut runs, documents that are the query."
import numpy as np, pandas as pd, pytrec_eval
import pytest
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.evaluation import METRICS, per_query
from hybrid_lit.files import DataError
from hybrid_lit.formats import ranks_from_run, read_trec_qrels, read_trec_run, write_trec_qrels, write_trec_run
from hybrid_lit.samplers import generator

TREC = {"map": "map", "recall@1": "recall_1", "recall@10": "recall_10", "recall@100": "recall_100", "ndcg@10": "ndcg_cut_10"}
IDS = ["7", "d:1", "d:10", "Ä#2", "中", "\uffee", "\U0001f600", "a\u00a0b", "a\u2028b", "-", "0", "07", "A", "a", "de:7", "en:7"]


@pytest.mark.filterwarnings("ignore:.*queries.*")
def test_odd_ids_against_pytrec_eval(tmp_path):
    for trial in range(60):
        rng = generator(trial, "formats")
        ls = ["en", "de", "zh-TW"][:trial % 3 + 1]
        candidates = pd.DataFrame([(d, l, "!") for d in IDS for l in ls], columns=["answer_id", "language", "text"])
        queries = pd.DataFrame([(q, l, "?") for q in IDS[:6] for l in ls], columns=["query_id", "language", "text"])
        qrels = pd.DataFrame([(q, d, l, rng.integers(1, 4)) for q in IDS[1:6] for d in IDS for l in ls if rng.random() < .2] or [("7", "7", "en", 1)], columns=["query_id", "answer_id", "answer_language", "grade"])
        b = Benchmark("odd", queries, candidates, qrels, exclude_identical=bool(trial % 2))
        names = (candidates.language + ":" + candidates.answer_id).tolist()
        run = pd.DataFrame([(f"{l}:{q}", d, float(rng.integers(-2, 3))/3 + 1e-11*rng.integers(3)) for q, l in queries[["query_id", "language"]].values for d in names if rng.random() < .8], columns=["query_id", "document_id", "score"])
        (tmp_path/"run").write_text("".join(f"{q} Q0 {d} 1 {s!r} x\n" for q, d, s in run.values), encoding="utf-8")
        write_trec_qrels(tmp_path/"qrels", b)
        right = {q: dict(zip(g.document_id, map(int, g.grade))) for q, g in read_trec_qrels(tmp_path/"qrels").groupby("query_id")}
        assert set(right) == set(queries.language + ":" + queries.query_id)  # all count, those without right answers too
        kept = [tuple(x) for x in run.values if not (b.exclude_identical and x[0].split(":", 1)[1] == x[1].split(":", 1)[1])]
        theirs = pytrec_eval.RelevanceEvaluator(right, {"map", "recall.1,10,100", "ndcg_cut.10"}).evaluate({q: {d: s for r, d, s in kept if r == q} for q in {q for q, *_ in kept}})
        ours = per_query(ranks_from_run(read_trec_run(tmp_path/"run"), b))
        assert len(ours) == len(queries) == len(theirs)
        for o in ours.to_dict("records"):
            assert [o[m] for m in METRICS] == pytest.approx([theirs[f"{o['query_language']}:{o['query_id']}"][TREC[m]] for m in METRICS], abs=1e-9)


def test_order_survives_extreme_scores(tmp_path):
    tiny, big = np.float32(1e-45), np.finfo(np.float32).max
    for trial in range(50):
        rng = generator(trial, "extreme")
        score = rng.choice(np.array([0., -0., tiny, -tiny, big, 1., np.nextafter(np.float32(1), np.float32(2)), -big/2], np.float32), 16)
        t = pd.DataFrame(dict(query_language="en", query_id="q", rank=np.arange(16) + 1, answer_language="en", answer_id=list(rng.permutation(IDS)), score=score))
        write_trec_run(tmp_path/"run", t)
        r = read_trec_run(tmp_path/"run")
        assert r.document_id.tolist() == ("en:" + t.answer_id).tolist()
        worst = {r.document_id.iloc[-1]: 1}
        assert pytrec_eval.RelevanceEvaluator({"en:q": worst}, {"recip_rank"}).evaluate({"en:q": dict(zip(r.document_id, r.score))})["en:q"]["recip_rank"] == pytest.approx(1/16)


def test_bad_files_are_refused_in_one_line(tmp_path):
    for read, text, says in ((read_trec_run, "q Q0 d 1 1 t\nq Q0 d 1 one t\n", "run:2: not 'query Q0 document"), (read_trec_run, "q Q0 d 1 inf t\n", "run:1: not"), (read_trec_qrels, "q 0 d x\n", "run:1: not 'query-id, 0"), (read_trec_qrels, "q 0 d 1\nq 0 d 2\n", "run:2: d is judged twice")):
        (tmp_path/"run").write_text(text)
        with pytest.raises(DataError) as e: read(tmp_path/"run")
        assert says in str(e.value) and "\n" not in str(e.value)
    (tmp_path/"run").write_text("\n")
    assert read_trec_run(tmp_path/"run").columns.tolist() == ["query_id", "document_id", "score", "rank"] and not len(read_trec_qrels(tmp_path/"run"))
