"Negatives under harder conditions: random corpora against brute force, faults on the disk, killed writers, other processes, speed."
import hashlib, itertools, json, math, os, random, signal, subprocess, sys, time
import forked, numpy as np, pandas as pd
import pytest
from hybrid_lit import negatives as module
from hybrid_lit.corpus import ParallelCorpus, normalise
from hybrid_lit.files import DataError
from hybrid_lit.negatives import Negatives, mine_bm25, mine_embeddings, mine_labels
from hybrid_lit.samplers import BatchSampler, generator

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
LANGUAGES = ["de", "en", "zh"]


def rows(seed, n):
    "Rows in changing languages, with queries that repeat, passages that share a text or nearly do, and hard negatives of their own"
    rng = random.Random(seed)
    text = lambda l: f"{l} " + "".join(rng.choice("abcdefgh ") for _ in range(rng.choice([3, 40, 70])))
    queries, passages = ([{l: text(l) for l in LANGUAGES} for _ in range(n*2//3)] for _ in range(2))
    for _ in range(n//3):
        old = rng.choice(passages)
        passages.append(rng.choice([{**old, "de": text("de")}, {l: t[:20] + "!?" + t[22:] for l, t in old.items()}, {l: t.upper() if l == "zh" else text(l) for l, t in old.items()}]))
    for i in range(n):
        keep = rng.choice(LANGUAGES)
        some = lambda texts: {l: t for l, t in texts.items() if l == keep or rng.random() < .6}
        yield dict(id=i, query=some(rng.choice(queries)), positive=some(rng.choice(passages)), negatives=[some(p) for p in rng.sample(passages, i % 3)])


def grams(t):
    t = normalise(t).ljust(5, "\0")
    return {t[i:i + 5] for i in range(len(t) - 4)}


def near(x, y): return any(len(grams(x[l]) & grams(y[l])) >= .8*len(grams(x[l]) | grams(y[l])) for l in x.keys() & y.keys())


def wrong(corpus, labels=None):
    "(row, item) pairs that may not be drawn, by the rules as they are stated"
    texts = {}
    for i, numbers in enumerate(np.asarray(corpus.rows).tolist()): texts.update(zip(numbers[1:], [corpus[i]["positive"], *corpus[i].get("negatives", [])]))
    q, p, positive = corpus.queries.classes[corpus.rows[:, 0]].tolist(), corpus.passages.classes.tolist(), corpus.rows[:, 1].tolist()
    close = {(p[a], p[b]) for a in set(positive) for b in texts if near(texts[a], texts[b])}
    out = set()
    for i in range(len(corpus)):
        same = [j for j in range(len(corpus)) if q[j] == q[i]]
        right = {p[positive[j]] for j in same}
        kin = set() if labels is None else {p[positive[j]] for j in range(len(corpus)) if labels[j] in {labels[h] for h in same}}
        out |= {(i, k) for k in texts if p[k] in right | kin or any((c, p[k]) in close for c in right)}
    return out


def draws(negatives, corpus, n, key):
    rng = random.Random(key)
    r = [rng.randrange(len(corpus)) for _ in range(n)]
    q, p = ([rng.choice([l for l in range(len(corpus.languages)) if int(m[i]) >> l & 1]) for i in r] for m in corpus.masks(slice(None)))
    return (*map(np.array, (r, q, p)), *negatives.draw(np.array(r), np.array(q), np.array(p), np.array([True]*len(corpus.languages)), generator(0, str(key))))


@pytest.mark.parametrize("seed", range(6))
def test_random_corpora(tmp_path, seed):
    corpus = ParallelCorpus.from_rows(rows(seed, 45), "random").select(range(15*(seed % 2), 30 + 15*(seed % 2)))   # its passages are some of those stored
    items, labels = corpus.used()[1].tolist(), [i % 4 for i in range(30)]
    out, rng = wrong(corpus), np.random.default_rng(seed)
    vectors = rng.standard_normal((30, 4)), rng.standard_normal((len(corpus.passages), 4))
    table = pd.DataFrame(rng.random((4, 4)))
    mine_bm25(corpus, tmp_path/"bm25", k=8)
    mine_embeddings(corpus, tmp_path/"vectors", vectors, k=8)
    mine_labels(corpus, tmp_path/"labels", labels, table, k=8)
    for name, never in (("bm25", out), ("vectors", out), ("labels", wrong(corpus, labels))):
        pools = np.load(tmp_path/name/"items.npy")
        assert not any((i, k) in never or k not in items for i, pool in enumerate(pools.tolist()) for k in pool if k >= 0)
        assert all(len(set(pool[pool >= 0].tolist())) == (pool >= 0).sum() for pool in pools)
        for weighted, uniform, language in itertools.product((0, 2, 9), (1, 3), ("positive", "query", "any")):
            n = Negatives(tmp_path/name, corpus, weighted=weighted, uniform=uniform, language=language, temperature=rng.choice([0, .1, math.inf]))
            for r, q, p, drawn, spoken in zip(*draws(n, corpus, 40, f"{seed} {weighted} {uniform} {language}")):
                given = drawn[drawn >= 0].tolist()
                own = set(corpus.rows[r, 2:].tolist())
                assert len(set(given)) == len(given) and not own & set(given) and not any((r, k) in never for k in given)
                wanted = set(range(3)) if language == "any" else {q if language == "query" else p}
                assert all(int(l) in wanted and int(corpus.passages.mask[k]) >> int(l) & 1 for k, l in zip(drawn.tolist(), spoken) if k >= 0)
                left = [k for k in items if (r, k) not in never and k not in own and any(int(corpus.passages.mask[k]) >> l & 1 for l in wanted)]
                assert len(given) == min(weighted + uniform, len(left))        # fewer only where there are no more
                inside = [k for k in pools[r].tolist() if k in left]
                assert len(set(given) & set(inside)) >= min(weighted, len(inside))
    naive = np.where([[(i, k) in out for k in items] for i in range(30)], -np.inf, vectors[0] @ vectors[1][items].T)
    for i, (pool, line) in enumerate(zip(np.load(tmp_path/"vectors"/"items.npy"), naive)):
        assert pool[pool >= 0].tolist() == np.array(items)[np.argsort(-line)][:min(8, np.isfinite(line).sum())].tolist()


def test_same_passage_by_brute_force(tmp_path):
    for seed in range(3):
        corpus = ParallelCorpus.from_rows(rows(seed + 50, 40), "random")
        mine_bm25(corpus, tmp_path/"b", k=10)
        out = wrong(corpus)
        for policy in ("x-x", "hybrid"):
            for b in BatchSampler(corpus, policy, 4, negatives=Negatives(tmp_path/"b", corpus, uniform=2)):
                items = b.candidates[0].tolist()
                assert b.same_passage().tolist() == [[(r, k) in out and j != i for j, k in enumerate(items)] for i, r in enumerate(b.rows.tolist())]
                assert len(items) == 4 + (corpus.rows[b.rows, 2:] >= 0).sum() + (b.drawn >= 0).sum() == len(b.passages())


def test_uniform_draws_are_uniform(tmp_path):
    "Also where nearly everything is excluded, and those that are left are looked for one by one"
    for n, right in ((12, 3), (300, 290)):
        corpus = ParallelCorpus.from_rows([dict(id=i, query=dict(en="same" if i < right else f"q{i}"), positive=dict(en=f"{generator(i).random()} {i}")) for i in range(n)], "u")
        mine_embeddings(corpus, tmp_path/"u", (np.ones((n, 1)), np.ones((n, 1))), k=2)
        zero = np.zeros(6000, int)
        for uniform in (1, 2):
            drawn = Negatives(tmp_path/"u", corpus, weighted=0, uniform=uniform).draw(zero, zero, zero, np.array([True]), generator(0))[0]
            counts, expected = np.bincount(drawn.ravel(), minlength=n)[right:], 6000*uniform/(n - right)
            assert np.bincount(drawn.ravel(), minlength=n)[:right].sum() == 0
            assert ((counts - expected)**2/expected).sum() < 35             # 8 or 9 degrees of freedom; 99.99%: 34


def test_any_language_alike(tmp_path):
    corpus = ParallelCorpus.from_rows([dict(id=i, query={"en": f"q{i}"}, positive={l: f"{l} {generator(i, l).random()}" for l in ("ar", "de", "en", "fr")}) for i in range(9)], "any")
    mine_embeddings(corpus, tmp_path/"a", (np.ones((9, 1)), np.ones((9, 1))))
    zero = np.zeros(9000, int)
    spoken = Negatives(tmp_path/"a", corpus, language="any", weighted=1, uniform=0).draw(zero, zero, zero, np.array([True, False, True, True]), generator(0))[1]
    counts = np.bincount(spoken.ravel(), minlength=4)
    assert counts[1] == 0 and (np.abs(counts[[0, 2, 3]] - 3000) < 250).all()


def test_pieces_make_no_difference(tmp_path, monkeypatch):
    "Texts compared a few at a time, and rows in several blocks"
    corpus = ParallelCorpus.from_rows(rows(7, 60), "pieces")
    whole = module._excluded(corpus, .8)
    monkeypatch.setattr(module, "_CHUNK", 7)
    for a, b in zip(whole, module._excluded(corpus, .8)): assert np.array_equal(a, b)
    big = ParallelCorpus.from_rows([dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"p{i % 200}")) for i in range(5000)], "big")   # more than one block of rows
    rng = np.random.default_rng(0)
    q, p = rng.standard_normal((5000, 8)).astype(np.float32), rng.standard_normal((200, 8)).astype(np.float32)
    mine_embeddings(big, tmp_path/"big", (q, p), k=5, near=2)
    scores = q @ p.T
    scores[np.arange(5000), big.rows[:, 1]] = -np.inf
    assert np.array_equal(np.load(tmp_path/"big"/"items.npy"), np.argsort(-scores, 1)[:, :5])


def pools(tmp_path, name="pools"):
    corpus = ParallelCorpus.from_rows(rows(3, 30), "kept", tmp_path/"corpus")
    mine_bm25(corpus, tmp_path/name, k=8)
    return corpus, tmp_path/name


def test_damage_is_refused_in_one_line(tmp_path):
    corpus, folder = pools(tmp_path)
    rng = random.Random(0)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        cut = [whole[:n] for n in (0, 1, len(whole)//2, len(whole) - 2)]
        flipped = [whole[:i] + bytes([whole[i] ^ 1 << rng.randrange(8)]) + whole[i + 1:] for i in (rng.randrange(len(whole)) for _ in range(20))] if file.suffix == ".npy" else []
        for bad in [*cut, *flipped, None]:
            file.unlink() if bad is None else file.write_bytes(bad)
            with pytest.raises(DataError) as e: Negatives(folder, corpus)
            assert "\n" not in str(e.value) and str(folder) in str(e.value)
        file.write_bytes(whole)
    for about in ([], {}, {"format": 2}, {**json.loads((folder/"negatives.json").read_text()), "sha256": None}):
        keep = (folder/"negatives.json").read_text()
        (folder/"negatives.json").write_text(json.dumps(about))
        with pytest.raises(DataError): Negatives(folder, corpus)
        (folder/"negatives.json").write_text(keep)
    Negatives(folder, corpus)
    with pytest.raises(DataError, match="another corpus"): Negatives(folder, ParallelCorpus.from_rows(rows(4, 30), "kept"))
    Negatives(folder, ParallelCorpus(tmp_path/"corpus"))                    # the same corpus, opened again


def test_nothing_is_left_of_a_fault(tmp_path, monkeypatch):
    corpus, folder = pools(tmp_path)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for to in (folder, tmp_path/"new"):
        for fault in (OSError(28, "No space left on device"), KeyboardInterrupt()):
            def fail(*_): raise fault
            monkeypatch.setattr(module, "sha256", fail)
            with pytest.raises((DataError, KeyboardInterrupt)): mine_bm25(corpus, to, k=4)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before and sorted(p.name for p in tmp_path.iterdir()) == ["corpus", "pools"]
    for to, says in ((tmp_path/"corpus", "own folder"), (tmp_path/"corpus"/"x"/"y", "own folder"), (tmp_path, "holds other files")):
        with pytest.raises(DataError, match=says): mine_bm25(corpus, to)
    (tmp_path/"link").symlink_to(tmp_path/"corpus")
    with pytest.raises(DataError, match="own folder"): mine_bm25(corpus, tmp_path/"link"/"pools")
    ParallelCorpus(tmp_path/"corpus")
    Negatives(folder, corpus)


def test_killed_writers_leave_whole_pools(tmp_path):
    corpus, folder = pools(tmp_path)
    code = "import sys, warnings; warnings.simplefilter('ignore')\nfrom hybrid_lit.corpus import ParallelCorpus; from hybrid_lit.negatives import mine_bm25\nc = ParallelCorpus(sys.argv[1]); print('ready', flush=True)\nwhile True:\n    for k in (2, 5): mine_bm25(c, sys.argv[2], k=k)"
    seen = set()
    for delay in (.02, .05, .09, .14, .2):
        p = forked.python(code, tmp_path/"corpus", folder)
        assert p.stdout.readline() == "ready\n"
        time.sleep(delay)
        p.send_signal(signal.SIGKILL)
        assert p.wait() == -signal.SIGKILL
        seen.add(Negatives(folder, corpus).items.shape[1])
    assert seen <= {2, 5, 8}


def test_other_processes_draw_the_same(tmp_path):
    corpus, folder = pools(tmp_path)
    code = ("import sys, hashlib, warnings; warnings.simplefilter('ignore')\nfrom hybrid_lit.corpus import ParallelCorpus; from hybrid_lit.negatives import Negatives; from hybrid_lit.samplers import BatchSampler\n"
            "c = ParallelCorpus(sys.argv[1]); s = BatchSampler(c, 'x-x', 5, seed=3, negatives=Negatives(sys.argv[2], c)); h = hashlib.sha256()\n"
            "for i in map(int, sys.argv[3:]): h.update(s[i].drawn.astype('<i8').tobytes())\nprint(h.hexdigest())")
    steps = [7, 0, 31]
    h, s = hashlib.sha256(), BatchSampler(corpus, "x-x", 5, seed=3, negatives=Negatives(folder, corpus))
    drawn = {i: s[i].drawn for i in sorted(steps)}
    for i in steps: h.update(drawn[i].astype("<i8").tobytes())
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path/"corpus"), str(folder), *map(str, steps)], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "5"}).stdout
    assert said.strip() == h.hexdigest()


