"""The status page's frame: what does not change. `script.py` fills it."""

from __future__ import annotations

MARKUP = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>rtpproxy</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E
%3Cpath d='M1 5h9V2l5 4.5-5 4.5V8H1z' fill='%230b6e74'/%3E
%3Cpath d='M15 11H6V8l-5 4 5 4v-3h9z' fill='%23d08a2e'/%3E%3C/svg%3E">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the calls</a>
<header>
  <h1><a href="#">rtpproxy</a> <small id="version"></small></h1>
  <p id="uptime"></p>
  <p id="freshness" role="status"><span class="dot"></span><span id="freshness-text">connecting</span></p>
  <button type="button" id="pause" aria-pressed="false">Pause</button>
</header>
<ul id="notices" aria-label="Notices"></ul>
<main id="main" tabindex="-1">
  <div id="overview">
    <section id="tiles" aria-label="The proxy now and over the last hour"></section>
    <section id="calls" aria-label="Calls">
      <form id="controls" role="search">
        <div class="segments" role="group" aria-label="Which calls">
          <button type="button" data-view="" aria-pressed="true">All <b id="count-all"></b></button>
          <button type="button" data-view="problem" aria-pressed="false">Need a look <b id="count-problem"></b></button>
          <button type="button" data-view="ended" aria-pressed="false">Ended lately</button>
        </div>
        <label class="search"><span class="hidden">Search call-id, tag, address or port</span>
          <input type="search" id="search" placeholder="Call-id, tag, address or port" autocomplete="off"
            spellcheck="false" maxlength="200"></label>
        <label class="sorting">Sort by <select id="sort">
          <option value="age">newest</option><option value="state">worst first</option>
          <option value="idle">idle</option><option value="loss">loss</option><option value="jitter">jitter</option>
          <option value="rate">packets/s</option><option value="call_id">call-id</option></select></label>
      </form>
      <table aria-describedby="range">
        <caption class="hidden">Calls, two lines each: what the caller sends, then what the callee sends</caption>
        <thead><tr>
          <th scope="col" data-sort="state" class="state">State</th>
          <th scope="col" data-sort="call_id" class="call">Call</th>
          <th scope="col" data-sort="age" class="number">Age</th>
          <th scope="col" class="party">Party</th>
          <th scope="col" class="address">Media from</th>
          <th scope="col" class="address">Signalled</th>
          <th scope="col" data-sort="rate" class="number">Packets/s</th>
          <th scope="col" data-sort="loss" class="number">Loss</th>
          <th scope="col" data-sort="jitter" class="number">Jitter</th>
          <th scope="col" data-sort="idle" class="number">Idle</th>
          <th scope="col" class="marks">Marks</th>
        </tr></thead>
        <tbody id="rows"></tbody>
      </table>
      <div id="empty" hidden><p id="empty-title"></p><p id="empty-text"></p></div>
      <nav id="paging" aria-label="Pages">
        <p id="range" role="status"></p>
        <button type="button" id="previous">Previous</button>
        <button type="button" id="next">Next</button>
      </nav>
    </section>
  </div>
  <article id="session" hidden aria-labelledby="session-title">
    <p><a id="back" href="#">All calls</a></p>
    <header>
      <h2 id="session-title"></h2>
      <p id="session-facts"></p>
    </header>
    <ul id="diagnosis" aria-label="Diagnosis"></ul>
    <section id="path" aria-label="Path of the media"></section>
    <div id="parties"></div>
  </article>
</main>
<noscript><p class="noscript">This page needs JavaScript. The same without: <a href="/status">/status</a>,
<a href="/sessions">/sessions</a>, <a href="/metrics">/metrics</a>.</p></noscript>
<footer><a href="/metrics">Metrics</a> <a href="/status">Status as JSON</a> <a href="/sessions">Sessions as JSON</a>
<span>This page only shows; nothing can be changed here.</span></footer>
<script>{script}</script>
</body>
</html>
"""
