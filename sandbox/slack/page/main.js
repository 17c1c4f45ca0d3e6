// The page: one snapshot of what the chosen person sees, drawn again whenever the workspace changes.

import { act, get } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { composer } from "./composer.js";
import { confirmed, Modal } from "./dialogs.js";
import { byId, el, paintAvatar, toast } from "./dom.js";
import { Drawer } from "./drawer.js";
import { MessageList } from "./messages.js";
import { learnNames } from "./mrkdwn.js";

const HOME = "home";
let snapshot = null;
let person = "";
let place = ""; // a channel's id, or HOME
let thread = null; // ts of the open thread
const read = new Map(); // person + channel → the newest ts seen there
const prints = {};

// -- what people do

async function tell(verb, body) {
  try {
    await act(verb, { person, ...body });
  } catch (problem) {
    toast(problem.message);
  }
}

async function press(where, block, element) {
  await tell("press", { action_id: element.action_id, block_id: block.block_id, ...where });
}

const enter = (where, block, element, value) => tell("enter", { block_id: block.block_id, action_id: element.action_id, value, ...where });
const base = { confirm: confirmed, people: () => snapshot.people, channels: () => snapshot.channels };

const onMessage = (message) => ({
  ...base,
  values: message.values,
  press: (block, element) => press({ ts: message.ts }, block, element),
  changed: (block, element, value, { final }) => { if (final) enter({ ts: message.ts }, block, element, value); },
});

const onHome = (home) => ({
  ...base,
  values: home.values,
  press: (block, element) => press({ view: home.id }, block, element),
  changed: (block, element, value, { final }) => { if (final) enter({ view: home.id }, block, element, value); },
});

function openThread(message) {
  if (innerWidth < 1640) drawer.close();
  thread = message.thread_ts ?? message.ts;
  draw();
  byId("thread-composer-place").querySelector("textarea")?.focus();
}

const onMessages = {
  onMessage,
  openThread,
  shortcuts: () => snapshot.shortcuts,
  shortcut: (message, name) => tell("shortcut", { name, ts: message.ts }),
};
const listed = new MessageList(byId("messages"), onMessages);
const threaded = new MessageList(byId("thread-messages"), onMessages, { threads: false });
const modal = new Modal({
  press: (view, block, element) => press({ view: view.id }, block, element),
  enter: (view, block, element, value) => enter({ view: view.id }, block, element, value),
  submit: (view, values) => tell("submit", { values }),
  close: () => tell("close", {}),
});
const drawer = new Drawer(() => snapshot, () => {
  if (innerWidth < 1640 && thread) { thread = null; draw(); }
});

/** @name at a word's start becomes a mention, as Slack's own composer makes it. */
function withMentions(text) {
  return text.replace(/(^|\s)@([\w.-]+)/g, (whole, before, name) => {
    const found = snapshot.people.find((each) => each.name === name);
    return found ? `${before}<@${found.id}>` : whole;
  });
}

async function send(text, threadTs) {
  const channel = place === HOME ? snapshot.dm : place;
  if (text.startsWith("/")) await tell("command", { channel, text, thread_ts: threadTs });
  else await tell("say", { channel, text: withMentions(text), thread_ts: threadTs });
}

// -- drawing

