"""How the status page looks: light and dark, wide and narrow.

Every colour is a variable, given once for each scheme; text keeps a contrast of 4.5 to 1 and more. Colour never says
anything alone: each state has its word. On a narrow screen a row of the table becomes a card.
"""

from __future__ import annotations

STYLE = r"""
:root {
  --page: #f6f7f8; --card: #ffffff; --line: #dfe3e6; --hover: #eef2f4; --text: #1b2328; --soft: #586670;
  --accent: #0b6e74; --area: #0b6e741f; --good: #23744a; --warn: #8a5a00; --bad: #b3261e;
  --good-back: #e4f2ea; --warn-back: #fbf0da; --bad-back: #fbe6e4; --plain-back: #e9edef; --focus: #0b6e74;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12171a; --card: #1a2125; --line: #2c363c; --hover: #222b30; --text: #e4e9ec; --soft: #9caab3;
    --accent: #55b9bf; --area: #55b9bf2b; --good: #6ecb98; --warn: #e5b45a; --bad: #ff8f86;
    --good-back: #1c3428; --warn-back: #3a2f17; --bad-back: #44211f; --plain-back: #293237; --focus: #7fd3d8;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 clamp(0.75rem, 2.5vw, 2rem) 2rem; max-width: 96rem; background: var(--page);
  color: var(--text); font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
h1, h2, h3, p, ul, dl, dd, figure { margin: 0; padding: 0; font-size: inherit; font-weight: inherit; }
ul { list-style: none; }
a { color: var(--accent); text-underline-offset: 0.15em; text-decoration-thickness: 1px; }
button, input, select { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
[hidden] { display: none !important; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 0.5rem; padding: 0.25rem 0.75rem; background: var(--card); z-index: 1; }
.mono { font-family: var(--mono); font-size: 0.8125rem; }

body > header { display: flex; align-items: center; gap: 0.25rem 1.25rem; flex-wrap: wrap; padding: 1rem 0; }
body > header h1 { font-size: 1.25rem; font-weight: 650; letter-spacing: -0.01em; }
body > header h1 a { color: inherit; text-decoration: none; }
body > header small { font-size: 0.8125rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
#uptime { color: var(--soft); flex: 1; }
#freshness { display: flex; align-items: center; gap: 0.5rem; color: var(--soft); }
.dot { width: 0.5rem; height: 0.5rem; border-radius: 50%; background: currentColor; flex: none; }
#freshness.live .dot { background: var(--good); }
#freshness.lost { color: var(--bad); }
button, select, input {
  background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem 0.75rem;
  min-height: 2.125rem;
}
button { cursor: pointer; }
button:hover:enabled { background: var(--hover); }
button:disabled { color: var(--soft); opacity: 0.55; cursor: default; }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); }

#notices { display: grid; gap: 0.5rem; margin-bottom: 1rem; }
#notices:empty { display: none; }
#notices li { padding: 0.5rem 0.875rem; border-radius: 8px; background: var(--warn-back); color: var(--warn); }
#notices li.problem { background: var(--bad-back); color: var(--bad); }

#tiles { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 0.75rem; margin-bottom: 1.25rem; }
.tile {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.75rem 0.875rem 0;
  overflow: hidden; display: flex; flex-direction: column;
}
.tile h2 { color: var(--soft); font-size: 0.8125rem; }
.tile .value { font-size: 1.75rem; line-height: 1.25; font-weight: 600; letter-spacing: -0.02em; }
.tile .value small { font-size: 0.875rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.tile .note { color: var(--soft); font-size: 0.8125rem; min-height: 1.2em; }
.tile svg { display: block; width: calc(100% + 1.75rem); height: 2.5rem; margin: 0.5rem -0.875rem 0; }
.tile.high .value { color: var(--bad); }
svg path.line { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
svg path.area { fill: var(--area); stroke: none; }
svg line { stroke: var(--soft); stroke-width: 1; vector-effect: non-scaling-stroke; }

#calls, .panel, #path { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
#controls { display: flex; flex-wrap: wrap; gap: 0.625rem 1rem; align-items: center; padding: 0.75rem 0.875rem; }
.segments { display: flex; }
.segments button { border-radius: 0; margin-left: -1px; }
.segments button:first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.segments button:last-child { border-radius: 0 6px 6px 0; }
.segments button[aria-pressed="true"] { background: var(--hover); position: relative; font-weight: 550; }
.segments b { font-weight: 400; color: var(--soft); margin-left: 0.25rem; }
.segments b.bad { color: var(--bad); font-weight: 650; }
.search { flex: 1; min-width: 12rem; max-width: 26rem; }
.search input { width: 100%; }
.search input::placeholder { color: var(--soft); opacity: 1; }
.sorting { color: var(--soft); margin-left: auto; display: none; }

table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; font-size: 0.8125rem; color: var(--soft); padding: 0.375rem 0.625rem;
  border-block: 1px solid var(--line); white-space: nowrap; }
td { padding: 0.5rem 0.625rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { padding-left: 0.875rem; }
th:last-child, td:last-child { padding-right: 0.875rem; }
tbody tr:hover { background: var(--hover); }
th button { all: unset; cursor: pointer; border-radius: 3px; }
th button:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
th button:hover { color: var(--text); }
th button::after { content: ""; display: inline-block; width: 0.9em; margin-left: 0.2em; text-align: center; }
th[aria-sort] { color: var(--text); }
th[aria-sort="descending"] button::after { content: "\2193"; }
th[aria-sort="ascending"] button::after { content: "\2191"; }
.number { text-align: right; white-space: nowrap; }
th.number button::after { margin-left: 0; width: 0; overflow: visible; }
th.number[aria-sort] button::after { width: 0.9em; margin-left: 0.2em; }
td span.line { display: block; min-height: 1.45em; }
td.address, td.party { white-space: nowrap; }
td.party { color: var(--soft); }
td.address .line { font-family: var(--mono); font-size: 0.8125rem; line-height: 1.6731; }
td.address .same, td .none, td .zero { color: var(--soft); }
td.address .none { font-family: system-ui, sans-serif; }
td .bad { color: var(--bad); font-weight: 600; }
td.call { width: 30%; min-width: 15rem; max-width: 0; }
td.call a { font-family: var(--mono); font-size: 0.8125rem; line-height: 1.6731; display: block; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; text-decoration: none; }
td.call a:hover { text-decoration: underline; }
td.call p { font-size: 0.8125rem; color: var(--soft); overflow-wrap: anywhere; overflow: hidden; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
td.call p.problem { color: var(--bad); }
td.call p.notice { color: var(--warn); }
td.call p::first-letter, #diagnosis li::first-letter { text-transform: uppercase; }
td.state { white-space: nowrap; }

.chip { display: inline-block; border-radius: 999px; padding: 0 0.6rem; font-size: 0.8125rem; line-height: 1.4rem;
  background: var(--plain-back); color: var(--soft); white-space: nowrap; }
.chip.ok { background: var(--good-back); color: var(--good); }
.chip.silent, .chip.one-way, .chip.faulty { background: var(--bad-back); color: var(--bad); }
.chip.poor { background: var(--warn-back); color: var(--warn); }
.mark { display: inline-block; border: 1px solid var(--line); border-radius: 4px; padding: 0 0.3rem;
  margin-right: 0.2rem; font-size: 0.75rem; line-height: 1.2rem; color: var(--soft); white-space: nowrap; }
.mark.recording { color: var(--bad); border-color: currentColor; }

#empty { padding: 4rem 1rem 4.5rem; text-align: center; color: var(--soft); border-top: 1px solid var(--line); }
#empty-title { font-size: 1.125rem; color: var(--text); margin-bottom: 0.25rem; }
#empty-text { max-width: 44rem; margin: 0 auto; }
#paging { display: flex; gap: 0.5rem; align-items: center; padding: 0.625rem 0.875rem; color: var(--soft); }
#range { flex: 1; }
#paging.single button { display: none; }

#session > p:first-child { margin-bottom: 0.75rem; }
#back::before { content: "\2190\00a0"; }
#session > header { margin-bottom: 1rem; }
#session-title { font-family: var(--mono); font-size: 1.125rem; font-weight: 600; overflow-wrap: anywhere; }
#session-facts { color: var(--soft); display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: center;
  margin-top: 0.375rem; overflow-wrap: anywhere; }
#diagnosis { display: grid; gap: 0.5rem; margin-bottom: 1rem; }
#diagnosis li { padding: 0.5rem 0.875rem; border-radius: 8px; background: var(--plain-back); overflow-wrap: anywhere; }
#diagnosis li.problem { background: var(--bad-back); color: var(--bad); }
#diagnosis li.notice { background: var(--warn-back); color: var(--warn); }
#diagnosis li.fine { background: var(--good-back); color: var(--good); }
#path { display: grid; grid-template-columns: minmax(0, 1fr) 8rem minmax(0, 1fr) 8rem minmax(0, 1fr);
  align-items: center; padding: 1rem; margin-bottom: 1rem; text-align: center; }
#path h3 { color: var(--soft); font-size: 0.8125rem; }
#path .place p { overflow-wrap: anywhere; }
#path .flow { color: var(--soft); font-size: 0.8125rem; }
#path .flow p { display: block; border-bottom: 2px solid var(--accent); position: relative; padding-bottom: 0.125rem;
  margin: 0.375rem 0.5rem; }
#path .flow p.dry { border-bottom: 2px dashed var(--line); }
#path .flow p.dead { border-bottom: 2px dashed var(--bad); color: var(--bad); }
#path .flow p::after { content: ""; position: absolute; bottom: -0.375rem; border: 0.3125rem solid transparent; }
#path .flow p.right::after { right: -0.4375rem; border-left-color: var(--accent); }
#path .flow p.left::after { left: -0.4375rem; border-right-color: var(--accent); }
#path .flow p.right.dry::after { border-left-color: var(--line); }
#path .flow p.left.dry::after { border-right-color: var(--line); }
#path .flow p.right.dead::after { border-left-color: var(--bad); }
#path .flow p.left.dead::after { border-right-color: var(--bad); }
#parties { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; }
.panel { padding: 0.875rem 1rem 1rem; }
.panel h3 { font-weight: 600; margin-bottom: 0.625rem; }
.panel dl { display: grid; grid-template-columns: minmax(7rem, auto) minmax(0, 1fr); gap: 0.2rem 1rem; }
.panel dt { color: var(--soft); }
.panel dd { overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1rem; margin-bottom: 1rem; }
.curves figcaption { color: var(--soft); font-size: 0.8125rem; }
.curves strong { display: block; font-size: 1.25rem; font-weight: 600; letter-spacing: -0.01em; color: var(--text); }
.curves strong small { font-size: 0.8125rem; font-weight: 400; color: var(--soft); }
.curves svg { display: block; width: 100%; height: 3rem; border-bottom: 1px solid var(--line); }

footer { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin-top: 1.25rem; font-size: 0.8125rem;
  color: var(--soft); }
footer span { flex: 1; text-align: right; }
.noscript { padding: 1rem; }

@media (max-width: 75rem) { #tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 60rem) {
  .sorting { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tbody tr { display: grid; padding: 0.75rem 0.875rem; border-top: 1px solid var(--line);
    grid-template-columns: 4rem minmax(0, 1fr) repeat(4, auto); gap: 0.125rem 0.75rem; }
  td, td:first-child, td:last-child { display: block; border: 0; padding: 0; }
  td.call { grid-column: 1 / -1; grid-row: 2; width: auto; max-width: none; min-width: 0; padding-bottom: 0.375rem; }
  td.state { grid-column: 1 / 3; grid-row: 1; }
  td.age { grid-column: 3 / -1; grid-row: 1; }
  td.party { grid-column: 1; }
  td.address { overflow: hidden; text-overflow: ellipsis; }
  td.signalled { display: none; }
  td.number:not(.age) .line::after { content: attr(data-unit); color: var(--soft); }
  td.marks { grid-column: 1 / -1; display: flex; gap: 0.75rem; }
  td.marks .line:empty { display: none; }
  td.marks .line[data-party]::before { content: attr(data-party) " "; color: var(--soft); font-size: 0.8125rem; }
  #parties { grid-template-columns: minmax(0, 1fr); }
  #path { grid-template-columns: minmax(0, 1fr); gap: 0.25rem; }
  #path .flow { display: flex; justify-content: center; gap: 1.5rem; }
  #path .flow p, #path .flow p.dry, #path .flow p.dead { border: 0; padding: 0; margin: 0; }
  #path .flow p::after { display: none; }
  #path .flow p.right::before { content: "\2193\00a0"; }
  #path .flow p.left::before { content: "\2191\00a0"; }
  td.call p { -webkit-line-clamp: 4; }
}
@media (max-width: 40rem) {
  #tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.5rem; }
  .tile .value { font-size: 1.375rem; }
  .tile .note { display: none; }
  .tile svg { height: 1.75rem; }
  .search { min-width: 100%; }
  .segments { width: 100%; }
  .segments button { flex: 1; padding-inline: 0.25rem; }
  #uptime { flex: 0 1 100%; order: 1; }
  body > header h1 { flex: 1; }
  tbody tr { grid-template-columns: 3.75rem minmax(0, 1fr) auto auto; }
  td.jitter, td.idle { display: none; }
  footer span { flex: 1 0 100%; text-align: left; }
}
@media (prefers-reduced-motion: no-preference) {
  tbody tr { transition: background-color 0.12s; }
}
"""
