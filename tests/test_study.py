"""No claim on the study's pages without a file under results/ behind it: the pages are executed again, and what they say is held against what is stored."""
import copy, json, re, subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import nbformat, pandas as pd, pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT/"nbs"/"study").glob("0*.ipynb"))
NUMBER = re.compile(r"(?<![\w.#-])\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+")

def spoken(cell): # what a code cell's outputs say: text, without what differs from one execution to the next
    said = []
    for o in cell.get("outputs", []):
        data = o.get("data", {})
        if "image/png" in data or o.output_type == "stream" and o.name == "stderr": continue
        text = data.get("text/markdown") or data.get("text/html") or data.get("text/plain") or o.get("text") or ""
        if "<script" in text: continue                                      # the explorer, whose page tests are its own
        said.append(re.sub(r"T_[0-9a-f]{5}|0x[0-9a-f]+|id=\"[^\"]*\"", "", text))
    return said

def execute(page):
    nb = nbformat.read(page, 4)
    NotebookClient(nb, timeout=300, kernel_name="python3", resources=dict(metadata=dict(path=str(page.parent)))).execute()
    return nb

@pytest.fixture(scope="module")
def executed():
    "A page, executed; the longest are begun first, two at a time"
    pool = ThreadPoolExecutor(2)
    running = {page: pool.submit(execute, page) for page in sorted(PAGES, key=lambda p: (p.stem in ("00_protocol", "07_limits", "08_reproduce"), p))}
    yield lambda page: running[page].result()
    pool.shutdown(cancel_futures=True)

def numbers(text): # as written, without thousands' commas and signs
    text = re.sub(r"<style.*?</style>|<[^>]+>|`[^`]*`|\]\([^)]*\)|https?://\S+|arXiv:?\s*\d+\.\d+|SQuAD v?\d\.\d|\b\d{4}\.\d{5}\b|\$[^$]*\$", " ", text, flags=re.S)
    return {n.replace(",", "").lstrip("0") or "0" for n in NUMBER.findall(text)}

def differences(stored, again): # (cell, what is stored, what it says now)
    return [(i, a, b) for i, (x, y) in enumerate(zip(stored.cells, again.cells)) if x.cell_type == "code" for a, b in zip(spoken(x) + [None]*(len(spoken(y)) - len(spoken(x))), spoken(y) + [None]*(len(spoken(x)) - len(spoken(y)))) if a != b]

def unfounded(nb, also=()): # numbers of the prose that no output of the page has, nor the texts named
    founded = set().union(*(numbers(t) for c in nb.cells if c.cell_type == "code" for t in spoken(c)), *(numbers(t) for t in also))
    return {n for c in nb.cells if c.cell_type == "markdown" for n in numbers(c.source)} - founded - {str(n) for n in range(101)}

@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_pages_say_what_results_say(executed, page):
    wrong = differences(nbformat.read(page, 4), executed(page))
    assert not wrong, f"{page.name}, cell {wrong[0][0]}: stored {wrong[0][1]!r:.300}, and it now says {wrong[0][2]!r:.300}; execute the page again"

@pytest.mark.parametrize("page", [p for p in PAGES if p.stem not in ("00_protocol", "07_limits", "08_reproduce")], ids=lambda p: p.stem)
def test_numbers_of_the_prose_stand_in_the_results(executed, page):
    protocol = nbformat.read(PAGES[0], 4)
    also = [t for c in protocol.cells for t in ([c.source] if c.cell_type == "markdown" else spoken(c))] + [(ROOT/"results"/"study"/"published.csv").read_text()]
    assert not unfounded(executed(page), also)

def test_pages_read_nothing_but_results():
    for page in PAGES:
        for c in nbformat.read(page, 4).cells:
            if c.cell_type != "code": continue
            for path in re.findall(r"""(?:read_(?!grid)\w+|open|Path)\(\s*f?["']([^"']+)["']|results\([^)]*,\s*["']([^"']+)["']""", c.source):
                assert "".join(path).startswith("../../results/"), f"{page.name} reads {path}"
            assert "HYBRID_LIT_DATA" not in c.source and "load_benchmark(" not in re.sub(r"#.*", "", c.source), f"{page.name} reads data"

def test_a_changed_figure_is_seen(executed):
    page = ROOT/"nbs"/"study"/"01_beir.ipynb"
    true, forged = executed(page), copy.deepcopy(nbformat.read(page, 4))
    assert not differences(nbformat.read(page, 4), true)
    cell = next(c for c in forged.cells if c.cell_type == "code" and any("text/markdown" in o.get("data", {}) and re.search(r"\d\.\d|\.\d", o.data["text/markdown"]) for o in c.get("outputs", [])))
    output = next(o for o in cell.outputs if re.search(r"\.\d", o.get("data", {}).get("text/markdown", "")))
    output.data["text/markdown"] = re.sub(r"\.(\d)", lambda m: f".{(int(m[1]) + 1) % 10}", output.data["text/markdown"], count=1)
    assert differences(forged, true)
    claim = copy.deepcopy(true)
    claim.cells.append(nbformat.v4.new_markdown_cell("Hybrid gains 0.98761 mAP over 123,457 questions."))
    assert unfounded(claim) >= {".98761", "123457"}

def test_tables_are_of_the_protocols_runs():
    grid = json.loads((ROOT/"hybrid_lit"/"grids"/"cpu.json").read_text())
    about = json.loads((ROOT/"results"/"study"/"cpu"/"about.json").read_text())
    assert about["grid"]["arms"].keys() == grid["arms"].keys()
    for arm, c in grid["arms"].items():
        for k, v in {**grid["settings"], **c}.items(): assert about["grid"]["arms"][arm][k] == v, (arm, k)
    runs = pd.read_csv(ROOT/"results"/"study"/"cpu"/"runs.csv")
    assert {(r.arm, r.seed) for r in runs.itertuples()} == {(a, s) for a, c in about["grid"]["arms"].items() for s in range(c["seeds"])}

def test_protocol_came_before_the_first_result():
    added = lambda path: subprocess.run(["git", "log", "--diff-filter=A", "--reverse", "--format=%H", "--", path], cwd=ROOT, capture_output=True, text=True).stdout.split()
    protocol, result = added("nbs/study/00_protocol.ipynb"), added("results/study/cpu/macro.parquet")
    if not protocol or not result: pytest.skip("no git history here that goes back to the protocol")
    assert protocol[0] != result[0] and subprocess.run(["git", "merge-base", "--is-ancestor", protocol[0], result[0]], cwd=ROOT).returncode == 0
