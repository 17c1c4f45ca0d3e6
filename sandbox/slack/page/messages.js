// The list of messages: kept nodes for what did not change, so that focus and scrolling stay.

import { fileUrl } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { el, paintAvatar } from "./dom.js";
import { mrkdwn } from "./mrkdwn.js";

const GROUP_S = 300;
const TEXTS = /\.(ya?ml|json|csv|txt|md|log|patch)$/i;
const PREVIEW_LINES = 8;
const PREVIEW_CHARS = 20_000;

const clock = (ts) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(Number(ts) * 1000);
const day = (ts) => new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" }).format(Number(ts) * 1000);

/** Shows one list of messages in *root*. *hands* does what people do; see main.js. */
export class MessageList {
  constructor(root, hands, { threads = true } = {}) {
    this.root = root;
    this.hands = hands;
    this.threads = threads;
    this.kept = new Map();
    this.context = "";
    this.atEnd = true;
    const settle = () => { if (this.atEnd) root.scrollTop = root.scrollHeight; };
    root.addEventListener("scroll", () => { this.atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 80; });
    new ResizeObserver(settle).observe(root);
  }

  /** Show *messages*; *context* names the list: another one starts at its end. */
  show(messages, { context, people, empty }) {
    const fresh = context !== this.context;
    if (fresh) this.kept.clear();
    this.context = context;
    const atEnd = fresh || this.atEnd;
    const replies = Map.groupBy ? Map.groupBy(messages, (each) => each.thread_ts) : groupBy(messages);
    const tops = this.threads ? messages.filter((each) => !each.thread_ts || each.ephemeral) : messages;
    const nodes = [];
    let before = null;
    for (const message of tops) {
      if (this.threads && (!before || day(before.ts) !== day(message.ts))) nodes.push(this.keep(`day ${day(message.ts)}`, "", () => el("div", { class: "day" }, el("span", {}, day(message.ts)))));
      const compact = Boolean(before) && before.author_id === message.author_id && Number(message.ts) - Number(before.ts) < GROUP_S && !message.blocks.length && !message.ephemeral && !before.ephemeral && day(before.ts) === day(message.ts);
      const thread = this.threads ? (replies.get(message.ts) ?? []).filter((each) => !each.ephemeral) : [];
      const print = JSON.stringify([message, compact, thread.length]);
      nodes.push(this.keep(message.ts, print, () => this.message(message, people.get(message.author_id), compact, thread)));
      before = message;
    }
    if (!nodes.length) nodes.push(el("p", { class: "empty" }, empty));
    if (nodes.length !== this.root.children.length || nodes.some((node, index) => this.root.children[index] !== node)) {
      const focused = document.activeElement?.dataset?.key && this.root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.root.replaceChildren(...nodes);
      if (focused) this.root.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    }
    this.atEnd = atEnd;
    if (atEnd) this.root.scrollTop = this.root.scrollHeight;
  }

  keep(key, print, make) {
    const old = this.kept.get(key);
    if (old && old.print === print) return old.node;
    const node = make();
    this.kept.set(key, { print, node });
    return node;
  }

  message(message, author, compact, thread) {
    const who = author ?? { id: message.author_id, real_name: message.author, bot: false };
    const body = message.blocks.length ? renderBlocks(message.blocks, this.hands.onMessage(message)) : mrkdwn(message.text);
    return el(
      "article",
      { class: `message${message.ephemeral ? " ephemeral" : ""}${compact ? " compact" : ""}`, "aria-label": `${who.real_name}, ${clock(message.ts)}` },
      message.ephemeral ? el("div", { class: "message-note" }, "◉ Only visible to you") : null,
      el("div", {}, paintAvatar(el("div", { class: "avatar", "aria-hidden": "true" }), who)),
      el(
        "div",
        {},
        compact ? null : el("div", { class: "message-head" }, el("span", { class: "author" }, who.real_name), who.bot ? el("span", { class: "badge" }, "APP") : null, el("time", { title: new Date(Number(message.ts) * 1000).toLocaleString() }, clock(message.ts))),
        body,
        ...message.files.map((file) => this.file(file)),
        message.edited ? el("span", { class: "edited" }, "(edited)") : null,
        message.trouble ? el("div", { class: "trouble", role: "alert" }, `⚠ ${message.trouble}`) : null,
        thread.length ? el("button", { type: "button", class: "thread-link", onclick: () => this.hands.openThread(message) }, `${thread.length} ${thread.length === 1 ? "reply" : "replies"} — last at ${clock(thread.at(-1).ts)}`) : null,
      ),
      this.threads && !message.ephemeral ? el("div", { class: "message-tools" }, ...(message.files.length ? this.hands.shortcuts() : []).map((name) => el("button", { type: "button", onclick: () => this.hands.shortcut(message, name) }, name)), el("button", { type: "button", onclick: () => this.hands.openThread(message) }, "Reply in thread")) : null,
    );
  }

  file(file) {
    if (/\.(png|jpe?g|gif)$/i.test(file.name)) return el("figure", { class: "block-image" }, el("figcaption", {}, file.title), el("img", { src: fileUrl(file.id), alt: file.alt || file.title }));
    const link = el("a", { class: "file", href: fileUrl(file.id), download: file.name }, `▤ ${file.title}`);
    return TEXTS.test(file.name) ? el("figure", { class: "snippet" }, el("figcaption", {}, link), this.beginning(file)) : el("div", {}, link);
  }

  /** The first lines of a text file, and the rest of them behind a button. */
  beginning(file) {
    const shown = el("pre", { tabIndex: 0, "aria-label": `Beginning of ${file.title}` }, "…");
    fetch(fileUrl(file.id)).then((answer) => answer.text()).then((text) => {
      const lines = text.slice(0, PREVIEW_CHARS).split("\n");
      shown.textContent = lines.slice(0, PREVIEW_LINES).join("\n");
      if (lines.length <= PREVIEW_LINES) return;
      const more = el("button", { type: "button", class: "thread-link", onclick: () => { shown.textContent = lines.join("\n"); more.remove(); } }, `Show ${lines.length - PREVIEW_LINES} more lines`);
      shown.after(more);
      if (this.atEnd) this.root.scrollTop = this.root.scrollHeight;
    }).catch(() => { shown.textContent = "It cannot be shown."; });
    return shown;
  }
}

function groupBy(messages) {
  const found = new Map();
  for (const each of messages) found.set(each.thread_ts, [...(found.get(each.thread_ts) ?? []), each]);
  return found;
}
