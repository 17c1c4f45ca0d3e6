// Block Kit → DOM. *place* tells where the blocks stand and what using them does:
// {press(block, element), choose(block, element, option texts), values, errors, input(block, element)}.

import { el, link, safeUrl } from "./dom.js";
import { mrkdwn, plainText, textObject, words } from "./mrkdwn.js";
import { chart } from "./charts.js";
import { alert, plan, richText, table, task } from "./rich.js";
import { control } from "./inputs.js";

export function renderBlocks(blocks, place) {
  return el("div", { class: "blocks" }, ...blocks.map((block) => renderBlock(block, place)));
}

function renderBlock(block, place) {
  switch (block.type) {
    case "section": return section(block, place);
    case "header": return textObject(block.text, "block-header");
    case "divider": return el("hr", { class: "block-divider" });
    case "context": return el("div", { class: "block-context" }, ...block.elements.map((each) => (each.type === "image" ? picture(each) : textObject(each, "text"))));
    case "actions": return el("div", { class: "block-actions" }, ...block.elements.map((each) => interactive(block, each, place)));
    case "image": return el("figure", { class: "block-image" }, block.title ? el("figcaption", {}, plainText(block.title)) : null, picture(block));
    case "input": return input(block, place);
    case "rich_text": return richText(block);
    case "markdown": return markdown(block.text);
    case "table": case "data_table": return table(block);
    case "data_visualization": return chart(block);
    case "plan": return plan(block);
    case "task_card": return task(block);
    case "alert": return alert(block);
    case "video": return el("div", { class: "no-image" }, link(block.video_url, plainText(block.title)));
    default: return el("div", { class: "no-image" }, `${block.type}: not shown here`);
  }
}

function section(block, place) {
  return el(
    "div",
    { class: "block-section" },
    el("div", { class: "section-main" }, textObject(block.text), block.fields ? el("div", { class: "fields" }, ...block.fields.map((each) => textObject(each))) : null),
    block.accessory ? el("div", { class: "accessory" }, block.accessory.type === "image" ? picture(block.accessory) : interactive(block, block.accessory, place)) : null,
  );
}

function interactive(block, element, place) {
  return element.type === "button" ? button(block, element, place) : control(block, element, place, { inline: true });
}

function button(block, element, place) {
  const node = el("button", { type: "button", class: `btn ${element.style ?? ""}`, "aria-label": element.accessibility_label, "data-key": `${block.block_id}/${element.action_id}` }, ...words(element.text));
  node.addEventListener("click", async () => {
    if (element.confirm && !(await place.confirm(element.confirm))) return;
    node.disabled = true;
    node.setAttribute("aria-busy", "true");
    try {
      if (element.url && safeUrl(element.url)) window.open(safeUrl(element.url), "_blank", "noopener,noreferrer");
      await place.press(block, element);
    } finally {
      node.disabled = false;
      node.removeAttribute("aria-busy");
    }
  });
  return node;
}

function input(block, place) {
  const error = place.errors?.[block.block_id];
  const group = ["checkboxes", "radio_buttons"].includes(block.element.type);
  const id = `in-${block.block_id}`;
  const label = [plainText(block.label), block.optional ? el("span", { class: "optional" }, " (optional)") : null];
  return el(
    "div",
    { class: "block-input" },
    group ? el("span", { class: "label", id: `${id}-label` }, ...label) : el("label", { class: "label", for: id }, ...label),
    control(block, block.element, place, { id, error: Boolean(error) }),
    error ? el("div", { class: "field-error", id: `${id}-error`, role: "alert" }, error) : null,
    block.hint ? el("div", { class: "hint" }, plainText(block.hint)) : null,
  );
}

/** Pictures come from this server only; an address elsewhere becomes a link with its alternative text. */
function picture(value) {
  const own = value.slack_file ? null : new URL(value.image_url, location.href);
  if (own && own.origin === location.origin) return el("img", { src: own.href, alt: value.alt_text });
  return el("span", { class: "no-image" }, own ? link(own.href, value.alt_text) : value.alt_text);
}

/** Markdown blocks: bold, code, links and headings enough to read; the rest as written. */
function markdown(text) {
  const asMrkdwn = text
    .replace(/\*\*(.+?)\*\*/g, "*$1*")
    .replace(/^#{1,6} (.+)$/gm, "*$1*")
    .replace(/\[([^\]\n]+)\]\((https?:[^)\s]+)\)/g, "<$2|$1>");
  return mrkdwn(asMrkdwn, "text md");
}