def test_without_bm25s(tmp_path, monkeypatch):
    corpus = ParallelCorpus.from_rows(rows(3, 12), "c")
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(DataError, match=r'pip install "hybrid_lit\[negatives\]"'): mine_bm25(corpus, tmp_path/"x")
    assert not (tmp_path/"x").exists()


def test_words_that_nobody_has(tmp_path):
    corpus = ParallelCorpus.from_rows([dict(id=i, query=dict(en=q), positive=dict(en=p)) for i, (q, p) in enumerate([("?!", "alpha"), ("never seen", "beta gamma"), ("alpha beta", "...")])], "odd")
    mine_bm25(corpus, tmp_path/"x", k=3)
    assert sorted(map(sorted, np.load(tmp_path/"x"/"items.npy").tolist())) == [[-1, -1, -1], [-1, -1, -1], [-1, 0, 1]]


def test_an_item_of_several_labels(tmp_path):
    corpus = ParallelCorpus.from_rows([dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=p)) for i, p in enumerate(["shared text", "shared text", "alone a", "alone b", "third c"])], "several")
    with pytest.warns(UserWarning, match="passages have 1 labels more"): mine_labels(corpus, tmp_path/"x", ["a", "b", "a", "b", "c"], pd.DataFrame(np.eye(3), list("abc"), list("abc")))
    pools = [[k for k in pool if k >= 0] for pool in np.load(tmp_path/"x"/"items.npy").tolist()]
    shared = int(corpus.rows[0, 1])
    assert [shared in pool for pool in pools] == [False]*4 + [True]


