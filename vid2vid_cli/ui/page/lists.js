// Datasets, runs and rendered videos of the project.

const MAIN_LOSSES = ["l1", "perceptual", "cycle", "feature_matching", "adversarial"];
let playedVideo = "";

function createTile() {
  return element("li", { className: "tile" },
    part("link", "a", { className: "picture", target: "_blank", rel: "noopener" }, part("image", "img", { alt: "", loading: "lazy" })),
    part("name", "h3"), part("facts", "p", { className: "note" }), part("bar", "progress", { max: 1 }),
    part("values", "p", { className: "numbers note" }), part("problem", "p", { className: "error" }),
    element("div", { className: "buttons" },
      part("use", "button", { type: "button" }), part("play", "button", { type: "button" }, "Play"), part("resume", "button", { type: "button" }, "Continue"),
      part("report", "a", { target: "_blank", rel: "noopener" }, "Report")));
}

function updatePicture(shown, reference, description) {
  setImage(shown.image, reference);
  shown.image.alt = description;
  setLink(shown.link, reference);
  shown.link.hidden = false; // an empty picture keeps the tiles of a row aligned
  shown.link.classList.toggle("none", !reference);
  shown.link.dataset.text = "no picture yet";
}

function updateDataset(tile, dataset) {
  const shown = parts(tile);
  updatePicture(shown, dataset.image, `Frames of ${dataset.path}`);
  setText(shown.name, dataset.path.replace(/^datasets\//, ""));
  setText(shown.facts, dataset.problem ? "" :
    `${dataset.num_frames} frames, ${dataset.frame_size}, ${Number(frameRate(dataset.fps)).toFixed(2)} frames/s`);
  setText(shown.values, (dataset.conditioners || []).join("; "));
  setText(shown.problem, dataset.problem || "");
  shown.bar.hidden = shown.resume.hidden = true;
  setLink(shown.report, dataset.report);
  setPlay(shown.play, dataset.video);
  setText(shown.use, dataset.problem ? "" : "Train");
  shown.use.onclick = () => openForm("train", "data", dataset.path);
}

function setPlay(button, reference) {
  button.hidden = !reference;
  button.onclick = () => playVideo(reference, { scroll: true });
}

function frameRate(text) {
  const [numerator, denominator] = text.split("/").map(Number);
  return numerator / (denominator || 1);
}

function updateRun(tile, run) {
  const shown = parts(tile);
  updatePicture(shown, run.sample, `Newest sample of ${run.path}`);
  setText(shown.name, run.path.replace(/^runs\//, ""));
  const limit = run.max_steps ? ` of ${run.max_steps}` : "";
  const facts = [run.preset && `preset ${run.preset}`, `step ${run.step}${limit}`, ago(run.modified)];
  setText(shown.facts, facts.filter(Boolean).join(" · "));
  shown.bar.hidden = !run.max_steps;
  shown.bar.value = run.max_steps ? run.step / run.max_steps : 0;
  shown.bar.title = `step ${run.step}${limit}`;
  const losses = MAIN_LOSSES.filter(name => typeof run.losses[name] === "number").slice(0, 2);
  setText(shown.values, losses.map(name => `${name.replaceAll("_", " ")} ${run.losses[name].toPrecision(3)}`).join("   "));
  setText(shown.problem, run.problem || "");
  setLink(shown.report, run.report);
  setPlay(shown.play, run.video);
  setText(shown.use, run.checkpoint ? "Transfer" : "");
  shown.use.onclick = () => openForm("transfer", "targets", run.path);
  const isTraining = state.project.jobs.some(job => ["train", "resume"].includes(job.form) && job.state === "running");
  shown.resume.hidden = !run.can_resume || isTraining || (run.max_steps && run.step >= run.max_steps);
  shown.resume.onclick = () => send("/start", { form: "resume", values: { run: run.path } })
    .then(({ number }) => { followedJob = number; }).catch(error => announce(error.message));
}

function versioned({ path, modified }) {
  return `${path}?${Math.round(modified)}`;
}

function createResult(result) {
  const play = part("play", "button", { type: "button", className: "row" }, part("name", "span"), part("age", "span", { className: "note" }));
  play.addEventListener("click", () => playVideo(versioned(state.project.results.find(({ path }) => path === result.path))));
  return element("li", {}, play, part("report", "a", { target: "_blank", rel: "noopener" }, "Report"));
}

function updateResult(row, result) {
  const shown = parts(row);
  setText(shown.name, result.path);
  setText(shown.age, ago(result.modified));
  setLink(shown.report, result.report ? `${result.report}?${Math.round(result.modified)}` : "");
  shown.play.setAttribute("aria-pressed", playedVideo === result.path);
}

/** Play a video of the project, `path` or `path?version`; the newest one is shown at first, paused. */
function playVideo(reference, { start = true, scroll = false } = {}) {
  let video = byId("player").querySelector("video");
  if (!video) {
    video = element("video", { controls: true, loop: true, preload: "metadata", tabIndex: 0 });
    byId("player").replaceChildren(video, element("p", { className: "note" }));
    video.addEventListener("error", () => {
      byId("player").lastChild.textContent = `${playedVideo}: this browser does not play the format.`;
    });
  }
  playedVideo = reference.split("?")[0];
  byId("player").lastChild.textContent = playedVideo;
  byId("player").hidden = false;
  const url = fileUrl(reference);
  if (video.getAttribute("src") !== url) video.src = url;
  if (start) video.play().catch(() => {});
  if (scroll) byId("player").scrollIntoView({ block: "center" });
  showResults();
}

function showResults() {
  const results = state.project.results;
  showList(byId("results"), results, result => result.path, createResult, updateResult);
}

function showLists() {
  const { datasets, runs, results, notes } = state.project;
  showList(byId("datasets"), datasets, ({ path }) => path, createTile, updateDataset);
  showList(byId("runs"), runs, ({ path }) => path, createTile, updateRun);
  const newest = results.find(result => result.is_comparison) || results[0];
  if (newest && !playedVideo) playVideo(versioned(newest), { start: false });
  showResults();
  showList(byId("notes"), notes, text => text, text => element("li", { textContent: text }), () => {});
}
