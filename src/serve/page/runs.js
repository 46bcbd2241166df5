// Training runs: which there are, and one of them with its curves, looked at again every few seconds.
import { ask, duration, element, thousands, trouble } from "./common.js";
import { Chart, figure } from "./chart.js";

const EVERY = 3000;
let about, shown = null, timer, seen = false, charts = new Map();

// What is drawn, where the log has it: column, name; several in one chart.
const CHARTS = [
  { title: "Validation PSNR", unit: "dB", table: "validation", columns: { psnr: "PSNR" } },
  { title: "Validation SSIM", table: "validation", columns: { ssim: "SSIM" } },
  { title: "Restoration loss", log: true, table: "log", columns: { restoration: "restoration" } },
  { title: "Diffusion loss", log: true, table: "log", columns: { positive: "positive", negative: "negative" } },
  { title: "Total loss", log: true, table: "log", columns: { loss: "loss" } },
  { title: "Gradient norm", log: true, table: "log", columns: { gradient_norm: "gradient norm" } },
  { title: "Learning rate", fromZero: true, table: "log", columns: { learning_rate: "learning rate" } },
  { title: "Waiting for data", unit: "% of the time", factor: 100, fromZero: true, table: "log", columns: { wait_share: "waiting" } },
  { title: "Speed", unit: "pictures a second", fromZero: true, table: "log", columns: { images_per_second: "speed" } },
];

// ---- Tables ----
function parse(text) {
  const [head, ...lines] = text.trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, i) => [name, cells[i] === "" || cells[i] === undefined ? NaN : Number(cells[i])]));
  }).filter((row) => Number.isFinite(row.step));
}

async function table(name, which) {
  return parse(await (await ask(`api/run/${which}`, { name })).text());
}

// ---- The list ----
const STATES = {
  starting: () => "starting",
  running: (r) => "running" + (r.seconds_left > 0 ? `, about ${duration(r.seconds_left)} left` : ""),
  finished: () => "finished",
  quiet: (r) => "stopped, or stuck: " + (r.step === undefined ? "it has logged nothing yet"
    : `its last line was written ${duration(r.seconds_since)} ago`),
};

function stateNode(run) {
  const node = document.createElement("span");
  node.className = `state ${run.state === "quiet" ? "quiet-run" : run.state}`;
  node.textContent = STATES[run.state](run);
  return node;
}

const title = (name) => (name === "." ? "this run" : name);
const steps = (run) => run.step === undefined ? "" :
  `step ${thousands(run.step)}` + (run.steps ? ` of ${thousands(run.steps)}` : "");

function listRuns(runs) {
  const list = element("run-list");
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...runs.map((run) => {
    const item = document.createElement("li"), link = document.createElement("a"), name = document.createElement("b"),
      line = document.createElement("p");
    link.href = `#run/${encodeURIComponent(run.name)}`;
    if (run.name === shown) link.setAttribute("aria-current", "true");
    name.textContent = title(run.name);
    line.className = "quiet";
    line.append(run.state === "quiet" ? "stopped, or stuck" : run.state, run.step === undefined ? "" : `, ${steps(run)}`);
    link.append(name, line);
    item.append(link);
    return item;
  }));
  if (focused) for (const link of list.querySelectorAll("a")) if (link.getAttribute("href") === focused) link.focus();
  element("no-runs").hidden = runs.length > 0;
  element("no-runs").textContent = about.watches ? "No run in this folder yet. They appear when training starts."
    : "No folder of runs was given; start noiseda serve with --runs DIR to watch training.";
}

// ---- One run ----
function showFigures(run, log, validation) {
  const last = log[log.length - 1] || {}, best = validation.reduce((a, b) => (a && a.psnr >= b.psnr ? a : b), null);
  const now = validation[validation.length - 1];
  const figures = [
    ["Step", run.step !== undefined && thousands(run.step), run.steps && `of ${thousands(run.steps)}`],
    ["Validation PSNR", now && `${now.psnr.toFixed(2)} dB`, now && `at step ${thousands(now.step)}`],
    ["Best PSNR", best && `${best.psnr.toFixed(2)} dB`, best && `at step ${thousands(best.step)}`],
    ["Restoration loss", Number.isFinite(last.restoration) && figure(last.restoration)],
    ["Waiting for data", Number.isFinite(last.wait_share) && `${(100 * last.wait_share).toFixed(1)} %`, "of the time"],
    ["Speed", Number.isFinite(last.images_per_second) && figure(last.images_per_second), "pictures a second"],
  ];
  element("figures").replaceChildren(...figures.filter((f) => f[1]).map(([name, value, note]) => {
    const box = document.createElement("div"), term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name;
    said.textContent = value;
    const small = document.createElement("small");
    small.textContent = note || "";
    said.append(small);
    box.append(term, said);
    return box;
  }));
}

