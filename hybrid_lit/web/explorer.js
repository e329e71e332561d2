// The explorer's pictures. Drawn into a shadow root by `mount`; the data come as bytes that explorer.py packs.
// Texts, ids and names are data: they reach the page through textContent and setAttribute alone.
// `Plot` is Observable Plot, which stands before this file (plot.js).

const STYLE = `
:host { display: block; --blue: #0072B2; --red: #D55E00; --sky: #56B4E9; --green: #009E73; --purple: #AA4499; --faint: #8886; --panel: #8881; --page: #fff; }
:host([data-dark]) { --blue: #56B4E9; --red: #F28E4B; --sky: #9AD4F5; --green: #35C49A; --purple: #E39BC9; --page: #111; }
* { box-sizing: border-box; }
.all { font: 14px/1.45 system-ui, sans-serif; color: inherit; max-width: 1100px; text-align: left; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 0 0 2px; } h4 { font-size: 13px; margin: 0 0 2px; text-align: center; font-weight: normal; } h4.now { font-weight: bold; }
p { margin: 2px 0 6px; } .hint { opacity: .75; font-size: 12.5px; } .said { font-size: 15px; }
.controls { display: flex; flex-wrap: wrap; gap: 6px 14px; padding: 8px 10px; background: var(--panel); border-radius: 6px; margin: 6px 0; align-items: end; }
.field { display: inline-flex; flex-direction: column; font-size: 12px; gap: 1px; min-width: 0; } .field.row { flex-direction: row; align-items: center; gap: 5px; }
select, button, input { font: inherit; color: inherit; max-width: 100%; } select { background: Field; color: FieldText; padding: 2px; border: 1px solid var(--faint); border-radius: 4px; font-size: 13px; }
button { background: none; border: 1px solid var(--faint); border-radius: 4px; cursor: pointer; } input[type=range] { width: 150px; accent-color: var(--blue); }
:focus-visible { outline: 2px solid var(--red); outline-offset: 1px; }
section { margin: 14px 0; min-width: 0; } .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 0 26px; }
.panels { display: flex; flex-wrap: wrap; gap: 4px 10px; } .panels > div { flex: 1 1 280px; min-width: 0; } .panels > div:only-child { max-width: 620px; }
svg { display: block; max-width: 100%; overflow: visible; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12.5px; font-variant-numeric: tabular-nums; } th { font-weight: normal; opacity: .8; }
table.matrix { table-layout: fixed; width: 100%; max-width: 520px; } .many table.matrix { width: max-content; max-width: none; } .many .matrix th, .many .matrix td { width: 34px; } .matrix td { padding: 0; } .matrix th { padding: 1px 2px; text-align: center; font-size: 12px; } .matrix th.own { font-weight: bold; opacity: 1; }
.matrix button { width: 100%; min-height: 26px; padding: 0; border: 1px solid transparent; border-radius: 0; font-size: clamp(9px, 2.4vw, 12px); } .matrix button[aria-pressed=true] { outline: 3px solid var(--red); outline-offset: -3px; } .matrix button:focus-visible { outline: 4px double CanvasText; outline-offset: -4px; }
.matrix .own button { border: 1.5px solid currentColor; }
.lines { display: grid; grid-template-columns: minmax(84px, max-content) 1fr; } .lines .names { display: flex; flex-direction: column; } .lines .names button { height: 24px; border: 0; padding: 0 4px; font-size: 12px; white-space: nowrap; text-align: left; border-radius: 0; } .names button[aria-pressed=true] { background: var(--red); color: #000; }
.detail { border-left: 4px solid var(--red); padding: 4px 10px; margin-top: 8px; background: var(--panel); } .detail td, .numbers td, .detail th, .numbers th { padding: 2px 8px 2px 0; vertical-align: top; text-align: left; border-bottom: 1px solid var(--faint); } td.n { text-align: right !important; }
.text { display: block; text-align: start; unicode-bidi: isolate; overflow-wrap: anywhere; } .control { opacity: .6; font-size: .8em; border: 1px solid var(--faint); border-radius: 3px; padding: 0 2px; }
.notes { border-left: 4px solid var(--sky); padding: 2px 10px; margin: 6px 0; } .notes li { margin: 2px 0; } .notes ul { margin: 0; padding-left: 16px; }
details { margin-top: 4px; font-size: 12.5px; } summary { cursor: pointer; opacity: .8; } .numbers { max-height: 320px; overflow: auto; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.nav { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin: 2px 0; } .nav input { flex: 1; min-width: 120px; }
`;

const VALUES = { median_rank: "median rank", first_share: "share of first places", map: "mAP in the pool" };
const LINES = 25;                                                   // questions shown at a time

// ---- small helpers

function h(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) {
    if (v === null || v === undefined || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (k === "value" || k === "checked") e[k] = v;
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return e;
}

const count = (x) => x.toLocaleString("en", { maximumFractionDigits: x < 100 ? 1 : 0 });
const short = (x) => (x >= 9999.5 ? `${Math.round(x / 1000)}k` : x >= 999.5 ? `${(x / 1000).toFixed(1)}k` : x >= 100 ? x.toFixed(0) : String(Math.round(x * 10) / 10));
const three = (x) => (x === null || Number.isNaN(x) ? "–" : x.toFixed(3));
const signed = (x) => (x > 0 ? "+" : x < 0 ? "−" : "") + Math.abs(x).toFixed(3);
const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

// A text as data: control characters, and those that override the reading order, are shown by their code points.
function shown(text) {
  const out = document.createDocumentFragment();
  for (const part of text.split(/([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb])/))
    if (part) out.append(/^[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]$/.test(part) ? h("span", { class: "control" }, `U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`) : part);
  return out;
}

function table(columns, rows, attributes = {}) {
  const number = /^[+−–]?[\d.,]+%?$|^–$/;
  return h("table", attributes, h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col" }, c)))),
    h("tbody", {}, rows.map((r) => h("tr", {}, r.map((c) => (c instanceof Node ? h("td", {}, c) : h("td", number.test(c) ? { class: "n" } : {}, shown(String(c)))))))));
}

// ---- the data

async function inflate(base64OrBytes) {
  let bytes = base64OrBytes;
  if (typeof bytes === "string") {
    const s = atob(bytes);
    bytes = new Uint8Array(s.length);
    for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i);
  }
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
}

