"Translations survive kills and full disks; the tokenizers of both families; nothing of a model's own code runs."
import json, os, random, signal, stat, sys, time
from pathlib import Path
import forked, pytest
from hybrid_lit.atlas import atlas
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.files import DataError, read_json
from hybrid_lit.translation import NLLB, failure, load_translator, translate_file

# a slow translator by rule, which notes each batch that it is asked for; BLOCK is made small so that there are many blocks
SLOW = """
import sys, time, warnings
from hashlib import blake2b
from hybrid_lit import translation
from hybrid_lit.atlas import atlas
from hybrid_lit.files import DataError
out, notes, pause, limit = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
translation.BLOCK = 50
def slow(texts, language):
    with open(notes, "a") as f: f.write(blake2b(repr((language, texts)).encode(), digest_size=8).hexdigest() + "\\n")
    time.sleep(pause)
    return [None if len(t) % 11 == 0 else t if len(t) % 13 == 0 else f"{t[::-1]} ({language})" for t in texts]
def sizes(texts): return list(map(len, texts))
corpus = atlas("test", ["en"])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))                            # no file may grow past so many bytes, as on a full disk
print("ready", flush=True)
try: print(translation.translate(out, corpus, ["de", "tr"], slow, sizes, 110, dict(model="slow"), batch_tokens=400).to_json(orient="records"))
except DataError as e: print(e)
"""


def slow(out, notes, pause=0, limit=0): return forked.python(SLOW, out, notes, pause, limit)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "An uninterrupted run: its folder, and the batches that it asked for"
    folder = tmp_path_factory.mktemp("whole")
    said = slow(folder/"a.jsonl", folder/"notes").communicate()[0]
    assert "kept" in said and "copied" in said and "unfinished" in said, said
    return folder, (folder/"notes").read_text().split()


def same(a, b):
    for end in ("", ".report.json"): assert Path(f"{a}{end}").read_bytes() == Path(f"{b}{end}").read_bytes()
    assert not Path(f"{a}.translations").exists()


