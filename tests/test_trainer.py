"The trainer of sentence-transformers: several processes, workers, and a run resumed in the middle."
import json, os, subprocess, sys
import forked, numpy as np, pytest, torch
pytest.importorskip("datasets", reason="the trainer's datasets are made with the package datasets")
from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler
from hybrid_lit.atlas import atlas
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.files import DataError
from hybrid_lit.samplers import POLICIES, BatchSampler
from hybrid_lit.trainer import _dataset_class, _PolicyBatches, policy_batches, policy_dataset
from hybrid_lit.training import save_encoder, static_encoder, static_tokenizer

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
RUN = """
import json, os, sys
import numpy as np, torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from hybrid_lit.atlas import atlas
from hybrid_lit.samplers import BatchSampler
from hybrid_lit.trainer import policy_batches, policy_dataset

if __name__ == "__main__":
    out, model, start, kw = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    if kw.pop("spawn", False): torch.multiprocessing.set_start_method("spawn")
    resume, n, rank = kw.pop("resume", None), int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    sampler = BatchSampler(atlas("test", ["de", "en", "tr"]), "hybrid", 64, seed=3)
    assert len(sampler) == 4
    model, log = SentenceTransformer(model, device="cpu"), dict(losses=[], texts=[])
    class Loss(MultipleNegativesRankingLoss):
        def forward(self, *a):
            loss = super().forward(*a)
            log["losses"].append(loss.item())
            return loss
    args = SentenceTransformerTrainingArguments(out, **{**dict(num_train_epochs=2, per_device_train_batch_size=64//n, batch_sampler=policy_batches, use_cpu=True, ddp_backend="gloo" if n > 1 else None, seed=5, learning_rate=1e-3,
                                                report_to="none", save_strategy="steps", save_steps=3, disable_tqdm=True), **kw})
    trainer = SentenceTransformerTrainer(model, args, train_dataset=policy_dataset(sampler), loss=Loss(model, scale=20, gather_across_devices=n > 1))
    preprocess = trainer.data_collator.preprocess_fn
    if not args.dataloader_num_workers:
        def seen(inputs, **more): log["texts"].append(list(inputs)); return preprocess(inputs, **more)
        trainer.data_collator.preprocess_fn = seen
    trainer.train(resume_from_checkpoint=resume)
    with open(f"{out}/{start}-{rank}.json", "w") as f: json.dump(log, f)
    np.save(f"{out}/{start}-{rank}.npy", np.concatenate([p.detach().reshape(-1).numpy() for p in model.parameters()]))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    "A static encoder, and a small transformer with dropout, on disk; and the script"
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    folder, corpus = tmp_path_factory.mktemp("models"), atlas("test", ["de", "en", "tr"])
    tokenizer = static_tokenizer([corpus], 1000)
    save_encoder(static_encoder(tokenizer, [corpus], dim=64), folder/"static", {})
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.add_special_tokens(dict(pad_token="[PAD]"))
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(fast), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)).save_pretrained(folder/"bert")
    fast.save_pretrained(folder/"bert")
    SentenceTransformer(modules=[Transformer(str(folder/"bert")), Pooling(32)]).save(str(folder/"transformer"))
    (folder/"run.py").write_text(RUN)
    return folder


def train(models, out, kind, name="whole", processes=1, **kw):
    "Train; what each process saw, and its last weights. Workers that are spawned need a script of their own"
    args = [str(out), str(models/kind), name, json.dumps(kw)]
    if kw.get("spawn"):
        r = subprocess.run([sys.executable, str(models/"run.py"), *args], capture_output=True, text=True, env=ENV)
        assert r.returncode == 0, r.stderr[-3000:]
    else:
        for p in forked.ranks(processes, RUN, *args) if processes > 1 else [forked.run(RUN, *args)]: assert p.returncode == 0, p.err[-3000:]
    return [(json.loads((out/f"{name}-{p}.json").read_text()), np.load(out/f"{name}-{p}.npy")) for p in range(processes)]


SGD = dict(optim="sgd", learning_rate=1., max_grad_norm=1e9)       # a gradient of another size shows in the weights


@pytest.fixture(scope="module")
def whole(models, tmp_path_factory):
    "A run of one process: its folder, what it saw, its last weights"
    out = tmp_path_factory.mktemp("whole")
    return (out, *train(models, out, "static", **SGD)[0])


def test_a_resumed_run_ends_like_a_whole_one(models, tmp_path):
    "With dropout and AdamW; stopped after the second step of the second epoch"
    (whole, weights), = train(models, tmp_path, "transformer")
    (rest, again), = train(models, tmp_path, "transformer", "resumed", resume=str(tmp_path/"checkpoint-6"))
    assert rest["texts"] == whole["texts"][12:] and rest["losses"] == whole["losses"][6:] and np.array_equal(again, weights)


def test_two_processes_are_one(models, whole, tmp_path):
    _, one, weights = whole
    (a, wa), (b, wb) = train(models, tmp_path, "static", processes=2, **SGD)
    assert np.array_equal(wa, wb)
    s = BatchSampler(atlas("test", ["de", "en", "tr"]), "hybrid", 64, seed=3)
    assert one["texts"] == [t for i in range(8) for t in (s[i].queries(), s[i].passages())] and {s[i].kind for i in range(8)} == {"mono", "cross"}
    assert [x + y for x, y in zip(a["texts"], b["texts"])] == one["texts"]   # each has its half of the step, so the step is of one kind, and a mono step of one language
    assert np.allclose(np.mean([a["losses"], b["losses"]], 0), one["losses"], atol=1e-5) and np.allclose(wa, weights, atol=1e-5)
    rest = train(models, tmp_path, "static", "resumed", processes=2, resume=str(tmp_path/"checkpoint-6"), **SGD)
    for (r, w), (before, w0) in zip(rest, ((a, wa), (b, wb))): assert r["texts"] == before["texts"][12:] and r["losses"] == before["losses"][6:] and np.array_equal(w, w0)


@pytest.mark.parametrize("how", [dict(dataloader_num_workers=3), dict(dataloader_num_workers=1, spawn=True, dataloader_persistent_workers=True)])
def test_workers_change_nothing(models, whole, tmp_path, how):
    (other, weights), = train(models, tmp_path, "static", save_strategy="no", **how, **SGD)
    assert other["losses"] == whole[1]["losses"] and np.array_equal(weights, whole[2])


def test_checkpoints_hold_no_texts(whole):
    assert (whole[0]/"checkpoint-8"/"training_args.bin").stat().st_size < 20_000


def test_split_batches_is_refused(models, tmp_path):
    for p in forked.ranks(2, RUN, tmp_path, models/"static", "whole", json.dumps(dict(accelerator_config=dict(split_batches=True)))): assert p.returncode and "DataError: split_batches=True cuts each batch a second time" in p.err


def test_batch_size_of_several_processes(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    corpus = atlas("test", ["en"])
    with pytest.raises(DataError, match=r"the trainer's batch has 64 rows in each of 2 processes, and the sampler's has 64; set per_device_train_batch_size \(for an eval_dataset, per_device_eval_batch_size\) to 32"): policy_batches(policy_dataset(BatchSampler(corpus, "en-en", 64)), 64)
    with pytest.raises(DataError, match="make the sampler's a multiple of 2"): policy_batches(policy_dataset(BatchSampler(corpus, "en-en", 9)), 4)
    assert [len(keys) for keys in policy_batches(policy_dataset(BatchSampler(corpus, "en-en", 64)), 32)] == [32]*(2*(len(corpus)//64))


def test_any_policy_any_number_of_processes():
    "The parts that accelerate deals are the sampler's batch, also when the first steps of a later epoch are skipped"
    rng = np.random.default_rng(0)
    for trial in range(40):
        ls, negatives = list("abcd"[:rng.integers(2, 5)]), int(rng.integers(0, 3))
        def texts(what, i, some): return {"x" + l: f"{l} {what}{i}" for l in some}
        rows = [dict(id=i, query=texts("q", i, ls), positive=texts("p", i//2, ls), negatives=[texts(f"n{k}", i, ls) for k in range(negatives)]) for i in range(60)]
        n, per = int(rng.integers(1, 4)), int(rng.integers(1, 5))
        policy = [p for p in POLICIES if p != "en-en"][trial % 4]
        s = BatchSampler([ParallelCorpus.from_rows(rows, "a"), ParallelCorpus.from_rows([{**r, "id": -1 - r["id"]} for r in rows[:30]], "b")], policy, n*per, seed=trial)
        dataset, epoch, skip = policy_dataset(s), int(rng.integers(0, 3)), int(rng.integers(0, len(s)))
        dataset.set_epoch(epoch)
        dealt = [list(SkipBatchSampler(BatchSamplerShard(_PolicyBatches(dataset, per), n, p, even_batches=False), skip)) for p in range(n)]
        assert {len(d) for d in dealt} == {len(s) - skip}
        for i, parts in enumerate(zip(*dealt)):
            b = s[epoch*len(s) + skip + i]
            got = [r for keys in parts for r in dataset.__getitems__(keys)]
            assert [r["query"] for r in got] == b.queries()
            assert sorted(t for r in got for c, t in r.items() if c != "query") == sorted(b.passages()) and [r["positive"] for r in got] == b.passages()[:n*per]
            assert [[r[f"negative_{k + 1}"] for k in range(negatives)] for r in got] == [b.passages()[n*per + j*negatives:n*per + (j + 1)*negatives] for j in range(n*per)]


def test_without_the_package_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r'pip install "hybrid_lit\[trainer\]"'): _dataset_class.__wrapped__()
