// Emoji as nodes. Where the machine has no colour emoji font (small containers, CI), small drawn marks
// take their place, so that a card reads the same everywhere.

import { el } from "./dom.js";

let table = {};
let pattern = null;
const byCharacter = new Map();

const GREEN = "#1d8a4e", RED = "#c8372d", AMBER = "#c98a12", BLUE = "#2b76c9", GREY = "#7b8790", ORANGE = "#d9711c";
// name → [background, glyph, round]; no glyph: a plain disc
const MARKS = {
  white_check_mark: [GREEN, "✓"], heavy_check_mark: [GREEN, "✓"], thumbsup: [GREEN, "↑"], tada: [AMBER, "★"], rocket: [BLUE, "↗"],
  x: [RED, "✕"], heavy_multiplication_x: [RED, "✕"], thumbsdown: [RED, "↓"], no_entry: [RED, "−", 1], no_entry_sign: [RED, "⁄", 1], stop_sign: [RED, "■"],
  warning: [AMBER, "!"], rotating_light: [RED, "!"], bangbang: [RED, "‼"], construction: [AMBER, "≡"], fire: [ORANGE, "▲"], skull: [GREY, "†"],
  information_source: [BLUE, "i"], grey_question: [GREY, "?"], bulb: [AMBER, "☼", 1], bell: [AMBER, "♪", 1], zap: [AMBER, "ϟ"],
  hourglass: [AMBER, "⌛"], hourglass_flowing_sand: [AMBER, "…"], stopwatch: [GREY, "◔", 1], alarm_clock: [GREY, "◔", 1], calendar: [GREY, "▦"],
  arrows_counterclockwise: [BLUE, "↻"], repeat: [BLUE, "↻"], recycle: [GREEN, "↻"], leftwards_arrow_with_hook: [BLUE, "↩"], rewind: [BLUE, "«"], fast_forward: [BLUE, "»"], arrow_right: [BLUE, "→"], pause_button: [BLUE, "‖"],
  heavy_minus_sign: [GREY, "−"], raised_hand: [ORANGE, "✋"], wave: [ORANGE, "~"], eyes: [GREY, "●●"],
  new: [BLUE, "+"], pencil2: [AMBER, "✎"], boom: [RED, "✱"], clock3: [GREY, "◔", 1], door: [GREY, "→"], raising_hand: [BLUE, "?"], thinking_face: [AMBER, "?", 1],
  lock: [GREY, "⚿"], unlock: [GREY, "○"], key: [AMBER, "⚷"], shield: [BLUE, "◈"], ticket: [BLUE, "#"], memo: [GREY, "✎"], clipboard: [GREY, "☰"], package: [ORANGE, "▣"], mag: [GREY, "⌕"], bar_chart: [BLUE, "▮"], wastebasket: [GREY, "▽"],
  gear: [GREY, "⚙"], wrench: [GREY, "⚒"], hammer_and_wrench: [GREY, "⚒"],
  large_green_circle: [GREEN, "", 1], large_red_circle: [RED, "", 1], large_yellow_circle: ["#e3b51c", "", 1], large_orange_circle: [ORANGE, "", 1], large_blue_circle: [BLUE, "", 1], black_circle: ["#333a40", "", 1], white_circle: ["", "", 1],
};

const hasColourFont = (() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 24;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.font = "18px sans-serif";
  pen.fillText("🎫", 0, 18);
  const { data } = pen.getImageData(0, 0, 24, 24);
  for (let at = 0; at < data.length; at += 4) if (Math.abs(data[at] - data[at + 1]) > 20 || Math.abs(data[at] - data[at + 2]) > 20) return true;
  return false;
})();

/** Tell which names there are: name → character. */
export function learnEmoji(names) {
  if (pattern) return;
  table = names;
  for (const [name, character] of Object.entries(names)) byCharacter.set(character.replace("\ufe0f", ""), name);
  const known = [...byCharacter.keys()].map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  pattern = new RegExp(`:([a-z0-9_+-]+):|((?:${known})|[\\u{1F000}-\\u{1FAFF}])\\ufe0f?`, "gu");
}

/** Return *text* with emoji names as characters: for attributes, options and titles. */
export const emojiText = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => table[name] ?? whole);

/** Return *text* as nodes, emoji drawn. */
export function emojiNodes(text) {
  if (!pattern) return [text];
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    const name = found[1] ?? byCharacter.get(found[2]);
    if (found[1] && !table[name]) continue;
    nodes.push(text.slice(at, found.index), mark(name, found[2] ?? table[name]));
    at = found.index + found[0].length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((each) => each !== "");
}

function mark(name, character) {
  const label = name ? name.replaceAll("_", " ") : "emoji";
  if (hasColourFont) return el("span", { class: "emoji", role: "img", "aria-label": label, title: label }, character);
  const [background, glyph, round] = MARKS[name] ?? [GREY, "◆"];
  const node = el("span", { class: `emoji drawn${round ? " round" : ""}${background ? "" : " hollow"}`, role: "img", "aria-label": label, title: label }, glyph);
  if (background) node.style.background = background;
  return node;
}
