// The forms of prepare, train and transfer, with the command line that each of them makes.

const OTHER_PATH = "\u0000other";
const PATH_KINDS = ["video", "dataset", "target"];
const EMPTY_LABELS = { video: "no video in the folder", dataset: "no dataset yet", target: "no checkpoint yet" };
const PATH_HINTS = { target: "Path in the project folder, or hf:ORG/NAME" };
const MAIN_FIELDS = ["videos", "conditioners", "data", "preset", "max_seconds", "sources", "targets"];
const forms = {};
let shownForm = "";

/** The values to choose from for a field, as [value, label]. */
function choices(kind) {
  const project = state.project;
  if (kind === "video") return project.videos.map(path => [path, path]);
  if (kind === "dataset") return project.datasets.map(({ path }) => [path, path]);
  if (kind === "target") return project.targets.map(path => [path, path]);
  return [];
}

class Form {
  constructor(spec) {
    this.spec = spec;
    this.inputs = {};
    this.touched = new Set();
    this.chosen = {};
    this.root = element("form", { noValidate: true, autocomplete: "off" });
    const more = element("div", { className: "grid" });
    const details = element("details", {}, element("summary", { textContent: "More options" }), more);
    for (const field of spec.fields) {
      (MAIN_FIELDS.includes(field.name) ? this.root : more).append(this.makeField(field));
    }
    details.append(this.makeField({
      name: "extra", label: "Other options", kind: "text", placeholder: "--option value",
      help: `As on the command line; vid2vid ${spec.name} -h lists them.`,
    }));
    this.command = element("code", { id: `command-${spec.name}` });
    this.error = element("p", { className: "error", role: "alert", hidden: true });
    const start = element("button", { type: "submit", className: "primary", textContent: "Start" });
    const copy = copyButton(() => this.command.textContent);
    this.root.append(details, element("div", { className: "actions" }, element("pre", { className: "command" }, this.command),
      this.error, element("div", { className: "buttons" }, start, copy)));
    this.root.addEventListener("submit", event => { event.preventDefault(); this.start(start); });
    this.root.addEventListener("input", () => this.previewSoon());
  }

  makeField(field) {
    const id = `${this.spec.name}-${field.name}`;
    if (field.kind === "conditioners") return this.makeConditioners(field, id);
    const help = element("span", { className: "help", id: `${id}-help`, textContent: field.help });
    const label = element("label", { htmlFor: id, textContent: field.label });
    if (field.kind === "flag") {
      const box = element("input", { type: "checkbox", id, "aria-describedby": help.id });
      this.inputs[field.name] = { get: () => box.checked, box };
      return element("div", { className: "field flag" }, box, label, help);
    }
    const root = element("div", { className: "field" }, label);
    if (PATH_KINDS.includes(field.kind)) this.addChoice(root, field, id);
    else if (field.kind === "preset") this.addPreset(root, field, id, help);
    else {
      const text = element("input", { type: "text", id, spellcheck: false, placeholder: field.placeholder });
      text.setAttribute("aria-describedby", help.id);
      this.inputs[field.name] = { get: () => text.value, box: text };
      root.append(text);
    }
    if (!PATH_KINDS.includes(field.kind)) root.append(help);
    return root;
  }

  addChoice(root, field, id) {
    const select = element("select", { id, title: field.help });
    const other = element("input", {
      type: "text", placeholder: PATH_HINTS[field.kind] || "Path in the project folder", hidden: true,
      "aria-label": `${field.label}: path`,
    });
    select.addEventListener("change", () => {
      this.touched.add(field.name);
      other.hidden = select.value !== OTHER_PATH;
      if (!other.hidden) other.focus();
    });
    this.inputs[field.name] = { get: () => (select.value === OTHER_PATH ? other.value : select.value), box: select, field };
    root.append(select, other);
    if (field.kind === "video") root.append(makeUpload(path => { this.choose(field.name, path); }));
  }

  addPreset(root, field, id, help) {
    const automatic = "Chosen by the conditioners of the dataset and this machine.";
    const select = element("select", { id }, element("option", { value: "", textContent: "automatic" }),
      ...state.setup.presets.map(({ name }) => element("option", { value: name, textContent: name })));
    select.setAttribute("aria-describedby", help.id);
    const describe = () => {
      const preset = state.setup.presets.find(({ name }) => name === select.value);
      help.textContent = preset ? preset.summary : automatic;
    };
    select.addEventListener("change", describe);
    describe();
    this.inputs[field.name] = { get: () => select.value, box: select };
    root.append(select);
  }

