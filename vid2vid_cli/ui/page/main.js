// Starts the page: what it offers, then the state of the project after each change.

const RETRY_MS = 3000;

function showProject(project) {
  state.project = project;
  for (const form of Object.values(forms)) form.update();
  showJobs(project.jobs);
  showLists();
}

function listen() {
  const source = new EventSource(`/events${query}`);
  source.onopen = () => setText(byId("connection"), "");
  source.onmessage = event => showProject(JSON.parse(event.data));
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) {  // the browser connects again by itself
      setText(byId("connection"), "The program has ended, or cannot be reached.");
      return;
    }
    setText(byId("connection"), "No connection: too many pages are open (close one), or the program has ended. Trying again.");
    setTimeout(listen, RETRY_MS);
  };
}

function addTabKeys() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => showForm(tab.dataset.form));
    tab.addEventListener("keydown", event => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      showForm(tabs[(index + move + tabs.length) % tabs.length].dataset.form, { focus: true });
    });
  });
}

async function startPage() {
  state.setup = await (await fetch(`/setup.json${query}`)).json();
  state.project = { jobs: [], videos: [], datasets: [], runs: [], targets: [], results: [], notes: [] };
  setText(byId("folder"), state.setup.folder);
  for (const name of ["prepare", "train", "transfer"]) forms[name] = new Form(state.setup.forms[name]);
  addTabKeys();
  showForm("prepare");
  listen();
}

startPage().catch(error => setText(byId("connection"), `The page cannot be shown: ${error.message}`));
