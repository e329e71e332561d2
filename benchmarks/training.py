"""Training speed against SentenceTransformerTrainer: same model, same batches, same precision, each in a process of its own, in turn. Prints JSON.

    HYBRID_LIT_DATA=folder python benchmarks/training.py [--rounds 3] [--steps 6] [--batch-size 100] [--out FILE]

Model: the shape of MiniLM-L6 on a CPU, of XLM-R base on a GPU, with random weights from a config and no dropout, so that both make the
same losses; a word-piece tokenizer trained on the texts. Data: SQuAD v1.1's questions and paragraphs, one question of each paragraph (the
trainer knows no mask for equal passages), in the same order for both. Loss: InfoNCE at temperature 0.05. AdamW, learning rate 1e-4 under the same schedule,
gradients clipped to 1, float32 on a CPU, bfloat16 on a GPU.

Time runs from the end of the first step (which warms up allocators and kernels) to that of the last; tokenising is part of it, though ours, in a thread, is a batch or two ahead by then. The trainer pads as
it does by default, to the longest of its column, and most of the difference is that. Memory is the process's peak resident
memory, on a GPU the peak that PyTorch allocated. `pairs_per_second_ratio` is ours/theirs, the median over rounds. `padding` is the share of
places that hold no token. `max_loss_difference` is over all steps. On a GPU `mfu` is ours.
--small shrinks everything, to see that the script runs; its ratios mean nothing.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

RATE, TEMPERATURE = 1e-4, 0.05


def shape(small):
    import torch
    if small: return dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    if torch.cuda.is_available(): return dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
    return dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)


def corpus(rows):
    "The first question of each of SQuAD's paragraphs"
    import numpy as np
    from hybrid_lit.corpus import ParallelCorpus
    from hybrid_lit.files import find_file
    from hybrid_lit.sources import data_folder
    c = ParallelCorpus.from_squad({"en": find_file(data_folder(name="squad-v1.1-en"), "train-v1.1.json")}, "squad")
    _, first = np.unique(c.passages.classes[c.rows[:, 1]], return_index=True)
    return c.select(np.sort(first)[:rows])


def make(folder, c, small):
    "The model's folder"
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    texts = [x for texts, items in zip((c.queries, c.passages), c.used()) for x in texts.pool[0].take(texts.distinct(items, 0)[0]).to_pylist()]
    t.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=30_522, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    fast = PreTrainedTokenizerFast(tokenizer_object=t, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", model_max_length=512)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=30_522, hidden_dropout_prob=0., attention_probs_dropout_prob=0., **shape(small))).save_pretrained(folder/"bert")
    fast.save_pretrained(folder/"bert")
    SentenceTransformer(modules=[Transformer(str(folder/"bert")), Pooling(shape(small)["hidden_size"])], device="cpu").save(str(folder/"model"))


def schedule(steps): return lambda k: min(k + 1, (steps - k)/max(1, steps - 1))     # `train`'s, with a warm-up of one step


def memory():
    import resource, torch
    if torch.cuda.is_available(): return torch.cuda.max_memory_allocated()/2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024


def clock():
    "A list that gets the time after each optimiser step, the same for both"
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook
    stamps = []
    def stamp(*_):
        if torch.cuda.is_available(): torch.cuda.synchronize()
        stamps.append(time.perf_counter())
    register_optimizer_step_post_hook(stamp)
    return stamps


def ours(folder, c, steps, batch_size):
    from sentence_transformers import SentenceTransformer
    from hybrid_lit.samplers import BatchSampler
    from hybrid_lit.training import train
    encoder = SentenceTransformer(str(folder/"model"))
    stamps = clock()
    log = train(encoder, BatchSampler(c, "en-en", batch_size, seed=0), steps, learning_rate=RATE, temperature=TEMPERATURE, warmup=0, weight_decay=0, progress=False)
    return dict(loss=log.loss.tolist(), pairs_per_second=batch_size*(steps - 1)/(stamps[-1] - stamps[0]), padding=float(log.padding.mean()), peak_mb=memory(), mfu=None if log.mfu.isna().all() else float(log.mfu.iloc[-1]))


def theirs(folder, c, steps, batch_size):
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from hybrid_lit.samplers import BatchSampler
    sampler = BatchSampler(c, "en-en", batch_size, seed=0)
    batches = [sampler[s] for s in range(steps)]
    assert not any(b.same_passage().any() for b in batches)
    data = Dataset.from_dict(dict(anchor=[t for b in batches for t in b.queries()], positive=[t for b in batches for t in b.passages()]))

    class InOrder(DefaultBatchSampler):
        def __iter__(self): return (list(range(s*batch_size, (s + 1)*batch_size)) for s in range(steps))

    real = places = 0
    class Counting(MultipleNegativesRankingLoss):
        def forward(self, features, labels):
            nonlocal real, places
            for f in features: real, places = real + int(f["attention_mask"].sum()), places + f["attention_mask"].numel()
            return super().forward(features, labels)

    model = SentenceTransformer(str(folder/"model"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0., fused=True)
    args = SentenceTransformerTrainingArguments(output_dir=str(folder/"trainer"), max_steps=steps, per_device_train_batch_size=batch_size, batch_sampler=InOrder, bf16=torch.cuda.is_available(), logging_steps=1, save_strategy="no", report_to="none",
                                                disable_tqdm=True, max_grad_norm=1.0)
    trainer = SentenceTransformerTrainer(model, args, train_dataset=data, loss=Counting(model, scale=1/TEMPERATURE), optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(steps))))
    stamps = clock()
    trainer.train()
    return dict(loss=[float(l["loss"]) for l in trainer.state.log_history if "loss" in l], pairs_per_second=batch_size*(steps - 1)/(stamps[-1] - stamps[0]), padding=1 - real/places, peak_mb=memory())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--batch-size", type=int, default=100)
    p.add_argument("--small", action="store_true")
    p.add_argument("--out")
    p.add_argument("--one", nargs=2)
    a = p.parse_args()
    if a.small: a.batch_size, a.steps, a.rounds = 16, 3, 1
    rows = max(4000, a.steps*a.batch_size) if not a.small else 200
    if a.one:
        print(json.dumps(dict(ours=ours, theirs=theirs)[a.one[0]](Path(a.one[1]), corpus(rows), a.steps, a.batch_size)), file=sys.__stdout__)
        return
    import torch, sentence_transformers, transformers
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    found = dict(ours=[], theirs=[])
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), corpus(rows), a.small)
        for r in range(a.rounds):
            for who in ("ours", "theirs") if r % 2 == 0 else ("theirs", "ours"):
                out = subprocess.run([sys.executable, __file__, "--steps", str(a.steps), "--batch-size", str(a.batch_size), *(["--small"] if a.small else []), "--one", who, folder], capture_output=True, text=True, env=env)
                if out.returncode: sys.exit(out.stderr)
                found[who].append(json.loads(out.stdout.splitlines()[-1]))
                print(f"round {r + 1}, {who}: {found[who][-1]['pairs_per_second']:.1f} pairs/s", file=sys.stderr)
    median = lambda who, key: statistics.median(f[key] for f in found[who])
    result = dict(device=torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores", precision="bf16" if torch.cuda.is_available() else "float32", shape=shape(a.small), batch_size=a.batch_size, steps=a.steps, rounds=a.rounds,
                  versions=dict(torch=torch.__version__, sentence_transformers=sentence_transformers.__version__, transformers=transformers.__version__),
                  pairs_per_second_ratio=statistics.median(o["pairs_per_second"]/t["pairs_per_second"] for o, t in zip(found["ours"], found["theirs"])),
                  ratios=[o["pairs_per_second"]/t["pairs_per_second"] for o, t in zip(found["ours"], found["theirs"])],
                  pairs_per_second={w: median(w, "pairs_per_second") for w in found}, padding={w: median(w, "padding") for w in found}, peak_mb={w: median(w, "peak_mb") for w in found},
                  max_loss_difference=max(abs(x - y) for o, t in zip(found["ours"], found["theirs"]) for x, y in zip(o["loss"], t["loss"])), loss={w: found[w][0]["loss"] for w in found}, mfu=found["ours"][0]["mfu"])
    text = json.dumps(result, indent=1)
    print(text)
    if a.out: Path(a.out).write_text(text + "\n")


if __name__ == "__main__": main()
