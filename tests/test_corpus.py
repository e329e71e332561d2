"Damaged input: whatever the bytes, a corpus is read or a DataError says why, in one line."
import gzip, json, random, shutil
import pytest
from hybrid_lit.corpus import ParallelCorpus, leaks
from hybrid_lit.files import DataError

ROWS = [dict(id=f"q{i}", query=dict(en=f"question {i}", el=f"ερώτηση {i}"), positive=dict(en=f"passage {i//2}", el=f"κείμενο {i//2}"), negatives=[dict(en=f"other {i}", el=f"άλλο {i}")]*(i % 3))
        for i in range(20)]
SQUAD = dict(data=[dict(title="t", paragraphs=[dict(context=f"context {p}", qas=[dict(id=f"{p}-{q}", question=f"question {p} {q}", answers=[]) for q in range(3)]) for p in range(4)])])


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json"])
def test_damaged_bytes(tmp_path, suffix):
    whole = json.dumps(SQUAD).encode() if suffix == ".json" else "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in ROWS).encode()
    if suffix.endswith(".gz"): whole = gzip.compress(whole)
    read = (lambda p: ParallelCorpus.from_squad({"en": p})) if suffix == ".json" else ParallelCorpus.from_jsonl
    path, rng, refused = tmp_path/f"x{suffix}", random.Random(1), 0
    for trial in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            kind, at = rng.choice("cut flip insert".split()), rng.randrange(len(damaged))
            if kind == "cut": del damaged[at:at + rng.choice([1, 10, len(damaged)])]
            elif kind == "flip": damaged[at] ^= 1 << rng.randrange(8)
            else: damaged[at:at] = rng.choice([b"\xff", b"\x00", b'"', b"{", b"\n", b"\\ud800"])
            if not damaged: break
        path.write_bytes(damaged)
        try: read(path)
        except DataError as e:
            refused += 1
            assert "\n" not in str(e) and str(path) in str(e)
    assert refused > 100


def test_a_failed_build_leaves_the_old_corpus(tmp_path):
    ParallelCorpus.from_rows(ROWS, to=tmp_path/"c")
    with pytest.raises(DataError, match="row 3, id q2: the query in en is empty"):
        ParallelCorpus.from_rows([*ROWS[:2], {**ROWS[2], "query": {"en": ""}}], to=tmp_path/"c")
    assert len(ParallelCorpus(tmp_path/"c")) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_many_texts_cross_the_write_buffer():
    rows = [dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"p{i % 12_345}")) for i in range(25_000)]
    c = ParallelCorpus.from_rows(rows)
    assert len(c.passages) == 12_345
    assert [c[i]["positive"]["en"] for i in (0, 12_345, 24_999)] == ["p0", "p0", "p309"]


def test_more_than_64_languages_is_refused():
    codes = [a + b for a in "abcdefgh" for b in "abcdefghij"]
    with pytest.raises(DataError, match="80 languages, and a corpus holds 64"):
        ParallelCorpus.from_rows([dict(id=1, query={l: "q" for l in codes}, positive={l: "p" for l in codes})])


def test_leaks_between_real_sets(data):
    "SQuAD's development file contains XQuAD's questions; NTREX shares nothing with XQuAD-R"
    from hybrid_lit.benchmarks import xquad_r
    from hybrid_lit.sources import ntrex
    x = xquad_r(data)
    rows = {}
    right = x.qrels.merge(x.candidates, left_on=["answer_id", "answer_language"], right_on=["answer_id", "language"])
    for q in x.queries.itertuples(): rows.setdefault(q.query_id, dict(id=q.query_id, query={}, positive={}))["query"][q.language] = q.text
    for a in right.itertuples(): rows[a.query_id]["positive"][a.language] = a.text
    test = ParallelCorpus.from_rows(rows.values(), "xquad-r")
    dev = ParallelCorpus.from_squad({"en": data/"squad-v1.1-en/dev-v1.1.json.gz"})
    found = leaks(dev, test)
    assert set(found[(found.kind == "question") & (found.match == "exact")].test_id) == set(rows)
    assert len(leaks(ntrex(data), test)) == 0


def test_fingerprint_follows_the_files(tmp_path):
    rows = [dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"p{i}")) for i in range(5)]
    a, b = ParallelCorpus.from_rows(rows, to=tmp_path/"a"), ParallelCorpus.from_rows(rows, to=tmp_path/"b")
    first = a.fingerprint()
    assert first == b.fingerprint() == a.fingerprint() == ParallelCorpus(tmp_path/"a").fingerprint()     # made, noted, read again
    assert a.select(range(4)).fingerprint() != first
    for damage in ("{", "[]", '{"files": 1}'):
        (tmp_path/"a"/"fingerprint.json").write_text(damage)
        assert ParallelCorpus(tmp_path/"a").fingerprint() == first
    other = ParallelCorpus.from_rows([dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"P{i}")) for i in range(5)], to=tmp_path/"a")
    assert other.fingerprint() != first
    shutil.copy(tmp_path/"b"/"fingerprint.json", tmp_path/"a"/"fingerprint.json")                         # another corpus's note
    assert other.fingerprint() != first
