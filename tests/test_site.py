"The site, as far as it can be known without Quarto: nbdev processes every notebook, and every link and picture leads to something."
import json, os, re, shutil, subprocess, sys
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote
import pandas as pd, pytest, yaml
from hybrid_lit.evidence import differences
from hybrid_lit.significance import holm

ROOT = Path(__file__).resolve().parents[1]
SITE = "https://hybrid-lit.github.io/hybrid_lit"
COLAB = "https://colab.research.google.com/github/hybrid-lit/hybrid_lit/blob/main/nbs"
PROCESS = "from nbdev.quarto import refresh_quarto_yml; from nbdev.serve import proc_nbs; refresh_quarto_yml(); proc_nbs(n_workers=0)"  # nbdev_docs without Quarto
sys.path.insert(0, str(ROOT/"tools"))
import postrender


def read_yaml(path): return yaml.safe_load((ROOT/path).read_text(encoding="utf-8"))
def text(source): return source if isinstance(source, str) else "".join(source or "")


def identifiers(markdown):
    "The anchors of a text: its headings, named as pandoc names them, and what carries an id"
    found = set(re.findall(r"""\bid=["']([^"']+)""", markdown)) | set(re.findall(r"\{[^}]*#([\w.-]+)[^}]*\}", markdown))
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*(?:\{.*\})?$", markdown, re.MULTILINE):
        words = re.sub(r"[^\w\s.-]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower()
        found.add(re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", words.strip())) or "section")
    return found


def without_code(markdown): return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub(r"^(```+|~~~+).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL))
def shown(markdown): return re.sub(r'^:::+ *\{\.content-hidden when-format="html"\}.*?^:::+ *$', "", markdown, flags=re.MULTILINE | re.DOTALL)
def bare(html): return re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL | re.IGNORECASE)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    "What nbdev gives Quarto: {the page's path: (its notebook, front matter, markdown, html)}, and the folder it lies in"
    copy = tmp_path_factory.mktemp("site")
    for name in ("nbs", "hybrid_lit"): shutil.copytree(ROOT/name, copy/name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("settings.ini", "_quarto.yml"): shutil.copy(ROOT/name, copy)
    env = {k: v for k, v in os.environ.items() if k != "IN_TEST"} | dict(PYTHONPATH=str(copy), XDG_CONFIG_HOME=str(copy/"home"), XDG_CONFIG_DIRS=str(copy/"home"), HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    r = subprocess.run([sys.executable, "-c", PROCESS], cwd=copy, env=env, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r.stderr[-3000:]
    assert r.stderr.strip() == "", f"a cell with an import holds something else too, or a cell complains:\n{r.stderr[-3000:]}"
    found = {}
    for path in sorted((copy/"_proc").rglob("*.ipynb")):
        name, cells = path.relative_to(copy/"_proc").as_posix(), json.loads(path.read_text(encoding="utf-8"))["cells"]
        front = next((yaml.safe_load(text(c["source"]).strip().strip("-")) for c in cells if c["cell_type"] == "raw"), {})
        outputs = [o["data"] for c in cells for o in c.get("outputs", []) if "data" in o]
        markdown = [text(c["source"]) for c in cells if c["cell_type"] == "markdown"] + [text(d["text/markdown"]) for d in outputs if "text/markdown" in d]
        found[join(dirname(name), front.get("output-file", ""))] = (name, front, without_code(shown("\n\n".join(markdown))), bare("\n".join(text(d["text/html"]) for d in outputs if "text/html" in d)))
    return found, copy/"_proc"


def test_every_notebook_is_a_page_with_a_title(pages):
    pages, folder = pages
    assert sorted(name for name, *_ in pages.values()) == sorted(p.relative_to(ROOT/"nbs").as_posix() for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    assert [name for name, front, *_ in pages.values() if not (front.get("title") and front.get("description"))] == [] and (folder/"images"/"colab.svg").is_file() and (folder/"site.scss").is_file()


def test_links_and_pictures(pages):
    pages, folder = pages
    by_notebook, wrong, links = {name: page for page, (name, *_) in pages.items()}, [], 0
    for page, (name, _, markdown, html) in pages.items():
        urls = re.findall(r"\]\(\s*<?([^)\s>]+)", markdown) + re.findall(r"^\s{0,3}\[[^\]]+\]:\s*(\S+)", markdown, re.MULTILINE) + re.findall(r"""\b(?:src|href)=["']([^"'#][^"']*|#[\w.-]+)["']""", markdown + html)
        for url in urls:
            if url.startswith(SITE): url = os.path.relpath(url[len(SITE):].lstrip("/") or "index.html", dirname(page) or ".")  # what nbdev makes of a name in backticks
            if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", url): continue
            links += 1
            path, _, anchor = url.partition("#")
            target = normpath(join(dirname(name), unquote(path))) if path else name
            to = by_notebook.get(target, target)
            if to in pages:
                if anchor and not {anchor, anchor.partition(".")[0]} & identifiers(pages[to][2] + pages[to][3]): wrong.append(f"{name}: {url}: that page has no #{anchor}")
            elif target.endswith((".ipynb", ".html")) or not (folder/target).is_file(): wrong.append(f"{name}: {url} leads to no page or file of the site")
    assert wrong == [] and links > 100


def test_pages_ask_no_other_host(pages):
    asks = re.compile(r"""!\[[^\]]*\]\(\s*<?((?:https?:)?//[^)\s>]+)|<(?:img|iframe|script|source|video|audio|embed|link)\b[^>]*\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
    assert {name: m.group() for name, _, markdown, html in pages[0].values() for m in asks.finditer(markdown + html)} == {}
    quarto, scss = read_yaml("_quarto.yml"), (ROOT/"nbs"/"site.scss").read_text()
    html = quarto["format"]["html"]
    assert html["html-math-method"] == "mathml" and "$web-font-path: false;" in scss and all("site.scss" in theme for theme in html["theme"].values())
    assert (ROOT/"nbs"/quarto["project"]["post-render"]).resolve() == ROOT/"tools"/"postrender.py"


def test_sidebar_and_navbar():
    def files(entry): # in the order in which they are read
        if isinstance(entry, str): return [entry]
        if isinstance(entry, list): return [f for e in entry for f in files(e)]
        return files([v for k, v in entry.items() if k in ("contents", "menu", "href")])
    side = files(read_yaml("nbs/sidebar.yml")["website"]["sidebar"]["contents"])
    assert side[0] == "index.ipynb" and len(set(side)) == len(side)
    assert sorted(side) == sorted(p.relative_to(ROOT/"nbs").as_posix() for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    bar = read_yaml("_quarto.yml")["website"]["navbar"]
    assert {f for f in files(bar["left"])} <= set(side) and files(bar["right"]) == ["https://github.com/hybrid-lit/hybrid_lit"]


def test_tutorials_open_in_colab(pages):
    tutorials = {name: markdown for name, _, markdown, _ in pages[0].values() if name.startswith("tutorials/")}
    assert tutorials and [name for name, markdown in tutorials.items() if f"[![Open in Colab](../images/colab.svg)]({COLAB}/{name})" not in markdown] == [], "the link stands in a cell of its own: nbdev drops the rest of a title's cell"
    for name in tutorials:
        code = [text(c["source"]).strip() for c in json.loads((ROOT/"nbs"/name).read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        assert re.fullmatch(r'#\| hide\n! \[ -e /content \] && pip install -q (hybrid_lit|"hybrid_lit\[\w+\]")', code[0]), f"{name} cannot run in Colab: the first cell of code does not install the package there"


def test_figures_can_be_read_aloud():
    without, figures = [], 0
    for path in sorted((ROOT/"nbs").rglob("*.ipynb")):
        for n, c in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if c["cell_type"] != "code" or not any(kind.startswith("image/") for o in c.get("outputs", []) for kind in o.get("data", {})): continue
            figures += 1
            head = [line for line in text(c["source"]).splitlines() if line.startswith("#|")]
            alt = [yaml.safe_load(line[2:])["fig-alt"] for line in head if line.startswith("#| fig-alt:")]
            if len(alt) != 1 or len(alt[0]) < 40: without.append(f"{path.relative_to(ROOT/'nbs').as_posix()}, cell {n}")
    assert without == [] and figures > 30


def test_code_fits_on_the_page():
    wide = []
    for path in (ROOT/"nbs"/"index.ipynb", *sorted((ROOT/"nbs"/"tutorials").glob("*.ipynb")), *sorted((ROOT/"nbs"/"measures").glob("*.ipynb"))):
        shown = [text(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        wide += [f"{path.name}: {line}" for s in shown if not re.match(r"#\| (hide|echo: false)", s) for line in s.splitlines() if len(line) > 112 and not line.startswith("#|")]
    assert wide == []


def test_home_page(pages):
    _, _, markdown, _ = pages[0]["index.html"]
    readme = (ROOT/"README.md").read_text(encoding="utf-8")
    assert "img.shields.io" in readme and "img.shields.io" not in markdown and "when-format" not in readme
    picture, = re.findall(r'<img src="(images/[^"]+)"[^>]* alt="[^"]{40,}"', markdown)
    assert (ROOT/"nbs"/picture).stat().st_size <= 120_000
    address = re.search(r"^git_url = (\S+)", (ROOT/"settings.ini").read_text(), re.MULTILINE)[1]
    assert f"git clone {address}\ncd {address.rpartition('/')[2]}\n" in readme and "`pip install .`" in readme
    assert markdown.index("**The answer.**") < markdown.index(picture) < markdown.index("## Two commands") < markdown.index("## Ten lines of Python") < markdown.index("## Where to read on")


def test_figures_of_the_home_page(pages):
    study = ROOT/"results"/"study"
    folder, found = study/"cpu", {"95", "10", "19688"}
    for grid, benchmark, metric, baselines in (("cpu", "squadshifts", "ndcg@10", ("x-x-mono", "en-en")), ("cpu", "scifact", "ndcg@10", ("x-x-mono", "en-en")), ("cpu", "xquad-r", "multi_map", ("x-x-mono",)), ("cpu", "xquad-r", "mono_map", ("x-x-mono",)),
                                               ("cpu", "xquad-r", "rank_distance", ("x-x-mono",)), ("cpu", "mlqa-r", "multi_map", ("x-x-mono",)), ("cpu", "atlas", "multi_map", ("x-x-mono",)), ("cpu-squad", "squadshifts", "ndcg@10", ("x-x-mono", "en-en"))):
        for baseline in baselines:
            r = differences(study/grid, benchmark, metric, ["hybrid-0.5"], baseline).iloc[0]
            assert r.low*r.high > 0                                        # "excludes zero"
            found |= {f"{abs(v):.0f}" if metric == "rank_distance" else f"{abs(v):.4f}" for v in (r.difference, r.low, r.high, r.baseline_value)}
    said, = re.findall(r"\*\*The answer\.\*\*.*", pages[0]["index.html"][2])
    numbers = re.findall(r"\d[\d,]*(?:\.\d+)?", re.sub(r"\]\([^)]*\)|nDCG@10", "", said))
    for grid in ("cpu", "cpu-squad"):                                     # the share of English among the monolingual pairs
        p = pd.read_parquet(study/grid/"pairs.parquet").query("arm == 'x-x-mono'")
        found.add(f"{100*p.pairs[p.query_language == 'en'].sum()/p.pairs.sum():.0f}")
    assert len(numbers) >= 20 and {n.replace(",", "") for n in numbers} <= found
    for grid, paragraphs, told in (("cpu-squad", "squadshifts", ["squadshifts"]*2), ("minilm", "squadshifts-1-of-4", [])): # where "one cannot tell" is not said
        t = pd.concat(differences(study/grid, b, "ndcg@10", ["hybrid-0.5"], base) for b in (paragraphs, "scifact") for base in ("x-x-mono", "en-en"))
        assert t.benchmark[holm(t.p) < .05].tolist() == told
    for benchmark, metric, sign in (("xquad-r", "multi_map", 1), ("mlqa-r", "multi_map", -1), ("squadshifts", "ndcg@10", -1), ("scifact", "ndcg@10", -1)):
        r = differences(folder, benchmark, metric, ["x-y"], "hybrid-0.5").iloc[0]
        assert sign*r.low > 0 and sign*r.high > 0                          # "gains more on XQuAD-R and less on MLQA-R, and is worse in English"
    best = pd.read_parquet(folder/"macro.parquet").query("query_language.isna() and metric == 'ndcg@10' and setting == 'mono'").groupby(["benchmark", "arm"]).value.mean().groupby("benchmark").max()
    bm25 = pd.read_csv(study/"bm25.csv").set_index("benchmark").value
    assert (best[bm25.index] < bm25).all()                                 # "it stays below BM25"
    exposure = differences(folder, "squadshifts", "ndcg@10", ["hybrid-0.5-exposure"], "x-x-mono").iloc[0]
    assert exposure.high < 0 and "Twice the steps do not bring the English back" in said


def test_postrender(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("QUARTO_PROJECT_OUTPUT_DIR", raising=False)
    (tmp_path/"_docs"/"tutorials").mkdir(parents=True); (tmp_path/"nbdev.yml").write_text(f'website:\n  site-url: "{SITE}"\n')
    head = """<head><script src="site_libs/clipboard/clipboard.min.js"></script>
<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js" integrity="sha512-c3==" crossorigin="anonymous"></script>
<script src="https://cdnjs.cloudflare.com/ajax/libs/jquery/3.5.1/jquery.min.js" crossorigin="anonymous" data-relocate-top="true"></script>
<script type="application/javascript" data-relocate-top="true">define('jquery', [],function() {return window.jQuery;})</script>
</head>"""
    body = f'<a class="x" href="{SITE}/samplers.html#permute">p</a> <a href="{SITE}">home</a> <a href="{SITE}/samplers.html#permute.inner">m</a> <a href="{SITE}/gone.html">gone</a> <a href="https://arxiv.org/abs/1">a</a> ünï'
    for page in ("index.html", "samplers.html", "tutorials/a.html"): (tmp_path/"_docs"/page).write_text(head + body + '<h3 id="permute"></h3>', encoding="utf-8")
    assert not postrender.main(tmp_path)
    clean = '<head><script src="site_libs/clipboard/clipboard.min.js"></script>\n</head>'
    rest = f'<a href="{SITE}/gone.html">gone</a> <a href="https://arxiv.org/abs/1">a</a> ünï<h3 id="permute"></h3>'
    assert (tmp_path/"_docs"/"index.html").read_text(encoding="utf-8") == f'{clean}<a class="x" href="samplers.html#permute">p</a> <a href="index.html">home</a> <a href="samplers.html#permute">m</a> {rest}'
    assert (tmp_path/"_docs"/"tutorials"/"a.html").read_text(encoding="utf-8") == f'{clean}<a class="x" href="../samplers.html#permute">p</a> <a href="../index.html">home</a> <a href="../samplers.html#permute">m</a> {rest}'
    assert capsys.readouterr().out == ""
    (tmp_path/"_docs"/"b.css").write_text('@import"https://fonts.googleapis.com/css2?family=Lato";'); (tmp_path/"_docs"/"c.html").write_text('<img src="https://example.org/a.png"><link rel="canonical" href="https://other.org/"><iframe src=//d.org/x></iframe>')
    assert postrender.main(tmp_path)
    assert capsys.readouterr().out.splitlines() == ["b.css asks fonts.googleapis.com", "c.html asks d.org", "c.html asks example.org"]
    for args, code in (((), 0), (("--check",), 1)):
        r = subprocess.run([sys.executable, ROOT/"tools"/"postrender.py", *args], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert r.returncode == code and len(r.stdout.splitlines()) == 3 and r.stderr == ""


def test_what_asks_another_host():
    asking = ['<style>@import url("https://a.org/x.css");</style>', "<style>p { background: url(//a.org/x.png) }</style>", '<object type="image/svg+xml" data="https://a.org/x.svg"></object>']
    asking += [f"<script type=module>{code}</script>" for code in ('import "https://a.org/x.js";', 'import{a as b}from"https://a.org/x.js"', 'export * from "https://a.org/x.js"', "const m = await import('https://a.org/x.js')", 'fetch("https://a.org/x.json")')]
    assert [postrender.hosts(html) for html in asking] == [{"a.org"}]*len(asking)
    quiet = ['<script>d.createElementNS("http://www.w3.org/2000/svg", "g") // from https://a.org/</script>', '<script type="application/json">{"a": "import \'https://a.org/x.js\'"}</script>', '<style>@import "x.css"; p { background: url(data:image/svg+xml,http://www.w3.org/2000/svg) }</style>', '<p>import "https://a.org/x.js"</p>']
    assert [postrender.hosts(html) for html in quiet] == [set()]*len(quiet)
    stored = [text(d["text/html"]) for p in (ROOT/"nbs").rglob("*.ipynb") for c in json.loads(p.read_text(encoding="utf-8"))["cells"] for o in c.get("outputs", []) for d in [o.get("data", {})] if "text/html" in d]
    assert sum("hybrid-lit-explorer" in html for html in stored) and set().union(*map(postrender.hosts, stored)) == set()


def test_make_docs_says_how_to_get_quarto(tmp_path):
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not Path(p, "quarto").exists())
    before = {p: p.stat().st_mtime_ns for p in ROOT.iterdir()}
    r = subprocess.run(["make", "docs", f"VENV={tmp_path/'none'}"], cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=60)
    line, *rest = r.stderr.splitlines()
    assert r.returncode and line.startswith("error: Quarto is not installed") and "https://quarto.org" in line and "pip install quarto-cli" in line
    assert r.stdout == "" and all("***" in l for l in rest) and {p: p.stat().st_mtime_ns for p in ROOT.iterdir()} == before and not (tmp_path/"none").exists()


def test_workflows():
    targets = set(re.findall(r"^([a-z]+):", (ROOT/"Makefile").read_text(), re.MULTILINE))
    flows = {p.name: read_yaml(p) for p in (ROOT/".github"/"workflows").glob("*.y*ml")}
    for name, flow in flows.items():
        assert flow["permissions"] == {"contents": "read"} and flow["concurrency"]["group"], name
        for job in flow["jobs"].values():
            assert 0 < job["timeout-minutes"] <= 45 and all("uses" in s or "run" in s for s in job["steps"])
            assert set(re.findall(r"\bmake ([a-z]+)", " ".join(s.get("run", "") for s in job["steps"]))) <= targets
    docs = flows["docs.yaml"]
    deploy, on = docs["jobs"]["deploy"], docs[True]  # yaml 1.1 reads `on` as true
    assert deploy["permissions"] == {"pages": "write", "id-token": "write"} and deploy["needs"] == "build"
    assert on["workflow_run"] == dict(workflows=[flows["test.yaml"]["name"]], types=["completed"], branches=["main"]) and "event == 'push'" in deploy["if"]
    asked, _, run = docs["jobs"]["build"]["if"].partition(" || ")  # else a fork's pull request from its own main would be built with main's rights
    assert asked == "github.event_name == 'pull_request'" and set(run.strip("()").split(" && ")) == {"github.event.workflow_run.conclusion == 'success'", "github.event.workflow_run.event == 'push'", "github.event.workflow_run.head_repository.full_name == github.repository"}
    assert any(re.fullmatch(r"1\.7\.\d+", str(s.get("with", {}).get("version"))) for s in docs["jobs"]["build"]["steps"])


def test_citation():
    cff = read_yaml("CITATION.cff")
    version = re.search(r"^version = (\S+)", (ROOT/"settings.ini").read_text(), re.MULTILINE)[1]
    assert cff["cff-version"] == "1.2.0" and cff["type"] == "software" and cff["version"] == version and cff["license"] == "Apache-2.0" and cff["message"] and cff["title"] == "hybrid_lit"
    assert cff["authors"] == [{"name": "The hybrid_lit authors"}]
    paper, = cff["references"]
    assert [a["family-names"] for a in paper["authors"]] == ["Elmahdy", "Lin", "Ahmad"] and {"type": "other", "value": "arXiv:2408.10536"} in paper["identifiers"]
    readme = (ROOT/"README.md").read_text(encoding="utf-8")
    names, = re.findall(r"^  author = \{(.*)\},$", readme, re.MULTILINE)
    assert "CITATION.cff" in readme and names == " and ".join(f"{a['family-names']}, {a['given-names']}" for a in paper["authors"])
    assert all(line in readme for line in (f"  title = {{{paper['title']}}},", f"  year = {{{paper['year']}}},", f"  url = {{{paper['url']}}}"))