  makeConditioners(field, id) {
    const makeBox = ({ name, summary, is_ready: isReady, problem }) => {
      const box = element("input", { type: "checkbox", id: `${id}-${name}`, value: name, disabled: !isReady });
      const text = element("span", { className: "help", textContent: isReady ? summary : problem });
      return element("label", { className: "option" }, box, element("b", { textContent: name }), text);
    };
    const ready = state.setup.conditioners.filter(row => row.is_ready).map(makeBox);
    const others = state.setup.conditioners.filter(row => !row.is_ready).map(makeBox);
    const root = element("fieldset", { id }, element("legend", { textContent: field.label }), ...ready);
    if (others.length) {
      root.append(element("details", {}, element("summary", { textContent: `Not installed (${others.length})` }), ...others));
    }
    const get = () => [...root.querySelectorAll("input:checked")].map(box => box.value);
    this.inputs[field.name] = { get, box: root };
    return root;
  }

  /** Show the paths of the project; the newest is selected until the user has selected another one. */
  update() {
    let hasChanged = false;
    for (const { box, field } of Object.values(this.inputs)) {
      if (!field) continue;
      const rows = [...choices(field.kind), [OTHER_PATH, "another path …"]];
      if (rows.length === 1) rows.unshift(["", EMPTY_LABELS[field.kind]]);
      const wanted = this.touched.has(field.name) ? this.chosen[field.name] ?? box.value : rows[0][0];
      const text = JSON.stringify(rows);
      if (box.dataset.rows !== text) {
        box.replaceChildren(...rows.map(([value, label]) => element("option", { value, textContent: label })));
        box.dataset.rows = text;
        hasChanged = true;
      }
      if (rows.some(([value]) => value === wanted)) {
        hasChanged = hasChanged || box.value !== wanted;
        box.value = wanted;
        delete this.chosen[field.name];
      }
      box.nextElementSibling.hidden = box.value !== OTHER_PATH;
    }
    if (hasChanged) this.previewSoon();
  }

  /** Select a path, which may be listed a moment later. */
  choose(name, path) {
    this.touched.add(name);
    this.chosen[name] = path;
    this.update();
  }

  values() {
    return Object.fromEntries(Object.entries(this.inputs).map(([name, { get }]) => [name, get()]));
  }

  previewSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.preview(), 150);
  }

  async preview() {
    this.showError(null);
    const { command, missing } = await send("/preview", { form: this.spec.name, values: this.values() })
      .catch(error => ({ command: "", missing: error.message }));
    this.command.textContent = command || missing;
    this.command.className = command ? "" : "incomplete";
  }

  async start(button) {
    button.disabled = true;
    try {
      const { number } = await send("/start", { form: this.spec.name, values: this.values() });
      this.showError(null);
      announce(`Command ${number} was started.`);
      followedJob = number;
    } catch (error) {
      this.showError(error);
    }
    button.disabled = false;
  }

  showError(error) {
    setText(this.error, error ? error.message : "");
    for (const [name, { box }] of Object.entries(this.inputs)) {
      const isWrong = Boolean(error) && error.field === name;
      if (isWrong) box.setAttribute("aria-invalid", "true");
      else box.removeAttribute("aria-invalid");
      if (!isWrong) continue;
      const details = box.closest("form details");
      if (details) details.open = true;
      (box.matches("fieldset") ? box.querySelector("input") : box).focus();
    }
  }
}

/** A button that stores a video in the project folder. */
function makeUpload(onDone) {
  const input = element("input", { type: "file", accept: "video/*,.mkv,.mts,.m2ts,.ts,.mxf", className: "hidden" });
  const text = element("span", { textContent: "Add a video …" });
  const label = element("label", { className: "upload" }, input, text);
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    const request = new XMLHttpRequest();
    request.open("POST", `/upload${query}&name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = event => { text.textContent = `${Math.round(100 * event.loaded / event.total)} %`; };
    request.onloadend = () => {
      const answer = request.response || {};
      text.textContent = request.status === 200 ? "Add a video …" : answer.error || "The upload failed.";
      input.value = "";
      if (request.status === 200) onDone(answer.path);
    };
    request.send(file);
  });
  return label;
}

function showForm(name, { focus = false } = {}) {
  shownForm = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isShown = tab.dataset.form === name;
    tab.setAttribute("aria-selected", isShown);
    tab.tabIndex = isShown ? 0 : -1;
    if (isShown && focus) tab.focus();
  }
  byId("form-panel").setAttribute("aria-labelledby", `tab-${name}`);
  byId("form-panel").replaceChildren(forms[name].root);
  forms[name].previewSoon();
}

/** Show a form with a path selected. */
function openForm(name, field, path) {
  showForm(name);
  forms[name].choose(field, path);
  byId("new").scrollIntoView({ block: "start" });
  byId(`tab-${name}`).focus({ preventScroll: true });
}
