// Building elements without HTML strings: everything that comes from outside is text.

/** Return an element. Properties starting with "on" are listeners, "data-…" and "aria-…" attributes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value === true ? "true" : value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Return a box that scrolls sideways where its table is wider, also by keys. */
export const scrolling = (kind, ...children) => el("div", { class: kind, tabIndex: 0, role: "group", "aria-label": "Table" }, ...children);

export const byId = (id) => document.getElementById(id);

/** Return the address if a reader may be sent there, else null. */
export function safeUrl(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export function link(address, label) {
  const href = safeUrl(address);
  return href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label || address) : document.createTextNode(label || address);
}

const COLOURS = ["#0b6e5f", "#7a4a9e", "#a8472a", "#2c62a8", "#8a6a12", "#a63a6b", "#3f7a2a", "#4d5b8c"];

/** Fill an avatar with initials and a colour that stays the same for the same id. */
export function paintAvatar(node, person) {
  let sum = 0;
  for (const letter of person.id) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  node.style.background = person.bot ? "#12343b" : COLOURS[sum % COLOURS.length];
  const words = person.real_name.split(/[\s-]+/).filter(Boolean);
  node.textContent = (words.length > 1 ? words[0][0] + words.at(-1)[0] : person.real_name.slice(0, 2)).toUpperCase();
  return node;
}

let toastTimer;

export function toast(text) {
  const node = byId("toast");
  node.textContent = text;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 5000);
}
