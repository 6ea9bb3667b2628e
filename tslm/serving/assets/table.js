// Read CSV text, and match its rows with the forecast of each series.

/** Return the rows of a CSV text as lists of strings; RFC 4180, with , ; or tab. */
function readCsv(text) {
  const body = text.replace(/^\uFEFF/, "");
  const first = body.slice(0, body.search(/\r|\n|$/));
  const comma = [",", ";", "\t"].reduce((best, mark) =>
    first.split(mark).length > first.split(best).length ? mark : best);
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || cell.trim()) rows.push(row);
    row = []; cell = "";
  };
  for (let i = 0; i < body.length; i++) {
    const mark = body[i];
    if (quoted) {
      if (mark !== '"') cell += mark;
      else if (body[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    }
    else if (mark === '"' && !cell) quoted = true;
    else if (mark === comma) { row.push(cell); cell = ""; }
    else if (mark === "\n" || mark === "\r") {
      if (mark === "\r" && body[i + 1] === "\n") i++;
      endRow();
    }
    else cell += mark;
  }
  endRow();
  return { names: (rows.shift() || []).map((name) => name.trim()), rows };
}

/** Return a number of the time axis: Unix milliseconds of the written clock, or the integer. */
function position(text) {
  if (/^[+-]?\d+$/.test(text)) return { kind: "step", x: Number(text) };
  const found = /^(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?)?/.exec(text);
  if (!found) return { kind: "text", x: NaN };
  const [, year, month, day = 1, hour = 0, minute = 0, second = 0] = found.map((part) => part && Number(part));
  return { kind: "time", x: Date.UTC(year, month - 1, day, hour, minute) + 1000 * second };
}

/** Return a number, or NaN for an empty or other text. */
const number = (text) => (text == null || !text.trim() ? NaN : Number(text));

/** Return columns for JSON: numbers where all cells are, text in those of ids. */
function columnsOf({ names, rows }, ids) {
  return Object.fromEntries(names.map((name, i) => {
    const cells = rows.map((row) => (row[i] ?? "").trim());
    const numeric = !ids.includes(name) && cells.every((cell) => !cell || Number.isFinite(Number(cell)));
    return [name, cells.map((cell) => (cell === "" ? null : numeric ? Number(cell) : cell))];
  }));
}

/** Return [{id, past, ahead}], points with x, label and y; those of ahead also with bands. */
function match(given, forecast, columns) {
  const ids = [columns.id ?? "unique_id"].flat();
  const [timeName, ...values] = forecast.names.slice(ids.length);
  const point = values.find((name) => !/-(lo|hi)-[\d.]+$|-q-[\d.]+$|-sample-\d+$/.test(name)) || values[0];
  const at = (name) => forecast.names.indexOf(name);
  const levels = values.flatMap((name) => {
    const level = name.startsWith(`${point}-lo-`) && name.slice(point.length + 4);
    return level ? [{ level, lo: at(name), hi: at(`${point}-hi-${level}`) }] : [];
  }).sort((a, b) => b.level - a.level);
  const key = (row, places) => places.map((place) => (row[place] ?? "").trim()).join(" / ");
  const series = new Map();
  for (const row of forecast.rows) {
    const name = key(row, [...ids.keys()]);
    if (!series.has(name)) series.set(name, { id: name, past: [], ahead: [], rows: [] });
    const bands = levels.map(({ level, lo, hi }) => ({ level, lo: number(row[lo]), hi: number(row[hi]) }));
    series.get(name).ahead.push({ label: row[ids.length], y: number(row[at(point)]), bands });
    series.get(name).rows.push(row);
  }
  const places = ids.map((name) => given.names.indexOf(name));
  const time = Math.max(given.names.indexOf(columns.time ?? timeName), 0);
  let y = given.names.indexOf(columns.target ?? "y");
  if (y < 0) y = given.names.findLastIndex((_, i) => i !== time && !places.includes(i));
  const only = places.includes(-1) && series.size === 1 ? [...series.values()][0] : null;
  for (const row of given.rows) {
    const one = only || series.get(key(row, places));
    if (one && y >= 0) one.past.push({ label: (row[time] ?? "").trim(), y: number(row[y]) });
  }
  const kind = place([...series.values()]);
  return { series: [...series.values()], kind, point, levels, target: given.names[y] || "y", time: timeName, texts: ids.length + 1 };
}

/** Set x of all points: their times if all can be read, and else steps from the first forecast. */
function place(series) {
  const kinds = new Set();
  for (const one of series) {
    for (const point of [...one.past, ...one.ahead]) {
      const { kind, x } = position(point.label);
      kinds.add(kind);
      point.x = x;
    }
  }
  if (kinds.size === 1 && !kinds.has("text")) {
    for (const one of series) one.past.sort((a, b) => a.x - b.x);
    return [...kinds][0];
  }
  for (const one of series) {
    one.past.forEach((point, i) => { point.x = i - one.past.length; });
    one.ahead.forEach((point, i) => { point.x = i; });
  }
  return "order";
}
