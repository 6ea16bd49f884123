// The video of a report: its panels on the same frame, a wipe between two of them, and strips of values.
"use strict";
const byId = id => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const number = value => value === null ? "none" : String(Math.abs(value) >= 1e5 ? value.toExponential(3) : value);
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// `restored`: the frame and the view before the page was reloaded.
const makePlayer = (view, restored) => {
  const video = byId("source"), slider = byId("frame"), holder = byId("panels");
  let current = 0, wipe = 0.5, canvases = [], target = null;
  byId("player").classList.add("scripted");
  video.controls = false;
  video.muted = true;

  const makeCanvas = (caption, width, height) => {
    const figure = document.createElement("figure"), canvas = document.createElement("canvas");
    const text = document.createElement("figcaption");
    canvas.width = width;
    canvas.height = height;
    text.textContent = caption;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", caption);
    figure.append(canvas, text);
    holder.append(figure);
    return canvas;
  };
  const choice = id => view.panels[byId(id).value];
  const drawPanel = (context, panel, width, height) =>
    context.drawImage(video, panel[1], panel[2], panel[3], panel[4], 0, 0, width, height);
  const draw = () => {
    if (video.readyState < 2) return;
    if (byId("view").value === "panels") {
      view.panels.forEach((panel, index) =>
        drawPanel(canvases[index].getContext("2d"), panel, canvases[index].width, canvases[index].height));
      return;
    }
    const canvas = canvases[0], context = canvas.getContext("2d"), x = Math.round(wipe * canvas.width);
    drawPanel(context, choice("right"), canvas.width, canvas.height);
    context.save();
    context.beginPath();
    context.rect(0, 0, x, canvas.height);
    context.clip();
    drawPanel(context, choice("left"), canvas.width, canvas.height);
    context.restore();
    context.fillStyle = "#fff";
    context.fillRect(x - 1, 0, 2, canvas.height);
  };
  const layOut = () => {
    const isWipe = byId("view").value === "wipe";
    holder.replaceChildren();
    holder.classList.toggle("wipe", isWipe);
    byId("wipe-choice").hidden = !isWipe;
    if (isWipe) {
      const [, , , width, height] = choice("right");
      canvases = [makeCanvas(`${choice("left")[0]} | ${choice("right")[0]}: drag to move the wipe`, width, height)];
      const move = event => {
        const box = canvases[0].getBoundingClientRect();
        wipe = clamp((event.clientX - box.left) / box.width, 0, 1);
        draw();
      };
      canvases[0].addEventListener("pointerdown", event => { canvases[0].setPointerCapture(event.pointerId); move(event); });
      canvases[0].addEventListener("pointermove", event => { if (event.buttons) move(event); });
    } else {
      canvases = view.panels.map(([name, , , width, height]) => makeCanvas(name, width, height));
    }
    draw();
  };

  const strips = view.strips.map(strip => {
    const holder = document.createElement("div"), text = document.createElement("span"), canvas = document.createElement("canvas");
    holder.className = "strip";
    holder.append(text, canvas);
    byId("strips").append(holder);
    const ofGroup = view.strips.filter(other => other === strip || (strip.group && other.group === strip.group));
    const finite = ofGroup.flatMap(other => other.values).filter(value => value !== null);
    const high = finite.reduce((a, b) => Math.max(a, b), -Infinity), least = finite.reduce((a, b) => Math.min(a, b), Infinity);
    const low = least >= 0 && least < 0.5 * high ? 0 : least - 0.25 * (high - least);
    const frameAt = event => {
      const box = canvas.getBoundingClientRect();
      return Math.floor(clamp((event.clientX - box.left) / box.width, 0, 0.999999) * view.frames);
    };
    const valueAt = frame => strip.values[Math.min(Math.floor(frame / strip.block), strip.values.length - 1)];
    const describe = frame => {
      const arrow = { higher: " ↑", lower: " ↓", "": "" }[strip.better];
      text.textContent = `${strip.name}${arrow}: ${number(valueAt(frame))}${strip.unit ? " " + strip.unit : ""}` +
        (finite.length ? ` (${number(least)} to ${number(high)})` : "");
    };
    canvas.addEventListener("click", event => seek(frameAt(event)));
    canvas.addEventListener("pointermove", event => { if (event.buttons) seek(frameAt(event)); else describe(frameAt(event)); });
    canvas.addEventListener("pointerleave", () => describe(current));
    const paint = () => {
      const ratio = window.devicePixelRatio || 1, width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      const height = Math.max(1, Math.round(canvas.clientHeight * ratio)), context = canvas.getContext("2d");
      if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
      context.clearRect(0, 0, width, height);
      const worst = strip.better === "lower" ? Math.max : Math.min;
      for (let x = 0; x < width; x++) {  // a column shows the worst value of its frames
        const first = Math.floor(x / width * view.frames / strip.block);
        const last = Math.max(first, Math.ceil((x + 1) / width * view.frames / strip.block) - 1);
        const values = strip.values.slice(first, last + 1);
        const isMissing = values.includes(null) || !values.length;
        const share = isMissing ? 1 : high > low ? (worst(...values) - low) / (high - low) : 0.5;
        context.fillStyle = isMissing ? colour("--bad") : colour("--good");
        const bar = Math.max(1, Math.round(share * height));
        context.fillRect(x, height - bar, 1, bar);
      }
      context.fillStyle = colour("--accent");
      for (const [frame] of view.marks) context.fillRect(Math.round(frame / view.frames * width), 0, Math.max(1, ratio), height / 5);
      context.fillStyle = colour("--text");
      context.fillRect(Math.round((current + 0.5) / view.frames * width) - 1, 0, Math.max(2, 2 * ratio), height);
      describe(current);
    };
    return paint;
  });

  const show = frame => {
    current = clamp(frame, 0, view.frames - 1);
    slider.value = current;
    byId("position").textContent = `frame ${current} of ${view.frames}, ${(current / view.fps).toFixed(2)} s`;
    const mark = view.marks.find(([at]) => at === current);
    byId("mark").textContent = mark ? mark[1] : "";
    strips.forEach(paint => paint());
  };
  const seek = frame => {
    show(frame);
    target = current;
    video.currentTime = (current + 0.5) / view.fps;
  };
  const arrive = seconds => {
    draw();
    const frame = Math.floor(seconds * view.fps + 0.001);
    if (!video.paused) { target = null; show(frame); } else if (target === null) show(frame);
  };
  if (video.requestVideoFrameCallback) {
    const onFrame = (_, metadata) => { arrive(metadata.mediaTime + 0.25 / view.fps); video.requestVideoFrameCallback(onFrame); };
    video.requestVideoFrameCallback(onFrame);
  } else {
    const poll = () => { if (!video.paused) arrive(video.currentTime); requestAnimationFrame(poll); };
    poll();
  }
  video.addEventListener("seeked", draw);
  video.addEventListener("loadeddata", draw);
  video.addEventListener("play", () => { byId("play").textContent = "Pause"; });
  video.addEventListener("pause", () => { byId("play").textContent = "Play"; });
  video.addEventListener("ended", () => show(view.frames - 1));
  video.addEventListener("error", () => {
    byId("mark").textContent = "This browser cannot play the video beside this page (H.264 in MP4).";
  });

  const toggle = () => { if (video.paused) video.play(); else video.pause(); };
  const step = frames => { video.pause(); seek(current + frames); };
  const jumpToMark = direction => {
    const frames = view.marks.map(([frame]) => frame).filter(frame => direction > 0 ? frame > current : frame < current);
    if (frames.length) { video.pause(); seek(direction > 0 ? Math.min(...frames) : Math.max(...frames)); }
  };
  byId("play").addEventListener("click", toggle);
  slider.addEventListener("input", () => { video.pause(); seek(+slider.value); });
  byId("speed").addEventListener("change", () => { video.playbackRate = +byId("speed").value; });
  for (const id of ["view", "left", "right"]) byId(id).addEventListener("change", layOut);
  view.panels.forEach(([name], index) => { for (const id of ["left", "right"]) byId(id).add(new Option(name, index)); });
  byId("right").value = view.panels.length - 1;
  for (const [id, direction] of [["previous-mark", -1], ["next-mark", 1]]) {
    byId(id).hidden = !view.marks.length;
    byId(id).addEventListener("click", () => jumpToMark(direction));
  }
  for (const button of document.querySelectorAll("button.jump"))
    button.addEventListener("click", () => { video.pause(); seek(+button.dataset.frame); byId("player").scrollIntoView(); });
  const keys = {
    " ": () => toggle(), ArrowLeft: event => step(event.shiftKey ? -10 : -1), ArrowRight: event => step(event.shiftKey ? 10 : 1),
    Home: () => step(-view.frames), End: () => step(view.frames), n: () => jumpToMark(1), p: () => jumpToMark(-1),
    w: () => { byId("view").value = byId("view").value === "wipe" ? "panels" : "wipe"; layOut(); },
  };
  document.addEventListener("keydown", event => {
    const tag = event.target.tagName, isOther = event.target.id !== "frame" && ["INPUT", "SELECT", "TEXTAREA"].includes(tag);
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || isOther || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && ["BUTTON", "A"].includes(tag)) return;  // the key presses that button
    event.preventDefault();
    action(event);
  });
  window.addEventListener("resize", () => show(current));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(current));
  if (restored.view) byId("view").value = restored.view;
  layOut();
  seek(clamp(restored.frame || 0, 0, view.frames - 1));
  return { frame: () => current, view: () => byId("view").value, isPlaying: () => !video.paused };
};
