"Audits of odd benchmarks and odd models: a report, or one line; never a traceback after the encoding, and nobody's files deleted."
import numpy as np, pandas as pd, pytest
from hybrid_lit.audit import audit, favour
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.evaluation import ranks_table


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what is counted in a warning is tested where it is counted


def benchmark(query_languages, candidate_languages, n=30, name="odd"):
    ids = [f"{i:02d}" for i in range(n)]
    table = lambda key, languages, word: pd.DataFrame([(i, l, f"{word} {i} {l}") for l in languages for i in ids], columns=[key, "language", "text"])
    qrels = pd.DataFrame([(i, i, l, 1) for i in ids for l in candidate_languages], columns=["query_id", "answer_id", "answer_language", "grade"])
    return Benchmark(name, table("query_id", query_languages, "q"), table("answer_id", candidate_languages, "a"), qrels)


def vectors(folder, *tables, seed=0, make=None):
    "Embeddings as files: (name, table) -> a vector of the id and one of the language"
    rng, known = np.random.default_rng(seed), {}
    direction = lambda k: known.setdefault(k, rng.standard_normal(16))
    make = make or (lambda i, l: direction(i) + .7*direction(l))
    folder.mkdir()
    for name, t in tables: np.save(folder/f"{name}.npy", np.array([make(i, l) for i, l in t.iloc[:, :2].values]))
    return folder


@pytest.mark.parametrize("asked, answered", [(["en"], ["de", "fr"]), (["en"], ["de", "en", "es"]), (["de", "en"], ["de", "en"]), (["de", "en"], ["de", "fr"])])
def test_languages_of_queries_and_candidates_differ(tmp_path, asked, answered):
    b = benchmark(asked, answered)
    found = audit(tmp_path/"out", str(vectors(tmp_path/"v", ("queries", b.queries), ("candidates", b.candidates))), b)
    page = (tmp_path/"out"/"report.html").read_text(encoding="utf-8")
    assert "nan" not in " ".join(found["findings"]).lower() and found["findings"][0] in page
    assert f"in {len(answered)} languages" in page
    assert (len(found["favour"]) == 0) == (len(set(answered) - {asked[0]}) < 2 and len(set(answered) - {asked[-1]}) < 2)


@pytest.mark.parametrize("make", [lambda i, l: np.ones(4), lambda i, l: np.eye(3)[["de", "en", "es"].index(l)], lambda i, l: np.eye(64)[int(i)]], ids=["collapsed", "language only", "perfect"])
def test_models_without_spread(tmp_path, make):
    b = benchmark(["de", "en", "es"], ["de", "en", "es"])
    rows = ParallelCorpus.from_rows([dict(id=f"{i:02d}", query={l: f"other {i} {l}" for l in b.languages}, positive={l: f"text {i} {l}" for l in b.languages}) for i in range(20)], "fit")
    from hybrid_lit.audit import fit_texts
    fit = fit_texts(rows, b)
    folder = vectors(tmp_path/"v", ("queries", b.queries), ("candidates", b.candidates), ("fit-queries", fit.queries), ("fit-candidates", fit.candidates), make=make)
    found = audit(tmp_path/"out", str(folder), b, rows)
    assert (tmp_path/"out"/"report.html").exists() and "nan" not in " ".join(found["findings"]).lower()
    assert np.allclose(found["favour"].share, found["favour"].even)         # ties are shared: none is favoured


def test_favour_by_hand():
    "Three answers, one query in each language; German and Spanish both look to English first, English to Spanish"
    b = benchmark(["de", "en", "es"], ["de", "en", "es"], n=1)
    towards = dict(de=[3., 2., 1.], en=[1., 3., 2.], es=[1., 2., 3.])
    f = favour(ranks_table(b, np.array([towards[l] for l in b.queries.language]), np.eye(3))).set_index("answer_language")
    assert f.share.to_dict() == {"en": 1., "es": .5, "de": 0.} and set(f.even) == {.5}


def test_the_given_vectors_stay(tmp_path):
    b = benchmark(["de", "en"], ["de", "en"])
    folder = vectors(tmp_path/"x.embeddings", ("queries", b.queries), ("candidates", b.candidates))
    audit(tmp_path/"x", str(folder), b)
    assert sorted(p.name for p in folder.iterdir()) == ["candidates.npy", "queries.npy"]


def test_texts_of_the_benchmark_are_not_fitted_on():
    from hybrid_lit.audit import fit_texts
    from hybrid_lit.files import DataError
    b = benchmark(["de", "en"], ["de", "en"])
    row = lambda i, q, a: dict(id=str(i), query={l: f"{q} {i} {l}" for l in ("de", "en")}, positive={l: f"{a} {i} {l}" for l in ("de", "en")})
    mixed = ParallelCorpus.from_rows([row(i, "q" if i < 25 else "other", "a" if i < 27 else "text") for i in range(20, 30)], "mixed")  # b has 'q 20' to 'q 29'
    fit = fit_texts(mixed, b)
    assert sorted(fit.queries.text) == sorted(f"other {i} {l}" for i in range(25, 30) for l in ("de", "en"))
    assert sorted(fit.candidates.text) == sorted(f"text {i} {l}" for i in range(27, 30) for l in ("de", "en"))
    with pytest.raises(DataError, match="what is judged on must not be fitted on"): fit_texts(ParallelCorpus.from_rows([row(i, "q", "a") for i in range(20, 30)], "same"), b)