def test_many_rows_of_few_labels(tmp_path):
    "What is stored grows with the rows, not with the square of a label's size; draws and the mask keep to the labels"
    n = 6000
    corpus = ParallelCorpus.from_rows([dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"p{i}")) for i in range(n)], "large")
    labels = np.arange(n) % 2
    mine_labels(corpus, tmp_path/"x", labels, pd.DataFrame(np.eye(2)), k=5, near=2)
    assert sum(p.stat().st_size for p in (tmp_path/"x").iterdir()) < 100*n
    negatives, rows = Negatives(tmp_path/"x", corpus, weighted=2, uniform=5), np.arange(200)
    item_label = np.empty(n, int); item_label[corpus.rows[:, 1]] = labels
    drawn = negatives.draw(rows, rows*0, rows*0, np.array([True]), generator(0))[0]
    assert (drawn >= 0).all() and (item_label[drawn] != labels[rows, None]).all()
    assert np.array_equal(negatives.no_negative(rows, np.arange(n)), labels[rows, None] == item_label)


def test_several_labels_leave_no_pool_short(tmp_path):
    "Passages are left out of a pool for labels that the pool's maker does not see, and others take their places"
    names = [c for c in "abcdef" for _ in range(8)]
    corpus = ParallelCorpus.from_rows([dict(id=i, query=dict(en="asked of all" if i % 8 == 0 and i < 32 else f"q{i}"), positive=dict(en=f"p{i}")) for i in range(48)], "several")
    mine_labels(corpus, tmp_path/"x", names, pd.DataFrame(np.eye(6), list("abcdef"), list("abcdef")), k=12, near=2)
    pools, never = np.load(tmp_path/"x"/"items.npy"), wrong(corpus, names)
    assert (pools >= 0).all() and not any((i, k) in never for i, pool in enumerate(pools.tolist()) for k in pool)