function showCharts(tables) {
  const wanted = new Map();
  for (const chart of CHARTS) {
    const series = Object.entries(chart.columns).map(([column, name]) => ({ name, points: tables[chart.table]
      .filter((row) => Number.isFinite(row[column])).map((row) => [row.step, row[column] * (chart.factor || 1)]) }))
      .filter((s) => s.points.length && (!chart.log || s.points.some((p) => p[1] > 0)));
    if (series.length) wanted.set(chart.title, { ...chart, series });
  }
  for (const [name, chart] of charts)
    if (!wanted.has(name)) {
      chart.node.remove();
      charts.delete(name);
    }
  for (const [name, what] of wanted)
    if (charts.has(name)) charts.get(name).update(what);
    else charts.set(name, new Chart(what));
  const nodes = [...wanted.keys()].map((name) => charts.get(name).node);
  nodes.forEach((node, i) => {
    if (element("charts").children[i] !== node) element("charts").insertBefore(node, element("charts").children[i] || null);
  });
}

// By folder, the newest names first.
function showPictures(run) {
  const box = element("crops"), key = run.name + "\n" + run.pictures.join("\n");
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  const folders = new Map();
  for (const file of run.pictures) {
    const at = file.lastIndexOf("/"), folder = at < 0 ? "" : file.slice(0, at);
    folders.set(folder, [...(folders.get(folder) || []), file]);
  }
  box.replaceChildren(...[...folders].sort().reverse().flatMap(([folder, files]) => {
    const heading = document.createElement("h3"), list = document.createElement("ul");
    heading.textContent = folder ? `Pictures in ${folder}` : "Pictures";
    list.className = "gallery";
    list.append(...files.sort().reverse().map((file) => {
      const item = document.createElement("li"), frame = document.createElement("figure"), image = new Image(),
        caption = document.createElement("figcaption");
      image.loading = "lazy";
      image.src = `api/run/picture?${new URLSearchParams({ name: run.name, file })}`;
      image.alt = caption.textContent = file.slice(file.lastIndexOf("/") + 1).replace(/\.\w+$/, "").replaceAll("_", " ");
      frame.append(image, caption);
      item.append(frame);
      return item;
    }));
    return [heading, list];
  }));
}

async function look() {
  clearTimeout(timer);
  const name = shown;
  try {
    const { runs } = await (await ask("api/runs")).json();
    if (!seen) return;
    if (name === null && runs.length) {
      const first = runs.find((r) => r.state === "running") || runs[0];
      history.replaceState(null, "", `#run/${encodeURIComponent(first.name)}`);
      showRun(first.name);
      return;
    }
    listRuns(runs);
    element("run").hidden = name === null;
    if (name !== null) await lookAt(name);
    trouble();
  } catch (error) {
    trouble(error.message);
    if (error.status === 404) element("run").hidden = true;
  }
  if (seen && name === shown) timer = setTimeout(look, EVERY);
}

async function lookAt(name) {
  const run = await (await ask("api/run", { name })).json();
  const [log, validation] = await Promise.all([table(name, "log"), table(name, "validation")]);
  if (name !== shown) return;
  element("run-name").textContent = title(name);
  element("run-state").replaceChildren(stateNode(run),
    [run.network, run.mode && `${run.mode} mode`].filter(Boolean).map((t) => ` · ${t}`).join(""));
  element("run-progress").hidden = !(run.steps > 0 && run.step !== undefined);
  if (run.steps > 0) element("run-progress").value = Math.min(1, (run.step || 0) / run.steps);
  showFigures(run, log, validation);
  showCharts({ log, validation });
  showPictures(run);
}

export function showRun(name) {
  seen = true;
  if (name !== shown) charts.forEach((chart) => chart.node.remove());
  if (name !== shown) charts = new Map();
  shown = name;
  look();
}

export function leaveRuns() {
  seen = false;
  clearTimeout(timer);
}

export function openRuns(known) {
  about = known;
}
