// Draw history, forecast and intervals as SVG, with values at the pointer or by arrow keys.

const MINUTE = 60e3, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Return an SVG element with attributes and children. */
function draw(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Return an HTML element with attributes and children; strings become text, never markup. */
function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Return round numbers from low to high, about as many as given. */
function roundNumbers(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((x) => x * power).find((x) => x >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** Return [x, text] at round times between two, in milliseconds; at most as many as given. */
function roundTimes(low, high, count) {
  const span = (high - low) / Math.max(count, 1);
  const steps = [1, 5, 15, 30].map((n) => n * MINUTE)
    .concat([1, 3, 6, 12].map((n) => n * HOUR), [1, 2, 4, 7, 14].map((n) => n * DAY));
  const step = steps.find((one) => one >= span);
  const found = [];
  if (step) {
    const monday = 4 * DAY; // 1970-01-05
    for (let x = Math.ceil((low - monday) / step) * step + monday; x <= high; x += step) {
      const date = new Date(x), day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
      const midnight = x % DAY === 0;
      found.push([x, step >= DAY || midnight ? day : date.toISOString().slice(11, 16)]);
    }
    return found;
  }
  const months = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200].find((n) => n * 30.4 * DAY >= span) || 12000;
  const from = new Date(low);
  for (let n = Math.ceil((from.getUTCFullYear() * 12 + from.getUTCMonth()) / months) * months; ; n += months) {
    const x = Date.UTC(Math.floor(n / 12), n % 12);
    if (x > high) return found;
    if (x >= low) found.push([x, n % 12 ? `${MONTHS[n % 12]}` : `${Math.floor(n / 12)}`]);
  }
}

/** Return a function that writes numbers of about this size, each with as many decimals. */
function writer(values) {
  const size = values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  const decimals = size ? Math.min(Math.max(4 - Math.floor(Math.log10(size)), 0), 20) : 0;
  const format = size >= 1e12 || (size && size < 1e-4)
    ? (value) => value.toExponential(3)
    : (value) => value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (value) => (Number.isFinite(value) ? format(value).replaceAll("-", "−") : "–");
}

/** A chart in a focusable box: show() draws series; arrow keys and the pointer read values. */
class Chart {
  constructor(box, spoken) {
    this.box = box;
    this.spoken = spoken;
    this.tip = make("div", { id: "tip", hidden: "" });
    new ResizeObserver(() => this.show()).observe(box);
    box.addEventListener("pointermove", (event) => this.point(event.clientX - box.getBoundingClientRect().left));
    box.addEventListener("pointerdown", (event) => this.point(event.clientX - box.getBoundingClientRect().left));
    box.addEventListener("pointerleave", () => this.read(null));
    box.addEventListener("blur", () => this.read(null));
    box.addEventListener("keydown", (event) => this.step(event));
  }

  /** Draw series [{id, colour, past, ahead}] on an axis of times, integers or order. */
  show(data = this.data) {
    this.data = data;
    const width = this.box.clientWidth;
    if (!data || !width) return;
    const height = width < 520 ? 290 : 390;
    const points = data.series.flatMap((one) => [...one.past, ...one.ahead]);
    const ys = points.flatMap((p) => [p.y, ...(p.bands || []).flatMap((b) => [b.lo, b.hi])]).filter(Number.isFinite);
    const xs = points.map((p) => p.x);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": data.title });
    this.xs = [...new Set(xs)].sort((a, b) => a - b);
    this.at = null;
    this.box.replaceChildren(svg, this.tip);
    this.tip.hidden = true;
    if (!ys.length) return;
    let [low, high] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    [low, high] = [low - room, high + room];
    this.write = writer(ys);
    const ticks = roundNumbers(low, high, height / 60);
    const named = ticks.map((y) => (Math.abs(y) < 1e12 && (!y || Math.abs(y) >= 1e-4)
      ? y.toLocaleString("en", { maximumFractionDigits: 12 }) : y.toExponential()).replaceAll("-", "−"));
    const left = Math.min(Math.max(...named.map((text) => text.length)) * 7 + 14, 130);
    const [right, top, bottom] = [14, 26, height - 40];
    const [first, last] = [this.xs[0], this.xs[this.xs.length - 1]];
    this.x = (x) => left + ((x - first) / (last - first || 1)) * (width - left - right);
    this.y = (y) => bottom - ((y - low) / (high - low)) * (bottom - top);
    this.frame = { top, bottom, left, right: width - right };
    ticks.forEach((y, i) => {
      svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: this.y(y), y2: this.y(y) }));
      svg.append(draw("text", { x: left - 8, y: this.y(y) + 4, "text-anchor": "end" }, named[i]));
    });
    svg.append(draw("line", { class: "axis", x1: left, x2: width - right, y1: bottom, y2: bottom }));
    for (const [x, text] of this.times(first, last, Math.max((width - left) / 85, 1))) {
      const anchor = this.x(x) > width - right - 20 ? "end" : this.x(x) < left + 12 ? "start" : "middle";
      svg.append(draw("line", { class: "axis", x1: this.x(x), x2: this.x(x), y1: bottom, y2: bottom + 4 }));
      svg.append(draw("text", { x: this.x(x), y: bottom + 18, "text-anchor": anchor }, text));
    }
    svg.append(draw("text", { x: left, y: 13, class: "name" }, data.target));
    svg.append(draw("text", { x: width - right, y: height - 4, "text-anchor": "end" }, this.span(data, first, last)));
    this.mark(svg, data);
    for (const one of data.series) svg.append(this.lines(one));
    this.pointer = draw("g");
    svg.append(this.pointer);
  }

  /** Return the ticks of the axis of time. */
  times(first, last, count) {
    if (this.data.kind === "time") return roundTimes(first, last, count);
    return roundNumbers(first, last, count).filter(Number.isInteger).map((x) => [x, String(x)]);
  }

  /** Return the name of the axis of time, with its years. */
  span(data, first, last) {
    if (data.kind === "order") return `${data.time}, steps from the first forecast`;
    if (data.kind === "step") return data.time;
    const [from, to] = [first, last].map((x) => new Date(x).getUTCFullYear());
    return `${data.time}, ${from === to ? from : `${from} – ${to}`}`;
  }

  /** Draw a line where all forecasts begin, if it is one place. */
  mark(svg, data) {
    const starts = new Set(data.series.filter((one) => one.past.length).map((one) => one.past[one.past.length - 1].x));
    if (starts.size !== 1) return;
    const x = this.x([...starts][0]), { top, bottom, right } = this.frame;
    const near = x > right - 70;
    svg.append(draw("line", { class: "start", x1: x, x2: x, y1: top - 6, y2: bottom }));
    svg.append(draw("text", { x: x + (near ? -6 : 6), y: top + 4, "text-anchor": near ? "end" : "start" }, "forecast"));
  }

  /** Return the bands, the history and the forecast of one series. */
  lines(one) {
    const group = draw("g", { class: `s${one.colour}` });
    const known = one.past.filter((p) => Number.isFinite(p.y)).slice(-1);
    const path = (points) => {
      let pen = "M";
      return points.map((p) => {
        if (!Number.isFinite(p.y)) { pen = "M"; return ""; }
        const piece = `${pen}${this.x(p.x).toFixed(1)} ${this.y(p.y).toFixed(1)}`;
        pen = "L";
        return piece;
      }).join("");
    };
    (one.ahead[0]?.bands || []).forEach((_, i) => {
      const edge = (side) => [...known, ...one.ahead.map((p) => ({ x: p.x, y: p.bands[i][side] }))].filter((p) => Number.isFinite(p.y));
      const outline = path([...edge("lo"), ...edge("hi").reverse()]);
      if (outline) group.append(draw("path", { class: "band", d: `${outline}Z` }));
    });
    group.append(draw("path", { class: "past", d: path(one.past) }));
    group.append(draw("path", { class: "ahead", d: path([...known, ...one.ahead]) }));
    if (one.ahead.length === 1) group.append(draw("circle", { cx: this.x(one.ahead[0].x), cy: this.y(one.ahead[0].y), r: 4 }));
    return group;
  }

  /** Read the values at a distance from the left of the box, in pixels. */
  point(pixels) {
    if (!this.xs?.length || !this.x) return;
    let near = 0;
    this.xs.forEach((x, i) => { if (Math.abs(this.x(x) - pixels) < Math.abs(this.x(this.xs[near]) - pixels)) near = i; });
    this.read(near);
  }

  /** Move by arrow keys, Home and End. */
  step(event) {
    const end = (this.xs?.length || 0) - 1;
    const start = this.xs?.indexOf(this.data.series[0]?.ahead[0]?.x) ?? 0;
    const moves = { ArrowLeft: (this.at ?? start + 1) - 1, ArrowRight: (this.at ?? start - 1) + 1, Home: 0, End: end };
    if (event.key === "Escape") this.read(null);
    if (end < 0 || !(event.key in moves)) return;
    event.preventDefault();
    this.read(Math.min(Math.max(moves[event.key], 0), end), true);
  }

  /** Show the values of one step of the axis, and speak them if asked; hide them for null. */
  read(at, aloud = false) {
    this.at = at;
    this.tip.hidden = at === null;
    this.pointer?.replaceChildren();
    if (at === null || !this.x) return;
    const x = this.xs[at], { top, bottom, left, right } = this.frame;
    const found = this.data.series.flatMap((one) => {
      const point = one.ahead.find((p) => p.x === x) || one.past.find((p) => p.x === x);
      return point ? [{ one, point }] : [];
    });
    this.pointer.append(draw("line", { class: "guide", x1: this.x(x), x2: this.x(x), y1: top - 6, y2: bottom }));
    this.tip.replaceChildren(make("b", {}, found[0]?.point.label || ""));
    const words = [found[0]?.point.label];
    for (const { one, point } of found.slice(0, 8)) {
      const title = `${one.id} `;
      this.tip.append(make("div", { class: `s${one.colour}` }, make("span", { class: "name" }, title), make("strong", {}, this.write(point.y))));
      words.push(`${title}${this.write(point.y)}`);
      for (const { level, lo, hi } of [...(point.bands || [])].reverse()) {
        const text = `${level} %: ${this.write(lo)} to ${this.write(hi)}`;
        this.tip.append(make("p", {}, text));
        words.push(text);
      }
      if (Number.isFinite(point.y)) {
        this.pointer.append(draw("circle", { class: `s${one.colour}`, cx: this.x(x), cy: this.y(point.y), r: 4.5 }));
      }
    }
    const middle = (left + right) / 2, width = this.tip.offsetWidth;
    const place = this.x(x) > middle ? this.x(x) - width - 14 : this.x(x) + 14;
    this.tip.style.left = `${Math.max(0, Math.min(place, this.box.clientWidth - width))}px`;
    if (aloud) this.spoken.textContent = words.join(", ");
  }
}