def test_killed_again_and_again(whole, tmp_path):
    folder, batches = whole
    rng, kills, out, notes = random.Random(0), 0, tmp_path/"a.jsonl", tmp_path/"notes"
    working = Path(f"{out}.translations")
    def count(): return notes.read_text().count("\n") if notes.exists() else 0
    for n in range(12):                                                                  # nine kills while it translates, three while it writes the rows
        until = count() + rng.randrange(len(batches)//10)
        p = slow(out, notes, .01)
        while p.poll() is None and not (count() > until if n < 9 else (working/"rows").exists()): time.sleep(.001)
        time.sleep(rng.uniform(0, .02 if n < 9 else .005))
        p.send_signal(signal.SIGKILL)
        kills += p.wait() == -signal.SIGKILL
        assert working.exists() or out.exists() and Path(f"{out}.report.json").exists()  # all is there, or the same command goes on
        assert n >= 9 or not out.exists()
        if not working.exists(): break
    assert kills >= 9, "it was not cut off in the middle"
    if working.exists(): slow(out, notes).communicate()
    same(out, folder/"a.jsonl")
    asked = (tmp_path/"notes").read_text().split()
    assert len(asked) <= len(batches) + kills                                            # each kill loses one batch at most
    assert list(dict.fromkeys(asked)) == batches                                         # and the batches are the same, in the same order
    assert len(ParallelCorpus.from_jsonl(out)) == len(atlas("test", ["en"]))


@pytest.mark.skipif(os.name != "posix", reason="fcntl's locks are POSIX's")
def test_two_at_once(whole, tmp_path):
    "The second ends in one line and changes nothing; when the first is killed, the next goes on"
    folder, batches = whole
    out, notes, log = tmp_path/"a.jsonl", tmp_path/"notes", tmp_path/"a.jsonl.translations"/"de.jsonl"
    first = slow(out, notes, 1)                                                          # a second for each of many batches
    while not log.exists() or not log.stat().st_size:
        assert first.poll() is None, "it ended before the second began"
        time.sleep(.01)
    said = slow(out, tmp_path/"other").communicate()[0].splitlines()
    assert len(said) == 2 and "another process is translating into it" in said[1], said
    assert not (tmp_path/"other").exists()                                               # it asked for no batch
    first.send_signal(signal.SIGKILL)
    first.communicate()
    slow(out, notes).communicate()
    same(out, folder/"a.jsonl")


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX's")
@pytest.mark.parametrize("limit", [200, 5000, 30_000])
def test_full_disk(whole, tmp_path, limit):
    folder, batches = whole
    said = slow(tmp_path/"a.jsonl", tmp_path/"notes", limit=limit).communicate()
    lines = said[0].splitlines()
    assert len(lines) == 2 and "could not be written" in lines[1] and "Traceback" not in said[1], said
    assert not (tmp_path/"a.jsonl").exists()
    slow(tmp_path/"a.jsonl", tmp_path/"notes").communicate()                             # once there is room, the same command goes on
    same(tmp_path/"a.jsonl", folder/"a.jsonl")
    assert len((tmp_path/"notes").read_text().split()) <= len(batches) + 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_unwritable_place(tmp_path):
    (tmp_path/"closed").mkdir()
    (tmp_path/"closed").chmod(stat.S_IRUSR | stat.S_IXUSR)
    lines = slow(tmp_path/"closed"/"a.jsonl", tmp_path/"notes").communicate()[0].splitlines()
    (tmp_path/"closed").chmod(stat.S_IRWXU)
    assert len(lines) == 2 and "could not be written (Permission denied)" in lines[1], lines
    assert not (tmp_path/"notes").exists()                                               # no sentence was translated for nothing


def small(folder, tokenizer, size, seed=0):
    "A model of either family with random weights, beside its tokenizer; embeddings that are not tied, so that it wanders, and an end that is likely"
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration
    torch.manual_seed(seed)
    net = M2M100ForConditionalGeneration(M2M100Config(vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
                                                      max_position_embeddings=128, init_std=.3, tie_word_embeddings=False))
    with torch.no_grad():
        net.lm_head.weight[2] *= 2.5
        net.lm_head.weight[len(tokenizer):] = 0                                           # M2M-100's made-up words have rows and no text
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from transformers import M2M100Tokenizer, NllbTokenizer
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    folder, corpus = tmp_path_factory.mktemp("models"), atlas("test", ["en", "de", "hi"])
    texts = [t for pool in corpus.passages.pool for t in pool.to_pylist()]
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=800, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False))
    learned = json.loads(bpe.to_str())["model"]
    tokenizer = NllbTokenizer(vocab=learned["vocab"], merges=[tuple(m) for m in learned["merges"]], model_max_length=128)
    made = dict(nllb=small(folder/"nllb", tokenizer, len(tokenizer)), twin=small(folder/"twin", tokenizer, len(tokenizer), seed=1))
    try: import sentencepiece
    except ImportError: return made
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(texts), model_prefix=str(folder/"spm"), vocab_size=800, character_coverage=.99, bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2)
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder/"spm.model"))
    (folder/"vocab.json").write_text(json.dumps({spm.id_to_piece(i): i for i in range(800)}))
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES
    m2m = M2M100Tokenizer(str(folder/"vocab.json"), str(folder/"spm.model"), additional_special_tokens=[f"__{l}__" for l in FAIRSEQ_LANGUAGE_CODES["m2m100"]], model_max_length=128)
    return made | dict(m2m=small(folder/"m2m", m2m, len(m2m) + m2m.num_madeup_words))


def model(models, kind):
    if kind not in models: pytest.skip("M2M-100's tokenizer needs the package sentencepiece: pip install sentencepiece")
    return models[kind]


SOME = ["What is the currency of Fiji?", "Where is it?", "The official languages are English and Hindi, and many others are spoken there.", "A"]


