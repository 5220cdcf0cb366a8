"""What fills the status page: asks for JSON every two seconds while somebody looks, and writes it as text.

Whatever came from a SIP client is set with `textContent`, never parsed as markup. What is looked at stands in the
address (`#view=problem&sort=loss`, `#session=17`), so links and the back button work. Rows are kept and changed in
place: a selection or the keyboard's place in the table stays.
"""

from __future__ import annotations

SCRIPT = r"""
"use strict";
const EVERY = 2000, PAGE = 50, PARTIES = ["caller", "callee"];
const byId = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat("en");
const fixed = (value, digits) => value.toLocaleString("en",
    {minimumFractionDigits: digits, maximumFractionDigits: digits});
const whole = (value) => grouped.format(Math.round(value));
const packets = (count) => whole(count) + (count === 1 ? " packet" : " packets");
const clock = (wall) => new Date(wall * 1000).toLocaleTimeString([], {hour12: false});
let paused = false, busy = false, again = false, answered = 0, timer = 0, typing = 0;
const rows = new Map();

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
function put(element, text) { if (element.textContent !== text) element.textContent = text; }
function classes(element, text) { if (element.className !== text) element.className = text; }
function fill(list, elements) { list.replaceChildren(...elements); }

function duration(seconds) {
  const s = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + ":" + two(s % 60);
  if (s < 86400) return Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  return Math.floor(s / 86400) + " d " + Math.floor(s / 3600) % 24 + " h";
}
function percent(value) { return value >= 99.95 || value === 0 ? fixed(value, 0) : fixed(value, value < 10 ? 1 : 0); }

/* What is looked at. */
function place() {
  const found = new URLSearchParams(location.hash.slice(1));
  return {session: found.get("session"), view: found.get("view") || "", search: found.get("search") || "",
    sort: found.get("sort") || "age", order: found.get("order") || "",
        page: Math.max(0, parseInt(found.get("page"), 10) || 0)};
}
function addressOf(now) {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(now)) {
    if (value && !(name === "sort" && value === "age" && !now.order)) text.set(name, value);
  }
  return "#" + text;
}
function go(changes, quietly) {
  const address = addressOf({...place(), ...changes});
  if (quietly) {
    history.replaceState(null, "", address);
    refresh();
  } else if (location.hash !== address) {
    location.hash = address;
  }
}

/* Curves. */
const SVG = "http://www.w3.org/2000/svg";
function curve(values, points, label, format, least) {
  const svg = document.createElementNS(SVG, "svg"), top = Math.max(least, ...values) * 1.08;
  const start = points - values.length;
  svg.setAttribute("viewBox", "0 0 " + (points - 1) + " 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", values.length < 2 ? label + ": nothing yet" : label + ": from " +
      format(Math.min(...values)) +
    " to " + format(Math.max(...values)) + ", lately " + format(values[values.length - 1]));
  if (values.length < 2) return svg;
  const line = values.map((value, index) => (start + index) + " " + (98 - 96 * value / top).toFixed(1)).join("L");
  for (const [name, d] of [["area", "M" + start + " 100L" + line + "L" + (points - 1) + " 100Z"],
      ["line", "M" + line]]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/* The proxy as a whole. */
const TILES = [
  {key: "sessions", title: "Calls", least: 4, format: whole,
    value: (s) => whole(s.sessions.now), unit: () => "",
    note: (s) => "1 h: " + whole(s.sessions.created_last_hour) + " new, peak " + whole(s.sessions.most_last_hour)},
  {key: "rate", title: "Packets", least: 50, format: (v) => whole(v) + " /s",
    value: (s) => whole(s.packets.received_per_second), unit: () => "/s",
    note: (s) => whole(s.packets.relayed_per_second) + " /s relayed"},
  {key: "loss", title: "Loss", least: 1, format: (v) => fixed(v, 2) + " %",
    value: (s) => fixed(s.loss, s.loss ? 2 : 0), unit: () => "%", high: (s) => s.loss >= 2,
        note: () => "on the way here"},
  {key: "jitter", title: "Jitter", least: 5, format: (v) => fixed(v, 1) + " ms",
    value: (s) => fixed(s.jitter, s.jitter ? 1 : 0), unit: () => "ms", high: (s) => s.jitter >= 50,
        note: () => "average of the streams"},
  {key: "ports", title: "Port pairs", least: 4, format: whole,
    value: (s) => whole(s.ports.used), unit: (s) => "of " + whole(s.ports.pairs),
    high: (s) => s.ports.used > 0.9 * s.ports.pairs, note: (s) => s.ports.first + " to " + s.ports.last},
  {key: "load", title: "Load", least: 0.1, format: (v) => fixed(100 * v, 0) + " %",
    value: (s) => fixed(100 * s.load, s.load && s.load < 0.0995 ? 1 : 0), unit: () => "%", high: (s) => s.overloaded,
    note: (s) => s.fast_path_streams ? whole(s.fast_path_streams) + " streams in the kernel" :
        "share of time relaying"},
];
function buildTiles() {
  for (const tile of TILES) {
    const section = make("section", "tile"), value = make("p", "value");
    tile.section = section;
    tile.number = make("span");
    tile.small = make("small");
    value.append(tile.number, " ", tile.small);
    tile.text = make("p", "note");
    tile.chart = make("div");
    tile.chart.addEventListener("pointermove", (event) => point(tile, event));
    tile.chart.addEventListener("pointerleave", () => { tile.hover = null; showNote(tile); });
    section.append(make("h2", "", tile.title), value, tile.text, tile.chart);
    byId("tiles").append(section);
  }
}
/* Points that fit: after a start the curves grow to five minutes, then to an hour. */
function width(values) { return Math.max(30, values.length); }
function point(tile, event) {
  const box = tile.chart.getBoundingClientRect();
  tile.hover = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  showNote(tile);
}
function showNote(tile) {
  const status = tile.status, values = status && status.history[tile.key];
  if (!status) return;
  if (tile.hover === null || tile.hover === undefined) { put(tile.text, tile.note(status)); return; }
  const points = width(values), index = Math.round(tile.hover * (points - 1)) - (points - values.length);
  put(tile.text, index < 0 ? "before the start" : tile.format(values[index]) + " at " +
    clock(status.time - (values.length - 1 - index) * status.history.interval));
}
function showStatus(status) {
  put(byId("version"), status.version);
  put(byId("uptime"), "up " + duration(status.time - status.started) + " since " +
    new Date(status.started * 1000).toLocaleString([], {dateStyle: "medium", timeStyle: "short", hour12: false}));
  fill(byId("notices"), status.notices.map((each) => make("li", each.level, each.text)));
  for (const tile of TILES) {
    tile.status = status;
    put(tile.number, tile.value(status));
    put(tile.small, tile.unit(status));
    classes(tile.section, tile.high && tile.high(status) ? "tile high" : "tile");
    showNote(tile);
    tile.chart.replaceChildren(curve(status.history[tile.key], width(status.history[tile.key]), tile.title +
        " over the last hour", tile.format, tile.least));
  }
  const problems = ["silent", "one-way", "faulty", "poor"].reduce((sum, state) => sum + (status.states[state] || 0), 0);
  put(byId("count-all"), whole(status.sessions.now));
  put(byId("count-problem"), whole(problems));
  classes(byId("count-problem"), problems ? "bad" : "");
  document.title = (problems ? "(" + problems + ") " : "") + "rtpproxy \u00b7 " + whole(status.sessions.now) + " calls";
}

/* The table. */
const CELLS = ["state", "call", "number age", "party", "address media", "address signalled", "number rate",
    "number loss",
  "number jitter", "number idle", "marks"];
function makeRow() {
  const tr = make("tr"), row = {tr, cells: CELLS.map((name) => make("td", name))};
  row.chip = make("span", "chip");
  row.link = make("a");
  row.says = make("p");
  row.age = make("span", "line");
  row.cells[0].append(row.chip);
  row.cells[1].append(row.link, row.says);
  row.cells[2].append(row.age);
  row.lines = row.cells.slice(3).map((cell) => PARTIES.map(() => cell.appendChild(make("span", "line"))));
  PARTIES.forEach((party, index) => put(row.lines[0][index], party));
  tr.append(...row.cells);
  return row;
}
function number(line, value, text, unit, isBad) {
  put(line, text);
  classes(line, "line" + (value === null ? " none" : value === 0 ? " zero" : isBad ? " bad" : ""));
  line.dataset.unit = value === null ? "" : unit;
}
function source(line, leg) {
  const heard = leg.received > 0;
  put(line, heard ? leg.remote || "\u2013" : leg.on_hold ? "on hold" : "nothing yet");
  classes(line, heard ? "line" : "line none");
}
function marks(line, leg, party) {
  const known = [["recording", "rec"], ["copying", "copy"], ["prompt", "prompt"], ["fast_path", "fast"]];
  const found = known.filter(([name]) => leg[name]);
  const key = found.map((each) => each[1]).join(" ");
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  if (key) line.dataset.party = party; else delete line.dataset.party;
  fill(line, found.map(([name, text]) => make("span", "mark " + name, text)));
}
function showRow(row, call, now) {
  put(row.chip, call.ended ? "ended" : call.state);
  classes(row.chip, "chip " + call.state);
  put(row.link, call.call_id || "(no call-id)");
  row.link.title = call.call_id;
  row.link.href = addressOf({...now, session: call.id});
  const first = call.diagnosis[0];
  put(row.says, first.text);
  row.says.title = call.diagnosis.map((each) => each.text).join("\n");
  classes(row.says, first.level);
  put(row.age, duration(call.age));
  PARTIES.forEach((party, index) => {
    const leg = call[party], lines = row.lines.map((pair) => pair[index]);
    const [, media, signalled, rate, loss, jitter, idle, mark] = lines;
    source(media, leg);
    put(signalled, leg.signalled || "\u2013");
    classes(signalled, leg.signalled === leg.remote ? "line same" : "line");
    number(rate, leg.received ? leg.rate : null, leg.received ? fixed(leg.rate, 0) : "\u2013", "/s", false);
    number(loss, leg.received ? leg.loss : null, leg.received ? percent(leg.loss) + " %" : "\u2013", "", leg.loss >= 2);
    number(jitter, leg.jitter, leg.jitter === null ? "\u2013" : fixed(leg.jitter, 1), " ms", leg.jitter_average >= 50);
    number(idle, leg.idle, leg.idle === null ? "\u2013" : duration(leg.idle), "", call.state === "one-way" &&
        leg.idle >= 5);
    marks(mark, leg, party);
  });
}
function showSessions(answer, now) {
  const body = byId("rows"), seen = new Set(), wanted = answer.sessions.map((call) => {
    let row = rows.get(call.id);
    if (!row) rows.set(call.id, row = makeRow());
    showRow(row, call, now);
    seen.add(call.id);
    return row.tr;
  });
  for (const [id, row] of rows) if (!seen.has(id)) { row.tr.remove(); rows.delete(id); }
  wanted.forEach((tr, index) => {
    if (body.children[index] !== tr) body.insertBefore(tr, body.children[index] || null);
  });
  const first = answer.matching ? answer.offset + 1 : 0, last = answer.offset + answer.sessions.length;
  put(byId("range"), !answer.matching ? "" : answer.matching <= PAGE ? whole(answer.matching) +
      (answer.matching === 1 ? " call" : " calls")
    : whole(first) + " to " + whole(last) + " of " + whole(answer.matching) + " calls");
  classes(byId("paging"), answer.matching <= PAGE && !now.page ? "single" : "");
  byId("paging").hidden = !answer.matching;
  byId("previous").disabled = !now.page;
  byId("next").disabled = last >= answer.matching;
  showEmpty(answer, now);
  if (answer.matching && answer.offset >= answer.matching) go({page: 0}, true);
}
function showEmpty(answer, now) {
  byId("empty").hidden = answer.matching > 0;
  document.querySelector("table").hidden = !answer.matching;
  if (answer.matching) return;
  let title = "No calls", text = "As soon as a SIP server sets one up, it appears here.";
  if (now.search) [title, text] = ["Nothing found", "No call-id, tag, address or port among " + whole(answer.total) +
      " calls contains \u201c" +
    now.search + "\u201d."];
  else if (now.view === "problem") [title, text] = ["All is well", answer.total ? "None of the " + whole(answer.total) +
    " calls needs a look: media comes from both sides, without much loss or jitter." :
        "There are no calls at the moment."];
  else if (now.view === "ended") [title, text] = ["No call has ended yet",
      "The last 200 calls that ended stay here, as they were at their end."];
  put(byId("empty-title"), title);
  put(byId("empty-text"), text);
}
function showControls(now) {
  for (const button of document.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === now.view));
  }
  const search = byId("search");
  if (document.activeElement !== search) search.value = now.search;
  byId("sort").value = now.sort;
  for (const th of document.querySelectorAll("th[data-sort]")) {
    if (th.dataset.sort === now.sort) th.setAttribute("aria-sort", orderOf(now)); else th.removeAttribute("aria-sort");
  }
}
function orderOf(now) {
  return now.order || (now.sort === "state" || now.sort === "call_id" ? "ascending" : "descending");
}
function buildControls() {
  for (const th of document.querySelectorAll("th[data-sort]")) {
    const button = make("button", "", th.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      const now = place(), same = now.sort === th.dataset.sort;
      go({sort: th.dataset.sort, order: same ? (orderOf(now) === "ascending" ? "descending" : "ascending") : "",
          page: 0});
    });
    th.replaceChildren(button);
  }
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => go({view: button.dataset.view, page: 0}));
  }
  byId("sort").addEventListener("change", (event) => go({sort: event.target.value, order: "", page: 0}));
  byId("search").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => go({search: event.target.value.trim(), page: 0}, true), 200);
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => go({page: place().page - 1}));
  byId("next").addEventListener("click", () => go({page: place().page + 1}));
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    put(byId("pause"), paused ? "Go on" : "Pause");
    if (!paused) refresh(); else showFreshness();
  });
}

/* One call. */
function showSession(call) {
  put(byId("session-title"), call.call_id || "(no call-id)");
  document.title = call.call_id + " \u00b7 rtpproxy";
  const times = call.ended ? ["ended at " + clock(call.ended), "lasted " + duration(call.age)] :
    ["since " + clock(call.created) + ", " + duration(call.age), "ends in " + call.ttl + " s unless something arrives"];
  const facts = [...times, "tag " + call.tag].map((text) => make("span", "", text));
  fill(byId("session-facts"), [make("span", "chip " + call.state, call.state), ...facts]);
  const level = (each) => call.state === "ok" && each.level === "info" ? "info fine" : each.level;
  fill(byId("diagnosis"), call.diagnosis.map((each) => make("li", level(each), each.text)));
  showPath(call);
  fill(byId("parties"), PARTIES.map((party) => panel(call, party)));
}
function showPath(call) {
  const spot = (title, ...lines) => {
    const box = make("div", "place");
    box.append(make("h3", "", title), ...lines.map((line) => make("p", "mono", line)));
    return box;
  };
  const hasProblem = (party) => call.diagnosis.some((each) => each.party === party && each.level === "problem");
  const isQuiet = (party) => !call.ended && hasProblem(party) &&
    (call.state === "silent" || call.state === "one-way") && !call[party].rate;
  const flow = (party, direction) => {
    const leg = call[party], flows = call.ended ? leg.received > 0 : leg.rate > 0;
    const text = call.ended ? packets(leg.received) : leg.received ? fixed(leg.rate, 0) + " /s" : "nothing";
    return make("p", direction + (flows ? "" : isQuiet(party) ? " dead" : " dry"), text);
  };
  const both = () => {
    const box = make("div", "flow");
    box.append(flow("caller", "right"), flow("callee", "left"));
    return box;
  };
  fill(byId("path"), [spot("Caller", call.caller.remote || "not known yet"), both(),
    spot("rtpproxy", call.caller.local || "\u2013", call.callee.local || "\u2013"), both(),
    spot("Callee", call.callee.remote || "not known yet")]);
}
function panel(call, party) {
  const leg = call[party], history = call.history[party], box = make("section", "panel"),
      curves = make("div", "curves");
  box.append(make("h3", "", "From " + party));
  const kinds = [
    ["rate", "Packets/s", leg.received ? fixed(leg.rate, 0) : "\u2013", "", 50, (v) => fixed(v, 0) + " per second"],
    ["loss", "Loss", leg.received ? percent(leg.loss) : "\u2013", "%", 1, (v) => fixed(v, 1) + " %"],
    ["jitter", "Jitter", leg.jitter === null ? "\u2013" : fixed(leg.jitter, 1), "ms", 5, (v) => fixed(v, 1) + " ms"]];
  for (const [name, title, value, unit, least, format] of kinds) {
    const figure = make("figure"), strong = make("strong", "", value + " ");
    strong.append(make("small", "", value === "\u2013" ? "" : unit));
    const caption = make("figcaption", "", title);
    caption.append(strong);
    figure.append(caption, curve(history[name], Math.max(20, history[name].length), title + " from " + party +
        " in the last five minutes", format, least));
    curves.append(figure);
  }
  const list = make("dl"), say = (name, value, mono) => {
    if (value !== null && value !== "" && value !== undefined) list.append(make("dt", "", name),
        make("dd", mono ? "mono" : "", value));
  };
  say("Signalled", leg.signalled || "nothing", Boolean(leg.signalled));
  say("Learned", leg.learned || (leg.received ? "as signalled" : leg.asymmetric ? "not done: asymmetric" :
      "not yet"), Boolean(leg.learned));
  say("Sends to", leg.advertised && leg.local ? leg.local + ", advertised as " + leg.advertised : leg.local ||
      "no port yet", true);
  say("Sender", [leg.latched ? "latched" : "not latched", leg.asymmetric && "asymmetric", leg.on_hold &&
      "on hold"].filter(Boolean).join(", "));
  say("Codec", leg.payload_type === null ? null : (leg.codec ? leg.codec + ", " : "") + "payload type " +
      leg.payload_type);
  say("Source", leg.ssrc === null ? null : "SSRC 0x" + leg.ssrc.toString(16).toUpperCase().padStart(8, "0") +
    (leg.ssrc_changes > 1 ? ", changed " + (leg.ssrc_changes - 1) + (leg.ssrc_changes === 2 ? " time" : " times") :
        ""));
  say("Last packet", leg.idle === null ? "none came" : leg.idle < 1 ? "just now" : duration(leg.idle) +
      (call.ended ? " before the end" : " ago"));
  say("Received", whole(leg.received) + ", " + whole(leg.relayed) + " relayed, " + whole(leg.dropped) + " dropped");
  say("Lost", whole(leg.lost) + (leg.duplicates ? ", " + whole(leg.duplicates) + " came twice" : ""));
  say("Refused", leg.ignored ? packets(leg.ignored) + (leg.refused ? ", the last from " + leg.refused : "") : null);
  say("Not RTP", leg.not_rtp ? packets(leg.not_rtp) : null);
  say("Send errors", leg.send_errors ? packets(leg.send_errors) + " to the " + party : null);
  say("Jitter", leg.jitter === null ? null : fixed(leg.jitter_average, 1) + " ms on average, " +
      fixed(leg.jitter_max, 1) + " ms at most");
  say("RTCP", whole(leg.rtcp.received) + " received, " + whole(leg.rtcp.relayed) + " relayed" +
      (leg.rtcp.remote ? ", at " + leg.rtcp.remote : ""));
  say("Marks", [leg.recording && "recorded", leg.copying && "copied", leg.prompt && "hears a prompt", leg.fast_path &&
      "relayed by the kernel"]
    .filter(Boolean).join(", "));
  box.append(curves, list);
  return box;
}
function showGone(number) {
  put(byId("session-title"), "Call " + number + " is gone");
  fill(byId("session-facts"), []);
  fill(byId("diagnosis"), [make("li", "notice", "It has ended, and is not among the last 200 that did.")]);
  byId("path").hidden = true;
  fill(byId("parties"), []);
}

/* Asking. */
async function ask(path) {
  const answer = await fetch(path, {cache: "no-store"});
  if (!answer.ok && answer.status !== 404) throw new Error(path + ": " + answer.status);
  return answer.ok ? answer.json() : null;
}
async function refresh() {
  clearTimeout(timer);
  if (busy) { again = true; return; }
  busy = true;
  again = false;
  const now = place();
  try {
    byId("overview").hidden = Boolean(now.session);
    byId("session").hidden = !now.session;
    if (now.session) {
      const [status, call] = await Promise.all([ask("/status"), ask("/sessions/" + encodeURIComponent(now.session))]);
      showStatus(status);
      byId("path").hidden = false;
      if (call) showSession(call); else showGone(now.session);
    } else {
      showControls(now);
      const query = new URLSearchParams({offset: now.page * PAGE, limit: PAGE, sort: now.sort, order: orderOf(now)});
      if (now.search) query.set("search", now.search);
      if (now.view === "problem") query.set("state", "problem");
      if (now.view === "ended") query.set("ended", "1");
      const [status, sessions] = await Promise.all([ask("/status"), ask("/sessions?" + query)]);
      showStatus(status);
      showSessions(sessions, now);
    }
    answered = Date.now();
    document.body.dataset.answers = String(Number(document.body.dataset.answers || 0) + 1);
  } catch (error) {
    console.warn(error);
  }
  busy = false;
  showFreshness();
  if (again) refresh(); else if (!paused && document.visibilityState === "visible") timer = setTimeout(refresh, EVERY);
}
function showFreshness() {
  const late = Date.now() - answered > 3 * EVERY;
  classes(byId("freshness"), paused ? "" : !answered || late ? "lost" : "live");
  put(byId("freshness-text"), paused ? "paused at " + clock(answered / 1000) : !answered ? "no answer yet" :
    late ? "no answer since " + clock(answered / 1000) : "live");
}
buildTiles();
buildControls();
addEventListener("hashchange", () => { refresh(); if (place().session) scrollTo(0, 0); });
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && place().session) go({session: null});
  if (event.key === "/" && document.activeElement === document.body && !place().session) {
    event.preventDefault();
    byId("search").focus();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && !paused) refresh();
});
byId("back").addEventListener("click", (event) => { event.preventDefault(); go({session: null}); });
setInterval(showFreshness, 1000);
refresh();
"""
