// Slack's mrkdwn → DOM. Only text nodes and elements made here; nothing is ever parsed as HTML.

import { el, link } from "./dom.js";
import { emojiNodes, emojiText, learnEmoji } from "./emoji.js";

const names = { people: new Map(), groups: new Map(), channels: new Map(), me: "" };

/** Tell how ids and emoji read. */
export function learnNames(snapshot) {
  learnEmoji(snapshot.emoji);
  names.me = snapshot.me;
  names.people = new Map(snapshot.people.map((each) => [each.id, each]));
  names.groups = new Map(snapshot.groups.map((each) => [each.id, each]));
  names.channels = new Map(snapshot.channels.map((each) => [each.id, each]));
}

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const INLINE = new RegExp(
  [
    "<(?<entity>[^<>]*)>",
    "`(?<code>[^`\\n]+)`",
    ...["*", "_", "~"].map((mark, index) => {
      const m = `\\${mark}`;
      return `(?<![\\w${m}])${m}(?=\\S)(?<e${index}>[^\\n]*?\\S)${m}(?![\\w${m}])`;
    }),
  ].join("|"),
);
const TAGS = ["strong", "em", "s"];

function inline(text) {
  const found = INLINE.exec(text);
  if (!found) return emojiNodes(unescape(text));
  const before = text.slice(0, found.index);
  const after = text.slice(found.index + found[0].length);
  const groups = found.groups;
  let node;
  if (groups.entity !== undefined) node = entity(groups.entity);
  else if (groups.code !== undefined) node = el("code", {}, ...codeText(groups.code));
  else {
    const index = [0, 1, 2].find((each) => groups[`e${each}`] !== undefined);
    node = el(TAGS[index], {}, ...inline(groups[`e${index}`]));
  }
  return [...(before ? inline(before) : []), node, ...(after ? inline(after) : [])];
}

function codeText(text) {
  return text.split(/(<[^<>]*>)/).map((part) => (/^<.*>$/.test(part) ? entity(part.slice(1, -1)) : unescape(part)));
}

function entity(inside) {
  const bar = inside.indexOf("|");
  const target = bar < 0 ? inside : inside.slice(0, bar);
  const label = unescape(bar < 0 ? "" : inside.slice(bar + 1));
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) return mention(`@${names.groups.get(target.slice(9))?.handle ?? label.replace(/^@/, "")}`, true);
  if (target.startsWith("!")) return mention(`@${target.slice(1)}`, true);
  if (target.startsWith("@")) return userMention(target.slice(1), label);
  if (target.startsWith("#")) return channelMention(target.slice(1), label);
  return link(unescape(target), label || unescape(target).replace(/^mailto:/, ""));
}

const mention = (text, loud) => el("span", { class: loud ? "mention" : "mention other" }, text);

export const channelMention = (id, label = "") => mention(`#${names.channels.get(id)?.name ?? (label || id)}`, false);

export function userMention(id, label = "") {
  const person = names.people.get(id);
  return mention(`@${person ? person.real_name : label || id}`, id === names.me);
}

const FORMATS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date_slash: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  time: { hour: "2-digit", minute: "2-digit" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

function ago(seconds) {
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find((each) => Math.abs(seconds) >= each[1]) ?? steps[3];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

export function formatDate(timestamp, layout) {
  const moment = new Date(timestamp * 1000);
  return layout.replace(/\{(\w+)\}/g, (whole, name) => {
    if (name === "ago") return ago(timestamp - Date.now() / 1000);
    const format = FORMATS[name.replace("_pretty", "")];
    return format ? new Intl.DateTimeFormat("en-GB", format).format(moment) : whole;
  });
}

function date(target, fallback) {
  const [, timestamp, layout, address] = target.split("^");
  if (!/^\d+$/.test(timestamp ?? "") || !layout) return document.createTextNode(fallback);
  const shown = el("span", { class: "date", title: new Date(timestamp * 1000).toLocaleString() }, formatDate(Number(timestamp), layout));
  return address ? link(address, shown) : shown;
}

function prose(text) {
  const nodes = [];
  let quote = null;
  const lines = text.split("\n");
  lines.forEach((line, index) => {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      if (quote) quote.append(el("br"));
      else nodes.push((quote = el("blockquote")));
      quote.append(...inline(quoted[1]));
      return;
    }
    const wasQuote = quote !== null;
    quote = null;
    if (index > 0 && !wasQuote) nodes.push(el("br"));
    if (line) nodes.push(...inline(line));
  });
  return nodes;
}

/** Return an element that shows mrkdwn *text*. */
export function mrkdwn(text, className = "text") {
  const node = el("div", { class: className });
  text.split(/```([\s\S]*?)```/).forEach((part, index) => {
    if (index % 2) node.append(el("pre", {}, ...codeText(part.replace(/^\n|\n$/g, ""))));
    else if (part) node.append(...prose(index ? part.replace(/^\n/, "") : part));
  });
  return node;
}

/** Return an element that shows a text object. */
export function textObject(value, className = "text") {
  if (!value) return null;
  if (value.type === "mrkdwn") return mrkdwn(value.text, className);
  const node = el("div", { class: className });
  value.text.split("\n").forEach((line, index) => node.append(...(index ? [el("br")] : []), ...emojiNodes(line)));
  return node;
}

/** Return a text object's words: for attributes, options and titles. */
export const plainText = (value) => (value ? emojiText(value.text) : "");

/** Return a text object's words as nodes, on one line. */
export const words = (value) => (value ? emojiNodes(value.text) : []);
