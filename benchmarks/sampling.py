"""Sampling from 40,000,000 rows in 7 languages, and building a corpus from mMARCO-like files. Prints JSON.

    python benchmarks/sampling.py [--small] [--out FILE]

The corpus is synthetic and on disk, in a temporary folder: rows of (query, positive, negative) drawn at random among 500,000 queries
and 8,800,000 passages, about mMARCO's numbers, with their masks; the texts, which no draw looks at, are one text per language. Once
all rows have all languages; once every tenth query lacks one language, so that a tenth of the rows does. Each policy and batch size runs in a process of its
own, with the corpus memory-mapped and its files in the page cache.

`draws_per_second`: rows with their languages, by `sampler[step]` for consecutive steps; texts are not fetched. The median of 5 rounds, by the clock; `draws_per_cpu_second`
divides by the processor time instead, which other work on the machine disturbs less.
`any_step_ms`: `sampler[step]` for 1,000 random steps of epochs 0 to 1,000,000, none of which was asked before; median, 99th percentile and worst.
`added_anonymous_mb`: memory of the process's own (RssAnon) that the sampler holds after all that; `peak_anonymous_mb`: the most at any time while it was made
(looked at every 2 ms). `added_rss_mb` is the growth of all resident memory: it includes pages of the corpus's files, which the system takes back when it needs them.
`build`: `mmarco` on files like mMARCO's, passages of about 350 bytes, all different: `million_triples` has 1,000,000 triples over 200,000 passages and 50,000 queries in
7 languages. `full_scale_one_language` has all of mMARCO's numbers in one language: memory is needed for one language at a time, so its peak is that of seven;
`full_scale_seven_languages_seconds` is an estimate from its parts: the triples once, the texts seven times.
"""
import argparse, json, os, platform, random, statistics, subprocess, sys, tempfile, threading, time
from pathlib import Path

LANGUAGES = ["ar", "de", "en", "es", "hi", "ru", "zh"]


def status(key):
    with open("/proc/self/status") as f: return next(int(line.split()[1])/1024 for line in f if line.startswith(key + ":"))


class Peak:
    "The most anonymous memory that the process had during a block, in MB"
    def __enter__(self):
        self.value, self.done = status("RssAnon"), threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True); self.thread.start()
        return self
    def watch(self):
        while not self.done.wait(.002): self.value = max(self.value, status("RssAnon"))
    def __exit__(self, *_): self.done.set(); self.thread.join(); self.value = max(self.value, status("RssAnon"))


