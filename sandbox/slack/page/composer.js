// The box to write in: Enter sends, Shift+Enter breaks the line, / offers the app's commands, ↑ the last line.

import { el } from "./dom.js";

/** Return a composer. *send(text)* is awaited; *commands()* lists what / offers. */
export function composer({ label, send, commands, thread = false }) {
  const history = [];
  let at = 0;
  let chosen = 0;
  const area = el("textarea", { rows: 1, "aria-label": label, placeholder: label, autocomplete: "off", spellcheck: false });
  const button = el("button", { type: "submit", disabled: true }, "Send");
  const hints = el("ul", { class: "hints", role: "listbox", "aria-label": "Commands", hidden: true });
  const form = el("form", { class: "composer" }, hints, area, el("div", { class: "composer-foot" }, el("span", {}, thread ? "Slack has no slash commands in threads" : "/ for commands · Shift+Enter for a new line"), button));

  const offered = () => {
    const text = area.value;
    if (thread || !/^\/\S*$/.test(text)) return [];
    return commands().filter((each) => each.name.startsWith(text) && each.name !== text);
  };

  function refresh() {
    button.disabled = !area.value.trim();
    area.style.height = "auto";
    area.style.height = `${Math.min(180, area.scrollHeight)}px`;
    const list = offered();
    chosen = Math.min(chosen, Math.max(0, list.length - 1));
    hints.hidden = !list.length;
    hints.replaceChildren(...list.map((each, index) => el("li", { role: "option", "aria-selected": String(index === chosen), onmousedown: (event) => { event.preventDefault(); take(each); } }, el("b", {}, each.name), el("span", {}, [each.hint, each.description].filter(Boolean).join(" — ")))));
  }

  function take(command) {
    area.value = `${command.name} `;
    area.focus();
    refresh();
  }

  async function submit() {
    const text = area.value.trim();
    if (!text) return;
    area.value = "";
    history.push(text);
    at = history.length;
    refresh();
    await send(text);
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  area.addEventListener("input", () => { chosen = 0; refresh(); });
  area.addEventListener("blur", () => { hints.hidden = true; });
  area.addEventListener("keydown", (event) => {
    const list = hints.hidden ? [] : offered();
    if (list.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : list.length - 1)) % list.length;
      refresh();
    } else if (list.length && (event.key === "Tab" || event.key === "Enter")) take(list[chosen]);
    else if (list.length && event.key === "Escape") hints.hidden = true;
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit();
    else if (event.key === "ArrowUp" && !area.value && at > 0) { area.value = history[--at]; refresh(); } else return;
    event.preventDefault();
  });
  form.focusArea = () => area.focus();
  return form;
}