// Four bytes of length, JSON, then arrays of whole numbers, each split into planes of its low to high bytes (they compress better).
function unpack(bytes) {
  const n = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const meta = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + n)));
  let at = 4 + n;
  const arrays = meta.arrays.map(([width, length]) => {
    const out = new Uint32Array(length);
    for (let k = 0; k < width; k++, at += length) for (let i = 0, shift = 8 * k; i < length; i++) out[i] |= bytes[at + i] << shift;
    return out;
  });
  return [meta, arrays];
}

const NONE = 0xffffffff;                                            // of a right answer without a rank; the highest, so that it sorts last

// Queries are (language, question); each has its lines one after another, one line per right answer, the same in every arm.
class Ranks {
  constructor(meta, [queryLanguage, queryQuestion, lines, item, itemLanguage, ...ranks]) {
    Object.assign(this, { meta, queryLanguage, queryQuestion, item, itemLanguage, L: meta.languages.length, cache: new Map() });
    this.ranks = ranks.map((r) => r.map((v) => (v === 0 ? NONE : v)));
    this.start = new Uint32Array(lines.length + 1);
    for (let i = 0; i < lines.length; i++) this.start[i + 1] = this.start[i] + lines[i];
    this.cells = Array.from({ length: this.L * this.L }, () => []); // line numbers by (query language, answer language)
    for (let k = 0; k < lines.length; k++) for (let i = this.start[k]; i < this.start[k + 1]; i++) this.cells[queryLanguage[k] * this.L + itemLanguage[item[i]]].push(i);
    this.asked = [...new Set(queryLanguage)].sort((a, b) => a - b);
    this.answered = [...new Set(itemLanguage)].sort((a, b) => a - b);
  }
  once(key, make) {
    if (!this.cache.has(key)) this.cache.set(key, make());
    return this.cache.get(key);
  }
  // Ranks in ascending order: of the questions asked in q (-1: in any other language than a), answered in a (-1: in the question's own)
  sorted(arm, q, a) {
    return this.once(`sorted ${arm} ${q} ${a}`, () => {
      const cells = q >= 0 && a >= 0 ? [[q, a]] : q >= 0 ? [[q, q]] : this.asked.filter((x) => (a < 0 ? true : x !== a)).map((x) => [x, a < 0 ? x : a]);
      const lines = cells.flatMap(([x, y]) => [this.cells[x * this.L + y]]);
      const out = new Uint32Array(lines.reduce((n, l) => n + l.length, 0));
      let n = 0;
      for (const l of lines) for (const i of l) out[n++] = this.ranks[arm][i];
      return out.sort();
    });
  }
  // Between the two nearest values, as NumPy's and pandas' default; null where that reaches answers without a rank
  quantile(s, p) {
    if (!s.length) return null;
    const x = p * (s.length - 1), i = Math.floor(x), j = Math.ceil(x);
    return s[j] === NONE ? null : s[i] + (x - i) * (s[j] - s[i]);
  }
  // The smallest value that at least the share p does not exceed
  step(s, p) { const v = s[Math.max(0, Math.ceil(p * s.length - 1e-9) - 1)]; return v === NONE ? null : v; }
  matrix(arm, value) {
    return this.once(`matrix ${arm} ${value}`, () => {
      const { L, ranks: { [arm]: r }, start, queryLanguage, item, itemLanguage } = this, out = new Array(L * L).fill(null);
      if (value === "median_rank") {
        for (let c = 0; c < L * L; c++) if (this.cells[c].length) out[c] = this.quantile(this.sorted(arm, Math.floor(c / L), c % L), 0.5);
        return out;
      }
      const sum = new Float64Array(L * L), n = new Float64Array(L * L), firsts = new Float64Array(L);
      for (let k = 0; k + 1 < start.length; k++) {
        const groups = new Map();
        let best = NONE;
        for (let i = start[k]; i < start[k + 1]; i++) {
          const a = itemLanguage[item[i]];
          if (!groups.has(a)) groups.set(a, []);
          groups.get(a).push(r[i]);
          if (r[i] < best) best = r[i];
        }
        for (const [a, g] of groups) {
          const c = queryLanguage[k] * L + a;
          n[c]++;
          if (value === "first_share") sum[c] += best !== NONE && g.some((v) => v === best) ? 1 : 0;
          else sum[c] += g.sort((x, y) => x - y).reduce((s, v, j) => s + (v === NONE ? 0 : (j + 1) / v), 0) / g.length;
        }
      }
      for (let c = 0; c < L * L; c++) if (n[c]) out[c] = sum[c] / n[c];
      return out;
    });
  }
  // Worst minus best rank of each query; null where the right answers are in one language, or one has no rank
  distances(arm) {
    return this.once(`distances ${arm}`, () => Array.from({ length: this.start.length - 1 }, (_, k) => {
      let low = NONE, high = 0, several = false;
      for (let i = this.start[k]; i < this.start[k + 1]; i++) {
        const r = this.ranks[arm][i];
        if (r < low) low = r;
        if (r > high) high = r;
        several ||= this.itemLanguage[this.item[i]] !== this.itemLanguage[this.item[this.start[k]]];
      }
      return several && high !== NONE ? high - low : null;
    }));
  }
  // Queries asked in q (-1: in any), the largest rank distance first; those without one by their worst rank, last
  order(arm, q) {
    return this.once(`order ${arm} ${q}`, () => {
      const d = this.distances(arm), worst = (k) => { let w = 0; for (let i = this.start[k]; i < this.start[k + 1]; i++) w = Math.max(w, this.ranks[arm][i]); return w; };
      const ks = [...d.keys()].filter((k) => q < 0 || this.queryLanguage[k] === q);
      const key = new Float64Array(d.length);
      for (const k of ks) key[k] = d[k] === null ? worst(k) / 1e12 - 1 : d[k];
      return ks.sort((x, y) => key[y] - key[x] || x - y);
    });
  }
}

// ---- colours of the matrix

const mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
const LIGHT = [247, 251, 255], DEEP = [8, 60, 115], BLUE = [0, 114, 178], WHITE = [248, 248, 248], RED = [213, 94, 0];
function paint(rgb) {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return `background: rgb(${rgb.join(" ")}); color: ${0.2126 * r + 0.7152 * g + 0.0722 * b > 0.2 ? "#000" : "#fff"}`;
}

// ---- the views

class Explorer {
  constructor(host, meta, arrays, texts, { live = false, onchange = null } = {}) {
    Object.assign(this, { host, meta, texts, onchange, data: new Ranks(meta, arrays), root: host.shadowRoot ?? host.attachShadow({ mode: "open" }) });
    this.state = { ...meta.state };
    this.byAlpha = meta.arms.map((a, i) => i).filter((i) => meta.arms[i].alpha !== null).sort((i, j) => meta.arms[j].alpha - meta.arms[i].alpha);
    this.build(live);
    this.theme();
    this.set({});
    this.draw();
    let width = Math.round(this.all.clientWidth);
    this.watch = new ResizeObserver(([entry]) => { const w = Math.round(entry.contentRect.width); if (w && Math.abs(w - width) > 2) { width = w; this.theme(); this.draw(); } });
    this.watch.observe(this.all);
    this.looks = new MutationObserver(() => this.theme());
    for (const e of [document.documentElement, document.body]) this.looks.observe(e, { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-bs-theme", "data-jp-theme-light"] });
    this.end = new AbortController();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.theme(), { signal: this.end.signal });
  }
  stop() { this.watch.disconnect(); this.looks.disconnect(); this.end.abort(); }
  // Light text means that the page around is dark
  theme() {
    const [r, g, b] = (getComputedStyle(this.host).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
    this.host.toggleAttribute("data-dark", 0.3 * r + 0.6 * g + 0.1 * b > 140);
  }
  name(l) { return this.meta.languages[l].name; }
  code(l) { return this.meta.languages[l].code; }
  arm(i) { return this.meta.arms[i].name; }

  build(live) {
    const { meta, data } = this, several = meta.arms.length > 1;
    const choice = (id, title, options, key, number = true) => {
      const e = h("select", { id, onchange: () => this.set({ [key]: number ? Number(e.value) : e.value }) }, options.map(([v, t]) => h("option", { value: v }, t)));
      return (this.inputs[key] = e), h("div", { class: "field" }, h("label", { for: id }, title), e);
    };
    this.inputs = {};
    const arms = meta.arms.map((a, i) => [i, a.name]);
    const controls = [
      choice("asked", "question asked in", [[-1, "any language"], ...data.asked.map((l) => [l, this.name(l)])], "q"),
      choice("answered", "answer in", [[-1, "any language"], ...data.answered.map((l) => [l, this.name(l)])], "a"),
      several ? choice("arm", "arm", arms, "arm") : null,
      this.byAlpha.length > 1 ? h("div", { class: "field" }, h("div", {}, h("label", { for: "alpha" }, "alpha: share of monolingual batches"), " ", (this.alpha = h("output", { for: "alpha" }))),
        (this.slider = h("input", { id: "alpha", type: "range", min: 0, max: this.byAlpha.length - 1, step: 1, oninput: () => this.set({ arm: this.byAlpha[this.byAlpha.length - 1 - Number(this.slider.value)] }) }))) : null,
      several ? choice("base", "compared with", arms, "base") : null,
      choice("value", "cells show", Object.entries(VALUES), "value", false),
      several ? h("div", { class: "field row" }, (this.inputs.difference = h("input", { id: "difference", type: "checkbox", onchange: () => this.set({ difference: this.inputs.difference.checked }) })), h("label", { for: "difference" }, "difference")) : null,
    ];
    const view = (id, title, hint, ...more) => {
      const body = h("div", { class: "view" }), numbers = h("div", { class: "numbers", tabindex: 0, role: "region", "aria-label": `${title}, the numbers` }), heading = h("h3", {}, title), said = h("p", { class: "hint" }, hint);
      const details = h("details", { ontoggle: () => this.number(id) }, h("summary", {}, "the numbers"), numbers);
      this.views[id] = { body, numbers, details, heading, said };
      return h("section", { id, "aria-label": title }, heading, said, ...more, body, details);
    };
    this.views = {};
    this.all = h("div", { class: "all" },
      h("p", { class: "said" }, meta.sentence),
      meta.notes.length ? h("div", { class: "notes", role: "note" }, h("ul", {}, meta.notes.map((n) => h("li", {}, shown(n))))) : null,
      live ? null : h("div", { class: "controls", role: "group", "aria-label": "what is shown" }, controls),
      (this.status = h("div", { class: "hidden", role: "status", "aria-live": "polite" })),
      view("ranks", "Where the right answers stand", ""),
      h("div", { class: "two" },
        view("matrix", "Question's language by answer's language", ""),
        view("tradeoff", "Retrieval quality against language bias", "Over all languages, whatever is chosen above. Higher is better retrieval, further left is less language bias. Bars: 95% intervals. Each setting has its own scale.")),
      view("barcode", "Question by question", "", h("div", { class: "nav" },
        h("button", { id: "previous", "aria-label": "earlier questions", onclick: () => this.set({ line: this.state.line - LINES }) }, "◀"),
        (this.inputs.line = h("input", { id: "line", type: "range", min: 0, step: 1, "aria-label": "first question shown", oninput: () => this.set({ line: Number(this.inputs.line.value) }) })),
        h("button", { id: "next", "aria-label": "further questions", onclick: () => this.set({ line: this.state.line + LINES }) }, "▶"))),
      (this.detail = h("div", { class: "detail", hidden: true, id: "detail", role: "region", "aria-label": "the chosen question" })),
      view("forest", "Is anything lost?", ""));
    this.root.replaceChildren(h("style", {}, STYLE), this.all);
  }

  // Only the views that a change concerns are drawn again
  set(patch, tell = true) {
    const before = { ...this.state }, s = Object.assign(this.state, patch);
    if (s.q !== before.q || s.arm !== before.arm) if (!("line" in patch)) s.line = 0;
    this.lines = this.data.order(s.arm, s.q);
    s.line = Math.max(0, Math.min(s.line, this.lines.length - LINES));
    if (s.query !== null && s.q >= 0 && this.data.queryLanguage[s.query] !== s.q) s.query = null;
    for (const [k, e] of Object.entries(this.inputs)) if (k === "difference") e.checked = s.difference; else if (k !== "line") e.value = String(s[k]);
    if (this.slider) { const at = this.byAlpha.indexOf(s.arm); this.slider.value = String(this.byAlpha.length - 1 - Math.max(0, at)); this.alpha.textContent = at < 0 ? "not told" : String(this.meta.arms[s.arm].alpha); this.slider.setAttribute("aria-valuetext", `alpha ${this.alpha.textContent}, ${this.arm(s.arm)}`); }
    const changed = Object.keys(s).filter((k) => s[k] !== before[k]);
    this.draw(changed);
    if (changed.includes("query") && s.query !== null) this.detail.scrollIntoView({ block: "nearest" });
    if (changed.length) this.status.textContent = `${this.asking()}, ${this.arm(s.arm)}.`;
    if (tell && changed.length && this.onchange) this.onchange({ ...s });
  }
  draw(changed = null) {
    if (!this.all.clientWidth) return;
    const has = (...keys) => changed === null || keys.some((k) => changed.includes(k));
    const again = (id, draw, ...keys) => { if (has(...keys)) { draw(); this.number(id); } };
    again("ranks", () => this.drawRanks(), "q", "a", ...(this.meta.arms.length > 3 ? ["arm", "base"] : [])); // up to three arms are all drawn
    for (const e of this.views.ranks.body.querySelectorAll("h4")) e.classList.toggle("now", this.meta.arms.length > 1 && Number(e.dataset.arm) === this.state.arm);
    again("matrix", () => this.drawMatrix(), "q", "a", "arm", "base", "value", "difference");
    again("tradeoff", () => this.drawTradeoff(), "arm");
    again("barcode", () => this.drawBarcode(), "q", "a", "arm", "line", "query");
    again("forest", () => this.drawForest(), "arm", "base");
    if (has("arm", "query")) this.drawDetail();
  }
  asking() { const { q, a } = this.state; return `questions ${q < 0 ? "in any language" : `in ${this.name(q)}`}${a < 0 ? "" : `, answers in ${this.name(a)}`}`; }
  width(e, most = 1100) { return Math.max(220, Math.min(most, e.clientWidth || this.all.clientWidth)); }
  // A chart as one picture with its sentence for those who do not see it
  picture(svg, said) { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", said); svg.removeAttribute("aria-description"); return svg; }
  number(id) {
    const v = this.views[id];
    if (v?.details.open && v.rows) v.numbers.replaceChildren(table(...v.rows()));
  }

  // -- the distributions, an arm beside an arm
  rowsOfRanks(arm) {
    const { data, state: { q } } = this, row = (label, s, own, l) => {
      const n = s.length, k = Math.min(20, n);
      return { label, own, l, n, median: data.quantile(s, 0.5), dots: Array.from({ length: k }, (_, i) => data.step(s, (i + 0.5) / k)), none: s.reduce((m, v) => m + (v === NONE), 0) };
    };
    const rows = [];
    if (q >= 0) {
      for (const a of [q, ...data.answered.filter((a) => a !== q)]) { const s = data.sorted(arm, q, a); if (s.length) rows.push(row(this.name(a), s, a === q, a)); }
    } else {
      const own = data.sorted(arm, -1, -1);
      if (own.length) rows.push(row("question's own", own, true, -1));
      for (const a of data.answered) { const s = data.sorted(arm, -1, a); if (s.length) rows.push(row(this.name(a), s, false, a)); }
    }
    return rows;
  }
  drawRanks() {
    const { state: s, meta, views: { ranks: v } } = this;
    const arms = meta.arms.length <= 3 ? meta.arms.map((_, i) => i) : [...new Set([s.base, s.arm])], wide = this.width(v.body);
    const width = Math.min(620, Math.max(260, wide >= 290 * arms.length ? wide / arms.length - 10 : wide)), top = Math.max(10, meta.pool), drawn = arms.map((i) => this.rowsOfRanks(i));
    const few = drawn.flat().some((r) => r.n < 20);
    v.said.textContent = `A dot is a twentieth of the right answers${s.q < 0 ? "" : ` to questions asked in ${this.name(s.q)}`}${few ? " (where there are fewer than twenty, one of them)" : ""}; the upright tick is the median, written at the right. Orange: the answer in the question's own language.`;
    v.body.replaceChildren(h("div", { class: "panels" }, arms.map((i, n) => {
      const rows = drawn[n], faded = (r) => s.a >= 0 && r.l !== s.a && !(r.own && s.q === s.a) ? 0.12 : 1;
      if (!rows.length) return h("div", {}, h("h4", { "data-arm": i }, this.label(i)), h("p", {}, `No right answer to ${this.asking()}.`));
      const dots = rows.flatMap((r) => r.dots.filter((x) => x !== null).map((x) => ({ x, r })));
      const svg = Plot.plot({
        width, height: 44 + 19 * rows.length, marginLeft: 96, marginRight: 44, marginTop: 6, marginBottom: 34,
        x: { type: "log", domain: [1, top], label: meta.rank, ticks: Math.min(5, Math.ceil(Math.log10(top))), tickFormat: (d) => (/^10*$/.test(String(d)) ? d.toLocaleString("en") : ""), labelAnchor: "center", labelArrow: "none" },
        y: { type: "band", domain: rows.map((r) => r.label), label: null, tickSize: 0, padding: 0.1 },
        marks: [
          Plot.ruleY(rows, { y: (r) => r.label, x1: 1, x2: top, stroke: "currentColor", strokeOpacity: 0.08 }),
          Plot.dot(dots, { x: "x", y: (d) => d.r.label, r: 3.6, fill: (d) => (d.r.own ? "var(--red)" : "var(--blue)"), fillOpacity: (d) => 0.6 * faded(d.r) }),
          Plot.tickX(rows.filter((r) => r.median !== null), { x: "median", y: (r) => r.label, stroke: "currentColor", strokeWidth: 2.5, strokeOpacity: faded }),
          Plot.text(rows, { y: (r) => r.label, text: (r) => (r.median === null ? "none" : count(r.median)), frameAnchor: "right", dx: 6, textAnchor: "start", fontVariant: "tabular-nums", fillOpacity: faded }),
        ],
      });
      const rest = rows.filter((r) => !r.own && r.median !== null).map((r) => r.median).sort((x, y) => x - y), own = rows.find((r) => r.own);
      const said = `${this.arm(i)}, ${this.asking()}: ${own ? `median rank ${own.median === null ? "none" : count(own.median)} in the question's own language` : "no answers in the question's own language"}${rest.length ? `, from ${count(rest[0])} to ${count(rest[rest.length - 1])} in the others` : ""}.`;
      return h("div", {}, h("h4", { "data-arm": i }, this.label(i)), this.picture(svg, said));
    })));
    v.rows = () => [["arm", "answer in", "answers", "median rank", "first twentieth", "last twentieth", "without a rank"], arms.flatMap((i, n) => drawn[n].map((r) => [this.arm(i), r.label, count(r.n), r.median === null ? "none" : count(r.median), r.dots[0] === null ? "none" : count(r.dots[0]), r.dots[r.dots.length - 1] === null ? "none" : count(r.dots[r.dots.length - 1]), count(r.none)]))];
  }
  label(i) { const a = this.meta.arms[i]; return a.alpha === null || a.name.split(/[^\d.]+/).includes(String(a.alpha)) ? a.name : `${a.name} (alpha ${a.alpha})`; }

  // -- the matrix: an HTML table, so that every cell is a button
  cells() {
    const { state: s, data } = this, one = data.matrix(s.arm, s.value), two = s.difference && s.arm !== s.base ? data.matrix(s.base, s.value) : null;
    return one.map((v, c) => (v === null ? null : two === null ? v : two[c] === null ? null : s.value === "median_rank" ? v / two[c] : v - two[c]));
  }
  drawMatrix() {
    const { state: s, data, data: { L }, meta, views: { matrix: v } } = this, cells = this.cells(), differs = s.difference && s.arm !== s.base, ranks = s.value === "median_rank";
    const answered = (c) => data.cells[c].length > 0, most = differs ? cells.reduce((m, c) => Math.max(m, c === null ? 0 : Math.abs(ranks ? Math.log2(c) : c)), 1e-9) : 0;
    const format = (x, c) => (x === null ? (answered(c) ? "–" : "") : differs ? (ranks ? `${x < 1 ? "÷" : "×"}${((r) => (r >= 9.95 ? short(r) : r.toFixed(1)))(x < 1 ? 1 / x : x)}` : Math.abs(x) < 0.005 ? "0" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2).replace(/^0/, "")}`) : ranks ? short(x) : x.toFixed(2).replace(/^0/, ""));
    const exact = (x, c) => (x === null ? (answered(c) ? "beyond the last rank" : "no answers") : differs ? (ranks ? `${x.toFixed(3)} times` : signed(x)) : ranks ? count(x) : three(x));
    const colour = (x) => {
      if (x === null) return paint(WHITE);
      if (!differs) return paint(mix(LIGHT, DEEP, ranks ? Math.log(Math.max(1, x)) / Math.log(Math.max(2, meta.pool)) : x));
      const t = (ranks ? -Math.log2(x) : x) / most;
      return paint(mix(WHITE, t > 0 ? BLUE : RED, Math.min(1, Math.abs(t))));
    };
    const title = differs ? (ranks ? `median rank, over ${this.arm(s.base)}'s` : `${VALUES[s.value]}, less ${this.arm(s.base)}'s`) : VALUES[s.value];
    v.said.textContent = `${this.label(s.arm)}: ${title}. ${differs ? (ranks ? `Blue: nearer the front than with ${this.arm(s.base)}; orange: further back.` : `Blue: more than with ${this.arm(s.base)}; orange: less.`) : ranks ? "The darker, the further back." : "The darker, the more."} Choose a cell to filter the rest.`;
    const focus = this.root.activeElement?.dataset?.cell;
    const inTable = new Set(data.asked.flatMap((q) => data.answered.map((a) => q * L + a))), chosen = s.q * L + s.a;
    const roving = focus ?? String(s.q >= 0 && s.a >= 0 && inTable.has(chosen) ? chosen : data.asked[0] * L + data.answered[0]);
    const cell = (q, a) => {
      const c = q * L + a;
      return h("td", q === a ? { class: "own" } : {}, h("button", {
        style: colour(cells[c]), "data-cell": c, tabindex: String(c) === roving ? 0 : -1, "aria-pressed": String(s.q === q && s.a === a), title: `${this.name(q)} → ${this.name(a)}: ${exact(cells[c], c)}`,
        "aria-label": `asked in ${this.name(q)}, answered in ${this.name(a)}: ${title} ${exact(cells[c], c)}`,
        onclick: () => this.set(s.q === q && s.a === a ? { q: -1, a: -1 } : { q, a }),
        onkeydown: (event) => {
          const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
          if (!step) return;
          event.preventDefault();
          const y = data.asked[data.asked.indexOf(q) + step[0]], x = data.answered[data.answered.indexOf(a) + step[1]], to = y !== undefined && x !== undefined && v.body.querySelector(`[data-cell="${y * L + x}"]`);
          if (to) { event.target.tabIndex = -1; to.tabIndex = 0; to.focus(); }
        } }, format(cells[c], c)));
    };
    const head = (l, scope, own) => h("th", { scope, title: this.name(l), class: own ? "own" : null }, this.code(l));
    v.body.replaceChildren(h("div", { class: data.answered.length > 14 ? "scroll many" : "" }, h("table", { class: "matrix", "aria-label": `${title}, ${this.arm(s.arm)}: a row per question's language, a column per answer's language` },
      h("thead", {}, h("tr", {}, h("th", { title: "rows: the question's language; columns: the answer's" }, "q\\a"), data.answered.map((a) => head(a, "col", a === s.a)))),
      h("tbody", {}, data.asked.map((q) => h("tr", {}, head(q, "row", q === s.q), data.answered.map((a) => cell(q, a))))))));
    if (focus) v.body.querySelector(`[data-cell="${focus}"]`)?.focus();
    v.rows = () => [["asked in", ...data.answered.map((a) => this.code(a))], data.asked.map((q) => [this.code(q), ...data.answered.map((a) => exact(cells[q * L + a], q * L + a))])];
  }

  // -- the trade-off
  drawTradeoff() {
    const { meta, state: s, views: { tradeoff: v } } = this, at = (i, metric) => meta.trade_off.find((r) => r.arm === i && r.metric === metric);
    const kinds = ["mono mAP", "cross mAP", "multi mAP"].filter((k) => meta.trade_off.some((r) => r.metric === k)), distance = meta.arms.map((_, i) => at(i, "rank distance"));
    if (!distance.some(Boolean) || !kinds.length) { v.body.replaceChildren(h("p", { class: "notes" }, meta.no_trade_off)); v.rows = null; v.details.hidden = true; return; }
    const points = kinds.flatMap((k) => meta.arms.map((_, i) => ({ k, i, y: at(i, k), x: distance[i] }))).filter((p) => p.x && p.y);
    const order = (p) => meta.arms[p.i].alpha, joined = points.filter((p) => order(p) !== null).sort((p, q) => order(p) - order(q)), width = this.width(v.body, 560);
    const look = { "mono mAP": ["currentColor", "circle"], "cross mAP": ["var(--green)", "square"], "multi mAP": ["var(--purple)", "triangle"] };
    const xs = points.flatMap((p) => [p.x.low ?? p.x.value, p.x.high ?? p.x.value]), x = [Math.min(...xs), Math.max(...xs)];
    const along = [...meta.arms.keys()].filter((i) => distance[i]).sort((i, j) => distance[i].value - distance[j].value), place = (x1) => (x1 - x[0]) / (x[1] - x[0] || 1) * (width - 114), below = new Set(); // a name too near to the one on its left goes under its point
    along.reduce((left, i) => { if (left !== null && !below.has(left) && place(distance[i].value) - place(distance[left].value) < 60) below.add(i); return i; }, null);
    const named = (i) => meta.arms.length <= 6 || i === s.arm || i === along[0] || i === along[along.length - 1]; // of many, the ends and the chosen one
    const panels = kinds.map((k, n) => {                              // each setting on a scale of its own, for the differences are small beside the levels
      const of = points.filter((p) => p.k === k), [colour, symbol] = look[k], last = n === kinds.length - 1;
      return Plot.plot({
        width, height: last ? 128 : 96, marginLeft: 46, marginRight: 20, marginTop: 22, marginBottom: last ? 34 : 4,
        x: { domain: x[0] === x[1] ? [x[0] - 1, x[1] + 1] : x, label: "rank distance", labelAnchor: "center", labelArrow: "none", inset: 24, ticks: 5, axis: last ? "bottom" : null, tickFormat: "~s" }, y: { label: k, grid: true, ticks: 3, tickFormat: ".3~g", inset: 14, labelArrow: "none", nice: true },
        marks: [
          // names first, so that no halo lies over a point
          ...[-13, 15].map((dy) => Plot.text(of.filter((p) => named(p.i) && below.has(p.i) === dy > 0), { x: (p) => p.x.value, y: (p) => p.y.value, text: (p) => (meta.arms.length > 4 && meta.arms[p.i].alpha !== null ? String(meta.arms[p.i].alpha) : this.arm(p.i).slice(0, 24)), dy, fontWeight: (p) => (p.i === s.arm ? 700 : 400), stroke: "var(--page)", strokeWidth: 4, fill: "currentColor" })),
          Plot.line(joined.filter((p) => p.k === k), { x: (p) => p.x.value, y: (p) => p.y.value, stroke: colour, strokeOpacity: 0.5 }),
          Plot.ruleX(of.filter((p) => p.y.low !== null), { x: (p) => p.x.value, y1: (p) => p.y.low, y2: (p) => p.y.high, stroke: colour }),
          Plot.ruleY(of.filter((p) => p.x.low !== null), { y: (p) => p.y.value, x1: (p) => p.x.low, x2: (p) => p.x.high, stroke: colour }),
          Plot.dot(of, { x: (p) => p.x.value, y: (p) => p.y.value, symbol, fill: colour, r: (p) => (p.i === s.arm ? 7 : 4), stroke: (p) => (p.i === s.arm ? "currentColor" : "none") }),
        ],
      });
    });
    const joinedText = kinds.map((k) => `${k} from ${three(Math.min(...points.filter((p) => p.k === k).map((p) => p.y.value)))} to ${three(Math.max(...points.filter((p) => p.k === k).map((p) => p.y.value)))}`).join(", ");
    v.body.replaceChildren(h("div", { role: "img", "aria-label": `mAP against rank distance of ${plural(meta.arms.length, "arm")}: ${joinedText}; rank distance from ${count(Math.min(...points.map((p) => p.x.value)))} to ${count(Math.max(...points.map((p) => p.x.value)))}.` }, panels));
    if (meta.no_trade_off) v.body.append(h("p", { class: "hint" }, meta.no_trade_off));
    const span = (r, f) => (r.low === null ? "" : `${f(r.low)} to ${f(r.high)}`);
    v.rows = () => [["arm", "alpha", "figure", "value", "95% interval", "seeds"], meta.trade_off.map((r) => { const f = r.metric === "rank distance" ? count : three; return [this.arm(r.arm), meta.arms[r.arm].alpha === null ? "" : String(meta.arms[r.arm].alpha), r.metric, f(r.value), span(r, f), String(r.seeds)]; })];
  }

  // -- the barcode
  drawBarcode() {
    const { state: s, data, meta, lines, views: { barcode: v } } = this, distance = data.distances(s.arm), top = Math.max(10, meta.pool), seen = lines.slice(s.line, s.line + LINES), r = data.ranks[s.arm];
    v.said.textContent = lines.length ? `${this.label(s.arm)}, ${this.asking()}: lines ${count(s.line + 1)} to ${count(s.line + seen.length)} of ${count(lines.length)}, ${seen.some((k) => distance[k] !== null) ? "the answers that stand furthest apart first" : "no rank distance here, so the furthest back first"}. A mark is a right answer; orange is the question's own; at the right, the one furthest back. Choose a line to see its question.` : `No ${this.asking()}.`;
    Object.assign(this.inputs.line, { max: Math.max(0, lines.length - LINES) }); this.inputs.line.value = String(s.line); this.inputs.line.setAttribute("aria-valuetext", `line ${count(s.line + 1)} of ${count(lines.length)}`);
    const focus = this.root.activeElement?.dataset?.query, brief = (id) => (id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id), named = (k) => `${brief(meta.questions[data.queryQuestion[k]])} ${this.code(data.queryLanguage[k])}`;
    const roving = focus && seen.includes(Number(focus)) ? Number(focus) : seen.includes(s.query) ? s.query : seen[0];
    const names = h("div", { class: "names" }, h("span", { class: "hint", style: "height: 24px" }, "question"), seen.map((k, n) => h("button", {
      "data-query": k, tabindex: k === roving ? 0 : -1, "aria-pressed": String(k === s.query), title: meta.questions[data.queryQuestion[k]], onclick: () => this.set({ query: s.query === k ? null : k }),
      "aria-label": `question ${meta.questions[data.queryQuestion[k]]} in ${this.name(data.queryLanguage[k])}, ${distance[k] === null ? "no rank distance" : `rank distance ${count(distance[k])}`}`,
      onkeydown: (event) => {
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        let to = names.querySelector(`[data-query="${seen[n + step]}"]`);
        if (!to && this.lines[s.line + n + step] !== undefined) { const next = this.lines[s.line + n + step]; this.set({ line: s.line + step }); to = v.body.querySelector(`[data-query="${next}"]`); }
        if (to) { to.tabIndex = 0; to.focus(); }
      } }, named(k))));
    const marks = seen.flatMap((k, n) => Array.from({ length: data.start[k + 1] - data.start[k] }, (_, j) => { const i = data.start[k] + j, a = data.itemLanguage[data.item[i]]; return { k: n, x: r[i], a, own: a === data.queryLanguage[k] }; }));
    const ranked = marks.filter((m) => m.x !== NONE), lost = marks.length - ranked.length;
    const faded = (m) => (s.a >= 0 && m.a !== s.a && !m.own ? 0.15 : 1), ends = seen.map((k, n) => ({ k: n, of: ranked.filter((m) => m.k === n) })).filter((e) => e.of.length).map((e) => ({ k: e.k, low: Math.min(...e.of.map((m) => m.x)), last: e.of.reduce((m, x) => (x.x > m.x ? x : m)) }));
    const box = h("div", { class: "marks" });
    v.body.replaceChildren(h("div", { class: "lines" }, names, box));
    if (focus) names.querySelector(`[data-query="${focus}"]`)?.focus();
    if (!seen.length) return;
    const svg = Plot.plot({
      width: this.width(box), height: 24 + 24 * seen.length, marginTop: 24, marginBottom: 0, marginLeft: 6, marginRight: 74,
      x: { type: "log", domain: [1, top], axis: "top", label: null, ticks: Math.min(5, Math.ceil(Math.log10(top))), tickFormat: (d) => (/^10*$/.test(String(d)) ? d.toLocaleString("en") : "") }, y: { type: "band", domain: seen.map((_, n) => n), axis: null, paddingInner: 0.15, paddingOuter: 0.075, round: false },
      marks: [
        Plot.ruleY(ends, { y: "k", x1: "low", x2: (e) => e.last.x, stroke: "currentColor", strokeOpacity: 0.25 }),
        Plot.tickX(ranked.filter((m) => !m.own), { x: "x", y: "k", stroke: "var(--blue)", strokeWidth: (m) => (m.a === s.a ? 5 : 2.5), strokeOpacity: faded }),
        Plot.tickX(ranked.filter((m) => m.own), { x: "x", y: "k", stroke: "var(--red)", strokeWidth: 4 }),
        Plot.text(ends, { y: "k", text: (e) => `${this.code(e.last.a)} ${count(e.last.x)}`, frameAnchor: "right", dx: 6, textAnchor: "start", fontVariant: "tabular-nums" }),
        seen.includes(s.query) ? Plot.rect([seen.indexOf(s.query)], { y: (d) => d, x1: 1, x2: top, stroke: "var(--red)", fill: "none" }) : null,
      ],
    });
    const apart = seen.map((k) => distance[k]).filter((d) => d !== null);
    box.append(this.picture(svg, `${plural(seen.length, "question")}, a mark per right answer at its rank; ${apart.length ? `rank distance from ${count(Math.max(...apart))} down to ${count(Math.min(...apart))}` : "no rank distance, for the right answers are in one language or have no rank"}.`));
    if (lost) box.append(h("p", { class: "hint" }, `${plural(lost, "right answer")} of these questions ${lost === 1 ? "has" : "have"} no rank.`));
    v.rows = () => [["question", "asked in", "rank distance", ...data.answered.map((a) => this.code(a))], seen.map((k) => {
      const best = new Map();
      for (let i = data.start[k]; i < data.start[k + 1]; i++) { const a = data.itemLanguage[data.item[i]]; best.set(a, [...(best.get(a) ?? []), r[i]]); }
      return [meta.questions[data.queryQuestion[k]], this.code(data.queryLanguage[k]), distance[k] === null ? "–" : count(distance[k]), ...data.answered.map((a) => (best.has(a) ? best.get(a).sort((x, y) => x - y).map((x) => (x === NONE ? "none" : count(x))).join(" ") : ""))];
    })];
  }

  // -- one question and its answers
  async drawDetail() {
    const { state: { query: k, arm }, data, meta, detail } = this;
    detail.hidden = k === null;
    if (k === null) return;
    let strings = null, problem = meta.no_texts;
    if (this.texts) {
      try { strings = await (this.strings ??= inflate(this.texts).then((b) => JSON.parse(new TextDecoder().decode(b)))); }
      catch (e) { problem = `The texts cannot be read: ${e.message}.`; }
      if (k !== this.state.query) return;                           // another was chosen meanwhile
    }
    const text = (i, l) => { const t = strings?.strings[i]; return t === undefined ? "" : h("span", { class: "text", dir: "auto", lang: this.code(l) }, shown(t)); };
    const rows = Array.from({ length: data.start[k + 1] - data.start[k] }, (_, j) => data.start[k] + j).sort((x, y) => data.ranks[arm][x] - data.ranks[arm][y]);
    detail.replaceChildren(
      h("p", {}, h("b", {}, `${meta.questions[data.queryQuestion[k]]}, asked in ${this.name(data.queryLanguage[k])}`)),
      strings ? h("p", { class: "question" }, text(strings.queries[k], data.queryLanguage[k])) : h("p", { class: "hint" }, problem),
      h("div", { class: "scroll" }, this.answers(rows.map((i) => [data.itemLanguage[data.item[i]], data.ranks.map((r) => (r[i] === NONE ? "none" : count(r[i]))), strings && text(strings.items[data.item[i]], data.itemLanguage[data.item[i]])]), strings)));
  }
  // On a phone a text stands under its ranks
  answers(rows, texts) {
    const { meta } = this, narrow = this.all.clientWidth < 600;
    return h("table", {}, h("thead", {}, h("tr", {}, ["answer in", ...meta.arms.map((a) => a.name), ...(texts && !narrow ? ["answer"] : [])].map((c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, rows.flatMap(([l, ranks, text]) => [h("tr", {}, h("td", {}, this.name(l)), ranks.map((r) => h("td", { class: "n" }, r)), texts && !narrow ? h("td", {}, text) : null), texts && narrow ? h("tr", {}, h("td", { colspan: 1 + ranks.length }, text)) : null])));
  }

  // -- non-inferiority
  drawForest() {
    const { meta, state: s, views: { forest: v } } = this, rows = meta.forest.filter((r) => r.baseline === s.base);
    v.heading.textContent = rows.length ? `Is anything lost against ${this.arm(s.base)}?` : "Is anything lost?";
    if (!rows.length) { v.said.textContent = ""; v.body.replaceChildren(h("p", { class: "notes" }, meta.no_forest)); v.rows = null; v.details.hidden = true; return; }
    v.said.textContent = `Difference in mAP from ${this.arm(s.base)}, over all languages. Thin: 95% interval. Thick: its one-sided bound. Dashed: the margin, a loss of ${meta.margin}, declared beforehand; where the thick bar stays right of it, nothing that matters is lost. Each setting has its own scale.`;
    const label = (r) => `${this.arm(r.arm)}, ${r.setting}`, width = this.width(v.body, 900), room = width > 620, sure = (r) => r.bound > -meta.margin, colour = (r) => (sure(r) ? "var(--blue)" : "var(--red)");
    const left = Math.min(width * 0.4, 14 + 6.4 * Math.max(...rows.map((r) => label(r).length)));
    const panels = [...new Set(rows.map((r) => r.setting))].map((setting) => {
      const of = rows.filter((r) => r.setting === setting), ends = of.flatMap((r) => [r.low, r.high, r.bound, 2 * r.difference - r.bound]);
      return Plot.plot({
        width, height: 34 + 22 * of.length, marginLeft: left, marginRight: room ? 200 : 12, marginTop: 8, marginBottom: 26,
        x: { domain: [Math.min(0, -meta.margin, ...ends), Math.max(0, ...ends)], label: null, nice: true, inset: 8, ticks: room ? 7 : 4, tickFormat: (d) => (d === 0 ? "0" : `${d > 0 ? "+" : "−"}${+Math.abs(d).toPrecision(4)}`) }, y: { type: "band", domain: of.map((r) => r.arm), label: null, tickSize: 0, tickFormat: (i) => ((t) => (t.length * 6.4 > left ? `${t.slice(0, Math.floor(left / 6.4) - setting.length - 4)}…, ${setting}` : t))(`${this.arm(i)}, ${setting}`) },
        marks: [
          Plot.ruleX([0], { stroke: "currentColor" }), Plot.ruleX([-meta.margin], { stroke: "currentColor", strokeDasharray: "4 3" }),
          Plot.ruleY(of, { y: "arm", x1: "low", x2: "high", stroke: colour, strokeWidth: 1.3 }),
          Plot.ruleY(of, { y: "arm", x1: "bound", x2: (r) => 2 * r.difference - r.bound, stroke: colour, strokeWidth: 4 }),
          Plot.dot(of, { y: "arm", x: "difference", r: (r) => (r.arm === s.arm ? 6.5 : 4.5), fill: colour, stroke: (r) => (r.arm === s.arm ? "currentColor" : "none") }),
          room ? Plot.text(of, { y: "arm", text: "verdict", frameAnchor: "right", dx: 8, textAnchor: "start" }) : null,
        ],
      });
    });
    v.body.replaceChildren(h("div", { role: "img", "aria-label": rows.map((r) => `${label(r)}: ${signed(r.difference)}, ${r.verdict}`).join("; ") + "." }, panels));
    if (!room) v.body.append(h("ul", { class: "hint" }, rows.map((r) => h("li", {}, `${label(r)}: ${r.verdict}`))));
    if (meta.no_forest) v.body.append(h("p", { class: "hint" }, meta.no_forest));
    v.rows = () => [["arm", "setting", "difference in mAP", "95% interval", "bound", "verdict"], rows.map((r) => [this.arm(r.arm), r.setting, signed(r.difference), `${signed(r.low)} to ${signed(r.high)}`, signed(r.bound), r.verdict])];
  }
}

// ---- the hosts

async function mount(host, ranks, texts, options) {
  try {
    const [meta, arrays] = unpack(await inflate(ranks));
    host.explorer?.stop();
    return (host.explorer = new Explorer(host, meta, arrays, texts, options));
  } catch (e) {
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    root.replaceChildren(h("slot"), h("p", { role: "alert" }, `The explorer cannot be drawn here (${e.message}); the figures above are its summary. A browser of 2023 or later can.`));
    console.error(e);
  }
}

// Every explorer on the page that is not drawn yet, also inside the shadow roots that some notebooks wrap outputs in
function mountAll(root = document) {
  for (const host of root.querySelectorAll(".hybrid-lit-explorer:not([data-drawn])")) {
    host.setAttribute("data-drawn", "");
    const part = (name) => host.querySelector(`script[data-part=${name}]`)?.textContent.trim();
    mount(host, part("ranks"), part("texts"));
  }
  for (const e of root.querySelectorAll("*")) if (e.shadowRoot && !e.classList.contains("hybrid-lit-explorer")) mountAll(e.shadowRoot);
}
