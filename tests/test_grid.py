"Grids of tiny transformers: XLM-R and BERT, killed, side by side, launched in two processes; and grids that are refused."
import json, os, shutil, subprocess, sys, time
import forked, pandas as pd, pytest, torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel
from hybrid_lit.atlas import atlas
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.embeddings import encoder_sha256
from hybrid_lit.evaluation import evaluate, metrics
from hybrid_lit.files import DataError
from hybrid_lit.grid import Pieces, read_grid, run_grid, runs, state
from hybrid_lit.plans import cost, describe, missing_pieces

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
RUN = "import sys; from hybrid_lit.grid import read_grid, run_grid; run_grid(sys.argv[2], read_grid(sys.argv[1]))"
FAMILIES = {"xlm-r": (XLMRobertaConfig, XLMRobertaModel, ("<s>", "<pad>", "</s>", "<unk>"), "mean"), "bert": (BertConfig, BertModel, ("[CLS]", "[PAD]", "[SEP]", "[UNK]"), "cls")} # LaBSE is a BERT that takes the first token


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A checkpoint of each family, a small benchmark, and the grid of both"
    out = tmp_path_factory.mktemp("grid")
    torch.set_num_threads(1)
    corpus = atlas("test", ["de", "en"])
    with open(out/"small.jsonl", "w") as f:
        for i in range(120):
            r = corpus[i]
            f.write(json.dumps({k: r[k] for k in ("id", "query", "positive")}) + "\n")
    words = sorted({w for i in range(len(corpus)) for texts in (corpus[i]["query"], corpus[i]["positive"]) for t in texts.values() for w in t.split()})
    for n, (family, (config, model, specials, pooling)) in enumerate(FAMILIES.items()):
        special = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token"), specials))
        numbers = {t: i for i, t in enumerate([*(specials if family == "xlm-r" else sorted(specials)), *words])}               # XLM-R counts positions from its padding's number, which is 1
        tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=special["unk_token"]))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{specials[0]} $A {specials[2]}", special_tokens=[(t, numbers[t]) for t in (specials[0], specials[2])])
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special)
        torch.manual_seed(n)
        model(config(vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64, pad_token_id=fast.pad_token_id)).save_pretrained(out/f"{family}-plain")
        fast.save_pretrained(out/f"{family}-plain")
        SentenceTransformer(modules=[Transformer(str(out/f"{family}-plain")), Pooling(32, pooling_mode=pooling)], device="cpu").save(str(out/family))
    grid = dict(title="Two families, two arms", languages=["de", "en"], corpora=["atlas"], evaluation=[str(out/"small.jsonl")], keep_models=True,
                settings=dict(steps=8, batch_size=16, learning_rate=1e-3, query_prompt="Query: ", passage_prompt="Passage: ", validation=str(out/"small.jsonl"), validate_every=4),
                arms={f"{family}_{name}": dict(start=str(out/family), **own) for family in FAMILIES for name, own in {"x-x-mono": dict(policy="x-x-mono"), "hybrid-0.5": dict(policy="hybrid", alpha=.5)}.items()})
    (out/"tiny.json").write_text(json.dumps(grid))
    return out


@pytest.fixture(scope="module")
def whole(folder):
    "The grid, undisturbed"
    run_grid(folder/"whole", read_grid(folder/"tiny.json"), progress=False)
    return folder/"whole"


def tables(out):
    return {p.relative_to(out): pd.read_parquet(p) for p in sorted((out/"runs").rglob("*.parquet"))}


def same(a, b, **close):
    ta, tb = tables(a), tables(b)
    assert ta.keys() == tb.keys() and ta
    for p in ta: pd.testing.assert_frame_equal(ta[p], tb[p], **(close or dict(check_exact=True)))


def test_both_families_run_to_the_end(folder, whole):
    grid = read_grid(folder/"tiny.json")
    assert (state(whole, grid).state == "complete").all() and len(runs(grid)) == 4
    for arm, seed in runs(grid):
        d = whole/"runs"/arm
        assert {"metrics.parquet", "pairs.csv", "log.csv", "run.json", "ranks"} < {p.name for p in (d/f"seed-{seed}").iterdir()}
        assert {p.name for p in d.iterdir()} == {f"seed-{seed}", f"seed-{seed}.model", f"seed-{seed}.model.log.jsonl"}      # no embeddings are left
        assert pd.read_csv(d/f"seed-{seed}"/"pairs.csv").pairs.sum() == 8*16
    b = Benchmark.from_corpus(ParallelCorpus.from_jsonl(str(folder/"small.jsonl")))
    for arm in ("xlm-r_x-x-mono", "bert_hybrid-0.5"):                                                                    # the kept model, evaluated by the plain way
        model = SentenceTransformer(str(whole/"runs"/arm/"seed-0.model"), device="cpu")
        assert type(model[0].model).__name__ == {"xlm-r": "XLMRobertaModel", "bert": "BertModel"}[arm.split("_")[0]]
        ranks, _ = evaluate(model, b, "Query: ", "Passage: ")
        got = pd.read_parquet(whole/"runs"/arm/"seed-0"/"metrics.parquet")
        key = ["setting", "query_language", "answer_language", "metric"]
        both = metrics(ranks).merge(got, on=key, how="left")
        assert len(both) and (both.value_x == both.value_y).all()
    a, h = (pd.read_parquet(whole/"runs"/arm/"seed-0"/"metrics.parquet").value for arm in ("bert_x-x-mono", "bert_hybrid-0.5"))
    assert not a.equals(h)                                                                                             # so that equal tables mean something


