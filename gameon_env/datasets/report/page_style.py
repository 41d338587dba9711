"""How the page looks, by light and by dark: one ink for data, one for warnings, grey for the rest."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --panel: #f6f7f8; --ink: #1d2329; --soft: #5c6670; --rule: #d9dde1;
  --track: #eef0f2; --data: #2d6eba; --warn: #b4541a; --bad: #a8231f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --panel: #1c2024; --ink: #e3e6e9; --soft: #98a2ac;
  --rule: #33393f; --track: #22272c; --data: #6aa5e8; --warn: #e0894e; --bad: #f0736d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1100px; margin: 0 auto; padding: 28px 20px 80px; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 20px; margin: 52px 0 8px; padding-top: 14px;
  border-top: 2px solid var(--ink); }
h3 { font-size: 16px; margin: 40px 0 4px; padding-top: 10px; border-top: 1px solid var(--rule); }
h4 { font-size: 14px; margin: 24px 0 6px; }
p { margin: 4px 0 10px; max-width: 78ch; } p.small { max-width: none; }
.soft, figcaption, .note { color: var(--soft); } .small { font-size: 12px; }
a { color: var(--data); text-decoration: none; } a:hover { text-decoration: underline; }
.wide-table { overflow-x: auto; } table { border-collapse: collapse; margin: 6px 0 14px; }
th, td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; white-space: nowrap; }
td.words { white-space: normal; min-width: 12em; max-width: 100ch; overflow-wrap: anywhere; }
th { font-weight: 600; font-size: 12px; color: var(--soft); border-bottom: 1px solid var(--rule);
  vertical-align: bottom; }
td { border-bottom: 1px solid var(--track); } .n { text-align: right; }
table.beside { margin: 0; min-width: 340px; }
td.middle { vertical-align: middle; padding-top: 1px; padding-bottom: 1px; }
.totals { display: flex; flex-wrap: wrap; gap: 6px 34px; margin: 16px 0 6px; }
.totals div { font-size: 12px; color: var(--soft); } .totals b { display: block; font-size: 22px; color: var(--ink);
  font-weight: 600; line-height: 1.2; }
.findings { list-style: none; margin: 8px 0 14px; padding: 0; }
.findings li { border-left: 3px solid var(--warn); background: var(--panel); padding: 6px 12px; margin: 0 0 5px; }
.findings li.problem { border-left-color: var(--bad); } .findings b { color: var(--warn); }
.findings li.problem b { color: var(--bad); } .findings .where { font-size: 12px; color: var(--soft); }
.findings .what { display: block; overflow-wrap: anywhere; } .findings .remedy { display: block; color: var(--soft);
  overflow-wrap: anywhere; }
.charts { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 18px 22px; margin: 8px 0; }
figure { margin: 0; }
svg { display: block; max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft);
  font-variant-numeric: tabular-nums; }
svg text.title { font-weight: 600; font-size: 12px; fill: var(--ink); } svg text.unit { font-size: 10.5px; }
.bar, .fill { fill: var(--data); } .warn { fill: var(--warn); } .track { fill: var(--track); }
.line { fill: none; stroke: var(--data); stroke-width: 1.2; stroke-linejoin: round; }
.dots { fill: none; stroke: var(--data); stroke-width: 2.6; stroke-linecap: round; }
.grid { stroke: var(--rule); stroke-width: 1; opacity: .6; } .axis { stroke: var(--soft); stroke-width: 1; }
.level { stroke: var(--warn); stroke-dasharray: 4 3; fill: none; }
.share { display: inline-block; width: 130px; height: 9px; background: var(--track); margin-right: 8px; }
.share i { display: block; height: 100%; background: var(--data); }
.map img { border: 1px solid var(--rule); background: var(--track); display: block; image-rendering: pixelated; }
.map figcaption { font-size: 12px; max-width: 340px; } .map figcaption b { color: var(--ink); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(172px, 1fr)); gap: 10px; margin: 8px 0; }
.sheet figure { border: 1px solid var(--rule); background: #101214; position: relative; display: flex;
  flex-direction: column; }
.sheet .shot { position: relative; } .sheet img { width: 100%; height: auto; display: block; }
.sheet .at { position: absolute; width: 11px; height: 11px; margin: -6px 0 0 -6px; border: 2px solid #fff;
  border-radius: 50%; box-shadow: 0 0 0 1.5px #000; }
.sheet figcaption { color: #d7dbdf; font-size: 12px; padding: 3px 5px 4px; display: flex; flex-wrap: wrap; gap: 3px;
  align-items: center; min-height: 27px; }
.sheet time { margin-right: auto; color: #fff; } kbd { font: 600 11px/1.4 ui-monospace, Menlo, Consolas, monospace;
  background: #f2c14e; color: #1b1405; padding: 0 5px; border-radius: 3px; }
.clear { color: var(--soft); } summary { cursor: pointer; margin: 10px 0; color: var(--data); }
@media print { h3 { break-before: page; } .sheet figure { break-inside: avoid; } }
"""