def test_refused_before_any_mining(tmp_path, monkeypatch):
    corpus = ParallelCorpus.from_rows(rows(3, 12), "c")
    vectors = np.ones((12, 2)), np.ones((len(corpus.passages), 2))
    def never(*_): raise AssertionError("mining has begun")
    with monkeypatch.context() as m:
        for name in ("embed", "_excluded", "_spoken"): m.setattr(module, name, never)
        for mine in (lambda **kw: mine_bm25(corpus, tmp_path/"x", **kw), lambda **kw: mine_embeddings(corpus, tmp_path/"x", "encoder", **kw), lambda **kw: mine_labels(corpus, tmp_path/"x", ["a"]*12, None, **kw)):
            for near in (math.nan, math.inf, 0, -1):
                with pytest.raises(DataError, match=f"near is {near}"): mine(near=near)
            with pytest.raises(DataError, match="pools of 0"): mine(k=0)
            with monkeypatch.context() as few:
                few.setattr(module, "_MOST", 3)
                with pytest.raises(DataError, match=r"distinct passages in de .* near=2"): mine()
    monkeypatch.setattr(module, "_MOST", 3)
    mine_embeddings(corpus, tmp_path/"x", tuple(v.tolist() for v in vectors), near=2)   # lists will do
    assert Negatives(tmp_path/"x", corpus).about["near"] == 2


def test_a_draw_costs_little(tmp_path):
    n, languages = 4000, ["ar", "de", "en", "es", "zh"]
    corpus = ParallelCorpus.from_rows([dict(id=i, query={l: f"{l}{i}" for l in languages}, positive={l: f"{l} {i}" for l in languages}) for i in range(n)], "speed")
    rng = np.random.default_rng(0)
    mine_embeddings(corpus, tmp_path/"s", (rng.standard_normal((n, 16)), rng.standard_normal((n, 16))), near=2)
    for policy, language in itertools.product(("x-x-mono", "x-y"), ("positive", "query", "any")):
        negatives = Negatives(tmp_path/"s", corpus, language=language)
        s = BatchSampler(corpus, policy, 100, negatives=negatives)
        times = []
        for i in range(60):
            b = s[i]
            t = time.process_time()
            negatives.draw(b.rows, b.query_language, b.passage_language, np.array([True]*5), generator(0, i))
            times.append(time.process_time() - t)
        assert min(times) < 1e-3, (policy, language, min(times))