def test_the_plan_of_a_tiny_grid(folder, whole):
    grid = read_grid(folder/"tiny.json")
    assert [l for l in missing_pieces(grid) if not l.startswith("GPU")] == []
    with pytest.warns(UserWarning, match="how many passages"): c = cost(grid)
    N = 2*(4*32*32 + 2*32*64)
    assert c.training_flops.tolist() == [6*N*8*16*(20 + 2*120)]*4 and c.cpu_minutes.isna().all()
    with pytest.warns(UserWarning): assert "4 runs: 4 complete, 0 to do" in describe(grid, whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_used_encoder_is_the_same(folder, family):
    "or a second process, or a second try, would take its embeddings for another's"
    encoder = SentenceTransformer(str(folder/family), device="cpu")
    before = encoder_sha256(encoder)
    encoder.encode(["a", "a b c"])
    assert encoder_sha256(encoder) == before
    encoder.max_seq_length = 16
    assert encoder_sha256(encoder) != before


MADE = """
import sys, torch
from hybrid_lit.grid import read_grid, run_grid
torch.set_num_threads(1)
out, grid, log = sys.argv[1:]
with open(log, "w", buffering=1) as sys.stdout: run_grid(out, read_grid(grid))
"""


def test_killed_in_a_run_and_gone_on_with(folder, whole, tmp_path):
    "Once in training, and once while candidates are embedded"
    grid, runs_at = read_grid(folder/"tiny.json"), tmp_path/"out"/"runs"
    def until(found):
        p = forked.python(MADE, tmp_path/"out", folder/"tiny.json", tmp_path/"log")
        while not found():
            assert p.poll() is None, "it ended before it could be killed"
            time.sleep(.001)
        p.kill()
        p.wait()
    log = runs_at/"xlm-r_x-x-mono"/"seed-0.model.log.jsonl"
    until(lambda: log.exists() and log.stat().st_size)
    assert (state(tmp_path/"out", grid).state == "to do").all()
    until(lambda: any(runs_at.glob("*/seed-0.embeddings/*-candidates/about.json")))
    run_grid(tmp_path/"out", grid, progress=False)
    same(tmp_path/"out", whole)
    there = lambda: {p.name for p in runs_at.glob("*/*")}
    assert there() == {"seed-0", "seed-0.model", "seed-0.model.log.jsonl"}
    (runs_at/"bert_x-x-mono"/"seed-0.embeddings"/"small-queries").mkdir(parents=True)    # as if killed when run.json was there, and this still
    run_grid(tmp_path/"out", grid, progress=False)
    assert there() == {"seed-0", "seed-0.model", "seed-0.model.log.jsonl"}
    run_grid(tmp_path/"out", {**grid, "keep_models": False}, progress=False)
    assert there() == {"seed-0", "seed-0.model", "seed-0.model.log.jsonl"}               # what was kept once is not deleted later


def test_two_side_by_side(folder, whole, tmp_path):
    "Each run is made once, and both end well"
    both = [forked.python(MADE, tmp_path/"out", folder/"tiny.json", tmp_path/f"log{i}") for i in range(2)]
    for p in both: assert p.wait(120) == 0, p.stderr.read()[-3000:]
    lines = [line.split(": ")[1].split(",")[0] for i in range(2) for line in (tmp_path/f"log{i}").read_text().splitlines() if " s training" in line]
    assert sorted(lines) == sorted(f"{a} seed {s}" for a, s in runs(read_grid(folder/"tiny.json")))
    same(tmp_path/"out", whole)


def test_one_launch_of_two_processes(folder, whole, tmp_path):
    "torchrun: both train, embed and rank, the first one writes"
    (tmp_path/"run.py").write_text(RUN)
    r = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(tmp_path/"run.py"), str(folder/"tiny.json"), str(tmp_path/"out")], capture_output=True, text=True, env=ENV, timeout=200)
    assert r.returncode == 0, r.stderr[-3000:]
    assert r.stdout.count(" s training") == 4
    grid = read_grid(folder/"tiny.json")
    assert (state(tmp_path/"out", grid).state == "complete").all()
    assert tables(tmp_path/"out").keys() == tables(whole).keys()
    for arm, seed in runs(grid):
        assert json.loads((tmp_path/"out"/"runs"/arm/f"seed-{seed}.model"/"run.json").read_text())["training"]["processes"] == 2
        assert not (tmp_path/"out"/"runs"/arm/f"seed-{seed}.embeddings").exists()


GOOD = dict(title="t", languages=["de", "en"], corpora=["atlas"], evaluation=["atlas"], arms={"a": dict(policy="x-x", steps=1)})


