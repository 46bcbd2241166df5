// One photo: chosen, sent, waited for, shown, downloaded.
import { ask, duration, element, thousands, trouble } from "./common.js";
import { Comparison } from "./compare.js";

let about, file, job, comparison, request, timer;
let notice = ""; // said behind whatever is said of the photo, until the next one

const busy = () => request || (job && (job.state === "waiting" || job.state === "working"));

function say(words, bad = false) {
  const status = element("status");
  if (notice) words = `${words.replace(/[^.]$/, "$&.")} ${notice}`;
  if (status.textContent !== words) status.textContent = words;
  status.classList.toggle("bad", bad);
}

function progress(value) {
  const bar = element("progress");
  bar.hidden = value === null;
  if (value > 0) bar.value = value;
  else bar.removeAttribute("value");
}

// Whoever pressed a button that goes away has the next one under the fingers.
function keepFocus(buttons, focused) {
  const left = buttons.find((button) => !button.hidden && !button.disabled);
  if (buttons.includes(focused) && focused.hidden && left) left.focus();
}

function refresh() {
  const focused = document.activeElement;
  element("start").disabled = busy() || !file || !element("model").value;
  element("start").hidden = Boolean(busy() || (job && !file)); // after a reload the photo is not at hand
  element("cancel").hidden = !busy();
  const done = job && job.state === "done" && !request;
  element("download").hidden = !done;
  element("start").textContent = done ? "Restore again" : "Restore";
  element("start").classList.toggle("primary", !done);
  keepFocus(["cancel", "download", "start"].map(element), focused);
}

// ---- The photo ----
function choose(files) {
  const chosen = files[0];
  if (!chosen) return;
  if (busy()) {
    notice = `Meanwhile ${chosen.name} was not taken: wait, cancel, or use a second tab.`;
    if (job) told();
    return;
  }
  notice = files.length > 1 ? `This page takes one photo at a time: ${chosen.name} is the one of the ${files.length}. `
    + "For whole folders there is the command noiseda restore." : "";
  if (chosen.size > about.max_upload) {
    say(`${chosen.name} has ${megabytes(chosen.size)}; this server takes up to ${megabytes(about.max_upload)}. `
      + "Whoever started it can allow more with --max-upload.", true);
    return;
  }
  file = chosen;
  job = null;
  point();
  history.replaceState(null, "", "#restore");
  element("file-name").textContent = `${file.name}, ${megabytes(file.size)}`;
  progress(null);
  say(element("model").value ? "Ready." : "");
  comparison.showOne(URL.createObjectURL(file), "This kind of photo is shown once it is restored.");
  refresh();
}

// The way back from the training runs leads to the same photo.
function point() {
  element("to-restore").href = job ? `#job/${job.id}` : "#restore";
}

const megabytes = (bytes) => bytes < 1e5 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;

function takeDrops() {
  const mark = (over) => ["drop", "view"].forEach((zone) => element(zone).classList.toggle("over", over));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false); // it has left the window
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    if (!element("restore").hidden) choose(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (!element("restore").hidden) choose(event.clipboardData.files);
  });
}

// ---- Sending: XMLHttpRequest tells how far it is, fetch does not ----
function send() {
  const args = new URLSearchParams({ model: element("model").value, strength: element("strength").value / 100,
    name: file.name, format: element("format").value });
  request = new XMLHttpRequest();
  request.open("POST", `api/restore?${args}`);
  request.upload.onprogress = (event) => {
    progress(event.loaded / event.total);
    say(`Sending: ${Math.round(100 * event.loaded / event.total)} %`);
  };
  request.onload = () => received(request);
  request.onerror = () => failed("The server does not answer. Is noiseda serve still running?");
  request.onabort = () => failed("Cancelled.", false);
  job = null;
  notice = "";
  trouble();
  say("Sending");
  progress(0);
  request.send(file);
  refresh();
}

function failed(words, bad = true) {
  request = null;
  progress(null);
  say(words, bad);
  comparison.explain("There is nothing to show.");
  refresh();
}

function received(answer) {
  let body;
  try {
    body = JSON.parse(answer.responseText);
  } catch {
    body = { error: "The server gave an answer that cannot be read." };
  }
  if (answer.status !== 202) {
    failed(body.error);
    return;
  }
  request = null;
  location.hash = `job/${body.id}`; // watched from there on, and after a reload
}

