"""Ranks tables and texts for the explorer's tests: made up, small, with all that may go wrong in a text."""
import pandas as pd
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.samplers import generator

LANGUAGES = ["ar", "de", "en", "hi", "zh"]
ARMS = {"x-x-mono": 1., "hybrid": .5, "x-y": 0.}
HOSTILE = ["</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 2'>", "<a href=\"javascript:window.hacked = 3\">here</a>", "a\u202egnp.exe\u202c \u2066x", "null\u0000 bell\u0007 escape\u001b[31m",
           "w"*100_000, "]]>--><!--<style>*{display:none}</style>", "' onmouseover='window.hacked = 4", "${window.hacked = 5} {{7*7}} \\u003cscript\\u003e", "\u2028\u2029\ufeff"]


def arm_table(arm, alpha, questions=40, seed=0, languages=LANGUAGES):
    "Ranks in mono, cross and multi; the lower alpha, the nearer the answers in other languages"
    lines, rng, pool = [], generator(seed, arm), 50*len(languages)
    for q in range(questions):
        for a in languages:
            ranks = iter(rng.permutation(pool)[:len(languages)] + 1)
            for b in languages:
                far = int(next(ranks)) if a != b else int(rng.integers(1, 4))
                rank = max(1, int(far*(.2 + .8*alpha))) if a != b else far
                common = dict(benchmark="made", query_id=f"q{q}", query_language=a, answer_id=f"p{q}", answer_language=b, grade=1)
                lines.append(dict(common, setting="multi", rank=rank, pool_size=pool))
                lines.append(dict(common, setting="mono" if a == b else "cross", rank=1 + (rank - 1)//len(languages), pool_size=50))
    return pd.DataFrame(lines).assign(alpha=alpha)


def arms(**kw): return {a: arm_table(a, x, **kw) for a, x in ARMS.items()}


def texts(hostile=False, questions=40, languages=LANGUAGES):
    "Questions and answers in each language; with hostile ones first"
    words = dict(ar="سؤال", de="Frage", en="question", hi="प्रश्न", zh="问题")
    text = lambda kind, i, l: HOSTILE[i] if hostile and i < len(HOSTILE) else f"{words.get(l, l)} {kind} {i}"
    queries = pd.DataFrame([dict(query_id=f"q{i}", language=l, text=text("q", i, l)) for i in range(questions) for l in languages])
    candidates = pd.DataFrame([dict(answer_id=f"p{i}", language=l, text=text("p", i, l)) for i in range(questions) for l in languages])
    qrels = pd.DataFrame([dict(query_id=f"q{i}", answer_id=f"p{i}", answer_language=l, grade=1) for i in range(questions) for l in languages])
    return Benchmark("made", queries, candidates, qrels)
