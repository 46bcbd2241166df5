// What both pages need.
export const element = (id) => document.getElementById(id);

// The answer to a request; an error carries the server's words.
export async function ask(path, args = {}, options = {}) {
  const query = new URLSearchParams(args).toString();
  let answer;
  try {
    answer = await fetch(query ? `${path}?${query}` : path, options);
  } catch {
    const gone = new Error("The server does not answer. Is noiseda serve still running?");
    gone.unreachable = true;
    throw gone;
  }
  if (answer.ok) return answer;
  let words;
  try {
    words = (await answer.json()).error;
  } catch {
    words = "The server gave an answer that cannot be read.";
  }
  const refused = new Error(words);
  refused.status = answer.status;
  throw refused;
}

export function trouble(words) {
  element("trouble").textContent = words || "";
  element("trouble").hidden = !words;
}

export function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s < 600 ? `${s % 60} s` : ""}`.trim();
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

export const thousands = (n) => n < 10000 ? String(n) : Number(n).toLocaleString("en").replaceAll(",", "\u202f");
