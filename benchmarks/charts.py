"""Chart libraries for the explorer, drawing the same picture from the same tables, in turn, in headless Chromium. Prints JSON.

    pip install altair vl-convert-python playwright     # and node with npm: none of them is needed by the package
    python benchmarks/charts.py --install [--npm FOLDER] [--rounds 7] [--redraws 20] [--pictures FOLDER] [--small] [--out FILE]

A page holds everything inline and is opened from a file, with the network cut. `dots` is three panels x eleven rows x twenty dots on a
logarithmic axis, the row's language beside it; `all` adds a heat map of eleven x eleven with its figures. Altair 6 (vl-convert's bundle of
Vega, Vega-Lite and vega-embed, as SVG and on its canvas) and Observable Plot (esbuild, only the marks used) draw both. uPlot draws dots on
a canvas and has no heat map: one would be drawing code of one's own, so it is measured on `dots` alone. `raw` hands Altair every rank
(3 x 11 x 11 x 1,190, as records in JSON) and lets Vega find quantiles and medians itself, in three rounds of three redraws; that its dots are those of `all` is checked.

`first_ms` runs from the start of navigation to the second animation frame after drawing, so it has parsing, layout and paint in it;
`redraw_ms` from handing over a new table to the second animation frame after, the median of --redraws. Frames come 60 times a second, so
two of them alone take 33 ms and less cannot be seen in it; `busy_ms` is what a redraw costs the page's main thread (script, style, layout,
paint: Chromium's TaskDuration, less what the same takes without drawing, a mean). Each measurement is a new page in a browsing context of its
own; the order turns from round to round. Ratios are medians over rounds of theirs/Plot's on the same picture. Bytes are before compression.
--install fetches the npm packages into --npm (else a temporary folder). --small: few ranks and rounds, to see that the script runs.
"""
import argparse, importlib.metadata, importlib.util, json, os, shutil, statistics, subprocess, sys, tempfile
from pathlib import Path

PACKAGES = ["@observablehq/plot@0.6.17", "uplot@1.6.32", "esbuild@0.28.2"]
LANGUAGES, SETTINGS = "ar de el en es hi ru th tr vi zh".split(), ["mono", "cross", "multi"]
POOL, SHARES = 13014, [(i + .5)/20 for i in range(20)]
NAMES = ["altair-svg dots", "altair-canvas dots", "plot dots", "uplot dots", "altair-svg all", "altair-canvas all", "plot all", "altair-svg raw", "altair-canvas raw"]
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()

# What every page has around a library: `draw(dots, heat)` makes or renews the picture and may return a promise; `heat` is null in `dots`.
AROUND = """
const painted = () => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(performance.now()))));
const grown = (rows, k) => rows && rows.map(({setting, query, answer, rank}) => ({setting, query, answer, rank: Math.min(13014, rank*(1 + k/10))}));
const renewed = k => tables.map(t => grown(t, k));
const first = (async () => { await draw(...tables); return painted() })();
async function redraw(k) {
    const t = renewed(k);
    await painted();
    const start = performance.now();
    await draw(...t);
    return await painted() - start;
}
async function idle(k) { renewed(k); await painted(); await painted() }
"""
VEGA = """
let view;
async function draw(dots, heat) {
    if (!view) { view = (await vegaEmbed('#chart', {...spec, datasets: heat ? {dots, heat} : {dots}}, {renderer, actions: false})).view; return }
    view.data('dots', dots);
    if (heat) view.data('heat', heat);
    return view.runAsync();
}
"""
PLOT = """
function draw(dots, heat) {
    const made = [Plot.plot({width: 900, height: 300, x: {type: 'log', domain: [1, 13014], label: 'rank'}, fx: {domain: settings}, y: {type: 'point', domain: languages, label: 'answer language'},
        grid: true, marks: [Plot.dot(dots, {fx: 'setting', x: 'rank', y: 'answer', r: 2, fill: '#4c78a8'})]})];
    if (heat) made.push(Plot.plot({width: 500, height: 330, x: {domain: languages}, y: {domain: languages}, color: {type: 'log', domain: [1, 13014], scheme: 'blues'},
        marks: [Plot.cell(heat, {x: 'answer', y: 'query', fill: 'rank'}), Plot.text(heat, {x: 'answer', y: 'query', text: r => r.rank.toFixed(0)})]}));
    document.getElementById('chart').replaceChildren(...made);
}
"""
# The ranks of a panel, sorted, are the x that its eleven series share; a series is its row's number where the rank is its own.
UPLOT = """
const panels = {};
function draw(dots) {
    for (const s of settings) {
        const rows = dots.filter(r => r.setting === s).sort((a, b) => a.rank - b.rank);
        const data = [rows.map(r => r.rank), ...languages.map((l, i) => rows.map(r => r.answer === l ? 11 - i : null))];
        if (panels[s]) { panels[s].setData(data); continue }
        panels[s] = new uPlot({title: s, width: 300, height: 300, cursor: {show: false}, legend: {show: false}, scales: {x: {time: false, distr: 3, range: [1, 13014]}, y: {range: [.5, 11.5]}},
            axes: [{}, {splits: languages.map((l, i) => i + 1), values: (u, v) => v.map(i => languages[11 - i])}],
            series: [{}, ...languages.map(l => ({label: l, paths: () => null, points: {show: true, size: 4, fill: '#4c78a8', width: 0}}))]}, data, document.getElementById('chart'));
    }
}
"""