@pytest.mark.parametrize("change, says", [
    (dict(seed=1), "'seed' means nothing in a grid"), (dict(corpora="atlas"), "must be a list"), (dict(evaluation=[]), "has no evaluation"), (dict(arms={}), "has no arms"),
    (dict(arms={"a": dict(policy="x-x", steps=1, step=2)}), "'step' is no setting"), (dict(arms={"a/b": dict(policy="x-x", steps=1)}), "names a folder"), (dict(arms={"..": dict(policy="x-x", steps=1)}), "names a folder"),
    (dict(arms={"a": dict(steps=1)}), "has no policy"), (dict(arms={"a": dict(policy="x-x")}), "has no steps"), (dict(arms={"a": dict(policy="x-x", steps=1, mitigations=["magic"])}), "mitigation 'magic' is unknown"),
    (dict(arms={"a": dict(policy="x-x", steps=1, mitigations=["language means"])}), "name them as fit"), (dict(arms={"a": dict(policy="x-z", steps=1)}), "policy 'x-z' is unknown"),
])
def test_bad_grids(change, says, tmp_path):
    with pytest.raises(DataError, match=says) as e: run_grid(tmp_path, read_grid({**GOOD, **change}), progress=False)
    assert "\n" not in str(e.value) and not (tmp_path/"runs").exists()


def test_bad_files(tmp_path):
    (tmp_path/"broken.json").write_text('{"title": ')
    (tmp_path/"list.json").write_text("[1]")
    for grid, says in ((tmp_path/"none.json", "none.json"), (tmp_path/"broken.json", "broken.json"), (tmp_path/"list.json", "one JSON object"), ("nope", "is unknown; choose one of")):
        with pytest.raises(DataError, match=says) as e: read_grid(grid)
        assert "\n" not in str(e.value)


def test_nothing_is_taken_for_another_grids(folder, tmp_path):
    "Two grids in one folder, of which the second leaves rows out; and two starts of one name"
    static = {**GOOD, "arms": {"a": dict(policy="x-x-mono", steps=1, vocabulary=500, dim=8, batch_size=8, negatives=dict(k=4))}}
    a = Pieces(read_grid(static), tmp_path/"both")
    gone = a.corpus("atlas").queries.ids.take(a.corpus("atlas").rows[:40, 0]).to_pylist()
    b, alone = (Pieces(read_grid({**static, "excluded": dict(atlas=gone)}), tmp_path/f) for f in ("both", "alone"))
    assert len(b.corpus("atlas")) == len(a.corpus("atlas")) - 40
    c = a.grid["arms"]["a"]
    assert a.start(c, 0) != b.start(c, 0) != a.start(c, 1) and a.start(c, 0) == Pieces(a.grid, tmp_path/"both").start(c, 0)
    starts = [SentenceTransformer(p.start(c, 0), device="cpu") for p in (a, b, alone)]
    assert a.tokenizer(500).get_vocab() != b.tokenizer(500).get_vocab() == alone.tokenizer(500).get_vocab()
    assert torch.equal(starts[1][0].embedding.weight, starts[2][0].embedding.weight)
    assert [n.corpus.fingerprint() for p in (a, b) for n in p.negatives(c)] == [p.corpus("atlas").fingerprint() for p in (a, b)]
    shutil.copytree(folder/"bert", tmp_path/"other"/"xlm-r")
    two = [a.start({**c, "start": str(f), "max_tokens": 8}, 0) for f in (folder/"xlm-r", tmp_path/"other"/"xlm-r")]
    assert [type(SentenceTransformer(t, device="cpu")[0].model).__name__ for t in two] == ["XLMRobertaModel", "BertModel"]


def test_runs_on_different_data(tmp_path):
    "Rows are left out once a first run is made: the second is not counted beside it"
    static = {**GOOD, "arms": {n: dict(policy="x-x-mono", steps=1, vocabulary=500, dim=8, batch_size=8) for n in "ab"}}
    first = read_grid(static)
    run_grid(tmp_path, first, only=[("a", 0)], progress=False)
    ids = Pieces(first, tmp_path).corpus("atlas").queries.ids.take([0]).to_pylist()
    with pytest.raises(DataError, match="was made with another atlas"): run_grid(tmp_path, read_grid({**static, "excluded": dict(atlas=ids)}), progress=False)
    with pytest.raises(DataError, match="name another folder, or delete the older runs") as e: state(tmp_path, first)
    assert "\n" not in str(e.value)
    shutil.rmtree(tmp_path/"runs"/"b")
    assert state(tmp_path, first).state.tolist() == ["complete", "to do"]


def test_a_folder_of_other_settings(folder, whole, tmp_path):
    shutil.copytree(whole/"runs", tmp_path/"runs")
    grid = json.loads((folder/"tiny.json").read_text())
    other = read_grid(folder/"tiny.json")
    for c in other["arms"].values(): c["learning_rate"] = .5
    with pytest.raises(DataError, match="holds a run with another learning_rate; name another folder, or delete this one"): run_grid(tmp_path, other, progress=False)
    with pytest.raises(DataError, match="with another evaluation"): state(tmp_path, read_grid({**grid, "evaluation": ["atlas"]}) | dict(name="tiny"))
