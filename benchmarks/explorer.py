"""The explorer's page with three arms of XQuAD-R (3 x 143,990 ranks) in headless Chromium, from disk, with the network cut. Prints JSON.

    python benchmarks/explorer.py [--rounds 5] [--out results/explorer.json]

`first_picture_ms` runs from the start of navigation to the second animation frame after all five views stand, parsing and inflating included;
`controls` are from the event that a person's hand would cause (on the select, the slider, the cell, the line) to the second animation frame
after, so two frames of 60 a second, 33 ms, are in each. Medians over rounds, and the slowest of all. With HYBRID_LIT_DATA the
same page with XQuAD-R's texts in it is measured too.
"""
import argparse, json, os, statistics, sys, tempfile
from pathlib import Path
import pandas as pd
from hybrid_lit.benchmarks import load_benchmark
from hybrid_lit.explorer import RankExplorer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/"tests"))
from browser import FLAGS, find, open_page

FIRST = """() => new Promise(done => { const look = () => { const root = document.querySelector('.hybrid-lit-explorer')?.shadowRoot;
    if (['ranks', 'matrix', 'tradeoff', 'barcode', 'forest'].every(v => root?.querySelector(`#${v} .view`)?.children.length)) requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
    else setTimeout(look, 2); }; look(); })"""
CONTROLS = """async () => {
    const root = document.querySelector('.hybrid-lit-explorer').shadowRoot, $ = s => root.querySelector(s), out = {};
    const painted = () => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(performance.now()))));
    const time = async (name, act, until = () => true) => { await painted(); const start = performance.now(); act(); let end = await painted(); while (!until()) end = await painted(); (out[name] ??= []).push(end - start); };
    const pick = (id, value) => () => { const e = $(id); e.value = value; e.dispatchEvent(new Event('change')); };
    const slide = (id, value) => () => { const e = $(id); e.value = value; e.dispatchEvent(new Event('input')); };
    for (const arm of [0, 1, 2]) await time('arm', pick('#arm', arm));
    for (const at of [0, 1, 2, 1]) await time('alpha', slide('#alpha', at));
    for (const q of [0, 3, 10, -1]) await time('question asked in', pick('#asked', q));
    for (const a of [2, 9, -1]) await time('answer in', pick('#answered', a));
    for (const v of ['first_share', 'map', 'median_rank']) await time('cells show', pick('#value', v));
    await time('difference', () => $('#difference').click());
    for (const v of ['first_share', 'map', 'median_rank']) await time('cells show', pick('#value', v));
    for (const base of [2, 1, 0]) await time('compared with', pick('#base', base));
    for (const cell of [1, 60, 115]) await time('cell', () => root.querySelectorAll('.matrix button')[cell].click());
    await time('cell', () => root.querySelectorAll('.matrix button')[115].click());
    for (const line of [500, 13000, 0]) await time('first question shown', slide('#line', line));
    for (const id of ['#next', '#next', '#previous']) await time('further, earlier', () => $(id).click());
    for (const n of [0, 7, 20]) await time('question', () => root.querySelectorAll('.names button')[n].click(), () => $('#detail b')?.textContent.startsWith(root.querySelector('.names [aria-pressed=true]').ariaLabel.split(' ')[1]));
    for (const view of ['ranks', 'matrix', 'tradeoff', 'barcode', 'forest']) await time('the numbers', () => $(`#${view} summary`).click());
    for (const q of [5, -1]) await time('question asked in, all numbers open', pick('#asked', q));
    return out; }"""


def measure(browser, page, rounds):
    "Medians and the slowest, over rounds; each in a new browsing context"
    first, controls = [], {}
    for _ in range(rounds):
        p, seen = open_page(browser, page.as_uri())
        first.append(p.evaluate(FIRST))
        for name, times in p.evaluate(CONTROLS).items(): controls.setdefault(name, []).extend(times)
        assert not seen.errors and not seen.requests, vars(seen)
        p.context.close()
    every = [t for times in controls.values() for t in times]
    return dict(bytes=page.stat().st_size, first_picture_ms=round(statistics.median(first), 1), first_picture_slowest_ms=round(max(first), 1), controls={k: round(statistics.median(v), 1) for k, v in controls.items()},
                control_median_ms=round(statistics.median(every), 1), control_slowest_ms=round(max(every), 1), measured=len(every))


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--out")
args = parser.parse_args()
if not find(): sys.exit("benchmarks/explorer.py: no Chromium or Chrome here; install one, or name it: CHROMIUM=/path/to/chrome")
from playwright.sync_api import sync_playwright
ranks = {arm: pd.read_parquet(ROOT/"results"/"study"/"cpu"/"ranks"/"xquad-r"/f"{arm}.parquet") for arm in ("x-x-mono", "hybrid-0.5", "x-y")}
data = os.environ.get("HYBRID_LIT_DATA")
with tempfile.TemporaryDirectory() as d, sync_playwright() as play:
    browser = play.chromium.launch(executable_path=find(), args=FLAGS)
    found = dict(command="python benchmarks/explorer.py", browser=browser.version, cores=os.cpu_count(), rounds=args.rounds, ranks=sum(int((t.setting == "multi").sum()) for t in ranks.values()))
    for name, texts in (("page", None), *((("page with texts", load_benchmark("xquad-r", data)),) if data else ())):
        path = Path(d)/f"{name}.html"
        RankExplorer(ranks, texts=texts).save(path)
        found[name] = measure(browser, path, args.rounds)
    browser.close()
said = json.dumps(found, indent=1)
print(said)
if args.out: Path(args.out).write_text(said + "\n")