def make_corpus(folder, n, n_queries, n_passages, lacking):
    "The files of a corpus as `ParallelCorpus` opens them"
    import numpy as np, pyarrow as pa
    from hybrid_lit.corpus import _TEXT
    folder.mkdir()
    rng = np.random.default_rng(0)
    for kind, items in (("queries", n_queries), ("passages", n_passages)):
        mask = np.full(items, (1 << len(LANGUAGES)) - 1, np.uint64)
        if kind == "queries" and lacking: mask[rng.permutation(items)[:items//10]] ^= np.uint64(1) << rng.integers(0, len(LANGUAGES), items//10).astype(np.uint64)
        np.save(folder/f"{kind}.mask.npy", mask)
        np.save(folder/f"{kind}.classes.npy", np.arange(items, dtype=np.int32))
        for name in ("ids", *LANGUAGES):
            with pa.ipc.new_stream(str(folder/f"{kind}.{name}.arrow"), _TEXT) as f: f.write_table(pa.table([pa.array(["a text"], pa.large_string())], schema=_TEXT))
        for b, l in enumerate(LANGUAGES): np.save(folder/f"{kind}.{l}.npy", np.where(mask >> np.uint64(b) & np.uint64(1) == 1, 0, -1).astype(np.int32))
    rows = np.lib.format.open_memmap(folder/"rows.npy", "w+", np.int32, (n, 3))
    for s in range(0, n, 1 << 20):
        m = min(n - s, 1 << 20)
        rows[s:s + m, 0], rows[s:s + m, 1:] = rng.integers(0, n_queries, m), rng.integers(0, n_passages, (m, 2))
    rows.flush()
    (folder/"corpus.json").write_text(json.dumps(dict(format=1, name="synthetic", languages=LANGUAGES, rows=n, queries=n_queries, passages=n_passages)))


def sample(folder, policy, batch, seconds):
    from hybrid_lit.corpus import ParallelCorpus
    from hybrid_lit.samplers import BatchSampler
    BatchSampler(ParallelCorpus.from_rows([dict(id=i, query={l: "q" for l in LANGUAGES}, positive={l: f"{i}" for l in LANGUAGES}) for i in range(100)]), policy, 10)[0] # imports and first calls
    corpus = ParallelCorpus(folder)
    anonymous, rss = status("RssAnon"), status("VmRSS")
    with Peak() as peak:
        start = time.perf_counter()
        sampler = BatchSampler(corpus, policy, batch, seed=1)
        made = time.perf_counter() - start
    rng, times = random.Random(0), []
    for _ in range(1000):
        step = rng.randrange(1_000_000)*sampler.steps + rng.randrange(sampler.steps)
        start = time.perf_counter(); sampler[step]; times.append(time.perf_counter() - start)
    speeds, cpu, step = [], [], 0
    for _ in range(5):
        first, start, used = step, time.perf_counter(), time.process_time()
        while (t := time.perf_counter() - start) < seconds: sampler[step]; step += 1
        speeds.append((step - first)*batch/t); cpu.append((step - first)*batch/(time.process_time() - used))
    return dict(policy=policy, batch_size=batch, draws_per_second=round(statistics.median(speeds)), slowest_round=round(min(speeds)), draws_per_cpu_second=round(statistics.median(cpu)), any_step_ms=dict(median=round(statistics.median(times)*1e3, 3), p99=round(sorted(times)[989]*1e3, 3), worst=round(max(times)*1e3, 3)),
                made_in_seconds=round(made, 2), added_anonymous_mb=round(status("RssAnon") - anonymous, 1), peak_anonymous_mb=round(peak.value - anonymous, 1), added_rss_mb=round(status("VmRSS") - rss, 1))


def make_files(folder, languages, triples, passages, queries):
    import numpy as np, pyarrow as pa, pyarrow.csv
    from hybrid_lit.mmarco import MMARCO
    (folder/"data/google/collections").mkdir(parents=True); (folder/"data/google/queries/train").mkdir(parents=True)
    noise, rng = "".join(random.Random(0).choices("etaoin shrdlu", k=1_000_000)), np.random.default_rng(0)
    for l in languages:
        with open(folder/f"data/google/collections/{MMARCO[l]}_collection.tsv", "w") as f: f.writelines(f"{i}\t{l} {i} {noise[i % 999_000:i % 999_000 + 335]}\n" for i in range(passages))
        with open(folder/f"data/google/queries/train/{MMARCO[l]}_queries.train.tsv", "w") as f: f.writelines(f"{i}\t{l} {i} {noise[i % 999_000:i % 999_000 + 30]}\n" for i in range(queries))
    with open(folder/"data/triples.train.ids.small.tsv", "wb") as f:
        for s in range(0, triples, 1 << 20):
            n = min(triples - s, 1 << 20)
            pa.csv.write_csv(pa.table(dict(q=rng.integers(0, queries, n), p=rng.integers(0, passages, n), n=rng.integers(0, passages, n))), f, pa.csv.WriteOptions(include_header=False, delimiter="\t"))


def build(folder, languages):
    from hybrid_lit import mmarco as module
    starts, blocks = [], module._blocks
    def timed(path, *rest): # when each file is begun
        starts.append((path.name, time.perf_counter()))
        yield from blocks(path, *rest)
    module._blocks, rss, anonymous = timed, status("VmRSS"), status("RssAnon")
    with Peak() as peak:
        start = time.perf_counter()
        corpus = module.mmarco(folder/"mmarco", languages, to=folder/"corpus")
        end = time.perf_counter()
    parts = dict(triples=0, queries=0, passages=0)
    for (name, t), (_, after) in zip(starts, [*starts[1:], ("", end)]): parts[next(k for k, s in dict(triples="triples", queries="_queries", passages="_collection").items() if s in name)] += after - t
    return dict(languages=len(languages), rows=len(corpus), passages=len(corpus.passages), queries=len(corpus.queries), seconds=round(end - start, 2), parts={k: round(v, 2) for k, v in parts.items()},
                peak_rss_mb=round(status("VmHWM")), before_rss_mb=round(rss), growth_anonymous_mb=round(peak.value - anonymous))


def worker(*arguments):
    done = subprocess.run([sys.executable, __file__, "--worker", json.dumps(arguments)], capture_output=True, text=True)
    if done.returncode: sys.exit(f"{arguments} failed:\n{done.stderr}")
    print(arguments[0], done.stdout.strip(), file=sys.stderr)
    return json.loads(done.stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--small", action="store_true", help="shrink everything, to see that it runs")
    p.add_argument("--out", help="also write the JSON here")
    p.add_argument("--worker", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.worker:
        what, folder, *rest = json.loads(args.worker)
        print(json.dumps(dict(sample=sample, build=build)[what](Path(folder), *rest)))
        return
    shrink = 100 if args.small else 1
    n, out = 40_000_000//shrink, {}
    for name, lacking in (("all_rows_have_all_languages", False), ("a_tenth_of_the_rows_lacks_a_language", True)):
        with tempfile.TemporaryDirectory(prefix="hybrid_lit-") as d:
            make_corpus(Path(d)/"corpus", n, 500_000//shrink, 8_800_000//shrink, lacking)
            out[name] = [worker("sample", f"{d}/corpus", policy, batch, .6/shrink) for policy in ("x-x-mono", "x-y", "hybrid") for batch in (100, 1000)]
    def built(languages, *numbers):
        with tempfile.TemporaryDirectory(prefix="hybrid_lit-") as d:
            make_files(Path(d)/"mmarco", languages, *(x//shrink for x in numbers))
            return worker("build", d, languages)
    million, full = built(LANGUAGES, 1_000_000, 200_000, 50_000), built(["en"], 39_780_811, 8_841_823, 808_731)
    import numpy as np
    result = dict(device=f"CPU, {os.cpu_count()} cores", versions=dict(python=platform.python_version(), numpy=np.__version__), rows=n, languages=len(LANGUAGES), **out, build=dict(million_triples=million, full_scale_one_language=full,
                  full_scale_seven_languages_seconds=round(full["parts"]["triples"] + 7*(full["parts"]["queries"] + full["parts"]["passages"]))), small=args.small)
    text = json.dumps(result, indent=1)
    print(text)
    if args.out: Path(args.out).write_text(text + "\n")


if __name__ == "__main__": main()
