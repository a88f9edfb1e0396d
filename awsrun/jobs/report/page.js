"use strict";
// Makes the page from the data beside it. Whatever comes from the data becomes text: textContent, never HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const metric = data.metric;
const PAGE = 50;
const VIRIDIS = [[68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109],
  [159, 218, 58], [253, 231, 37]];

const at = (selector) => document.querySelector(selector);
function make(name, text, attributes = {}, children = []) {
  const element = document.createElement(name);
  if (text !== null && text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
function svg(name, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
const show = (id) => { at(id).hidden = false; return at(id); };
const fixed = (scaled) => metric.decimals < 7 ? scaled.toFixed(metric.decimals) : scaled.toExponential(2);
const measured = (raw) => fixed(raw * metric.factor) + (metric.unit ? " " + metric.unit : "");
const brief = (value) => Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
function lasting(seconds) {
  if (seconds < 90) return (seconds >= 10 ? seconds.toFixed(0) : seconds.toFixed(1)) + " s";
  return seconds < 5400 ? (seconds / 60).toFixed(0) + " min" : (seconds / 3600).toFixed(1) + " h";
}

function overview() {
  at("#name").textContent = data.run.id;
  at("#where").append(make("span", data.run.state, {class: "badge " + data.run.state}), " " + data.run.job);
  for (const [name, value] of data.facts) at("#facts").append(make("dt", name), make("dd", value));
  if (data.error) show("#error").textContent = data.error;
  for (const [name, value] of data.provenance) at("#provenance dl").append(make("dt", name), make("dd", value));
  if (data.diff) show("#provenance details").querySelector("pre").textContent = data.diff;
  at("#made").textContent = `Made by awsrun, ${data.run.made}`;
}

// Round numbers between two ends, four to eight of them.
function ticks(low, high) {
  const rough = (high - low) / 5, size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((times) => times * size >= rough * 0.75);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

// A chart's frame: an SVG with labelled axes, and what turns values into places on it.
function chart(xs, ys, xlabel, ylabel, log) {
  const [width, height, right, top, bottom] = [520, 300, 18, 12, 44];
  const ends = (values) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    return low === high ? [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1] : [low, high];
  };
  const [x0, x1] = ends(xs);
  const [y0, y1] = ends(log ? ys.map(Math.log10) : ys);
  const marks = ticks(y0, y1).map((raw) => log ? 10 ** raw : raw);
  const left = Math.max(56, 14 + 7 * Math.max(...marks.map((value) => brief(value).length)));
  const x = (value) => left + (value - x0) / (x1 - x0) * (width - left - right);
  const y = (value) => height - bottom - ((log ? Math.log10(value) : value) - y0) / (y1 - y0) * (height - top - bottom);
  const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${ylabel} over ${xlabel}`});
  for (const value of marks) {
    root.append(svg("line", {class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value)}));
    root.append(svg("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, brief(value)));
  }
  const counted = xs.every(Number.isInteger);
  for (const across of ticks(x0, x1).filter((across) => !counted || Number.isInteger(across))) {
    root.append(svg("text", {x: x(across), y: height - bottom + 18, "text-anchor": "middle"}, brief(across)));
  }
  root.append(svg("text", {x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle"}, xlabel));
  return {root, x, y, figure: make("figure", null, {}, [make("figcaption", ylabel), root])};
}

function history() {
  if (!data.history.length) return;
  const points = data.history.map(([n, count, seconds, value, best]) =>
    ({n, count, seconds, value: value * metric.factor, best: best * metric.factor}));
  const values = points.map((point) => point.value);
  const least = values.reduce((a, b) => Math.min(a, b)), most = values.reduce((a, b) => Math.max(a, b));
  const log = metric.mode === "min" && least > 0 && most / least > 100;
  const last = points[points.length - 1];
  const [unit, name] = last.seconds > 7200 ? [3600, "hours"] : last.seconds > 120 ? [60, "minutes"] : [1, "seconds"];
  const star = points.findIndex((point) => point.best === last.best);
  const panels = [[(point) => point.count, "trials done"],
    [(point) => point.seconds / unit, `time since the submit (${name})`]];
  for (const [place, label] of panels) {
    const frame = chart([0, ...points.map(place)], values, label, metric.label, log);
    const dots = points.map((point) => `M${frame.x(place(point)).toFixed(1)} ${frame.y(point.value).toFixed(1)}h0`);
    const width = points.length > 500 ? 3 : 6;
    frame.root.append(svg("path", {class: "points", d: dots.join(""), "stroke-width": width}));
    let line = "", before = null;
    for (const point of points) {
      const [x, y] = [frame.x(place(point)).toFixed(1), frame.y(point.best).toFixed(1)];
      if (before === null) line = `M${x} ${y}`; else if (y !== before || point === last) line += `H${x}V${y}`;
      before = y;
    }
    frame.root.append(svg("path", {class: "best", d: line}));
    const mark = svg("circle", {class: "star", r: 5, cx: frame.x(place(points[star])), cy: frame.y(last.best)});
    mark.append(svg("title", {}, `trial ${points[star].n}`));
    frame.root.append(mark);
    show("#history").querySelector(".charts").append(frame.figure);
  }
}

function goals() {
  if (!data.goals || !data.goals.points.length) return;
  const {x, y, points} = data.goals;
  const frame = chart(points.map((point) => point[1]), points.map((point) => point[2]), x, y, false);
  const dots = points.map(([, across, up]) => `M${frame.x(across).toFixed(1)} ${frame.y(up).toFixed(1)}h0`);
  frame.root.append(svg("path", {class: "points", d: dots.join(""), "stroke-width": points.length > 500 ? 3 : 6}));
  for (const [n, across, up, first] of points) {
    if (!first) continue;
    const mark = svg("circle", {class: "star", r: 5, cx: frame.x(across), cy: frame.y(up)});
    mark.append(svg("title", {}, `trial ${n}`));
    frame.root.append(mark);
  }
  show("#goals").querySelector(".charts").append(frame.figure);
}

function colour(share) {
  const place = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const mixed = VIRIDIS[low].map((part, i) => Math.round(part + (VIRIDIS[low + 1][i] - part) * (place - low)));
  const light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 140;
  return {backgroundColor: `rgb(${mixed.join(",")})`, color: light ? "#000" : "#fff"};
}

function heat(index) {
  const found = data.heats[index];
  const known = found.values.flat().filter((value) => value !== null);
  const low = known.reduce((a, b) => Math.min(a, b)), high = known.reduce((a, b) => Math.max(a, b));
  const states = new Map(found.states.map(([row, column, state]) => [`${row} ${column}`, state]));
  const head = make("tr", null, {}, [make("th", `${found.rows.name} ╲ ${found.columns.name}`, {scope: "col"}),
    ...found.columns.labels.map((label) => make("th", label, {scope: "col"}))]);
  const rows = found.values.map((values, row) => make("tr", null, {}, [
    make("th", found.rows.labels[row], {scope: "row"}),
    ...values.map((value, column) => {
      if (value === null) return make("td", states.get(`${row} ${column}`) || "–", {class: "none"});
      const top = row === found.best[0] && column === found.best[1];
      const cell = make("td", fixed(value * metric.factor) + (top ? " ★" : ""), top ? {class: "top"} : {});
      const share = high > low ? (value - low) / (high - low) : 1;
      Object.assign(cell.style, colour(metric.mode === "max" ? share : 1 - share));
      return cell;
    })]));
  at("#heat .scroll").replaceChildren(make("table", null, {}, [make("thead", null, {}, [head]),
    make("tbody", null, {}, rows)]));
  at("#others").textContent = `${metric.label}` +
    (found.others.length ? `, the best over ${found.others.join(", ")}` : "");
}

function heats() {
  if (!data.heats.length) return;
  const select = show("#heat").querySelector("select");
  data.heats.forEach((one, i) => select.append(make("option", `${one.rows.name} and ${one.columns.name}`, {value: i})));
  select.addEventListener("change", () => heat(Number(select.value)));
  heat(0);
}

function importance() {
  const most = data.importance.reduce((a, [, share]) => Math.max(a, share), 0);
  for (const [name, share] of data.importance) {
    const bar = make("i");
    bar.style.width = `${85 * share / most}%`;
    const row = make("div", null, {class: "bar"}, [make("span", name),
      make("div", null, {}, [bar, `${(100 * share).toFixed(0)} %`])]);
    show("#importance").querySelector("div").append(row);
  }
}

function curves() {
  if (!data.curves.length) return;
  const place = show("#curves").querySelector(".charts");
  const all = data.curves.flatMap((one) => one.points);
  const frame = chart(all.map(([step]) => step), all.map(([, value]) => value * metric.factor), "epoch", metric.label);
  const legend = make("ul", null, {class: "legend"});
  data.curves.map((one, i) => [one, i]).reverse().forEach(([one, i]) => {
    const d = one.points.map(([step, value], j) =>
      `${j ? "L" : "M"}${frame.x(step).toFixed(1)} ${frame.y(value * metric.factor).toFixed(1)}`).join("");
    const line = svg("path", {class: "curve", d});
    line.style.stroke = `var(--c${Math.min(i, 5)})`;
    if (i === 0) line.style.strokeWidth = "3";
    line.append(svg("title", {}, `trial ${one.n}: ${one.label}`));
    frame.root.append(line);
    const key = make("i");
    key.style.background = `var(--c${Math.min(i, 5)})`;
    legend.prepend(make("li", null, {}, [key, `trial ${one.n}: ${one.label}`]));
  });
  place.append(frame.figure, legend);
}

function trials() {
  const {columns, rows} = data.table;
  const state = columns.findIndex(([, kind]) => kind === "state");
  const best = new Set(data.best);
  const texts = {metric: measured, seconds: lasting, dollars: (v) => "$" + v.toFixed(v < 0.01 ? 5 : 2), number: brief};
  const text = (cell, kind) => cell === null ? "" : kind in texts ? texts[kind](cell) : String(cell);
  const numeric = (kind) => kind in texts;
  let [sorted, up, page, found] = [-1, true, 0, rows];

  const head = make("tr");
  columns.forEach(([name, kind], i) => {
    const button = make("button", name, {type: "button"});
    button.addEventListener("click", () => {
      const first = !(kind === "metric" && metric.mode === "max");
      [up, sorted, page] = [sorted === i ? !up : first, i, 0];
      update();
    });
    head.append(make("th", null, {scope: "col", class: numeric(kind) ? "number" : ""}, [button]));
  });
  const body = make("tbody");
  at("#trials table").append(make("thead", null, {}, [head]), body);

  const search = at("#trials input"), select = at("#trials select"), [back, next] = document.querySelectorAll(".pages button");
  for (const one of ["all", ...new Set(rows.map((row) => row[state]))]) select.append(make("option", one));
  search.addEventListener("input", () => { page = 0; update(); });
  select.addEventListener("change", () => { page = 0; update(); });
  back.addEventListener("click", () => { page--; draw(); });
  next.addEventListener("click", () => { page++; draw(); });

  function compare(one, other) {  // nothing comes last, whatever the direction
    const [a, b] = [one[sorted], other[sorted]];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    const order = typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), undefined, {numeric: true});
    return up ? order : -order;
  }
  function update() {
    const wanted = search.value.trim().toLowerCase();
    found = rows.filter((row) => (select.value === "all" || row[state] === select.value) && (!wanted ||
      row.some((cell, i) => text(cell, columns[i][1]).toLowerCase().includes(wanted))));
    if (sorted >= 0) found = [...found].sort(compare);
    [...head.children].forEach((th, i) => i === sorted
      ? th.setAttribute("aria-sort", up ? "ascending" : "descending") : th.removeAttribute("aria-sort"));
    draw();
  }
  function draw() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.max(0, Math.min(page, pages - 1));
    body.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((row) =>
      make("tr", null, {class: best.has(row[0]) ? "best" : row[state]}, row.map((cell, i) =>
        make("td", text(cell, columns[i][1]),
          numeric(columns[i][1]) ? {class: "number"} : {title: text(cell, columns[i][1])})))));
    at(".pages").hidden = pages === 1;
    at(".pages span").textContent = `page ${page + 1} of ${pages}`;
    [back.disabled, next.disabled] = [page === 0, page === pages - 1];
    at("#trials .count").textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} trials` +
      (data.left ? `; ${data.left.toLocaleString("en")} more are not on this page` : "");
  }
  update();
}

function failed() {
  for (const one of data.failed) {
    const inner = [make("summary", `trial ${one.n}${one.label ? ` (${one.label})` : ""}: ${one.what}`)];
    if (one.traceback) inner.push(make("pre", one.traceback));
    if (one.log.length) inner.push(make("p", "its last lines", {class: "note"}), make("pre", one.log.join("\n")));
    show("#failed").append(make("details", null, {}, inner));
  }
}

overview(); history(); goals(); heats(); importance(); curves(); trials(); failed();
