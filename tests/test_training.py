"Faults while training: a full disk, kills, SIGTERM; several processes; compiled, tracked."
import json, os, random, shutil, signal, subprocess, sys, time
from pathlib import Path
import numpy as np, pandas as pd, pytest
from sentence_transformers import SentenceTransformer
import forked, training_runs as runs
from hybrid_lit.atlas import atlas
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.files import DataError, read_json
from hybrid_lit.samplers import BatchSampler
from hybrid_lit.study import records, run_study
from hybrid_lit.training import save_encoder, static_encoder, static_tokenizer

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

FULL = """
import resource, sys
from sentence_transformers import SentenceTransformer
from hybrid_lit.files import DataError
from hybrid_lit.training import save_encoder
encoder = SentenceTransformer(sys.argv[1], device="cpu")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # no file may grow past 100 kB, as on a full disk
try: save_encoder(encoder, sys.argv[1], {"try": 2})
except DataError as e: print(e)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX's")
def test_full_disk_keeps_the_old_model(tmp_path):
    corpus = atlas("test", ["en"])
    save_encoder(static_encoder(static_tokenizer([corpus], 1000), [corpus], dim=64), tmp_path/"m", {"try": 1})
    before = (tmp_path/"m"/"model.safetensors").read_bytes()
    assert len(before) > 100_000
    r = forked.run(FULL, tmp_path/"m")
    assert "could not be written" in r.out, r.err
    assert read_json(tmp_path/"m"/"run.json")["try"] == 1 and (tmp_path/"m"/"model.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


STUDY = """
import sys
from hybrid_lit.atlas import atlas
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.study import run_study
print("ready", flush=True)
run_study(sys.argv[1], atlas("train", ["de", "en"]), Benchmark.from_corpus(atlas("test", ["de", "en"])), steps=4, seeds=(0, 1), progress=False)
"""


def test_killed_study_goes_on_and_ends_the_same(tmp_path):
    corpus, benchmark = atlas("train", ["de", "en"]), Benchmark.from_corpus(atlas("test", ["de", "en"]))
    start = time.perf_counter()
    whole = run_study(tmp_path/"whole", corpus, benchmark, steps=4, seeds=(0, 1), progress=False)
    rng, takes, kills = random.Random(0), time.perf_counter() - start, 0
    for trial in range(3):
        p = forked.python(STUDY, tmp_path/"killed")
        assert p.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(.1, .4)*takes)
        p.send_signal(signal.SIGKILL)
        kills += p.wait() == -signal.SIGKILL
        for run in (tmp_path/"killed").glob("[!.]*"):  # a run folder is whole, or not there
            if run.is_dir(): assert sorted(f.name for f in run.iterdir()) == ["metrics.json", "mteb.json", "ranks.parquet", "run.json", "top.parquet"]
    assert kills >= 2, "it was not cut off in the middle"
    after = run_study(tmp_path/"killed", corpus, benchmark, steps=4, seeds=(0, 1), progress=False)
    assert records(after) == records(whole)
    for run in sorted((tmp_path/"whole").glob("*-seed*")):
        assert pd.read_parquet(run/"ranks.parquet").equals(pd.read_parquet(tmp_path/"killed"/run.name/"ranks.parquet"))


# ---- a run that is cut off

RUN = "import json, sys, training_runs; from pathlib import Path; training_runs.run(sys.argv[1], Path(sys.argv[2]), **json.loads(sys.argv[3]))"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    runs.make_model(folder)
    return folder/"model"


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    "A run that nobody disturbed"
    out = tmp_path_factory.mktemp("whole")/"m"
    runs.run(model, out)
    return out


def same(a, b):
    "Model and log of two runs, clock times apart"
    assert (a/"model.safetensors").read_bytes() == (b/"model.safetensors").read_bytes()
    steady = ["step", "kind", "loss", "learning_rate", "gradient_norm", "padding", "validation_loss"]
    logs = [pd.read_json(p.with_name(f"{p.name}.log.jsonl"), lines=True)[steady] for p in (a, b)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)


def test_another_seed_is_another_run(model, whole, tmp_path):
    "so that equal bytes mean something"
    runs.run(model, tmp_path/"m", warmup=.2)
    assert (tmp_path/"m"/"model.safetensors").read_bytes() != (whole/"model.safetensors").read_bytes()


def test_killed_at_twenty_moments(model, whole, tmp_path):
    rng, kills, rounds, steps, done = random.Random(1), 0, 0, [], False
    while kills < 20 or not done:
        out = tmp_path/f"m{rounds}"
        log, folder = out.with_name(f"{out.name}.log.jsonl"), out.with_name(f"{out.name}.checkpoints")
        before, first = log.exists() and log.stat().st_mtime_ns, max((int(c.name[5:]) for c in folder.glob("step-*")), default=0)
        p = forked.python(RUN, model, out, "{}")
        while p.poll() is None and kills < 20 and not (log.exists() and log.stat().st_mtime_ns != before and log.read_bytes().count(b"\n") > first): time.sleep(.002)    # until it trains
        if kills < 20 and p.poll() is None:
            time.sleep(rng.uniform(0, .8))
            p.kill()
        p.wait(120)
        if p.returncode == -signal.SIGKILL:
            kills += 1
            steps.append(log.read_bytes().count(b"\n"))
            for c in (tmp_path/f"m{rounds}.checkpoints").glob("step-*"): assert read_json(c/"state.json")["step"] == int(c.name[5:])
        else:
            assert p.returncode == 0, p.stderr.read()
            same(out, whole)
            rounds += 1
        done = p.returncode == 0
    print(f"killed {kills} times, at steps {steps}")
    assert kills == 20 and len(set(steps)) > 5


def training(model, folder, steps):
    "The command line's arguments, but for OUT"
    (folder/"rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in runs.rows()))
    return ["train", "--corpus", folder/"rows.jsonl", "--start", model, "--policy", "hybrid", "--steps", steps, "--batch-size", 24, "--quiet", "--out"]


def test_sigterm_writes_a_checkpoint(model, tmp_path):
    command = training(model, tmp_path, 80)
    p = forked.python(forked.CLI, *command, tmp_path/"m")
    log = tmp_path/"m.log.jsonl"
    while not (log.exists() and len(log.read_text().splitlines()) > 5):
        assert p.poll() is None, p.stderr.read()
        time.sleep(.002)
    p.terminate()
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0 and "as asked" in out and "the same command goes on from there" in out, (p.returncode, out, err)
    assert not (tmp_path/"m").exists() and len(list((tmp_path/"m.checkpoints").glob("step-*"))) == 1
    p = forked.run(forked.CLI, *command, tmp_path/"m")
    assert p.returncode == 0 and "going on from step" in p.out, p.err
    p = forked.run(forked.CLI, *command, tmp_path/"n")
    assert p.returncode == 0 and "going on from step" not in p.out, p.err
    same(tmp_path/"m", tmp_path/"n")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["m", "m.log.jsonl", "n", "n.log.jsonl", "rows.jsonl"]


# ---- several processes

def launched(model, out, torchrun=False, **kw):
    "What two processes give; one test starts them with torchrun itself, the others with the variables that it sets"
    if torchrun:
        r = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", runs.__file__, str(model), str(out), json.dumps(kw)], capture_output=True, text=True, env=ENV, timeout=300)
        assert r.returncode == 0, r.stderr[-3000:]
    else:
        for p in forked.ranks(2, "import training_runs; training_runs.part()", model, out, json.dumps(kw)): assert p.returncode == 0, p.err[-3000:]
    from safetensors.torch import load_file
    both = [json.loads(out.with_name(f"{out.name}.process{i}.json").read_text()) for i in range(2)]
    weights = [load_file(out.with_name(f"{out.name}.process{i}.safetensors")) for i in range(2)]
    assert [b["processes"] for b in both] == [2, 2]                                     # two really ran
    assert all((weights[0][k] == weights[1][k]).all() for k in weights[0]) and both[0]["loss"] == both[1]["loss"]
    return both[0], weights[0]


@pytest.mark.parametrize("kw", [dict(), dict(negatives=True, grad_cache=True, variance_penalty=2.)], ids=["plain", "hard negatives, cached, penalty"])
def test_two_processes_give_what_one_gives(tmp_path, kw):
    runs.make_model(tmp_path, dropout=0.)
    kw = dict(double=True, steps=20, **kw)
    encoder, log = runs.run(tmp_path/"model", tmp_path/"one", **kw)
    two, weights = launched(tmp_path/"model", tmp_path/"two", torchrun="negatives" not in kw, **kw)
    np.testing.assert_allclose(two["loss"], log.loss, rtol=1e-9)
    np.testing.assert_allclose(two["norm"], log.gradient_norm, rtol=1e-7)
    np.testing.assert_allclose(two["validation"], log.validation_loss.dropna(), rtol=1e-9)
    start = SentenceTransformer(str(tmp_path/"model"), device="cpu").double().state_dict()
    for name, w in encoder.state_dict().items():
        if not w.is_floating_point() or w.equal(start[name]): continue
        moved = (w - start[name]).norm()
        assert (weights[name] - w).norm() < 1e-5*moved + 1e-12, name                            # Adam makes much of gradients that are all but zero
    assert json.loads((tmp_path/"two"/"run.json").read_text())["training"]["processes"] == 2


def test_two_processes_share_one_language_decision(tmp_path, model):
    "Both see batches of the same kind, and dropout on top"
    both, _ = launched(model, tmp_path/"m", steps=6)
    assert np.isfinite(both["loss"]).all()
    kinds = pd.read_json(tmp_path/"m.log.jsonl", lines=True).kind
    corpus = ParallelCorpus.from_rows(runs.rows(), "made up")
    assert kinds.tolist() == [BatchSampler(corpus, "hybrid", 24, seed=3)[i].kind for i in range(6)]


def test_two_processes_cut_off_and_gone_on_with(tmp_path, model):
    "in two, then in one"
    script = "import sys, json, training_runs as r, hybrid_lit.training as t\nfrom pathlib import Path\nw = t.write_checkpoint\ndef stop(folder, step, *a):\n    w(folder, step, *a)\n    if step == 9: raise RuntimeError('power cut')\nt.write_checkpoint = stop\nr.run(sys.argv[1], Path(sys.argv[2]), steps=20)"
    ps = forked.ranks(2, script, model, tmp_path/"m")
    assert all(p.returncode for p in ps) and any("power cut" in p.err for p in ps)
    assert read_json(sorted((tmp_path/"m.checkpoints").glob("step-*"))[-1]/"state.json")["step"] == 9
    _, log = runs.run(model, tmp_path/"m", steps=20)
    assert log.step.tolist() == list(range(1, 21))


# ---- other ways

def test_compiled_is_the_same(tmp_path):
    if not shutil.which("g++"): pytest.skip("torch.compile needs g++ on a CPU, which is not here")
    runs.make_model(tmp_path, dropout=0.)
    kw = dict(steps=3, validation=None)
    (_, a), (_, b) = runs.run(tmp_path/"model", None, **kw), runs.run(tmp_path/"model", None, compile=True, **kw)
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-4)


def test_tensorboard(model, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    _, log = runs.run(model, tmp_path/"m", steps=5, validation=None, trackers=["tensorboard"])
    (events,) = (tmp_path/"m.trackers").rglob("events.out.tfevents.*.0")
    e = EventAccumulator(str(events.parent)); e.Reload()
    assert [s.value for s in e.Scalars("loss")] == pytest.approx(log.loss.tolist())


def test_the_log_is_json_lines(whole):
    lines = [json.loads(x) for x in whole.with_name("m.log.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines] == list(range(1, len(lines) + 1)) and lines[0]["validation_loss"] is None and lines[6]["validation_loss"] > 0


def test_long_texts_are_cut_and_counted(model, tmp_path):
    with pytest.warns(UserWarning, match=r"of [\d,]+ texts tokenised were longer than the model's 32 tokens and were cut"): runs.run(model, None, steps=3, validation=None)


def test_sigterm_to_a_launcher(tmp_path, model):
    "torchrun passes it on, and both processes agree on the step"
    script = "import sys, training_runs as r\nfrom pathlib import Path\nr.run(sys.argv[1], Path(sys.argv[2]), steps=2000, checkpoint_every=5000, validation=None)"
    (tmp_path/"long.py").write_text(script)
    p = subprocess.Popen([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(tmp_path/"long.py"), str(model), str(tmp_path/"m")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env={**ENV, "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ENV.get('PYTHONPATH', '')}"})
    log = tmp_path/"m.log.jsonl"
    while not (log.exists() and len(log.read_bytes().splitlines()) > 5):
        assert p.poll() is None, p.stderr.read()[-3000:]
        time.sleep(.05)
    p.terminate()
    out, err = p.communicate(timeout=120)
    assert out.count("as asked") == 1, (out, err[-3000:])
    step = read_json(next((tmp_path/"m.checkpoints").glob("step-*"))/"state.json")["step"]
    assert step == len(log.read_bytes().splitlines())


# ---- what stands in the way

def test_a_complete_run_is_kept(model, tmp_path):
    kw = dict(steps=14)
    _, log = runs.run(model, tmp_path/"m", **kw)
    before = {p: p.read_bytes() for p in (*(tmp_path/"m").rglob("*.safetensors"), tmp_path/"m.log.jsonl", tmp_path/"m"/"run.json")}
    encoder, again = runs.run(model, tmp_path/"m", **kw)
    assert {p: p.read_bytes() for p in before} == before and again.attrs == log.attrs
    pd.testing.assert_frame_equal(again, log)
    assert encoder.encode("ba da").tolist() == SentenceTransformer(str(tmp_path/"m"), device="cpu").encode("ba da").tolist()
    (tmp_path/"m.checkpoints"/"step-000000003").mkdir(parents=True)                    # a kill while checkpoints were being deleted
    (tmp_path/"m.log.jsonl").unlink()
    _, log = runs.run(model, tmp_path/"m", **kw)
    assert log.empty and not (tmp_path/"m.checkpoints").exists()


def test_the_model_comes_back(model, tmp_path, monkeypatch):
    "OUT was moved away while a run was stopped, and nothing improves after"
    import hybrid_lit.training as t
    write = t.write_checkpoint
    def stop(folder, step, *a):
        write(folder, step, *a)
        if step == 12: raise RuntimeError("power cut")
    bad = dict(steps=20, learning_rate=1., validate_every=2)                           # the start stays the best
    with monkeypatch.context() as m, pytest.raises(RuntimeError):
        m.setattr(t, "write_checkpoint", stop)
        runs.run(model, tmp_path/"m", **bad)
    shutil.rmtree(tmp_path/"m", ignore_errors=True)
    (tmp_path/".m.new-0123abcd").mkdir()                                              # of a kill in the middle of writing
    encoder, _ = runs.run(model, tmp_path/"m", **bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "m.log.jsonl"] and read_json(tmp_path/"m"/"run.json")["training"]["finished"]
    assert (encoder.encode("ba") == SentenceTransformer(str(tmp_path/"m"), device="cpu").encode("ba")).all()


@pytest.mark.parametrize("place", ["notes in the model", "a log of something else", "somebody's model"])
def test_nobody_elses_files_are_deleted(model, tmp_path, place):
    out = tmp_path/"m"
    if place == "notes in the model":
        runs.run(model, out, steps=2)
        (out/"notes.txt").write_text("mine")
        expected, kept = "holds notes.txt, which training did not write", out/"notes.txt"
    elif place == "somebody's model":
        shutil.copytree(model, out)
        expected, kept = "no run.json among them", out/"model.safetensors"
    else:
        (tmp_path/"m.log.jsonl").write_text('{"a": 1}\n')
        expected, kept = "is no log of training", tmp_path/"m.log.jsonl"
    before = kept.read_bytes()
    with pytest.raises(DataError, match=expected): runs.run(model, out, steps=3)
    assert kept.read_bytes() == before


def test_others_checkpoints_folder_keeps_what_is_not_ours(model, tmp_path):
    (tmp_path/"m.checkpoints").mkdir()
    (tmp_path/"m.checkpoints"/"mine.txt").write_text("keep")
    runs.run(model, tmp_path/"m", steps=7)
    assert [p.name for p in (tmp_path/"m.checkpoints").iterdir()] == ["mine.txt"]


def test_ctrl_c_writes_a_checkpoint(model, tmp_path):
    command = [sys.executable, "-m", "hybrid_lit.cli", *map(str, training(model, tmp_path, 2000)), str(tmp_path/"m")]
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
    log = tmp_path/"m.log.jsonl"
    while not (log.exists() and len(log.read_bytes().splitlines()) > 5):
        assert p.poll() is None, p.stderr.read()
        time.sleep(.05)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode not in (0, 2) and "the same command goes on from there" in out and "Traceback" not in err, (p.returncode, out, err)
    assert len(list((tmp_path/"m.checkpoints").glob("step-*"))) == 1


def test_start_and_out_are_not_the_same(model, tmp_path):
    from hybrid_lit.study import train_encoder
    shutil.copytree(model, tmp_path/"m")
    corpus = ParallelCorpus.from_rows(runs.rows(), "made up")
    with pytest.raises(DataError, match="is the start, which would be overwritten"): train_encoder(tmp_path/"m", corpus, "x-y", start=str(tmp_path/"m"), steps=1)


def test_half_precision_checkpoints_are_trained_in_float32(model, tmp_path):
    import torch
    from hybrid_lit.study import train_encoder
    SentenceTransformer(str(model), device="cpu").bfloat16().save(str(tmp_path/"half"))
    corpus = ParallelCorpus.from_rows(runs.rows(), "made up")
    train_encoder(tmp_path/"m", corpus, "x-y", start=str(tmp_path/"half"), steps=5, batch_size=24, progress=False)
    a, b = (SentenceTransformer(str(tmp_path/n), device="cpu").float().state_dict() for n in ("half", "m"))
    moved = np.mean([float((a[k] != b[k]).float().mean()) for k in a if "encoder.layer" in k and a[k].ndim == 2])
    assert moved > .9
    assert all(v.dtype == torch.float32 for v in SentenceTransformer(str(tmp_path/"m"), device="cpu").state_dict().values() if v.is_floating_point())


def test_processes_with_different_data_stop(model, tmp_path):
    script = "import os, sys, training_runs as r\nfrom pathlib import Path\nrows = r.rows\nif os.environ['RANK'] == '1': r.rows = lambda n=200, **kw: rows(n - 1, **kw)\nr.run(sys.argv[1], None, steps=4, validation=None)"
    for p in forked.ranks(2, script, model): assert p.returncode == 1 and "the 2 processes differ in data" in p.err, p.err[-2000:]   # each of them says so


def test_two_processes_with_a_tracker(model, tmp_path):
    launched(model, tmp_path/"m", steps=3, validation=None, trackers=["tensorboard"])
    assert list((tmp_path/"m.trackers").rglob("events.out.tfevents.*")) and not (tmp_path/"m.checkpoints").exists()