@pytest.mark.parametrize("kind", ["nllb", "m2m"])
def test_the_form_of_both_families(models, kind):
    "Sources are [language] tokens </s>, as the family's own tokenizer writes them; greedy search by hand gives the same text"
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
    path = model(models, kind)
    translator, sizes, limit, _ = load_translator(path, "de", ["en", "hi"], beams=1, device="cpu")
    tokenizer, net, code = AutoTokenizer.from_pretrained(path), AutoModelForSeq2SeqLM.from_pretrained(path).eval(), (lambda l: NLLB[l] if kind == "nllb" else f"__{l}__")
    tokenizer.src_lang = "deu_Latn" if kind == "nllb" else "de"
    assert sizes(SOME) == [len(tokenizer(t).input_ids) for t in SOME] and limit == 128
    texts = atlas("test", ["de"]).queries.pool[0].to_pylist()[:30] + SOME
    ended = 0
    for l in ("en", "hi"):
        for t, ours in zip(texts, translator(texts, l)):
            if ours is None: continue                                                     # it comes to no end, or to nothing
            y = [2, tokenizer.convert_tokens_to_ids(code(l))]
            with torch.inference_mode():
                x = torch.tensor([tokenizer(t).input_ids])
                while y[-1] != 2 and len(y) < 128:
                    logits = net(input_ids=x, decoder_input_ids=torch.tensor([y])).logits[0, -1]
                    logits[tokenizer.unk_token_id] = -torch.inf
                    y.append(int(logits.argmax()))
            assert ours == tokenizer.decode(y[2:-1], skip_special_tokens=True)
            ended += 1
    assert ended > 5, "too few translations came to an end for this to say much"


@pytest.mark.parametrize("kind", ["nllb", "m2m"])
def test_ctranslate2_gives_the_same(models, kind, tmp_path):
    path = model(models, kind)
    converters = pytest.importorskip("ctranslate2.converters", reason="the package ctranslate2 is not installed: pip install ctranslate2")
    files = dict(nllb=["tokenizer.json", "tokenizer_config.json"], m2m=["vocab.json", "sentencepiece.bpe.model", "tokenizer_config.json"])[kind]
    converters.TransformersConverter(path, copy_files=files).convert(str(tmp_path/"ct2"))
    texts = atlas("test", ["en"]).queries.pool[0].to_pylist()[:60] + SOME
    ours, theirs = (load_translator(p, "en", ["de", "hi"], beams=1, device="cpu") for p in (path, str(tmp_path/"ct2")))
    assert ours[2] == theirs[2] and ours[1](texts) == theirs[1](texts)
    for l in ("de", "hi"):
        a, b = ours[0](texts, l), theirs[0](texts, l)
        assert a == b and sum(x is not None for x in a) > 5
    for name in files: (tmp_path/"ct2"/name).unlink()
    with pytest.raises(DataError, match="are the tokenizer's files beside model.bin"): load_translator(str(tmp_path/"ct2"), "en", ["de"], device="cpu")


def test_without_ctranslate2(tmp_path, monkeypatch):
    (tmp_path/"model.bin").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(DataError, match=r'pip install "hybrid_lit\[translation\]"'): load_translator(str(tmp_path), "en", ["de"])


def test_a_device_that_is_not_there(models, monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DataError, match="^device cuda is not there: torch finds no GPU here; give cpu, or leave it out$"): load_translator(models["nllb"], "en", ["de"], device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DataError, match="^device cuda:2 is not there: torch finds 2 GPUs here; give cpu, a smaller number, or leave it out$"): load_translator(models["nllb"], "en", ["de"], device="cuda:2")


def test_a_language_that_the_family_lacks(models):
    with pytest.raises(DataError, match="does not know te, zh-Hant; leave them out"): load_translator(model(models, "m2m"), "en", ["de", "te", "zh-Hant"], device="cpu")


CLI = """
import sys
from hybrid_lit.translation import translate_file
translate_file(sys.argv[1], sys.argv[2], sys.argv[3], ["de", "hi"], beams=2, batch_tokens=600, device="cpu")
"""


