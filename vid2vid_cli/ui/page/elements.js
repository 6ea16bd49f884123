"use strict";
// Elements, requests and texts that the other scripts share.

const byId = id => document.getElementById(id);
const query = location.search;
const state = { setup: null, project: null };

/** A new element with properties, and with children that are elements or texts. */
function element(tag, properties = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in created && name !== "list") created[name] = value;
    else created.setAttribute(name, value);
  }
  created.append(...children.filter(child => child !== null && child !== undefined));
  return created;
}

/** Set a text; the element is left alone if it has that text, so that a selection in it stays. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
  target.hidden = !text;
}

/** Show one element per item in the order of the items, reusing the elements of items with the same key. */
function showList(container, items, keyOf, create, update) {
  const known = new Map([...container.children].map(child => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    let child = known.get(key);
    known.delete(key);
    if (!child) {
      child = create(item);
      child.dataset.key = key;
    }
    if (container.children[index] !== child) container.insertBefore(child, container.children[index] || null);
    update(child, item);
  });
  for (const child of known.values()) child.remove();
  const empty = document.querySelector(`[data-empty="${container.id}"]`);
  if (empty) setText(empty, items.length ? "" : emptyTexts[container.id]);
}

const emptyTexts = {
  jobs: "None was started on this page.",
  results: "Videos of transfer and synthesize are shown here.",
  runs: "A training writes a run: samples, a report and the checkpoint.",
  datasets: "Prepare a video: the dataset is the input of a training.",
};

/** Send an object; returns the answer, or throws an Error with the message of the server and the field it is about. */
async function send(path, body) {
  let response;
  try {
    response = await fetch(path + query, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The program has ended, or cannot be reached.");
  }
  const answer = await response.json().catch(() => ({ error: `The program refused the request (${response.status}).` }));
  if (!response.ok) throw Object.assign(new Error(answer.error), { field: answer.field });
  return answer;
}

/** The URL of a file of the project: `path`, or `path?version`. */
function fileUrl(reference) {
  const cut = reference.lastIndexOf("?");
  const [path, version] = cut < 0 ? [reference, ""] : [reference.slice(0, cut), reference.slice(cut)];
  return state.setup.files_url + path.split("/").map(encodeURIComponent).join("/") + version;
}

/** A link to a file of the project, which opens in a new tab. */
function fileLink(text) {
  return element("a", { target: "_blank", rel: "noopener", textContent: text, hidden: true });
}

function setLink(link, reference) {
  link.hidden = !reference;
  if (!reference) link.removeAttribute("href");
  else if (link.getAttribute("href") !== fileUrl(reference)) link.setAttribute("href", fileUrl(reference));
}

function setImage(image, reference) {
  const url = reference ? fileUrl(reference) : "";
  image.hidden = !url;
  if (url && image.getAttribute("src") !== url) image.src = url;
}

/** 0:07, 12:30, 1:02:03 */
function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const [hours, minutes, rest] = parts.map(part => String(part).padStart(2, "0"));
  return parts[0] ? `${parts[0]}:${minutes}:${rest}` : `${Number(hours) * 60 + Number(minutes)}:${rest}`;
}

/** How long ago a time in seconds was. */
function ago(time) {
  const seconds = Date.now() / 1000 - time;
  if (seconds < 60) return "less than a minute ago";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(time * 1000).toLocaleDateString();
}

/** A button that copies a text. */
function copyButton(getText) {
  const button = element("button", { type: "button", textContent: "Copy" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(getText());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select the text";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

/** The parts of an element by the names in data-part. */
function parts(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-part]")].map(part => [part.dataset.part, part]));
}

/** An element that `parts` finds. */
function part(name, tag, properties = {}, ...children) {
  const created = element(tag, properties, ...children);
  created.dataset.part = name;
  return created;
}
