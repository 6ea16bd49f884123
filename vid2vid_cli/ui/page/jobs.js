// The commands that the page has started.

const STATE_TEXTS = {
  queued: "waiting", running: "running", stopping: "stopping", done: "done", failed: "failed", stopped: "stopped",
};
const FORM_TITLES = { prepare: "Prepare", train: "Train", transfer: "Transfer", resume: "Continue training" };
const NEXT_STEPS = { prepare: ["train", "data", "Train on it"], train: ["transfer", "targets", "Transfer to it"] };
const NUM_SHOWN = 4;
const announcedStates = new Map();
let followedJob = 0;

function isActiveJob(job) {
  return ["queued", "running", "stopping"].includes(job.state);
}

function createJob(job) {
  const stop = part("stop", "button", { type: "button" });
  stop.addEventListener("click", async () => {
    stop.disabled = true;
    await send("/stop", { number: job.number }).catch(error => announce(error.message));
    setTimeout(() => { stop.disabled = false; }, 1000);
  });
  const next = part("next", "button", { type: "button" });
  const again = part("again", "button", { type: "button" });
  again.addEventListener("click", () => send("/repeat", { number: job.number }).catch(error => announce(error.message)));
  const command = part("command", "code", { textContent: job.command });
  return element("li", { className: "card", tabIndex: -1 },
    element("div", { className: "heading" }, element("h3", {}, part("title", "span"), " ", part("state", "span")),
      part("time", "span", { className: "note" })),
    element("pre", { className: "command small" }, command, copyButton(() => command.textContent)),
    part("bar", "progress", { max: 1 }),
    part("progress", "p", { className: "numbers" }),
    part("losses", "p", { className: "numbers note" }),
    part("sampleLink", "a", { className: "sample", target: "_blank", rel: "noopener" }, part("sample", "img", { alt: "Newest sample" })),
    part("error", "p", { className: "error" }), part("hint", "p", { className: "hint" }),
    part("comparison", "p", { className: "note" }),
    part("warnings", "ul", { className: "warnings" }),
    element("div", { className: "buttons" }, stop, again, next, part("report", "a", { target: "_blank", rel: "noopener" }, "Report"),
      part("video", "button", { type: "button", textContent: "Play" })),
    part("log", "details", {}, element("summary", { textContent: "Messages" }), part("messages", "pre", { className: "small" })));
}

function updateJob(card, job) {
  const shown = parts(card);
  const isActive = isActiveJob(job);
  card.className = `card ${job.state}`;
  setText(shown.title, `${FORM_TITLES[job.form]} ${job.number}`);
  setText(shown.state, STATE_TEXTS[job.state]);
  shown.state.className = `state ${job.state}`;
  card.dataset.started = job.started;
  setText(shown.time, jobTime(job));
  showProgress(shown, job, isActive);
  setLink(shown.sampleLink, isActive ? job.sample : "");
  setImage(shown.sample, isActive ? job.sample : "");
  setText(shown.error, job.error ? job.error.message : "");
  setText(shown.hint, job.error && job.error.hint ? job.error.hint : job.continue ? `Continue: ${job.continue}` : "");
  setText(shown.comparison, job.comparison);
  showList(shown.warnings, job.warnings, text => text, text => element("li", { textContent: text }), () => {});
  shown.warnings.hidden = !job.warnings.length;
  setText(shown.stop, job.state === "queued" ? "Remove" : job.state === "stopping" ? "Stop at once" : "Stop");
  shown.stop.hidden = !isActive;
  const isEnded = job.state === "stopped" || job.state === "failed";
  setText(shown.again, isEnded && job.form !== "train" ? (job.started ? "Run again" : "Start") : "");
  setLink(shown.report, job.report ? `${job.report}?${Math.round(job.ended)}` : "");
  showNextStep(shown, job);
  const lines = job.log.length ? job.log : job.messages;
  setText(shown.messages, lines.join("\n"));
  shown.log.hidden = !lines.length;
}

function jobTime(job) {
  if (job.state === "queued") return "starts when the command before it has ended";
  if (job.ended) return `in ${duration(job.ended - (job.started || job.ended))}`;
  return duration(Date.now() / 1000 - job.started);
}

function showProgress(shown, job, isActive) {
  const progress = job.progress;
  shown.bar.hidden = !isActive || job.state === "queued";
  if (progress && progress.fraction !== null) shown.bar.value = progress.fraction;
  else shown.bar.removeAttribute("value");
  setText(shown.progress, progress && job.state !== "done" ? `${progress.stage}: ${progress.text}` : "");
  const losses = progress && isActive ? progress.losses : {};
  const names = MAIN_LOSSES.filter(name => name in losses);
  setText(shown.losses, names.map(name => `${name.replaceAll("_", " ")} ${losses[name]}`).join("   "));
}

function showNextStep(shown, job) {
  const step = NEXT_STEPS[job.form === "resume" ? "train" : job.form];
  const path = job.form === "prepare" ? job.path : job.path.split("/").slice(0, -1).join("/");
  shown.next.hidden = !(step && job.state === "done" && job.path);
  if (step) {
    setText(shown.next, shown.next.hidden ? "" : step[2]);
    shown.next.onclick = () => openForm(step[0], step[1], path);
  }
  shown.video.hidden = !(job.form === "transfer" && job.state === "done" && job.path);
  shown.video.onclick = () => playVideo(`${job.path}?${Math.round(job.ended)}`, { scroll: true });
}

function showJobs(jobs) {
  const numShown = Math.max(NUM_SHOWN, jobs.findLastIndex(isActiveJob) + 1);
  showList(byId("jobs"), jobs.slice(0, numShown), job => job.number, createJob, updateJob);
  showList(byId("earlier-jobs"), jobs.slice(numShown), job => job.number, createJob, updateJob);
  byId("earlier").hidden = jobs.length <= numShown;
  for (const job of jobs) {
    const before = announcedStates.get(job.number);
    if (before && before !== job.state) announce(`${FORM_TITLES[job.form]} ${job.number}: ${STATE_TEXTS[job.state]}.`);
    announcedStates.set(job.number, job.state);
    if (job.number === followedJob) {
      followedJob = 0;
      const card = byId("jobs").querySelector(`[data-key="${job.number}"]`);
      const isVisible = card.getBoundingClientRect().top < innerHeight;
      if (!isVisible) card.scrollIntoView({ block: "nearest" });
    }
  }
  const running = jobs.find(job => job.state === "running" && job.progress && job.progress.fraction !== null);
  document.title = running ? `${Math.floor(100 * running.progress.fraction)} % – vid2vid` : "vid2vid";
}

/** Times of commands that run, between two events. */
setInterval(() => {
  for (const card of document.querySelectorAll("#jobs > .running, #jobs > .stopping")) {
    setText(parts(card).time, duration(Date.now() / 1000 - card.dataset.started));
  }
}, 1000);

function announce(text) {
  byId("announcement").textContent = text;
}
