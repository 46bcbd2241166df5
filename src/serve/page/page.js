// Which of the two pages is shown.
import { ask, element, trouble } from "./common.js";
import { openRestore, showJob } from "./restore.js";
import { openRuns, showRun, leaveRuns } from "./runs.js";

// An address that somebody cut off is no reason to show nothing.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// #restore, #job/ID, #runs, #run/NAME
function follow(about) {
  const [where, ...rest] = location.hash.slice(1).split("/");
  const what = decoded(rest.join("/"));
  const first = about.restores || !about.watches ? "restore" : "runs";
  const page = where === "runs" || where === "run" ? "runs"
    : where === "restore" || where === "job" ? "restore" : first;
  for (const name of ["restore", "runs"]) {
    element(name).hidden = name !== page;
    element(`to-${name}`).toggleAttribute("aria-current", name === page);
    if (name === page) element(`to-${name}`).setAttribute("aria-current", "page");
  }
  document.title = page === "runs" ? "Training runs · noiseda" : "Restore a photo · noiseda";
  if (page === "runs") showRun(where === "run" ? what : null);
  else leaveRuns();
  if (where === "job") showJob(what);
}

async function open() {
  try {
    const about = await (await ask("api/about")).json();
    openRestore(about);
    openRuns(about);
    addEventListener("hashchange", () => follow(about));
    follow(about);
  } catch (error) {
    trouble(error.message);
  }
}

open();
