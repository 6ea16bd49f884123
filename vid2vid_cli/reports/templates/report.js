"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const storageKey = "vid2vid:" + location.pathname;
  const load = () => { try { return JSON.parse(sessionStorage.getItem(storageKey)) || {}; } catch { return {}; } };
  const restored = load();
  let player = null;

  // ---- age of the page, and reloading while the command runs
  const ageSeconds = () => Math.max(0, Date.now() / 1000 - data.written);
  const showAge = () => {
    const seconds = ageSeconds();
    const text = seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` :
      `${Math.round(seconds / 3600)} h`;
    byId("age").textContent = ` (${text} ago)`;
  };
  showAge();
  setInterval(showAge, 5000);
  const reload = () => {
    if (document.hidden || (player && player.isPlaying()) || document.activeElement === byId("filter")) {
      setTimeout(reload, 2000);
      return;
    }
    const samples = byId("sample");
    try {
      sessionStorage.setItem(storageKey, JSON.stringify({
        scroll: scrollY, frame: player ? player.frame() : 0, view: player ? player.view() : "panels",
        sample: samples && samples.value !== samples.max ? samples.value : null,
        filter: byId("filter") ? byId("filter").value : "", changed: byId("changed") ? byId("changed").checked : false,
      }));
    } catch { /* a browser may forbid storage for files: the page starts at the top then */ }
    location.reload();
  };
  if (data.refresh) setTimeout(reload, 1000 * data.refresh);

  // ---- samples over time
  const sample = byId("sample");
  if (sample) {
    const show = () => {
      const [src, label] = data.samples[sample.value];
      byId("sample-image").src = src;
      byId("sample-link").href = src;
      byId("sample-label").textContent = label;
    };
    sample.addEventListener("input", show);
    if (restored.sample) { sample.value = restored.sample; show(); }
  }

  // ---- values of a curve under the pointer
  for (const svg of document.querySelectorAll("svg.plot")) {
    const caption = svg.closest("figure").querySelector("output"), last = caption.textContent;
    const points = [...svg.querySelectorAll("polyline.curve")].flatMap(line =>
      [...line.points].map(point => [point.x, point.y]));
    const frame = svg.querySelector("path.frame").getBBox(), { low, high, bottom, top, x: xLabel } = svg.dataset;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    svg.addEventListener("pointermove", event => {
      if (!points.length) return;
      const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      const nearest = points.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best);
      const share = (nearest[0] - frame.x) / frame.width, height = (frame.y + frame.height - nearest[1]) / frame.height;
      const position = +low + share * (high - low), value = +bottom + height * (top - bottom);
      caption.textContent = `${value.toPrecision(4)} at ${xLabel} ${Math.round(position)}`;
      for (const [key, at] of [["x1", nearest[0]], ["x2", nearest[0]], ["y1", frame.y], ["y2", frame.y + frame.height]])
        cursor.setAttribute(key, at);
      svg.append(cursor);
    });
    svg.addEventListener("pointerleave", () => { caption.textContent = last; cursor.remove(); });
  }

  // ---- filter of the settings
  const filter = byId("filter"), changed = byId("changed");
  if (filter) {
    const apply = () => {
      for (const row of document.querySelectorAll("#settings tbody tr"))
        row.hidden = !row.textContent.toLowerCase().includes(filter.value.toLowerCase()) ||
          (changed.checked && !row.classList.contains("changed"));
    };
    filter.addEventListener("input", apply);
    changed.addEventListener("change", apply);
    if (restored.filter || restored.changed) { filter.value = restored.filter; changed.checked = restored.changed; }
    apply();
  }

  if (data.video) player = makePlayer(data.video, restored);
  if (restored.scroll) scrollTo(0, restored.scroll);
})();
