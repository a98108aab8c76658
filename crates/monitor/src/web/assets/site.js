// What moves on the pages. They work without it, but for the charts.
"use strict";

/** Between two questions, and the longest wait when there is no answer, in milliseconds. */
const EVERY = 1000, SLOWEST = 8000;
/** Readings that a chart shows. */
const POINTS = 300;
/** The inside of a chart, in its own units. */
const BOX = { width: 400, height: 150, left: 44, right: 396, top: 8, bottom: 128 };

/** Milliseconds by which the server's clock is ahead of ours. */
let ahead = 0;

const ago = (seconds) =>
  seconds < 60 ? `${seconds} s ago`
  : seconds < 3600 ? `${Math.floor(seconds / 60)} min ago`
  : seconds < 172800 ? `${Math.floor(seconds / 3600)} h ago`
  : `${Math.floor(seconds / 86400)} days ago`;

const clock = (ms) => new Date(ms).toLocaleTimeString();

/** Says how long ago things were, again and again. */
function tellTimes() {
  for (const time of document.querySelectorAll("time[data-ms]")) {
    const seconds = Math.max(0, Math.floor((Date.now() + ahead - Number(time.dataset.ms)) / 1000));
    time.textContent = ago(seconds);
    time.title = new Date(Number(time.dataset.ms)).toLocaleString();
  }
  for (const time of document.querySelectorAll("time[data-at]")) {
    time.textContent = clock(Number(time.dataset.at));
  }
}

const svg = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

const short = (value) => Number(value.toPrecision(4)).toString();

/** A chart of one field. */
class Chart {
  constructor(field) {
    this.element = document.createElement("div");
    this.element.className = "chart";
    const title = document.createElement("h2");
    this.value = document.createElement("output");
    title.append(field, this.value);
    this.drawing = svg("svg", {
      viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": `${field} over time`,
    });
    this.element.append(title, this.drawing);
  }

  /** Draws `points`, pairs of a time and a value in the order of time. */
  draw(points) {
    const times = points.map(([time]) => time), values = points.map(([, value]) => value);
    const first = times[0], last = times[times.length - 1];
    let low = Math.min(...values), high = Math.max(...values);
    if (low === high) { low -= 1; high += 1; }
    const margin = (high - low) * 0.08;
    low -= margin; high += margin;
    const x = (time) => BOX.left + (BOX.right - BOX.left) * (last === first ? 1 : (time - first) / (last - first));
    const y = (value) => BOX.bottom - (BOX.bottom - BOX.top) * (value - low) / (high - low);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const value = low + (high - low) * share;
      parts.push(svg("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(value), y2: y(value) }));
      parts.push(svg("text", { x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
    }
    parts.push(svg("text", { x: BOX.left, y: BOX.height - 6 }, clock(first)));
    parts.push(svg("text", { x: BOX.right, y: BOX.height - 6, "text-anchor": "end" }, clock(last)));
    const steps = times.slice(1).map((time, at) => time - times[at]).sort((one, other) => one - other);
    // Where the device was away, the line is too.
    const away = Math.max(5000, 10 * (steps[steps.length >> 1] ?? 0));
    const joins = (at) => at > 0 && times[at] - times[at - 1] <= away;
    const path = points.map(([time, value], at) => `${joins(at) ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`);
    parts.push(svg("path", { class: "trace", d: path.join("") }));
    this.drawing.replaceChildren(...parts);
    this.value.textContent = String(values[values.length - 1]);
  }
}

/** Asks for what is new, for as long as somebody looks. */
async function follow(place) {
  const charts = new Map(), lost = document.getElementById("lost");
  let readings = [], wait = EVERY;
  for (;;) {
    if (!document.hidden) {
      const after = readings.length ? readings[readings.length - 1].sequence : 0;
      try {
        const answer = await fetch(`${place.dataset.readings}?after=${after}&most=${POINTS}`);
        if (answer.status === 401) { location.reload(); return; }
        if (!answer.ok) throw new Error(answer.statusText);
        const news = await answer.json();
        ahead = news.now_ms - Date.now();
        lost.hidden = true;
        wait = EVERY;
        if (news.readings.length) {
          readings = readings.concat(news.readings).slice(-POINTS);
          show(place, charts, readings);
        }
      } catch {
        lost.hidden = false;
        wait = Math.min(wait * 2, SLOWEST);
      }
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

function show(place, charts, readings) {
  document.getElementById("nothing")?.remove();
  for (const field of new Set(readings.flatMap((reading) => Object.keys(reading.fields)))) {
    if (!charts.has(field)) {
      charts.set(field, new Chart(field));
      place.append(charts.get(field).element);
    }
    const points = readings.filter((reading) => field in reading.fields)
      .map((reading) => [reading.time_ms, reading.fields[field]]);
    charts.get(field).draw(points);
  }
}

/** Keeps a list up to date, for as long as somebody looks. */
async function refresh(table) {
  for (;;) {
    await new Promise((done) => setTimeout(done, 2 * EVERY));
    // A list that is being read or selected from stands still.
    if (document.hidden || !getSelection().isCollapsed) continue;
    try {
      const answer = await fetch(location.href);
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) continue;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const news = page.querySelector("table[data-live] tbody");
      if (news) table.tBodies[0].replaceWith(news);
      const badge = page.querySelector("header nav"), old = document.querySelector("header nav");
      if (badge && old) old.replaceWith(badge);
      tellTimes();
    } catch {
      // The next round asks again; the times tell how old the list is.
    }
  }
}

tellTimes();
setInterval(tellTimes, 1000);
const place = document.getElementById("charts");
if (place) follow(place);
const list = document.querySelector("table[data-live]");
if (list) refresh(list);
