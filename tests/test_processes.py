"Several processes, and faults in the middle: the same table, and nothing encoded twice."
import json, os, signal, subprocess, sys, time
from pathlib import Path
import forked, numpy as np, pandas as pd, pytest
from hybrid_lit.embeddings import SHARD, Embeddings
from hybrid_lit.sources import load_corpus
from hybrid_lit.training import save_encoder, static_encoder, static_tokenizer

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    "A static encoder, and a small transformer with random weights, on disk"
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    folder, corpus = tmp_path_factory.mktemp("models"), load_corpus("atlas").select(np.arange(0, 1200, 12))
    tokenizer = static_tokenizer([corpus], 2000)
    save_encoder(static_encoder(tokenizer, [corpus], dim=64), folder/"static", {})
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.add_special_tokens(dict(pad_token="[PAD]"))
    import torch
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)).save_pretrained(folder/"bert")
    fast.save_pretrained(folder/"bert")
    t = Transformer(str(folder/"bert"))
    SentenceTransformer(modules=[t, Pooling(32)]).save(str(folder/"transformer"))
    return folder


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_two_processes_give_the_table_of_one(models, tmp_path, kind):
    command = ["evaluate", str(models/kind), "--benchmark", "atlas"]
    one = forked.run(forked.CLI, *command, "--out", tmp_path/"one")
    assert one.returncode == 0, one.err
    if kind == "static":  # by accelerate's launcher, the other with the variables that it sets
        two = subprocess.run([sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
                              "-m", "hybrid_lit.cli", *command, "--out", str(tmp_path/"two")], capture_output=True, text=True, env=ENV)
        assert two.returncode == 0, two.stderr
        said = two.stdout
    else:
        two = forked.ranks(2, forked.CLI, *command, "--out", tmp_path/"two")
        for p in two: assert p.returncode == 0, p.err
        said = "".join(p.out for p in two)
    for name in ("ranks.parquet", "top.parquet"): pd.testing.assert_frame_equal(pd.read_parquet(tmp_path/"one"/name), pd.read_parquet(tmp_path/"two"/name), check_exact=True)
    assert (tmp_path/"one"/"metrics.json").read_bytes() == (tmp_path/"two"/"metrics.json").read_bytes()
    assert json.loads((tmp_path/"two"/"run.json").read_text())["processes"] == 2
    assert said.count("macro averages") == 1                             # said once
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]   # nothing left over


def test_more_processes_than_queries(models, tmp_path):
    (tmp_path/"one.jsonl").write_text(json.dumps(dict(id="1", query=dict(en="Where is it?"), positive=dict(en="It is there."))) + "\n")
    ps = forked.ranks(2, forked.CLI, "evaluate", models/"static", "--benchmark", tmp_path/"one.jsonl", "--out", tmp_path/"out")
    assert all(p.returncode == 0 for p in ps) and json.loads((tmp_path/"out"/"run.json").read_text())["processes"] == 2, ps[0].err + ps[1].err
    assert pd.read_parquet(tmp_path/"out"/"ranks.parquet")["rank"].tolist() == [1]


SLOW = """
import sys, time, numpy as np
from hybrid_lit.embeddings import embed_to
class Slow:
    asked = 0
    def encode(self, texts, **kw):
        Slow.asked += len(texts); time.sleep(.3)
        return np.array([[len(t), *map(ord, t[:3])] for t in texts], np.float32)
texts = [f"{i % 7}{i}-text" for i in range(20_000)]
embed_to(sys.argv[1], Slow(), texts, encoder_id="slow")
print(Slow.asked)
"""


def test_killed_in_the_middle(tmp_path):
    folder = tmp_path/"e"
    p = forked.python(SLOW, folder)
    while len(list(folder.glob("*.sha256"))) < 3:
        assert p.poll() is None, "it ended before it could be killed"
        time.sleep(.05)
    p.send_signal(signal.SIGKILL)
    p.wait()
    done = len(list(folder.glob("*.sha256")))
    assert done < -(-20_000//SHARD)
    again = forked.run(SLOW, folder)
    assert int(again.out) == 20_000 - done*SHARD                       # only what was missing
    whole = forked.run(SLOW, tmp_path/"whole")
    assert int(whole.out) == 20_000
    assert np.array_equal(np.asarray(Embeddings(folder)), np.asarray(Embeddings(tmp_path/"whole")))


def test_evaluate_goes_on_after_a_damaged_shard(models, tmp_path):
    command = [forked.CLI, "evaluate", models/"static", "--benchmark", "atlas", "--embeddings", tmp_path/"e"]
    r = forked.run(*command, "--out", tmp_path/"a")
    assert r.returncode == 0, r.err
    shards = sorted((tmp_path/"e").rglob("*.npy"))
    before = {p: p.stat().st_mtime_ns for p in shards}
    shards[1].write_bytes(shards[1].read_bytes()[:-5])
    r = forked.run(*command, "--out", tmp_path/"b")
    assert r.returncode == 0 and "incomplete or damaged" in r.err, r.err
    assert [p for p in shards if p.stat().st_mtime_ns != before[p]] == [shards[1]]
    assert (tmp_path/"a"/"metrics.json").read_bytes() == (tmp_path/"b"/"metrics.json").read_bytes()
    other = forked.run(*command, "--query-prompt", "query: ", "--out", tmp_path/"c")
    assert other.returncode == 2 and "holds embeddings with another prompt" in other.err and len(other.err.splitlines()) == 1
    assert not (tmp_path/"c").exists()


def test_a_million_candidates_in_bounded_memory(tmp_path):
    "A million candidates in half precision, from a file: scores and tiles keep to the budget, and embeddings are never copied whole"
    code = """
import sys, json, numpy as np, resource
sys.path.insert(0, "benchmarks")
from evaluation import Watch
from hybrid_lit.ranks import count_above
rng = np.random.default_rng(0)
np.save(sys.argv[1], rng.standard_normal((1_000_000, 64), np.float32).astype(np.float16))
c = np.load(sys.argv[1], mmap_mode="r")
right = rng.choice(len(c), 200, replace=False)
count_above(c[right][:4], c[:1000], [0], [0])                       # libraries warm up
with Watch() as w: _, _, above = count_above(c[right], c, np.arange(200), right, memory=32)
print(json.dumps(dict(growth=w.growth, first=float((above == 0).mean()))))
"""
    r = json.loads(subprocess.run([sys.executable, "-c", code, str(tmp_path/"c.npy")], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1]).stdout)
    assert r["growth"] < 128 + 100 and r["first"] > .99, r