def test_a_model_that_is_killed(models, tmp_path):
    "The real path: SIGKILL while transformers generates; the same command ends in the same bytes. Another model or beam is refused by name"
    source = tmp_path/"english.jsonl"
    corpus = atlas("test", ["en"])
    source.write_text("".join(json.dumps(corpus[i]) + "\n" for i in range(0, len(corpus), 6)))
    command = CLI, source, tmp_path/"parts.jsonl", models["nllb"]
    log = tmp_path/"parts.jsonl.translations"/"hi.jsonl"
    for n in (2, 4):
        p = forked.python(*command)
        while not log.exists() or log.read_bytes().count(b"\n") < n:
            assert p.poll() is None, "it ended before it could be killed"
            time.sleep(.002)
        p.send_signal(signal.SIGKILL)
        p.wait()
    for change, says in ((dict(model=models["twin"]), r"another model \(nllb before, now twin\), model_sha256"), (dict(beams=3), r"another beams \(2 before, now 3\);"), (dict(batch_tokens=9), "batch_tokens")):
        with pytest.raises(DataError, match=says): translate_file(**{**dict(corpus=str(source), out=tmp_path/"parts.jsonl", model=models["nllb"], languages=["de", "hi"], beams=2, batch_tokens=600, device="cpu"), **change})
    assert forked.run(*command).returncode == 0
    table = translate_file(str(source), tmp_path/"whole.jsonl", models["nllb"], ["de", "hi"], beams=2, batch_tokens=600, device="cpu")
    same(tmp_path/"parts.jsonl", tmp_path/"whole.jsonl")
    assert len(ParallelCorpus.from_jsonl(tmp_path/"whole.jsonl")) == len(source.read_text().splitlines())
    about = read_json(f"{tmp_path/'whole.jsonl'}.report.json")
    assert len(about["model_sha256"]) == 64 and about["texts"] == table.to_dict("records") and {"beams", "transformers", "torch", "precision"} <= about.keys()


def test_a_sentence_beyond_the_limit(models, tmp_path):
    "It is not sent and not cut; the rest of the file is translated"
    row = lambda i, text: json.dumps(dict(id=i, query=dict(en=f"Who is number {i}?"), positive=dict(en=text))) + "\n"
    (tmp_path/"a.jsonl").write_text(row(1, "It is short.") + row(2, "It goes on " + "and on "*200 + "without a stop. And then it ends."))
    table = translate_file(str(tmp_path/"a.jsonl"), tmp_path/"b.jsonl", models["nllb"], ["de"], beams=1, device="cpu").set_index("reason").texts
    assert table["too long"] == 1 and table.sum() == 4
    assert "de" not in ParallelCorpus.from_jsonl(tmp_path/"b.jsonl")[1]["positive"]


def test_code_in_a_models_folder_is_not_run(models, tmp_path):
    "A folder may name Python files of its own (auto_map); they are never loaded"
    import shutil
    shutil.copytree(models["nllb"], tmp_path/"evil")
    (tmp_path/"evil"/"evil.py").write_text(f"open({str(tmp_path/'ran')!r}, 'w')\nclass Evil: pass\n")
    for name, auto in (("config.json", {"AutoConfig": "evil.Evil", "AutoModelForSeq2SeqLM": "evil.Evil"}), ("tokenizer_config.json", {"AutoTokenizer": ["evil.Evil", "evil.Evil"]})):
        about = json.loads((tmp_path/"evil"/name).read_text())
        (tmp_path/"evil"/name).write_text(json.dumps({**about, "auto_map": auto}))
    translator, *_ = load_translator(str(tmp_path/"evil"), "en", ["de"], device="cpu")
    assert translator(SOME, "de") == load_translator(models["nllb"], "en", ["de"], device="cpu")[0](SOME, "de")
    assert not (tmp_path/"ran").exists()


def test_translations_by_people_pass(data):
    "All 1,997 sentences of NTREX in 22 languages: what people wrote is refused in fewer than 3 of 1,000 cases in any language"
    from hybrid_lit.sources import ntrex
    languages = "ar bn de el es fa fi fr hi id it ja ko pt ru sw te th tr vi yo zh".split()
    corpus = ntrex(data, ["en", *languages])
    texts = {l: corpus.queries.get(range(len(corpus)), [corpus.languages.index(l)]*len(corpus)) for l in corpus.languages}
    for l in languages: assert sum(failure([s], [t], l) is not None for s, t in zip(texts["en"], texts[l])) < .003*len(corpus), l
