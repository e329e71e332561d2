"mMARCO from damaged, compressed, incomplete and large files, and builds that are killed."
import gzip, os, random, re, shutil, signal, subprocess, sys, time, warnings
from pathlib import Path
import forked, numpy as np, pyarrow as pa, pytest
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.files import DataError
from hybrid_lit.mmarco import MMARCO, mmarco
from hybrid_lit.sources import load_corpus

TRIPLES, COLLECTION, QUERIES = "data/triples.train.ids.small.tsv", "data/google/collections/{}_collection.tsv", "data/google/queries/train/{}_queries.train.tsv"
LANGUAGES = dict(ar="arabic", de="german", en="english")


def contents(n=200, passages=40, queries=15, seed=0):
    "File name -> list of lines"
    rng = random.Random(seed)
    out = {TRIPLES: [f"{rng.randrange(queries)}\t{rng.randrange(passages)}\t{rng.randrange(passages)}" for _ in range(n)]}
    for l, name in LANGUAGES.items():
        out[COLLECTION.format(name)] = [f"{i}\t{l} passage {i//2 if l == 'de' else i} «é中»" for i in range(passages)]
        out[QUERIES.format(name)] = [f"{i}\t{l} query {i}" for i in range(queries)]
    return out


def write(folder, files, suffix="", end="\n"):
    for name, lines in files.items():
        path = folder/f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(line + end for line in lines).encode()
        path.write_bytes(gzip.compress(data) if suffix == ".gz" else data)
    return folder


def texts(corpus): return [{k: v for k, v in r.items() if k != "id"} for r in corpus]


def naive(files):
    t = {l: {k: dict(line.split("\t") for line in files[part.format(name)]) for k, part in (("q", QUERIES), ("p", COLLECTION))} for l, name in LANGUAGES.items()}
    def of(k, id): return {l: t[l][k][id] for l in LANGUAGES if t[l][k].get(id, "").strip()}
    return [dict(query=of("q", q), positive=of("p", p), negatives=[of("p", n)]) for q, p, n in (line.split("\t") for line in files[TRIPLES])]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("flat", [False, True])
