// Calls to the sandbox. The token of this run tells our own page from any other page in the browser.

const TOKEN = document.querySelector('meta[name="sandbox-token"]').content;

async function call(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { "X-Sandbox-Token": TOKEN, ...(options.body ? { "Content-Type": "application/json" } : {}) } });
  const text = await answer.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = { error: text || answer.statusText };
  }
  if (!answer.ok) throw new Error(body.error || answer.statusText);
  return body;
}

export const get = (path) => call(path);
export const post = (path, body = {}) => call(path, { method: "POST", body: JSON.stringify(body) });
export const act = (verb, body) => post(`/sandbox/api/${verb}`, body);
export const fileUrl = (id) => `/sandbox/files/${encodeURIComponent(id)}?token=${TOKEN}`;
