// Confirm dialogs and modals. What is typed is kept here until it is sent, also when the view changes.

import { renderBlocks } from "./blocks.js";
import { byId, el } from "./dom.js";
import { plainText, textObject, words } from "./mrkdwn.js";

/** Ask what an element's confirm object asks. Resolves to whether it was confirmed. */
export function confirmed(ask) {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    const answer = (value) => { dialog.close(); resolve(value); };
    const yes = el("button", { type: "button", class: `btn ${ask.style ?? "primary"}`, onclick: () => answer(true) }, plainText(ask.confirm));
    dialog.replaceChildren(
      el("form", { method: "dialog" }, el("h2", { id: "confirm-title" }, plainText(ask.title)), textObject(ask.text), el("div", { class: "modal-foot" }, el("button", { type: "button", class: "btn", onclick: () => answer(false) }, plainText(ask.deny)), yes)),
    );
    dialog.oncancel = (event) => { event.preventDefault(); answer(false); };
    dialog.showModal();
    yes.focus();
  });
}

/** Shows the person's modal. *hands*: {press, enter, submit, close}. */
export class Modal {
  constructor(hands) {
    this.hands = hands;
    this.dialog = byId("modal");
    this.drafts = new Map();
    this.print = "";
    this.viewId = "";
    this.dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.hands.close(); });
  }

  show(modal, place) {
    const print = JSON.stringify(modal);
    if (print === this.print) return;
    this.print = print;
    if (!modal) {
      this.drafts.clear();
      this.viewId = "";
      this.dialog.close();
      return;
    }
    const first = modal.id !== this.viewId;
    if (first) this.drafts.clear();
    this.viewId = modal.id;
    const focused = this.dialog.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.draw(modal, place);
    if (!this.dialog.open) this.dialog.showModal();
    const target = Object.keys(modal.errors).length
      ? this.dialog.querySelector('[aria-invalid="true"]')
      : (focused && this.dialog.querySelector(`[data-key="${CSS.escape(focused)}"]`)) || (first && (this.dialog.querySelector("[data-focus]") ?? this.dialog.querySelector(".modal-body input, .modal-body select, .modal-body textarea, .modal-body .btn, .modal-foot .btn.primary")));
    if (target) target.focus();
  }

  draw(modal, base) {
    const view = modal.view;
    const place = {
      ...base,
      values: modal.values,
      errors: modal.errors,
      draft: (key) => this.drafts.get(key),
      press: (block, element) => this.hands.press(modal, block, element),
      changed: (block, element, value, { final }) => {
        const input = block.type === "input";
        if (input) this.drafts.set(`${block.block_id}/${element.action_id}`, value);
        if (final && (!input || block.dispatch_action)) this.hands.enter(modal, block, element, value);
      },
    };
    const submit = view.submit ? el("button", { type: "submit", class: "btn primary", disabled: Boolean(view.submit_disabled) }, plainText(view.submit)) : null;
    const form = el(
      "form",
      { method: "dialog", noValidate: true },
      el("div", { class: "modal-head" }, el("h2", { id: "modal-title" }, ...words(view.title)), el("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => this.hands.close() }, "✕")),
      el("div", { class: "modal-body" }, renderBlocks(view.blocks, place)),
      modal.trouble ? el("div", { class: "modal-trouble", role: "alert" }, modal.trouble) : null,
      el("div", { class: "modal-foot" }, el("button", { type: "button", class: "btn", onclick: () => this.hands.close() }, plainText(view.close) || (modal.pushed ? "Back" : submit ? "Cancel" : "Close")), submit),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!submit) return;
      submit.disabled = true;
      submit.setAttribute("aria-busy", "true");
      try {
        await this.hands.submit(modal, this.values(view));
      } finally {
        submit.disabled = Boolean(view.submit_disabled);
        submit.removeAttribute("aria-busy");
      }
    });
    this.dialog.replaceChildren(form);
  }

  /** Return block_id → what was typed or chosen. */
  values(view) {
    const found = {};
    for (const block of view.blocks) {
      const draft = block.type === "input" ? this.drafts.get(`${block.block_id}/${block.element.action_id}`) : undefined;
      if (draft !== undefined) found[block.block_id] = draft;
    }
    return found;
  }
}