function draw() {
  if (!snapshot) return;
  learnNames(snapshot);
  const people = new Map(snapshot.people.map((each) => [each.id, each]));
  byId("team").textContent = snapshot.team;
  byId("connection").textContent = snapshot.connections ? `${snapshot.app.name} is connected` : `${snapshot.app.name} is not connected`;
  byId("connection").classList.toggle("on", snapshot.connections > 0);
  drawPeople(people);
  if (place !== HOME && !snapshot.channels.some((each) => each.id === place)) place = snapshot.channels.find((each) => !each.im)?.id ?? snapshot.dm;
  const channel = snapshot.channels.find((each) => each.id === (place === HOME ? snapshot.dm : place));
  const last = channel.messages.at(-1);
  if (last && place !== HOME && document.visibilityState === "visible") read.set(person + channel.id, last.ts);
  drawSidebar();
  drawHead(channel);
  byId("home").hidden = place !== HOME;
  byId("messages").hidden = place === HOME;
  if (place === HOME) drawHome();
  else listed.show(channel.messages, { context: person + channel.id, people, empty: channel.im ? `Messages between you and ${snapshot.app.name}.` : `This is the start of #${channel.name}. Type / to see the commands.` });
  drawComposer(channel);
  drawThread(channel, people);
  modal.show(snapshot.modal, base);
  const address = `#/${people.get(person).name}/${place === HOME ? HOME : channel.im ? "dm" : channel.name}`;
  if (location.hash !== address) history.replaceState(null, "", address);
  document.title = `${place === HOME ? snapshot.app.name : channel.im ? snapshot.app.name : `#${channel.name}`} · ${snapshot.team}`;
}

function drawPeople(people) {
  const select = byId("person");
  const members = snapshot.people.filter((each) => !each.bot);
  const print = JSON.stringify([members, person]);
  if (prints.people === print) return;
  prints.people = print;
  select.replaceChildren(...members.map((each) => el("option", { value: each.id, selected: each.id === person }, each.title && each.title.toLowerCase() !== each.real_name.toLowerCase() ? `${each.real_name} — ${each.title}` : each.real_name)));
  paintAvatar(byId("me-avatar"), people.get(person));
}

function unread(channel) {
  const since = read.get(person + channel.id) ?? "0";
  return channel.messages.filter((each) => each.ts > since && each.author_id !== person).length;
}

function drawSidebar() {
  const entry = (label, mark, id, count, current) => el("li", {}, el("button", { type: "button", class: `sidebar-link${count ? " unread" : ""}`, "aria-current": current ? "page" : undefined, "data-place": id, onclick: () => go(id) }, el("span", { class: mark ? undefined : "lock", "aria-hidden": "true" }, mark), el("span", { class: "name" }, label), count ? el("span", { class: "count", "aria-label": `${count} unread` }, String(count)) : null));
  const channels = snapshot.channels.filter((each) => !each.im).map((each) => [each.name, each.private ? "" : "#", each.id, unread(each), place === each.id]);
  const dm = snapshot.channels.find((each) => each.id === snapshot.dm);
  const apps = [[snapshot.app.name, "◆", snapshot.app.home ? HOME : snapshot.dm, unread(dm), place === HOME || place === snapshot.dm]];
  const print = JSON.stringify([channels, apps]);
  if (prints.sidebar === print) return;
  prints.sidebar = print;
  const focused = document.activeElement?.dataset?.place;
  byId("channels").replaceChildren(...channels.map((each) => entry(...each)));
  byId("apps").replaceChildren(...apps.map((each) => entry(...each)));
  if (focused) document.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
}

function drawHead(channel) {
  const mark = channel.im ? "" : channel.private ? el("span", { class: "lock", role: "img", "aria-label": "private channel" }) : "# ";
  byId("channel-name").replaceChildren(mark, channel.im ? snapshot.app.name : channel.name);
  byId("channel-topic").textContent = channel.im ? "App" : channel.topic || `${channel.members} members`;
  const tabs = byId("app-tabs");
  tabs.hidden = !(channel.im && snapshot.app.home);
  if (tabs.hidden || prints.tabs === place) return;
  prints.tabs = place;
  tabs.replaceChildren(...[["Home", HOME], ["Messages", snapshot.dm]].map(([label, id]) => el("button", { type: "button", role: "tab", "aria-selected": String(place === id), tabIndex: place === id ? 0 : -1, onclick: () => go(id) }, label)));
}

function drawHome() {
  const print = JSON.stringify([person, snapshot.home]);
  if (prints.home === print) return;
  prints.home = print;
  const home = snapshot.home;
  byId("home").replaceChildren(home ? renderBlocks(home.view.blocks, onHome(home)) : el("p", { class: "empty" }, `${snapshot.app.name} has published nothing here yet.`), home?.trouble ? el("div", { class: "trouble" }, home.trouble) : "");
}

