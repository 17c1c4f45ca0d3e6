// The inspector: what the product and the stand-ins know, refreshed while it is open.

import { act, get, post } from "./api.js";
import { byId, el, scrolling, toast } from "./dom.js";

const TABS = [["audit", "Audit"], ["releases", "Releases"], ["clearml", "ClearML"], ["slack", "Slack"], ["clock", "Clock & faults"]];
const FAULTS = [
  ["429 on the next 3 calls", { rate_limit: 3 }],
  ["500 on the next 3 calls", { api_error: 3 }],
  ["Answer of the next call lost", { lost_answer: 1 }],
  ["Next 3 calls slow (2 s)", { slow: 3, slow_s: 2 }],
  ["Drop the next delivery", { drop: 1 }],
  ["Deliver the next one twice", { duplicate: 1 }],
  ["Lose the next ack", { lost_ack: 1 }],
];
const REFRESH_MS = 2500;

export class Drawer {
  /** *snapshot*: () → the newest one; *opened* is told when the drawer opens. */
  constructor(snapshot, opened) {
    this.snapshot = snapshot;
    this.opened = opened;
    this.tab = "audit";
    this.print = "";
    this.root = byId("drawer");
    byId("drawer-tabs").append(...TABS.map(([name, label]) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "drawer-body", onclick: () => this.open(name) }, label)));
    byId("drawer-tabs").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const index = TABS.findIndex(([name]) => name === this.tab);
      this.open(TABS[(index + step + TABS.length) % TABS.length][0]);
      byId(`tab-${this.tab}`).focus();
    });
    byId("drawer-toggle").addEventListener("click", () => (this.root.hidden ? this.open(this.tab) : this.close()));
    byId("drawer-close").addEventListener("click", () => this.close());
    this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    setInterval(() => { if (!this.root.hidden && document.visibilityState === "visible") this.refresh(); }, REFRESH_MS);
  }

  open(tab) {
    this.tab = tab;
    this.print = "";
    if (this.root.hidden) this.opened();
    this.root.hidden = false;
    byId("drawer-toggle").setAttribute("aria-expanded", "true");
    for (const [name] of TABS) {
      byId(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
      byId(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
    }
    byId("drawer-body").setAttribute("aria-labelledby", `tab-${tab}`);
    this.refresh();
  }

  close() {
    if (this.root.hidden) return;
    this.root.hidden = true;
    byId("drawer-toggle").setAttribute("aria-expanded", "false");
    byId("drawer-toggle").focus();
  }

  async refresh() {
    const tab = this.tab;
    let parts;
    try {
      parts = tab === "slack" ? [this.slackCalls()] : await Promise.all((tab === "clock" ? ["clock", "faults"] : [tab]).map((name) => get(`/sandbox/drawer/${name}`).then((answer) => answer.data)));
    } catch (problem) {
      parts = [{ problem: problem.message }];
    }
    if (tab !== this.tab) return;
    const snapshot = this.snapshot();
    const print = JSON.stringify([tab, parts, tab === "clock" ? [snapshot.faults, snapshot.connections] : 0]);
    if (print === this.print) return;
    this.print = print;
    const body = byId("drawer-body");
    const scrolled = body.scrollTop;
    const nodes = parts.filter((part) => part !== null).map((part) => render(part, () => this.again()));
    if (tab === "clock") nodes.push(this.slackFaults(snapshot));
    body.replaceChildren(...(nodes.length ? nodes : [el("p", { class: "muted" }, "Nothing here yet.")]));
    body.scrollTop = scrolled;
  }

  again() {
    this.print = "";
    return this.refresh();
  }

  slackCalls() {
    const snapshot = this.snapshot();
    return { connections: snapshot.connections, deliveries: snapshot.deliveries.slice(-15).reverse(), calls: snapshot.calls.slice(-60).reverse() };
  }

  slackFaults(snapshot) {
    const planned = Object.entries(snapshot.faults).filter(([name, count]) => count && !name.endsWith("_s"));
    const button = (label, run) => el("button", { type: "button", class: "btn small", onclick: () => run().catch((problem) => toast(problem.message)).finally(() => this.again()) }, label);
    return el(
      "section",
      {},
      el("h3", {}, "Slack"),
      el("p", { class: "muted" }, `${snapshot.connections} socket${snapshot.connections === 1 ? "" : "s"} open. ${planned.length ? `To come: ${planned.map(([name, count]) => `${name} × ${count}`).join(", ")}.` : "Nothing will go wrong."}`),
      el("div", { class: "row-actions" }, ...FAULTS.map(([label, plan]) => button(label, () => act("faults", plan))), button("Redeliver the newest payload", () => act("redeliver")), button("Ask the socket to reconnect", () => act("disconnect")), button("Nothing goes wrong", () => act("faults", {}))),
    );
  }
}

/** Show any JSON: lists of objects as tables, objects as lines, their ``actions`` as buttons. */
function render(data, again) {
  if (Array.isArray(data)) return tableOf(data);
  if (data === null || typeof data !== "object") return el("p", {}, String(data));
  const { actions = [], note, ...rest } = data;
  const lines = Object.entries(rest).filter(([, value]) => value === null || typeof value !== "object");
  const nested = Object.entries(rest).filter(([, value]) => value !== null && typeof value === "object");
  return el(
    "section",
    {},
    note ? el("p", { class: "muted" }, note) : null,
    actions.length ? el("div", { class: "row-actions" }, ...actions.map((each) => el("button", { type: "button", class: `btn small ${each.danger ? "danger" : ""}`, onclick: (event) => run(event.currentTarget, each, again) }, each.label ?? each.name))) : null,
    lines.length ? el("dl", {}, ...lines.flatMap(([name, value]) => [el("dt", {}, words(name)), el("dd", {}, String(value ?? "—"))])) : null,
    ...nested.flatMap(([name, value]) => [el("h3", {}, words(name)), render(value, again)]),
  );
}

async function run(button, action, again) {
  button.disabled = true;
  try {
    await post(`/sandbox/actions/${encodeURIComponent(action.name)}`, action.input ?? {});
  } catch (problem) {
    toast(problem.message);
  } finally {
    button.disabled = false;
    await again();
  }
}

const words = (name) => { const text = name.replaceAll("_", " "); return text[0].toUpperCase() + text.slice(1); };
const shown = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

function tableOf(rows) {
  if (!rows.length) return el("p", { class: "muted" }, "None.");
  if (typeof rows[0] !== "object") return el("ul", {}, ...rows.map((each) => el("li", {}, shown(each))));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => rows.some((row) => shown(row[name]) !== ""));
  return scrolling("table-wrap", el("table", {}, el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, words(name))))), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...columns.map((name) => el("td", { class: shown(row[name]).length < 34 ? "nowrap" : "" }, shown(row[name]))))))));
}
