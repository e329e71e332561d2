"Training runs for tests that kill them; imported once by a server process, so that each try starts at once."
import json, sys
from pathlib import Path
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from hybrid_lit.corpus import ParallelCorpus
from hybrid_lit.samplers import BatchSampler, generator
from hybrid_lit.training import train

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "ul", "an", "ir")]


def rows(n=200, negatives=False):
    "Made-up words in two 'languages'; a query shares words with its passage"
    for i in range(n):
        w = generator(0, "rows", i).choice(WORDS, 40)
        text = {l: " ".join(x + end for x in w[:5 + i % 30]) for l, end in (("aa", ""), ("bb", "x"))}
        row = dict(id=i, query={l: " ".join(t.split()[:3]) for l, t in text.items()}, positive=text)
        if negatives: row["negatives"] = [{l: " ".join(reversed(t.split())) for l, t in text.items()}]*(i % 2)
        yield row


def make_model(folder, dropout=.1):
    words = Tokenizer(models.WordLevel({t: i for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *(w + "x" for w in WORDS)])}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=32)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)).save_pretrained(folder/"bert")
    fast.save_pretrained(folder/"bert")
    SentenceTransformer(modules=[Transformer(str(folder/"bert")), Pooling(32)], device="cpu").save(str(folder/"model"))


def run(model, out, double=False, negatives=False, **kw):
    torch.set_num_threads(1)
    encoder = SentenceTransformer(str(model), device="cpu")
    corpus, valid = ParallelCorpus.from_rows(rows(negatives=negatives), "made up"), ParallelCorpus.from_rows(list(rows(260))[200:], "held out")
    if double: encoder.double()
    settings = dict(steps=60, learning_rate=1e-3, validation=BatchSampler(valid, "hybrid", 20, seed=3), validate_every=7, checkpoint_every=3, chunk_tokens=128, progress=False)
    log = train(encoder, BatchSampler(corpus, "hybrid", 24, seed=3), out=out, **{**settings, **kw})
    return encoder, log


def part():
    "One of two processes, which write their losses and weights: MODEL OUT JSON"
    from hybrid_lit.chunks import share
    encoder, log = run(sys.argv[1], Path(sys.argv[2]), **json.loads(sys.argv[3]))
    me, k = share()
    from safetensors.torch import save_file
    from hybrid_lit.checkpoints import weights_of
    save_file(weights_of(encoder), f"{sys.argv[2]}.process{me}.safetensors")
    Path(f"{sys.argv[2]}.process{me}.json").write_text(json.dumps(dict(processes=k, loss=log.loss.tolist(), validation=log.validation_loss.dropna().tolist(), norm=log.gradient_norm.tolist())))


if __name__ == "__main__": part()  # python -m torch.distributed.run ... training_runs.py MODEL OUT JSON