// ---- Waiting ----
export function showJob(id) {
  if (job && job.id === id) return;
  job = { id, state: "waiting" };
  point();
  clearTimeout(timer);
  poll(id);
}

function work() {
  if (!job.tiles) return "Restoring";
  if (job.tiles_done === job.tiles) return "Writing the result";
  return `Restoring: ${job.tiles_done} of ${job.tiles} tiles done`;
}

async function poll(id) {
  try {
    const known = await (await ask("api/job", { id })).json();
    if (!job || job.id !== id) return; // another was begun meanwhile
    job = known;
    trouble();
    told();
    if (busy()) timer = setTimeout(poll, job.seconds < 5 ? 200 : 600, id);
  } catch (error) {
    if (!job || job.id !== id) return;
    if (error.unreachable) {
      trouble(error.message);
      timer = setTimeout(poll, 2000, id);
    } else {
      job = null;
      point();
      trouble();
      failed(error.message);
    }
  }
}

function told() {
  const words = {
    waiting: () => job.ahead ? `Waiting: ${job.ahead} ${job.ahead === 1 ? "photo is" : "photos are"} before it` : "Waiting",
    working: () => work() + (job.seconds >= 2 ? `, ${duration(job.seconds)}` : ""),
    done: () => `Done in ${job.seconds < 10 ? `${job.seconds.toFixed(1)} s` : duration(job.seconds)}: ${job.name}, `
      + `${thousands(job.width)} × ${thousands(job.height)} pixels, strength ${Math.round(100 * job.strength)} %`,
    failed: () => `It could not be restored: ${job.message}`,
    cancelled: () => file ? "Cancelled." : "Cancelled. To restore it after all, choose it again.",
  };
  say(words[job.state](), job.state === "failed");
  progress(busy() ? (job.tiles ? job.tiles_done / job.tiles : 0) : null);
  if (!file) element("file-name").textContent = job.name;
  const address = (which) => `api/picture?${new URLSearchParams({ id: job.id, which })}`;
  if (job.state === "done") {
    comparison.showBoth(address("before"), address("after"), job.width, job.height);
    element("download").href = address("result");
    element("download").textContent = "Download";
    element("download").setAttribute("aria-label", `Download ${job.result}`);
  } else if (job.before && busy()) {
    comparison.showOne(address("before"), "", job.id);
  } else if (!busy()) {
    comparison.explain("There is nothing to show.");
  }
  refresh();
}

async function cancel() {
  if (request) {
    request.abort();
    return;
  }
  try {
    job = await (await ask("api/cancel", { id: job.id }, { method: "POST" })).json();
    told();
  } catch (error) {
    say(error.message, true);
  }
}

// ---- The models ----
const TASKS = { denoise: "Takes noise out", derain: "Takes rain out", deblur: "Takes blur out" };

function aboutModel() {
  const model = about.models.find((m) => m.name === element("model").value);
  const settings = model && model.settings ? model.settings.replaceAll(";", ", ").replaceAll("=", " ") : "";
  const inside = model && model.network
    ? `${model.network}: ${settings}` + (model.step ? `, ${thousands(model.step)} steps` : "") : "";
  element("model-about").textContent = model && TASKS[model.task] ? `${TASKS[model.task]} (${inside})` : inside;
  refresh();
}

function listModels() {
  const select = element("model");
  for (const model of about.models) {
    const text = model.name.replace(/\.safetensors$/, "") + (model.problem ? ` (${model.problem})` : "");
    const option = new Option(text, model.name);
    option.disabled = Boolean(model.problem);
    select.add(option);
  }
  const usable = about.models.find((m) => !m.problem);
  select.disabled = !usable;
  if (usable) select.value = usable.name;
  else {
    select.add(new Option("none", ""));
    say(about.restores ? "The folder of models holds none that can be used." :
      "There are no models; start noiseda serve with --models DIR to restore photos.");
  }
  aboutModel();
}

export function openRestore(known) {
  about = known;
  comparison = new Comparison();
  listModels();
  takeDrops();
  element("file").addEventListener("change", (event) => {
    choose(event.target.files);
    event.target.value = ""; // else the same file cannot be chosen again
  });
  element("model").addEventListener("change", aboutModel);
  element("strength").addEventListener("input", (event) => {
    element("strength-shown").textContent = `${event.target.value} %`;
  });
  element("order").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!busy() && file) send();
  });
  element("cancel").addEventListener("click", cancel);
}
