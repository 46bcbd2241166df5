// One photo: where it stands, what is said of it, its line in the list of several.
// file: not there after a reload; job: there once it was sent; sent: how much of it was; words: why it will not be
// restored.
import { duration, thousands } from "./common.js";

export const isOver = (photo) => photo.words || (photo.job && !["waiting", "working"].includes(photo.job.state));
export const isAtServer = (photo) => photo.job && !isOver(photo);
export const isToBeSent = (photo) => photo.file && !photo.job && !photo.words;
export const isDone = (photo) => photo.job?.state === "done";
export const isBad = (photo) => Boolean(photo.bad || photo.job?.state === "failed");
export const nameOf = (photo) => photo.name || photo.job?.name || "";
export const addressOf = (photo, which) => `api/picture?${new URLSearchParams({ id: photo.job.id, which })}`;
export const megabytes = (bytes) => bytes < 1e5 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;

function work(job) {
  if (!job.tiles) return "Restoring";
  if (job.tiles_done === job.tiles) return "Writing the result";
  return `Restoring: ${job.tiles_done} of ${job.tiles} tiles done`;
}

const STATES = {
  waiting: ({ job }) => job.ahead ? `Waiting: ${job.ahead} ${job.ahead === 1 ? "photo is" : "photos are"} before it` : "Waiting",
  working: ({ job }) => work(job) + (job.seconds >= 2 ? `, ${duration(job.seconds)}` : ""),
  done: ({ job }) => `Done in ${job.seconds < 10 ? `${job.seconds.toFixed(1)} s` : duration(job.seconds)}: ${job.name}, `
    + `${thousands(job.width)} × ${thousands(job.height)} pixels, strength ${Math.round(100 * job.strength)} %`,
  failed: ({ job }) => `It could not be restored: ${job.message}`,
  cancelled: ({ file }) => file ? "Cancelled." : "Cancelled. To restore it after all, choose it again.",
};

// idle: of one that was not sent yet.
export function wordsOf(photo, idle) {
  if (photo.words) return photo.words;
  if (photo.job) return STATES[photo.job.state](photo);
  return photo.sent === undefined ? idle : `Sending: ${Math.round(100 * photo.sent)} %`;
}

export function setText(node, words) {
  if (node.textContent !== words) node.textContent = words; // else it would be read out again
}

// A link to the result, where there is one.
export function offer(link, photo) {
  link.hidden = !isDone(photo);
  if (link.hidden) return;
  link.href = addressOf(photo, "result");
  link.setAttribute("aria-label", `Download ${photo.job.result}`);
}

export function itemOf(photo, look) {
  const item = document.createElement("li"), link = document.createElement("a"), name = document.createElement("b"),
    line = document.createElement("p"), download = document.createElement("a");
  line.className = "quiet";
  download.textContent = "Download";
  link.append(name, line);
  item.append(link, download);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    look(photo);
  });
  photo.item = { link, name, line, download };
  return item;
}

export function fillIn(photo, words, shown) {
  const { link, name, line, download } = photo.item;
  link.href = photo.job ? `#job/${photo.job.id}` : "#restore";
  if (shown) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  setText(name, nameOf(photo));
  setText(line, words);
  line.classList.toggle("bad", isBad(photo));
  offer(download, photo);
}
