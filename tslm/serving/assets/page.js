// The form: ask the server, show what it answers.

const id = (name) => document.getElementById(name);
const COLOURS = 6, SHOWN_FIRST = 3, MOST_ROWS = 400, MOST_CHIPS = 300;
const LONG = 30000, PREVIEW = 40; // characters of a text that is not put into its box; lines shown of it
const chart = new Chart(id("chart"), id("spoken"));
let models = [], result = null, running = null, long = null;

/** Ask the server; raise an Error with its message if it refuses. */
async function ask(path, options = {}, signal = undefined) {
  const token = id("token").value.trim();
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Check that it runs, and try again.");
  }
  if (answer.status === 401) id("locked").hidden = false;
  if (answer.ok) return answer;
  const text = await answer.text();
  let message;
  try { message = JSON.parse(text).error; } catch { message = text; }
  const wait = answer.headers.get("Retry-After");
  throw new Error((message || `The server answered ${answer.status}.`) + (wait ? `\nTry again in ${wait} s.` : ""));
}

/** Fill the list of models. */
async function loadModels() {
  const found = await (await ask("model")).json();
  models = Object.values(found.models);
  id("model").replaceChildren(...models.map((one) => make("option", {}, one.name)));
  id("model").closest("div").hidden = models.length < 2;
  choose();
}

const chosen = () => models[id("model").selectedIndex] || { columns: {} };

/** Return words for steps of a frequency of pandas. */
function every(freq) {
  const units = { h: "hourly", D: "daily", W: "weekly", MS: "monthly", ME: "monthly", QS: "quarterly", QE: "quarterly", YS: "yearly", YE: "yearly" };
  return units[String(freq).split("-")[0]] || `steps of ${freq}`;
}

/** Return the names of the columns that the model reads: ids, time, target. */
function columnNames() {
  const { id: ids = "unique_id", time = "ds", target = "y" } = chosen().columns;
  return [ids, time, target].flat();
}

/** Show what the chosen model needs. */
function choose() {
  const { name, h, freq } = chosen();
  id("h").value = h ?? "";
  id("about").textContent = name ? `${name} · ${h} steps ahead · ${every(freq)}` : "";
  const names = columnNames();
  id("hint").textContent = `Columns ${names.join(", ")}`;
  const rows = ["2024-01-01,21.5", "2024-01-02,22.1"].map((row) => `${"north,".repeat(names.length - 2)}${row}`);
  id("csv").placeholder = [names.join(","), ...rows, "…", "", "Paste rows, or drop a file here."].join("\n");
  id("example").hidden = !example();
}

/** Return an example in the columns and steps of the model, or "" for steps it does not know. */
function example() {
  const { freq = "", h } = chosen();
  const unit = /^(MS|D|h|W)(?=$|-SUN$)/.exec(freq)?.[1];
  const names = columnNames();
  if (!unit || !h || names.length > 3) return "";
  const season = { MS: 12, D: 7, h: 24, W: 52 }[unit];
  const rows = [names.join(",")];
  const last = new Date(Date.UTC(2024, 0, 1));
  let seed = 7;
  const noise = () => { seed = (seed * 16807) % 2147483647; return seed / 2147483647 - 0.5; };
  const wanted = Math.max(4 * season, 3 * h, 60);
  ["north", "south"].forEach((name, place) => {
    for (let i = 0; i < wanted; i++) {
      const back = wanted - i, time = new Date(last);
      if (unit === "MS") time.setUTCMonth(-back);
      else time.setTime(last - back * { D: DAY, h: HOUR, W: 7 * DAY }[unit] - (unit === "W" ? DAY : 0));
      const text = time.toISOString().slice(0, unit === "h" ? 16 : 10).replace("T", " ");
      const wave = Math.sin((2 * Math.PI * i) / season) + 0.4 * Math.sin((4 * Math.PI * i) / season + place);
      rows.push(`${name},${text},${(100 + 60 * place + i * 30 / wanted + 18 * wave + 9 * noise()).toFixed(1)}`);
    }
  });
  return `${rows.join("\n")}\n`;
}