def ranks(queries):
    "Ranks as of a run, log-normal, worse in some languages; -> one row per setting, query language, answer language and query"
    import numpy as np, pandas as pd
    i = np.indices((3, 11, 11, queries)).reshape(4, -1)
    z = np.random.default_rng(0).standard_normal(i.shape[1])
    r = np.clip(np.exp(.8*i[0] + .25*i[2] + .5*(i[1] != i[2]) + 1.5*z), 1, POOL).astype(int)
    return pd.DataFrame(dict(setting=np.array(SETTINGS)[i[0]], query=np.array(LANGUAGES)[i[1]], answer=np.array(LANGUAGES)[i[2]], rank=r))


def spec(raw):
    "The picture in Altair; `raw`: from the ranks, without help"
    import altair as alt
    dots, heat = alt.Chart(alt.NamedData("dots")), alt.Chart(alt.NamedData("heat"))
    if raw:
        dots = dots.transform_quantile("rank", probs=SHARES, groupby=["setting", "answer"], as_=["share", "rank"])
        heat = alt.Chart(alt.NamedData("dots")).transform_filter("datum.setting == 'multi'").transform_aggregate(rank="median(rank)", groupby=["query", "answer"])
    log = alt.Scale(type="log", domain=[1, POOL])
    cell = heat.encode(x=alt.X("answer:N", sort=LANGUAGES), y=alt.Y("query:N", sort=LANGUAGES))
    dots = dots.mark_circle(size=16).encode(x=alt.X("rank:Q", scale=log), y=alt.Y("answer:N", sort=LANGUAGES, title="answer language"), column=alt.Column("setting:N", sort=SETTINGS)).properties(width=260, height=250)
    heat = (cell.mark_rect().encode(color=alt.Color("rank:Q", scale=alt.Scale(type="log", domain=[1, POOL], scheme="blues"))) + cell.mark_text().encode(text=alt.Text("rank:Q", format=".0f"))).properties(width=430, height=300)
    made = {}
    for name, chart in dict(dots=dots, all=dots & heat).items():
        made[name] = chart.to_dict()
        made[name].pop("datasets", None)
    return made


def libraries(npm):
    "Each library's code and style, as they stand in a page"
    import vl_convert
    (npm/"entry.js").write_text('export {plot, dot, cell, text} from "@observablehq/plot";\n')
    subprocess.run([npm/"node_modules/.bin/esbuild", npm/"entry.js", "--bundle", "--minify", "--format=iife", "--global-name=Plot", f"--outfile={npm/'plot.js'}", "--log-level=error"], check=True)
    uplot = npm/"node_modules/uplot/dist"
    return dict(altair=(vl_convert.javascript_bundle(), ""), plot=((npm/"plot.js").read_text(), ""), uplot=((uplot/"uPlot.iife.min.js").read_text(), (uplot/"uPlot.min.css").read_text()))


