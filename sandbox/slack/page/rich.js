// rich_text, tables and progress blocks → DOM.

import { el, link, scrolling } from "./dom.js";
import { emojiNodes } from "./emoji.js";
import { channelMention, formatDate, textObject, userMention } from "./mrkdwn.js";

export function richText(block) {
  return el("div", { class: "rich" }, ...(block.elements ?? []).map(part));
}

function part(value) {
  switch (value.type) {
    case "rich_text_list": {
      const list = el(value.style === "ordered" ? "ol" : "ul", {}, ...(value.elements ?? []).map((item) => el("li", {}, ...inlines(item))));
      list.style.marginLeft = `${(value.indent ?? 0) * 22}px`;
      if (value.offset) list.start = value.offset + 1;
      return list;
    }
    case "rich_text_preformatted": return el("pre", {}, ...inlines(value));
    case "rich_text_quote": return el("blockquote", {}, ...inlines(value));
    default: return el("div", {}, ...inlines(value));
  }
}

const STYLES = { bold: "strong", italic: "em", strike: "s", underline: "u", code: "code" };

function inlines(value) {
  return (value.elements ?? []).map((each) => {
    let node = inline(each);
    for (const [name, tag] of Object.entries(STYLES)) if (each.style?.[name]) node = el(tag, {}, node);
    return node;
  });
}

function inline(each) {
  switch (each.type) {
    case "text": return el("span", {}, ...each.text.split("\n").flatMap((line, index) => (index ? [el("br"), ...emojiNodes(line)] : emojiNodes(line))));
    case "link": return link(each.url, each.text || each.url);
    case "emoji": return el("span", {}, ...emojiNodes(`:${each.name}:`));
    case "user": return userMention(each.user_id);
    case "channel": return channelMention(each.channel_id);
    case "usergroup": return el("span", { class: "mention" }, `@${each.usergroup_id}`);
    case "broadcast": return el("span", { class: "mention" }, `@${each.range}`);
    case "date": return el("span", { class: "date" }, formatDate(each.timestamp, each.format));
    default: return document.createTextNode(each.value ?? "");
  }
}

function cell(value, tag, align) {
  const node = el(tag, { class: align ?? "" });
  node.append(value.type === "rich_text" ? richText(value) : String(value.text ?? value.value ?? ""));
  return node;
}

export function table(block) {
  const settings = block.column_settings ?? [];
  const [head, ...rows] = block.rows;
  const row = (cells, tag) => el("tr", {}, ...cells.map((each, index) => cell(each, tag, settings[index]?.align)));
  return scrolling("block-table", el("table", {}, block.caption ? el("caption", {}, block.caption) : null, el("thead", {}, row(head, "th")), el("tbody", {}, ...rows.map((each) => row(each, "td")))));
}

const MARKS = { pending: "○", in_progress: "◔", complete: "✓", error: "✗" };

export function task(block) {
  return el("div", { class: `task ${block.status}` }, el("span", { class: "task-mark", title: block.status }, MARKS[block.status] ?? "○"), el("span", {}, ...emojiNodes(block.title)), block.details ? richText(block.details) : null, block.output ? richText(block.output) : null);
}

export function plan(block) {
  return el("div", { class: "plan" }, el("strong", {}, ...emojiNodes(block.title)), ...(block.tasks ?? []).map(task));
}

export function alert(block) {
  return el("div", { class: `alert ${block.level ?? "default"}` }, textObject(block.text));
}
