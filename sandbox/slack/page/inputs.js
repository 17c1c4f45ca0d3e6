// Menus and inputs → form controls. What is typed stays in the browser until it is sent.

import { el } from "./dom.js";
import { plainText } from "./mrkdwn.js";

const TYPES = { email_text_input: "email", url_text_input: "url", datepicker: "date", timepicker: "time" };
const VALUES = { datepicker: "selected_date", timepicker: "selected_time", datetimepicker: "selected_date_time" };
const INITIAL = { datepicker: "initial_date", timepicker: "initial_time", datetimepicker: "initial_date_time" };

const NAMES = { datepicker: "Choose a date", timepicker: "Choose a time", datetimepicker: "Choose a date and time", overflow: "More actions" };

const options = (element) => [...(element.options ?? []), ...(element.option_groups ?? []).flatMap((each) => each.options)];

/** Return the element's control. *place.changed* hears of each change; {inline, id, error} say how it looks. */
export function control(block, element, place, { inline = false, id = "", error = false } = {}) {
  const key = `${block.block_id}/${element.action_id}`;
  const state = place.values?.[block.block_id]?.[element.action_id] ?? {};
  const named = id ? undefined : plainText(element.placeholder) || NAMES[element.type] || "Choose";
  const common = { id: id || undefined, "aria-label": named, "data-key": key, "aria-invalid": error || undefined, "aria-describedby": error ? `${id}-error` : undefined };
  if (["checkboxes", "radio_buttons"].includes(element.type)) return choices(block, element, place, state, { id, named });
  if (element.type === "overflow" || /select$/.test(element.type)) return menu(block, element, place, state, { ...common, inline });
  if (element.type === "file_input") return file(block, element, place, common);
  const draft = place.draft?.(key);
  const value = draft ?? state[VALUES[element.type] ?? "value"] ?? element[INITIAL[element.type] ?? "initial_value"] ?? "";
  const tag = element.multiline ? "textarea" : "input";
  const node = el(tag, { ...common, class: `field-input${inline ? " inline" : ""}`, placeholder: plainText(element.placeholder), value });
  if (tag === "input") node.type = TYPES[element.type] ?? "text";
  if (element.type === "number_input") node.inputMode = element.is_decimal_allowed ? "decimal" : "numeric";
  if (element.type === "email_text_input") node.autocomplete = "off";
  if (element.max_length) node.maxLength = element.max_length;
  if (element.focus_on_load) node.dataset.focus = "true";
  node.addEventListener("input", () => place.changed(block, element, node.value, { final: false }));
  node.addEventListener("change", () => place.changed(block, element, node.value, { final: true }));
  return node;
}

function people(element, place) {
  const make = (list, mark, name) => list.map((each) => ({ text: { type: "plain_text", text: `${mark}${each[name]}` }, value: each.id }));
  if (/users_select$/.test(element.type)) return make(place.people().filter((each) => !each.bot), "", "real_name");
  return make(place.channels().filter((each) => !each.im), "#", "name");
}

function menu(block, element, place, state, { inline, ...common }) {
  const many = element.type.startsWith("multi_");
  const byId = /(users|channels|conversations)_select$/.test(element.type);
  const offered = byId ? people(element, place) : options(element);
  const chosen = new Set(
    [state.selected_option, ...(state.selected_options ?? [])].filter(Boolean).map((each) => each.value)
      .concat([state.selected_user, state.selected_channel, state.selected_conversation, ...(state.selected_users ?? []), ...(state.selected_channels ?? [])].filter(Boolean)),
  );
  const draft = place.draft?.(common["data-key"]);
  const isChosen = (each) => (draft === undefined ? chosen.has(each.value) : [draft].flat().includes(byId ? each.value : plainText(each.text)));
  const node = el("select", { ...common, class: `select${inline ? " inline" : ""}${element.type === "overflow" ? " overflow" : ""}`, multiple: many });
  if (!many) node.append(el("option", { value: "" }, element.type === "overflow" ? "⋯" : plainText(element.placeholder) || "Choose an option"));
  for (const each of offered) node.append(el("option", { value: each.value, selected: isChosen(each) }, plainText(each.text)));
  node.addEventListener("change", () => {
    const picked = [...node.selectedOptions].filter((each) => each.value);
    const words = picked.map((each) => (byId ? each.value : each.textContent));
    place.changed(block, element, many ? words : (words[0] ?? ""), { final: true });
    if (element.type === "overflow") node.value = "";
  });
  return node;
}

function file(block, element, place, common) {
  const kinds = (element.filetypes ?? []).map((each) => `.${each}`).join(",");
  const node = el("input", { ...common, type: "file", accept: kinds || undefined, multiple: (element.max_files ?? 10) > 1 });
  const chosen = el("small", {}, [place.draft?.(common["data-key"]) ?? []].flat().map((each) => each.name).join(", "));
  node.addEventListener("change", async () => {
    const files = await Promise.all([...node.files].map(async (each) => ({ name: each.name, content: await each.text() })));
    chosen.textContent = files.map((each) => each.name).join(", ");
    place.changed(block, element, files, { final: true });
  });
  return el("div", {}, node, chosen);
}

function choices(block, element, place, state, { id, named }) {
  const radio = element.type === "radio_buttons";
  const chosen = new Set([state.selected_option, ...(state.selected_options ?? [])].filter(Boolean).map((each) => each.value));
  const draft = place.draft?.(`${block.block_id}/${element.action_id}`);
  const isChosen = (each) => (draft === undefined ? chosen.has(each.value) : [draft].flat().includes(plainText(each.text)));
  const set = el("fieldset", { class: "choices", "aria-label": named, "aria-labelledby": id ? `${id}-label` : undefined });
  element.options.forEach((each, index) => {
    const box = el("input", { type: radio ? "radio" : "checkbox", name: `${block.block_id}/${element.action_id}`, value: each.value, checked: isChosen(each), "data-key": `${block.block_id}/${element.action_id}/${index}` });
    box.addEventListener("change", () => {
      const picked = [...set.querySelectorAll("input:checked")].map((input) => plainText(element.options.find((option) => option.value === input.value).text));
      place.changed(block, element, radio ? (picked[0] ?? "") : picked, { final: true });
    });
    set.append(el("label", {}, box, el("span", {}, plainText(each.text), each.description ? el("small", {}, plainText(each.description)) : null)));
  });
  return set;
}