function drawComposer(channel) {
  const key = place === HOME ? "" : channel.id;
  if (prints.composer === key) return;
  prints.composer = key;
  const label = channel.im ? `Message ${snapshot.app.name}` : `Message #${channel.name}`;
  byId("composer-place").replaceChildren(...(key ? [composer({ label, send: (text) => send(text), commands: () => snapshot.commands })] : []));
}

function drawThread(channel, people) {
  const parent = thread ? channel.messages.find((each) => each.ts === thread) : null;
  byId("thread").hidden = !parent;
  if (!parent) {
    thread = null;
    prints.thread = "";
    return;
  }
  threaded.show(channel.messages.filter((each) => each.ts === thread || each.thread_ts === thread), { context: person + thread, people, empty: "" });
  if (prints.thread === thread) return;
  prints.thread = thread;
  const ts = thread;
  byId("thread-composer-place").replaceChildren(composer({ label: "Reply…", send: (text) => send(text, ts), commands: () => [], thread: true }));
}

// -- going somewhere

/** Alt + arrow up or down: the place before or after this one in the sidebar, as in Slack. */
function step(by) {
  const places = [...document.querySelectorAll("[data-place]")];
  const now = places.findIndex((each) => each.getAttribute("aria-current") === "page");
  go(places[(now + by + places.length) % places.length].dataset.place);
}

function go(id) {
  place = id;
  thread = null;
  document.querySelector(".sidebar").classList.remove("open");
  byId("menu").setAttribute("aria-expanded", "false");
  if (id === HOME) tell("open_home", {});
  draw();
  byId("composer-place").querySelector("textarea")?.focus();
}

async function become(id) {
  person = id;
  thread = null;
  localStorage.setItem("sandbox-person", id);
  await refresh();
  if (place === HOME) tell("open_home", {});
}

async function refresh() {
  snapshot = await get(`/sandbox/api/snapshot?person=${encodeURIComponent(person)}`);
  person = snapshot.me;
  draw();
}

async function follow() {
  for (;;) {
    try {
      const { version } = await get(`/sandbox/api/changes?since=${snapshot.version}`);
      if (version !== snapshot.version) await refresh();
    } catch (problem) {
      byId("connection").textContent = "the sandbox has stopped";
      byId("connection").classList.remove("on");
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await refresh().catch(() => {});
    }
  }
}

function theme(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

async function start() {
  theme(localStorage.getItem("sandbox-theme"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme(localStorage.getItem("sandbox-theme")));
  byId("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("sandbox-theme", next);
    theme(next);
  });
  byId("person").addEventListener("change", (event) => become(event.target.value));
  byId("reload").addEventListener("click", () => tell("reload", {}));
  byId("thread-close").addEventListener("click", () => { thread = null; draw(); });
  byId("thread").addEventListener("keydown", (event) => { if (event.key === "Escape") { thread = null; draw(); } });
  document.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || !event.altKey || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    step(by);
  });
  byId("app-tabs").addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    go(place === HOME ? snapshot.dm : HOME);
    byId("app-tabs").querySelector('[aria-selected="true"]').focus();
  });
  byId("menu").addEventListener("click", () => {
    const open = document.querySelector(".sidebar").classList.toggle("open");
    byId("menu").setAttribute("aria-expanded", String(open));
  });
  const [, who = "", where = ""] = location.hash.split("/").map(decodeURIComponent);
  person = who || localStorage.getItem("sandbox-person") || "";
  byId("app").hidden = false;
  await refresh().catch(() => { person = ""; return refresh(); });
  const named = snapshot.channels.find((each) => each.name === where && !each.im);
  place = where === HOME && snapshot.app.home ? HOME : where === "dm" ? snapshot.dm : (named?.id ?? place);
  draw();
  if (place === HOME) tell("open_home", {});
  byId("composer-place").querySelector("textarea")?.focus();
  follow();
}

start();
