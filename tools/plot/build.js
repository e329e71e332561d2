// The marks of Observable Plot that the explorer draws with, as one script without imports, and the licences of all that is in it.
// Not UMD: pages of Quarto may bring require.js, which UMD scripts hand themselves to instead of to the page.
import { build } from "esbuild";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

const out = new URL("../../hybrid_lit/web/", import.meta.url), source = `export { plot, dot, ruleX, ruleY, tickX, line, text, rect } from "@observablehq/plot";`;
const made = await build({ stdin: { contents: source, resolveDir: import.meta.dirname }, bundle: true, minify: true, format: "iife", globalName: "Plot", legalComments: "none", charset: "utf8", metafile: true, write: false });
const names = [...new Set(Object.keys(made.metafile.inputs).map((p) => p.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean))].sort();
const about = (n) => JSON.parse(readFileSync(`node_modules/${n}/package.json`, "utf8"));
const file = (n) => readdirSync(`node_modules/${n}`).find((f) => /^licen[cs]e/i.test(f));
const script = made.outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const head = `/* Observable Plot ${about("@observablehq/plot").version} with what it needs of d3; licences: plot.LICENSES.txt. Made by tools/plot, not by hand. */\n`;
writeFileSync(new URL("plot.js", out), head + script);
writeFileSync(new URL("plot.LICENSES.txt", out), names.map((n) => `${n} ${about(n).version} (${about(n).license})\n\n${file(n) ? readFileSync(`node_modules/${n}/${file(n)}`, "utf8").trim() : "no licence file"}\n`).join(`\n${"-".repeat(72)}\n\n`));
console.log(names.length, "packages,", head.length + script.length, "characters");