def pages(folder, npm, queries):
    "Write the pages; -> {name: dict(path, bytes)}"
    r, compact = ranks(queries), lambda x: json.dumps(x, separators=(",", ":"))
    dots = r.groupby(["setting", "answer"])["rank"].quantile(SHARES).rename_axis(["setting", "answer", "share"]).reset_index().to_dict("records")
    heat = r[r.setting == "multi"].groupby(["query", "answer"])["rank"].median().reset_index().to_dict("records")
    tables, specs = dict(dots=[dots, None], all=[dots, heat], raw=[r.to_dict("records"), None]), dict(spec(False), raw=spec(True)["all"])
    code, made = libraries(npm), {}
    for name in NAMES:
        tool, what = name.split()
        library, _, renderer = tool.partition("-")
        script, style = code[library]
        own = f"const languages = {compact(LANGUAGES)}, settings = {compact(SETTINGS)}, tables = {compact(tables[what])};\n"
        if renderer: own += f"const spec = {compact(specs[what])}, renderer = '{renderer}';\n"
        own += dict(altair=VEGA, plot=PLOT, uplot=UPLOT)[library] + AROUND
        inline = "".join(f"<script>{t.replace('</script', '<' + chr(92) + '/script')}</script>\n" for t in (script, own))
        path = folder/f"{name.replace(' ', '-')}.html"
        path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{style}</style><div id="chart"></div>\n{inline}</html>\n', encoding="utf-8")
        made[name] = dict(path=path, bytes_page=path.stat().st_size, bytes_library=len((script + style).encode()))
    return made


# What a reader without eyes gets: text elements, labels for assistive technology; and where the dots lie, to compare two pictures.
LOOK = """() => {
    const all = q => [...document.querySelectorAll('#chart ' + q)], words = new Set(all('svg text').map(e => e.textContent));
    return {svg: all('svg').length > 0, languages_as_text: languages.filter(l => words.has(l)).length, texts: all('svg text').length, aria_labels: all('[aria-label]').length,
        dots: all('.mark-symbol path, circle').map(e => e.getBoundingClientRect()).map(b => ((b.left + b.right)/2).toFixed(1) + ' ' + ((b.top + b.bottom)/2).toFixed(1)).sort()};
}"""