/** Return the address and the options of a request: the CSV as it is, or JSON if there are statements. */
function request(text) {
  const model = chosen().name, h = number(id("h").value) || null;
  const level = (id("level").value.match(/[\d.]+/g) || []).map(Number);
  const events = statements(id("events").value);
  const headers = { Accept: "text/csv", "Content-Type": events.length ? "application/json" : "text/csv" };
  if (events.length) {
    const texts = chosen().columns.ids_are_numbers ? [] : columnNames().slice(0, -2);
    const series = columnsOf(readCsv(text), texts);
    const body = JSON.stringify({ model, h, level: level.length ? level : null, series, events });
    return ["forecast", { method: "POST", headers, body }];
  }
  const query = new URLSearchParams({ model, ...(h && { h }), ...(level.length && { level }) });
  return [`forecast?${query}`, { method: "POST", headers, body: text }];
}

/** Return one row for each line, with the dates before its colon as start and end. */
function statements(text) {
  const date = "(\\d{4}-\\d\\d-\\d\\d(?:[ T]\\d\\d:\\d\\d)?)";
  const dated = new RegExp(`^${date}(?:\\s*(?:to|–|-)\\s*${date})?\\s*:\\s*(.+)$`);
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [, start, end, said] = dated.exec(line) || [];
    return said ? { start, end: end ?? start, text: said } : { start: null, end: null, text: line };
  });
}

/** Send the form, and show the forecast or the message of the server. */
async function forecast(event) {
  event?.preventDefault();
  running?.abort();
  const mine = (running = new AbortController());
  const go = id("go"), text = long ?? id("csv").value;
  go.setAttribute("aria-busy", "true");
  go.firstChild.textContent = "Forecasting …";
  try {
    if (!models.length) await loadModels();
    const answer = await ask(...request(text), mine.signal);
    const csv = await answer.text();
    const warnings = decodeURIComponent(answer.headers.get("tslm-warnings") ?? "");
    result = { csv, warnings, forecast: readCsv(csv) };
    Object.assign(result, match(readCsv(text), result.forecast, chosen().columns));
    result.series.forEach((one, i) => { one.shown = i < SHOWN_FIRST; one.colour = i % COLOURS; });
    present();
  } catch (error) {
    if (error.name !== "AbortError") refuse(error.message);
  } finally {
    if (running === mine) {
      go.removeAttribute("aria-busy");
      go.firstChild.textContent = "Forecast";
    }
  }
}

/** Show a message in place of a forecast. */
function refuse(message) {
  id("error").textContent = message;
  id("error").hidden = false;
  id("shown").hidden = true;
  id("empty").hidden = true;
  if (!id("locked").hidden && !id("token").value) id("token").focus();
  else if (innerWidth < 940) id("error").scrollIntoView({ block: "center" });
}

/** Show title, list of series, chart and table of the result. */
function present() {
  id("error").hidden = id("empty").hidden = true;
  id("shown").hidden = false;
  const { series, point, levels, forecast: { rows } } = result;
  const steps = rows.length / series.length;
  id("title").textContent = series.length === 1 ? series[0].id : `${series.length} series`;
  id("summary").textContent = `${point}, ${steps === 1 ? "1 step" : `${Number.isInteger(steps) ? steps : rows.length} steps`} ahead`;
  id("key").textContent = "Thin line: your rows. Thick line: forecast."
    + (levels.length ? ` Bands: ${levels.map((one) => one.level).reverse().join(" and ")} % intervals.` : "");
  id("warnings").textContent = result.warnings;
  id("warnings").hidden = !result.warnings;
  id("find").hidden = series.length < 13;
  id("find").value = "";
  id("series").hidden = series.length < 2;
  list();
  update();
  if (innerWidth < 940) id("result").scrollIntoView();
}

