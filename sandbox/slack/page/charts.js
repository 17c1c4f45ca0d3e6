// data_visualization → a picture of its values, and the values themselves to open.

import { el, scrolling } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560;
const HEIGHT = 220;
const PLOT = { left: 52, right: 12, top: 10, bottom: 30 };
const MOST_LABELS = 6;
const LETTER = 7; // pixels, about

/** Return an SVG element; colours come by the class, so that they follow the theme. */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function chart(block) {
  const { type } = block.chart;
  const series = block.chart.series ?? [{ name: "Value", data: block.chart.segments }];
  const names = type === "pie" ? block.chart.segments.map((each) => each.label) : series.map((each) => each.name);
  const labels = block.chart.axis_config?.categories ?? names;
  const values = series.map((each) => labels.map((label) => each.data.find((point) => point.label === label)?.value ?? 0));
  const picture = svg("svg", { role: "img", "aria-label": `${block.title}: ${type} chart of ${names.join(", ")}` });
  // Drawn for the room that there is: letters that shrank with the picture could not be read in a thread.
  const draw = (width) => {
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.replaceChildren(...(type === "pie" ? pie(values[0], labels, width) : plotted(type, values, labels, names, width)));
  };
  draw(WIDTH);
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 0) draw(width);
  }).observe(picture);
  return el("figure", { class: "chart" },
    el("figcaption", {}, block.title),
    picture,
    el("ul", { class: "chart-legend" }, ...names.map((name, index) => el("li", { class: `series-${index}` }, name))),
    el("details", {}, el("summary", {}, "Values"), valuesOf(series.map((each) => each.name), labels, values)));
}

function valuesOf(names, labels, values) {
  const head = el("tr", {}, el("td", {}), ...names.map((name) => el("th", {}, name)));
  const rows = labels.map((label, at) => el("tr", {}, el("th", {}, label), ...values.map((each) => el("td", { class: "right" }, String(each[at])))));
  return scrolling("block-table", el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
}

/** Bars, lines or areas on axes that hold zero and every value. */
function plotted(type, values, labels, names, wide) {
  const all = values.flat();
  const ticks = ticksOf(Math.min(0, ...all), Math.max(0, ...all));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const y = (value) => PLOT.top + (HEIGHT - PLOT.top - PLOT.bottom) * (1 - (value - low) / (high - low));
  const slot = (wide - PLOT.left - PLOT.right) / labels.length;
  const x = (at) => PLOT.left + slot * (at + 0.5);
  const told = (each, at) => svg("title", {}, `${names[each]}, ${labels[at]}: ${values[each][at]}`);
  const drawn = ticks.map((tick) => svg("g", { class: "chart-grid" },
    svg("line", { x1: PLOT.left, x2: wide - PLOT.right, y1: y(tick), y2: y(tick) }),
    svg("text", { x: PLOT.left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toLocaleString("en"))));
  const room = LETTER * Math.max(...labels.map((label) => label.length)) + 8;
  const step = Math.max(Math.ceil(labels.length / MOST_LABELS), Math.ceil(room / slot));
  labels.forEach((label, at) => {
    if (at % step === 0) drawn.push(svg("text", { class: "chart-label", x: x(at), y: HEIGHT - 10, "text-anchor": "middle" }, label));
  });
  values.forEach((each, index) => {
    if (type === "bar") {
      const width = (slot * 0.8) / values.length;
      each.forEach((value, at) => drawn.push(svg("rect", { class: `series-${index}`, x: x(at) - slot * 0.4 + width * index, width: Math.max(width - 1, 0.5), y: Math.min(y(value), y(0)), height: Math.abs(y(value) - y(0)) }, told(index, at))));
      return;
    }
    const points = each.map((value, at) => `${x(at)},${y(value)}`).join(" ");
    if (type === "area") drawn.push(svg("polygon", { class: `series-${index} area`, points: `${x(0)},${y(0)} ${points} ${x(each.length - 1)},${y(0)}` }));
    drawn.push(svg("polyline", { class: `series-${index} line`, points }));
    each.forEach((value, at) => drawn.push(svg("circle", { class: `series-${index}`, cx: x(at), cy: y(value), r: 2.5 }, told(index, at))));
  });
  return drawn;
}

/** Return about four round numbers, the first at most *low* and the last at least *high*. */
function ticksOf(low, high) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => span / each <= 4);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

function pie(values, labels, wide) {
  const whole = values.reduce((sum, value) => sum + value, 0);
  const [cx, cy, radius] = [wide / 2, HEIGHT / 2, HEIGHT / 2 - PLOT.top];
  const at = (share) => [cx + radius * Math.sin(2 * Math.PI * share), cy - radius * Math.cos(2 * Math.PI * share)].join(" ");
  let before = 0;
  return values.map((value, index) => {
    const [from, to] = [before / whole, (before + value) / whole];
    before += value;
    const title = svg("title", {}, `${labels[index]}: ${value}`);
    if (value === whole) return svg("circle", { class: `series-${index}`, cx, cy, r: radius }, title);
    return svg("path", { class: `series-${index}`, d: `M ${cx} ${cy} L ${at(from)} A ${radius} ${radius} 0 ${to - from > 0.5 ? 1 : 0} 1 ${at(to)} Z` }, title);
  });
}