def busy(page, call, n):
    "Call n times; -> what each returned, and the main thread's milliseconds for one"
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    task = lambda: next(m["value"] for m in devtools.send("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration")*1000
    before = task()
    found = page.evaluate(f"async n => {{ const found = []; for (let k = 1; k <= n; k++) found.push(await {call}(k)); return found }}", n)
    return found, (task() - before)/n


def visit(browser, path, look=False, redraws=1, picture=None):
    "Open a page without a network; `look`: say what it shows and what it tried to fetch, instead of timing it"
    context, wrong = browser.new_context(viewport=dict(width=1000, height=1000)), []
    try:
        page = context.new_page()
        page.set_default_timeout(300_000)
        context.set_offline(True)
        page.on("pageerror", lambda e: wrong.append(f"error: {e}"))
        page.on("console", lambda m: m.type == "error" and wrong.append(f"console: {m.text}"))
        page.on("request", lambda r: r.url.split(":")[0] in ("file", "data", "blob") or wrong.append(f"request: {r.url}"))
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_function("() => typeof first !== 'undefined' && first")
        if look:
            seen, shot = page.evaluate(LOOK), page.screenshot(path=picture)
            page.evaluate("() => redraw(9)")
            if page.screenshot() == shot: wrong.append("error: a new table changes nothing")
            return seen, wrong
        first, (took, work), (_, rest) = page.evaluate("() => first"), busy(page, "redraw", redraws), busy(page, "idle", redraws)
        return dict(first_ms=first, redraw_ms=statistics.median(took), busy_ms=work - rest), wrong
    finally: context.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--npm", type=Path, help="folder with node_modules, or to install into")
    p.add_argument("--install", action="store_true", help="npm install into --npm")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--redraws", type=int, default=20)
    p.add_argument("--pictures", type=Path, help="also write each page's picture here")
    p.add_argument("--small", action="store_true")
    p.add_argument("--out", help="also write the JSON here")
    args = p.parse_args()
    if args.small: args.rounds, args.redraws = 1, 2
    missing = [f"pip install {name}" for module, name in dict(altair="altair", vl_convert="vl-convert-python", playwright="playwright", pandas="pandas").items() if not importlib.util.find_spec(module)]
    chromium = next(filter(None, map(shutil.which, [os.environ.get("CHROMIUM", ""), "chromium", "google-chrome", "chromium-browser"])), None)
    if not chromium: missing.append("Chromium (or CHROMIUM=/path/to/it)")
    if not shutil.which("npm"): missing.append("npm, of Node.js")
    if not args.install and not (args.npm and (args.npm/"node_modules/uplot").exists()): missing.append("npm's packages: say --install, or --npm with a folder that has node_modules")
    if missing: sys.exit("charts.py lacks: " + "; ".join(missing))
    with tempfile.TemporaryDirectory() as temp: measure(args, chromium, Path(temp))


def measure(args, chromium, temp):
    "Make the pages, look at each once, time them in turn, print"
    from playwright.sync_api import sync_playwright
    npm = (args.npm or temp/"npm").resolve()
    npm.mkdir(parents=True, exist_ok=True)
    if args.install: subprocess.run(["npm", "install", "--prefix", npm, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *PACKAGES], check=True)
    if args.pictures: args.pictures.mkdir(parents=True, exist_ok=True)
    made, looks, runs = pages(temp, npm, 40 if args.small else 1190), {}, {n: [] for n in NAMES}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        version = browser.version
        for n in NAMES: looks[n] = visit(browser, made[n]["path"], look=True, picture=args.pictures and args.pictures/f"{n.replace(' ', '-')}.png")
        for i in range(args.rounds):
            for n in NAMES[i % len(NAMES):] + NAMES[:i % len(NAMES)]:
                if n.endswith("raw") and i >= 3: continue    # seconds each: three rounds, three redraws
                run, wrong = visit(browser, made[n]["path"], redraws=min(3, args.redraws) if n.endswith("raw") else args.redraws)
                if wrong: sys.exit(f"{n}: {wrong}")
                runs[n].append(run)
                print(f"round {i + 1}: {n}: " + ", ".join(f"{k} {v:.1f}" for k, v in run.items()), file=sys.stderr)
        browser.close()
    if looks["altair-svg raw"][0]["dots"] != looks["altair-svg all"][0]["dots"]: sys.exit("Vega's own quantiles are not those of the aggregated table")
    result = dict(browser=f"Chromium {version}", cores=os.cpu_count(), rounds=args.rounds, redraws=args.redraws, small=args.small, libraries=about(npm), pages={})
    for n in NAMES:
        look, wrong = looks[n]
        against = "plot all" if n.split()[1] != "dots" else "plot dots"
        result["pages"][n] = dict({k: v for k, v in made[n].items() if k != "path"}, **{k: round(statistics.median(r[k] for r in runs[n]), 1) for k in ("first_ms", "redraw_ms", "busy_ms")},
            **{f"{k}_ratio": round(statistics.median(r[f"{k}_ms"]/b[f"{k}_ms"] for r, b in zip(runs[n], runs[against])), 2) for k in ("first", "redraw", "busy")},
            **dict(look, dots=len(look["dots"])), wrong_without_network=wrong)
    text = json.dumps(result, indent=1)
    print(text)
    if args.out: Path(args.out).write_text(text + "\n", encoding="utf-8")


def about(npm):
    "Release and licence of each, as the installed packages state them"
    import altair, vl_convert
    stated = lambda name: json.loads((npm/f"node_modules/{name}/package.json").read_text())
    found = {name: dict(release=stated(name)["version"], licence=stated(name)["license"]) for name in ("@observablehq/plot", "uplot", "esbuild")}
    licence = lambda d: (lambda m: m.get("License-Expression") or next((c.split(" :: ")[-1] for c in m.get_all("Classifier", []) if c.startswith("License")), m.get("License")))(importlib.metadata.metadata(d))
    found.update({d: dict(release=importlib.metadata.version(d), licence=licence(d)) for d in ("altair", "vl-convert-python")})
    found["vl-convert-python"]["bundles"] = f"Vega {vl_convert.get_vega_version()}, Vega-Lite {vl_convert.get_vegalite_versions()[-1]}, vega-embed {vl_convert.get_vega_embed_version()}"
    return found


if __name__ == "__main__": main()