def test_layouts(tmp_path, suffix, end, flat):
    files = contents()
    for name in [QUERIES.format("english"), COLLECTION.format("english")]: files[name] = files[name][::-1] # each file in an order of its own
    folder = write(tmp_path/"mmarco", files, suffix, end)
    if flat:
        for name in files: (folder/f"{name}{suffix}").rename(folder/f"{Path(name).name}{suffix}")
        shutil.rmtree(folder/"data")
    corpus = mmarco(folder, LANGUAGES)
    assert texts(corpus) == naive(files)
    assert [r["id"] for r in corpus] == [line.split("\t")[0] for line in files[TRIPLES]]
    same = corpus.passages.classes[corpus.rows[:, 1:]]         # German has the same text for passages 2k and 2k + 1
    ids = np.array([[int(i)//2 for i in line.split("\t")[1:]] for line in files[TRIPLES]])
    assert np.array_equal(same.ravel()[:, None] == same.ravel(), ids.ravel()[:, None] == ids.ravel())
    assert [len(p) for p in corpus.passages.pool] == [40, 20, 40]


def test_english_from_ms_marco_itself(tmp_path):
    files = contents()
    folder = write(tmp_path/"mmarco", files)
    (tmp_path/"msmarco-passage").mkdir()
    for part, name in ((COLLECTION, "collection.tsv"), (QUERIES, "queries.train.tsv")): (folder/part.format("english")).rename(tmp_path/"msmarco-passage"/name)
    assert texts(mmarco(folder, LANGUAGES)) == naive(files)
    (tmp_path/"msmarco-passage"/"collection.tsv").unlink()
    with pytest.raises(DataError, match="holds no data/google/collections/english_collection.tsv, and .*msmarco-passage/collection.tsv is absent too"): mmarco(folder, LANGUAGES)


def test_by_name_it_is_built_once(tmp_path):
    files = {TRIPLES: contents()[TRIPLES]}
    for l in ("ar", "de", "en", "es", "hi", "ru", "zh"):
        files[COLLECTION.format(MMARCO[l])] = [f"{i}\t{l} p{i}" for i in range(40)]
        files[QUERIES.format(MMARCO[l])] = [f"{i}\t{l} q{i}" for i in range(15)]
    write(tmp_path/"mmarco", files)
    first = load_corpus("mmarco", tmp_path)
    assert first.languages == ["ar", "de", "en", "es", "hi", "ru", "zh"] and first.folder == tmp_path/"mmarco"/"corpus"
    inode = (first.folder/"rows.npy").stat().st_ino
    assert (load_corpus("mmarco", tmp_path).folder/"rows.npy").stat().st_ino == inode
    (first.folder/"rows.npy").write_bytes(b"")                 # a damaged corpus is built again
    assert len(load_corpus("mmarco", tmp_path)) == 200


def test_by_name_in_chosen_languages(tmp_path):
    write(tmp_path/"mmarco", contents())                       # there are no other languages
    corpus = load_corpus("mmarco", tmp_path, languages=("en", "de", "en"))
    assert corpus.languages == ["de", "en"] and corpus.folder == tmp_path/"mmarco"/"corpus-de-en"
    inode = (corpus.folder/"rows.npy").stat().st_ino
    assert load_corpus("mmarco", tmp_path, ["ar"]).languages == ["ar"]
    assert (load_corpus("mmarco", tmp_path, ["de", "en"]).folder/"rows.npy").stat().st_ino == inode
    with pytest.raises(DataError, match="russian|spanish|hindi|chinese"): load_corpus("mmarco", tmp_path)
    for bad, says in (([], "no language of mMARCO is named"), (["de", "xx"], "language xx is not in mMARCO")):
        with pytest.raises(DataError, match=says): load_corpus("mmarco", tmp_path, bad)
    assert sorted(p.name for p in (tmp_path/"mmarco").iterdir()) == ["corpus-ar", "corpus-de-en", "data"]


@pytest.mark.parametrize("language", ["th", "tr", "el", "ko", "english"])
def test_languages_that_there_are_not(tmp_path, language):
    with pytest.raises(DataError, match=f"^language {language} is not in mMARCO; choose from ar de en"): mmarco(write(tmp_path, contents()), ["en", language])


def test_texts_that_are_missing_are_counted(tmp_path):
    files, none = contents(), COLLECTION.format("german")
    files[none] = [f"{line.split(chr(9))[0]}\t{' ' if n % 10 == 0 else line.split(chr(9))[1]}" for n, line in enumerate(files[none]) if n % 10 != 1]
    with pytest.warns(UserWarning, match=r"german_collection.tsv: 8 of 40 passages that the rows use have no text in de \(4 of these are empty in the file\)"): corpus = mmarco(write(tmp_path, files), LANGUAGES)
    assert texts(corpus) == naive(files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mmarco(tmp_path, LANGUAGES, to=tmp_path/"c")
    with pytest.warns(UserWarning) as said: mmarco(tmp_path, LANGUAGES, to=tmp_path/"c")       # opened, and said again
    assert [str(w.message).split(": ")[1] for w in said] == ["8 of 40 passages that the rows use have no text in de; their rows are used in the other languages"]
    assert corpus.masks(slice(None))[1].tolist() == [sum(1 << b for b, l in enumerate(corpus.languages) if l in r["positive"] and l in r["negatives"][0]) for r in corpus]


@pytest.mark.parametrize("name,line,with_,message", [
    (TRIPLES, 150, "3\t4", "tsv:151: 2 columns, and there should be 3"), (TRIPLES, 150, "", "tsv:151: a line without a tab"), (TRIPLES, 150, "3\t4\tx", "tsv:151: 'x' is not an id"),
    (TRIPLES, 150, "3\t4\t40", "tsv:151: passage 40 has no text in any of ar de en"), (TRIPLES, 0, "15\t4\t39", "tsv:1: query 15 has no text"), (TRIPLES, 7, "3\t4\t1.5", "tsv:8: '1.5' is not an id"),
    (TRIPLES, 7, "3\t4\t268435456", "tsv:8: id 268435456 is not between 0 and 268,435,455"), (TRIPLES, 7, "3\t4\t99999999999999999999", "tsv:8: '99999999999999999999' is not an id"),
    (COLLECTION.format("german"), 39, "no tab", "tsv:40: a line without a tab"), (COLLECTION.format("german"), 39, "3\ttext", "tsv:40: id 3 was given before, in line 4"),
    (COLLECTION.format("german"), 0, "\ttext", "tsv:1: '' is not an id"), (COLLECTION.format("german"), 5, "5\ta\tb", "tsv:6: 3 columns"), (QUERIES.format("arabic"), 3, "3\t\udc80x", r"tsv:4: not UTF-8 \(byte 0x80 at column 3\)")])
@pytest.mark.parametrize("suffix,block", [("", 1 << 24), (".gz", 100)])
@pytest.mark.filterwarnings("ignore:.*have no text in")
def test_faults_name_file_and_line(tmp_path, monkeypatch, suffix, block, name, line, with_, message):
    from hybrid_lit import mmarco as module
    blocks = module._blocks
    monkeypatch.setattr(module, "_blocks", lambda path, columns, text: blocks(path, columns, text, block)) # the fault lies in the first block, or in a later one
    files = contents()
    files[name][line] = with_
    folder = write(tmp_path/"d", {n: ["" if n == name and k == line else x for k, x in enumerate(lines)] for n, lines in files.items()}, suffix)
    data = "".join(x + "\n" for x in files[name]).encode(errors="surrogateescape")
    (folder/f"{name}{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(DataError, match=message.replace("tsv:", rf"tsv{suffix}:")) as e: mmarco(folder, LANGUAGES, to=tmp_path/"corpus")
    assert "\n" not in str(e.value) and str(folder) in str(e.value)
    assert not (tmp_path/"corpus").exists() and [p.name for p in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("size", [1, 50, 1 << 24])
def test_what_is_cut_off_or_empty(tmp_path, monkeypatch, suffix, size):
    from hybrid_lit import mmarco as module
    blocks = module._blocks
    monkeypatch.setattr(module, "_blocks", lambda path, columns, text: blocks(path, columns, text, size))
    folder = write(tmp_path/"d", contents(20), suffix)
    expected = texts(mmarco(folder, LANGUAGES))
    for name in contents():
        path = folder/f"{name}{suffix}"
        whole = path.read_bytes()
        data = gzip.decompress(whole) if suffix else whole
        for cut in (1, 2, 5):                                  # the last line lacks its end, or more
            path.write_bytes(whole[:-cut])
            with pytest.raises(DataError, match="break off" if suffix else "is cut off, for its last line has no line end") as e: mmarco(folder, LANGUAGES)
            assert str(path) in str(e.value)
        if suffix:                                             # whole by its checksum, so a last line without its end will do
            path.write_bytes(gzip.compress(data[:-1]))
            assert texts(mmarco(folder, LANGUAGES)) == expected
        for empty in (b"", b"\xef\xbb\xbf")[:2 if size > 2 else 1]:
            path.write_bytes(gzip.compress(empty) if suffix else empty)
            with pytest.raises(DataError, match="holds no line") as e: mmarco(folder, LANGUAGES)
            assert str(path) in str(e.value)
        path.write_bytes(whole)


@pytest.mark.parametrize("id", ["0x1", "-0", "+1", " 1", "1 "])
@pytest.mark.parametrize("name", [TRIPLES, QUERIES.format("german")])
def test_ids_are_digits(tmp_path, name, id):
    files = contents()
    files[name][3] = "\t".join([id, *files[name][3].split("\t")[1:]])
    with pytest.raises(DataError, match=rf"tsv:4: '{re.escape(id)}' is not an id"): mmarco(write(tmp_path, files), LANGUAGES)


TOGETHER = """
import os, sys, time
from hybrid_lit import mmarco as module
build = module.ParallelCorpus.from_tables
def slowly(*a): print("built", flush=True); time.sleep(1); return build(*a)
module.ParallelCorpus.from_tables = slowly
print("ready", flush=True)
while not os.path.exists(sys.argv[3]): time.sleep(.001)
print(len(module.mmarco(sys.argv[1], ["ar", "de", "en"], to=sys.argv[2])))
"""


@pytest.mark.skipif(os.name != "posix", reason="the lock is fcntl's, which this system does not have")
def test_processes_build_once(tmp_path):
    folder, to = write(tmp_path/"d", contents()), tmp_path/"sub"/"corpus"
    ranks = [forked.python(TOGETHER, folder, to, folder/"go") for _ in range(3)]
    for p in ranks: assert p.stdout.readline() == "ready\n"
    (folder/"go").touch()
    said = [p.communicate()[0].split() for p in ranks]
    assert sorted(said) == [["200"], ["200"], ["built", "200"]]
    assert [p.name for p in to.parent.iterdir()] == ["corpus"]
    first = forked.python(TOGETHER, folder, tmp_path/"killed", folder/"go")
    assert [first.stdout.readline() for _ in range(2)] == ["ready\n", "built\n"]
    first.kill(); first.communicate()                          # whoever is killed holds nobody up
    assert len(mmarco(folder, LANGUAGES, to=tmp_path/"killed")) == 200 and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_bytes(tmp_path, suffix):
    files, rng, refused = contents(), random.Random(2), 0
    folder = write(tmp_path, files, suffix)
    for trial in range(120):
        path = folder/f"{rng.choice(list(files))}{suffix}"
        whole = path.read_bytes()
        damaged = bytearray(whole)
        kind, at = rng.choice("cut flip insert".split()), rng.randrange(len(damaged))
        if kind == "cut": del damaged[at:at + rng.choice([1, 10, len(damaged)])]
        elif kind == "flip": damaged[at] ^= 1 << rng.randrange(8)
        else: damaged[at:at] = rng.choice([b"\xff", b"\x00", b"\t", b"\n", b"\r", b"9"])
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                corpus = mmarco(folder, LANGUAGES)
            assert len(corpus) <= 201 and all(r["query"] and r["positive"] and r["negatives"][0] for r in corpus)
        except DataError as e:
            refused += 1
            assert "\n" not in str(e) and str(folder) in str(e)
        path.write_bytes(whole)
    assert refused > 48


KILLED = """
import sys
from hybrid_lit.mmarco import mmarco
print("ready", flush=True)
mmarco(sys.argv[1], ["ar", "de", "en"], to=sys.argv[2])
"""


def test_killed_at_random_moments(tmp_path):
    big = contents(100_000, 7_000, 2_000)
    folder, out = write(tmp_path/"data", big), tmp_path/"out"
    out.mkdir()
    start = time.perf_counter(); expected = mmarco(folder, LANGUAGES); takes = time.perf_counter() - start
    rng, there = random.Random(0), []
    for trial in range(10):
        shutil.rmtree(out/"corpus", ignore_errors=True)
        p = forked.python(KILLED, folder, out/"corpus")
        assert p.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 1.3*takes) if trial else .3*takes)
        p.send_signal(signal.SIGKILL); p.wait()
        there.append((out/"corpus").exists())
        if there[-1]: assert np.array_equal(ParallelCorpus(out/"corpus").rows, expected.rows) and ParallelCorpus(out/"corpus").fingerprint() == mmarco(folder, LANGUAGES, to=out/"corpus").fingerprint()
    assert False in there                                      # some came before the end
    corpus = mmarco(folder, LANGUAGES, to=out/"corpus")        # and what they left does not disturb the next
    assert np.array_equal(corpus.rows, expected.rows) and corpus[99_999] == expected[99_999]


def test_a_failed_build_leaves_the_old_corpus(tmp_path):
    folder = write(tmp_path/"d", contents())
    before = texts(mmarco(folder, LANGUAGES, to=tmp_path/"c"))
    write(folder, {TRIPLES: ["1\t2"]})
    with pytest.raises(DataError, match="2 columns"): mmarco(folder, LANGUAGES, to=tmp_path/"c")
    assert texts(ParallelCorpus(tmp_path/"c")) == before


def test_two_builds_of_the_same_have_one_fingerprint(tmp_path):
    folder = write(tmp_path/"d", contents())
    a = mmarco(folder, LANGUAGES, to=tmp_path/"a")
    write(folder, contents())                                  # the same bytes, at another time
    b = mmarco(folder, LANGUAGES, to=tmp_path/"b")
    assert (a.folder/"made_from.json").read_bytes() != (b.folder/"made_from.json").read_bytes() and a.fingerprint() == b.fingerprint()


MEMORY = """
import sys
from hybrid_lit.mmarco import mmarco
peak = lambda: next(int(line.split()[1])/1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
corpus = mmarco(sys.argv[1], ["en"], to=sys.argv[2])
print(len(corpus), peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc, which is Linux's")
def test_memory_does_not_grow_with_rows_and_text(tmp_path):
    "4,000,000 triples (60 MB) over 100,000 long passages (160 MB) take 400 MB at most; as Python rows they would take gigabytes"
    folder, rng = tmp_path/"d", np.random.default_rng(0)
    write(folder, {COLLECTION.format("english"): (f"{i}\t{'long text ' * 160}{i}" for i in range(100_000)), QUERIES.format("english"): (f"{i}\tquery {i}" for i in range(1000))})
    with open(folder/TRIPLES, "wb") as f:
        import pyarrow.csv
        pa.csv.write_csv(pa.table(dict(q=rng.integers(0, 1000, 4_000_000), p=rng.integers(0, 100_000, 4_000_000), n=rng.integers(0, 100_000, 4_000_000))), f, pa.csv.WriteOptions(include_header=False, delimiter="\t"))
    done = subprocess.run([sys.executable, "-c", MEMORY, str(folder), str(tmp_path/"c")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, growth = done.stdout.split()
    assert int(rows) == 4_000_000 and float(growth) < 400
