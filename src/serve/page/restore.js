// Photos: chosen, sent, waited for, looked at, downloaded.
import { ask, element, thousands, trouble } from "./common.js";
import { Comparison } from "./compare.js";
import { addressOf, fillIn, isAtServer, isBad, isDone, isOver, isToBeSent, itemOf, megabytes, nameOf, offer, setText,
  wordsOf } from "./photo.js";

const AHEAD = 4; // so many of this page's photos are at the server at a time, so that others get their turn

let about, comparison, request;
let photos = []; // in the order given
let shown = {}; // the one of them that is looked at
let order; // with which settings they are restored
let notice = ""; // said behind whatever is said of it, until the next photos

const busy = () => request || photos.some(isAtServer);

// ---- The one that is looked at ----
function progress(value) {
  const bar = element("progress");
  bar.hidden = value === null;
  if (value > 0) bar.value = value;
  else bar.removeAttribute("value");
}

function showPicture() {
  const { file, job } = shown;
  if (isDone(shown)) comparison.showBoth(addressOf(shown, "before"), addressOf(shown, "after"), job.width, job.height);
  else if (job?.before && isAtServer(shown)) comparison.showOne(addressOf(shown, "before"), "", job.id);
  else if (file) comparison.showFile(file, "This kind of photo is shown once it is restored.");
  else comparison.showNone(shown);
  if (isOver(shown) && !isDone(shown)) comparison.explain("There is nothing to show.");
}

function idle() {
  return busy() ? "Waiting to be sent" : element("model").value ? "Ready." : "";
}

function show() {
  const { file, job, sent } = shown, words = wordsOf(shown, idle());
  setText(element("status"), notice ? `${words.replace(/[^.]$/, "$&.")} ${notice}` : words);
  element("status").classList.toggle("bad", isBad(shown));
  element("file-name").textContent = nameOf(shown) + (file ? `, ${megabytes(file.size)}` : "");
  progress(sent !== undefined ? sent : isAtServer(shown) ? (job.tiles ? job.tiles_done / job.tiles : 0) : null);
  offer(element("download"), shown);
  showPicture();
}

// The way back from the training runs leads to the same photo, and a reload to all of them.
function point() {
  const where = shown.job ? `#job/${shown.job.id}` : "#restore";
  element("to-restore").href = where;
  if (!element("restore").hidden) history.replaceState(photos.flatMap((photo) => photo.job?.id || []), "", where);
}

function look(photo) {
  const before = shown;
  shown = photo;
  told(before);
  told(photo);
  point();
}

// Whoever pressed a button that goes away has the next one under the fingers.
function keepFocus(buttons, focused) {
  const left = buttons.find((button) => !button.hidden && !button.disabled);
  if (buttons.includes(focused) && focused.hidden && left) left.focus();
}

function refresh() {
  const focused = document.activeElement, again = photos.some((photo) => photo.job) && !busy();
  const any = photos.some((photo) => photo.file);
  element("start").disabled = busy() || !any || !element("model").value;
  element("start").hidden = Boolean(busy() || (again && !any)); // after a reload the photos are not at hand
  element("cancel").hidden = !busy();
  element("start").textContent = (photos.length > 1 ? `Restore all ${photos.length}` : "Restore") + (again ? " again" : "");
  element("start").classList.toggle("primary", element("download").hidden);
  keepFocus(["cancel", "download", "start"].map(element), focused);
}

// ---- All of them ----
function list(all, first) {
  photos = all;
  shown = first;
  element("photos").hidden = photos.length < 2;
  element("photos").replaceChildren(...photos.map((photo) => itemOf(photo, look)));
  photos.forEach(told);
  point();
}

// Something is known of it that was not.
function told(photo) {
  fillIn(photo, wordsOf(photo, idle()), photo === shown);
  if (photo === shown) show();
  refresh();
}