/** List the series whose id has the words searched for. */
function list() {
  const words = id("find").value.toLowerCase();
  const found = result.series.filter((one) => one.id.toLowerCase().includes(words)).slice(0, MOST_CHIPS);
  id("chips").replaceChildren(...found.map((one) => {
    const box = make("input", { type: "checkbox" });
    box.checked = one.shown;
    box.addEventListener("change", () => { one.shown = box.checked; update(); });
    return make("label", { class: `chip s${one.colour}`, title: one.id }, box, make("span", {}, one.id));
  }));
}

/** Return words for a column of the forecast. */
function heading(name) {
  const side = name.startsWith(`${result.point}-`) && /^-(lo|hi)-([\d.]+)$/.exec(name.slice(result.point.length));
  return side ? `${side[2]} % ${side[1] === "lo" ? "low" : "high"}` : name;
}

/** Draw the chart and the table of the chosen series. */
function update() {
  const shown = result.series.filter((one) => one.shown);
  const keep = id("history").value === "all" ? Infinity : Math.max(3 * (shown[0]?.ahead.length || 1), 48);
  chart.show({
    ...result,
    series: shown.map((one) => ({ ...one, past: keep === Infinity ? one.past : one.past.slice(-keep) })),
    title: `History and forecast of ${shown.map((one) => one.id).join(", ")}`,
  });
  const { names } = result.forecast, rows = shown.flatMap((one) => one.rows);
  const write = writer(rows.flatMap((row) => row.slice(result.texts).map(number)));
  const kind = (i) => (i < result.texts ? "text" : names[i] === result.point ? "point" : "");
  const head = make("thead", {}, make("tr", {}, ...names.map((name, i) => make("th", { scope: "col", class: kind(i), title: name }, heading(name)))));
  const body = rows.slice(0, MOST_ROWS).map((row) => make("tr", {}, ...row.map((cell, i) =>
    make("td", { class: kind(i), title: cell }, i < result.texts ? cell : write(number(cell))))));
  id("table").replaceChildren(head, make("tbody", {}, ...body));
  const total = result.forecast.rows.length, listed = Math.min(rows.length, MOST_ROWS);
  id("more").textContent = listed < total ? `${listed} of ${total} rows. The download has all of them.` : "";
}

/** Save the CSV of the server, byte for byte. */
function download() {
  const link = make("a", { href: URL.createObjectURL(new Blob([result.csv], { type: "text/csv" })), download: "forecast.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Put a table into its box; of a long one, which would take seconds, the first rows. */
function put(text, name) {
  long = text.length > LONG ? text : null;
  id("csv").readOnly = Boolean(long);
  id("csv").value = long ? `${text.split("\n", PREVIEW).join("\n")}\n…` : text;
  id("kept").hidden = !long;
  if (long) id("rows").textContent = `${name}: ${(text.trim().split("\n").length - 1).toLocaleString("en")} rows.`;
}

/** Read a file. */
async function take(file) {
  if (file) put(await file.text(), file.name);
}

id("form").addEventListener("submit", forecast);
id("model").addEventListener("change", choose);
id("history").addEventListener("change", update);
id("find").addEventListener("input", list);
id("clear").addEventListener("click", () => { put("", ""); id("csv").focus(); });
id("csv").addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text/plain");
  if (text.length <= LONG || id("csv").value.trim()) return;
  event.preventDefault();
  put(text, "Pasted");
});
id("download").addEventListener("click", download);
id("file").addEventListener("change", (event) => take(event.target.files[0]));
id("token").addEventListener("change", () => loadModels().then(() => { id("error").hidden = true; id("empty").hidden = Boolean(result); id("shown").hidden = !result; }, (error) => refuse(error.message)));
id("example").addEventListener("click", () => { put(example(), "Example"); forecast(); });
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) forecast(event); });
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    id("drop").classList.toggle("ready", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
loadModels().catch((error) => refuse(error.message));