// ---- Choosing ----
function photoOf(file) {
  if (file.size <= about.max_upload) return { name: file.name, file };
  return { name: file.name, bad: true, words: `${file.name} has ${megabytes(file.size)}; this server takes up to `
    + `${megabytes(about.max_upload)}. Whoever started it can allow more with --max-upload.` };
}

// While others are at work these take their turn behind them.
function choose(files) {
  if (!files.length) return;
  const before = busy() ? photos : [], room = about.max_photos - before.length;
  const given = [...files].slice(0, room).map(photoOf), left = files.length - given.length;
  notice = left ? `${left} more ${left === 1 ? "was" : "were"} not taken: the server keeps ${about.max_photos} results. `
    + "For whole folders there is the command noiseda restore." : "";
  list([...before, ...given], before.length ? shown : given.find(isToBeSent) || given[0]);
  if (before.length) next();
}

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
function next() {
  if (request || photos.filter(isAtServer).length >= AHEAD) return;
  const photo = photos.find(isToBeSent);
  if (photo) send(photo);
}

const settings = () => ({ model: element("model").value, strength: element("strength").value / 100,
  format: element("format").value });

function send(photo) {
  order ||= settings();
  request = new XMLHttpRequest();
  request.open("POST", `api/restore?${new URLSearchParams({ ...order, name: photo.name })}`);
  request.upload.onprogress = (event) => {
    photo.sent = event.loaded / event.total;
    told(photo);
  };
  request.onload = () => received(photo, request);
  request.onerror = () => sent(photo, { words: "The server does not answer. Is noiseda serve still running?", bad: true });
  request.onabort = () => sent(photo, { words: "Cancelled." });
  photo.sent = 0;
  trouble();
  request.send(photo.file);
  told(photo);
}

function received(photo, answer) {
  let body;
  try {
    body = JSON.parse(answer.responseText);
  } catch {
    body = { error: "The server gave an answer that cannot be read." };
  }
  sent(photo, answer.status === 202 ? { job: body } : { words: body.error, bad: true });
}

function sent(photo, outcome) {
  request = null;
  delete photo.sent;
  Object.assign(photo, outcome);
  told(photo);
  point();
  if (photo.job) watch(photo);
  next();
}

function start() {
  notice = "";
  order = settings();
  for (const photo of photos.filter((one) => one.file))
    for (const known of ["job", "words", "bad"]) delete photo[known];
  next();
  photos.forEach(told);
}

// ---- Waiting ----
export function showJob(id) {
  const known = photos.find((photo) => photo.job?.id === id);
  if (known) {
    look(known);
    return;
  }
  const ids = history.state?.includes?.(id) ? history.state : [id];
  const all = ids.map((one) => ({ job: { id: one, state: "waiting" } }));
  list(all, all[ids.indexOf(id)]);
  all.forEach(watch);
}

async function watch(photo) {
  const { id } = photo.job;
  let known, error;
  try {
    known = await (await ask("api/job", { id })).json();
  } catch (problem) {
    error = problem;
  }
  if (photo.job?.id !== id) return; // it was begun anew meanwhile
  if (known) photo.job = known;
  else if (!error.unreachable) Object.assign(photo, { job: null, words: error.message, bad: true });
  trouble(error?.unreachable ? error.message : "");
  told(photo);
  if (isOver(photo)) next();
  else setTimeout(watch, error ? 2000 : photo.job.seconds < 5 ? 200 : 600, photo);
}

// All that is not done.
async function cancel() {
  for (const photo of photos.filter(isToBeSent)) {
    photo.words = "Cancelled.";
    told(photo);
  }
  request?.abort();
  for (const photo of photos.filter(isAtServer)) {
    try {
      photo.job = await (await ask("api/cancel", { id: photo.job.id }, { method: "POST" })).json();
      told(photo);
    } catch (error) {
      trouble(error.message);
    }
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
    element("status").textContent = about.restores ? "The folder of models holds none that can be used." :
      "There are no models; start noiseda serve with --models DIR to restore photos.";
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
    if (!element("start").disabled) start();
  });
  element("cancel").addEventListener("click", cancel);
}
