"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 760px)");
  const MAX_EVENT_ROWS = 1000;
  const LIST_ROWS = 200;
  const PLOTLY = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: true };

  // Okabe and Ito's colours, which stay apart for the colour-blind; shapes differ too.
  const ANSWERS = {
    anomaly: { name: "answer: anomaly", color: "#d55e00", symbol: "triangle-up" },
    normal: { name: "answer: normal", color: "#009e73", symbol: "circle" },
    unsure: { name: "answer: unsure", color: "#cc79a7", symbol: "diamond" },
    skip: { name: "answer: skipped", color: "#8a8f94", symbol: "x" },
    elsewhere: { name: "answer: other points", color: "#8a8f94", symbol: "square" },
  };
  const REASONS = {
    highest: "among the highest forest scores",
    lowest: "among the lowest forest scores",
    middle: "among the middle forest scores",
    strategy: "the detector was least sure of it",
    random: "drawn at random",
  };

  const colors = () =>
    dark.matches
      ? { text: "#e6e8ea", grid: "#353b41", line: "#56b4e9", score: "#c3c9ce", found: "#e69f00", truth: "#a78bfa", threshold: "#f0e442" }
      : { text: "#1b1f24", grid: "#e3e7ea", line: "#0072b2", score: "#4a525a", found: "#e69f00", truth: "#6a4fb3", threshold: "#b22c00" };

  /** Text that plotly takes as it is: it reads `<b>` and the like in names. */
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const number = (value, digits = 4) => (value === null ? "–" : Number(value.toPrecision(digits)).toLocaleString("en"));
  const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
  const timeText = (series, time) =>
    series.has_clock ? new Date(time).toISOString().replace("T", " ").replace(/\.?0*Z$/, (end) => (end.startsWith(".") ? "" : end)).replace("Z", "") : String(time);

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function row(cells, tag = "td") {
    const made = document.createElement("tr");
    for (const cell of cells) {
      if (cell instanceof Node) {
        const td = element(tag);
        td.append(cell);
        made.append(td);
      } else made.append(element(tag, cell));
    }
    return made;
  }

  /** Puts a name into an element so that it may wrap behind its separators. */
  function setName(target, name) {
    target.replaceChildren(...name.split(/(?<=[/_.:-])/).flatMap((part) => [part, element("wbr")]));
    return target;
  }

  // The header.
  byId("title").textContent = data.title;
  const total = data.series.reduce((sum, series) => sum + series.n_points, 0);
  const anomalies = data.series.reduce((sum, series) => sum + series.n_anomalies, 0);
  const facts = [
    ["data", `${data.series.length.toLocaleString("en")} series, ${count(total, "point")}`],
    ["anomalous", count(anomalies, "point")],
    ["questions", data.model.n_questions.toLocaleString("en")],
    ["labelled points", data.model.n_labelled.toLocaleString("en")],
    ["threshold", number(data.model.threshold)],
    ["method", data.model.method],
    ["seed", String(data.model.seed)],
    ["model", data.model.hash.length > 12 ? `${data.model.hash.slice(0, 12)}…` : data.model.hash],
    ["made", data.created],
  ];
  for (const [name, value] of facts) {
    const group = element("div");
    group.append(element("dt", name), element("dd", value, name === "model" ? { title: data.model.hash } : {}));
    byId("facts").append(group);
  }

  byId("measured-on").textContent = `on ${data.measured_on}`;

  // Quality: a column for each kind of value that there is.
  const kinds = [
    ["before", "before", ""],
    ["after", "after", "after"],
    ["oracle_before", "before, oracle threshold", "oracle"],
    ["oracle_after", "after, oracle threshold", "oracle"],
  ].filter(([key]) => data.metrics.some((metric) => metric[key] !== null));
  if (data.metrics.length > 0) {
    byId("quality").hidden = byId("metrics-panel").hidden = false;
    byId("oracle-note").hidden = !kinds.some(([key]) => key.startsWith("oracle"));
    const head = element("thead");
    head.append(row(["", ...kinds.map(([, title]) => title)], "th"));
    const body = element("tbody");
    for (const metric of data.metrics) {
      const made = row([metric.name, ...kinds.map(([key]) => (metric[key] === null ? "–" : metric[key].toFixed(3)))]);
      kinds.forEach(([, , style], i) => style && made.children[i + 1].classList.add(style));
      body.append(made);
    }
    byId("metrics").append(head, body);
  }

  function layout(extra) {
    const c = colors();
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: c.text, size: 12, family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" },
      hoverlabel: { namelength: -1 },
      ...extra,
    };
  }

  function drawCurve() {
    if (data.curve.length === 0) return;
    byId("quality").hidden = byId("curve-panel").hidden = false;
    const c = colors();
    const trace = (key, name, color, symbol, yaxis) => ({
      x: data.curve.map((point) => point.n_questions),
      y: data.curve.map((point) => point[key]),
      name, yaxis, mode: "lines+markers", line: { color, dash: key === "loss" ? "dot" : "solid" }, marker: { symbol, size: 6 },
      hovertemplate: `%{x} questions: ${name} %{y:.3f}<extra></extra>`,
    });
    const has = (key) => data.curve.some((point) => point[key] !== null);
    const traces = [];
    if (has("f1")) traces.push(trace("f1", "strict F1", c.line, "circle", "y"));
    if (has("expected")) {
      const end = (key, fill) => ({
        ...trace(key, "expected", c.line, "circle", "y"),
        mode: "lines", line: { width: 0 }, fill, fillcolor: "rgba(0, 158, 115, .18)", hoverinfo: "skip", hovertemplate: undefined, showlegend: false,
      });
      traces.push(end("expected_low", "none"), end("expected_high", "tonexty"));
      traces.push({
        ...trace("expected", "expected from random questions", "#009e73", "diamond", "y"),
        customdata: data.curve.map((point) => [point.expected_low, point.expected_high]),
        hovertemplate: "%{x} questions: expected F1 %{y:.3f}, %{customdata[0]:.3f} to %{customdata[1]:.3f}<extra></extra>",
      });
    }
    if (has("loss")) traces.push(trace("loss", "loss", "#d55e00", "square", "y2"));
    const axis = { gridcolor: c.grid, zeroline: false, fixedrange: true, rangemode: "tozero" };
    Plotly.react("curve", traces, layout({
      margin: { l: 45, r: 45, t: 8, b: 38 },
      xaxis: { ...axis, title: { text: "questions", standoff: 6 } },
      yaxis: { ...axis, title: { text: "strict F1", standoff: 4 } },
      yaxis2: { ...axis, title: { text: "loss", standoff: 4 }, overlaying: "y", side: "right", showgrid: false },
      legend: { orientation: "h", x: 0.5, xanchor: "center", y: 1, yanchor: "bottom" },
      showlegend: traces.length > 1,
    }), PLOTLY);
  }

  // The list of series.
  let chosen = -1;
  let listed = LIST_ROWS;

  function listItem(i) {
    const series = data.series[i];
    const button = element("button", undefined, { type: "button", title: count(series.n_anomalies, "anomalous point") });
    button.append(setName(element("span"), series.name), element("span", series.n_anomalies.toLocaleString("en")));
    if (i === chosen) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      choose(i);
      byId("list").querySelector("[aria-current]")?.focus({ preventScroll: true });
    });
    const item = element("li");
    item.append(button);
    return item;
  }

  /** Lists the series that are sought, and no more of them than a browser lays out quickly. */
  function listSeries() {
    const sought = byId("search").value.trim().toLowerCase();
    const found = [...data.series.keys()].filter((i) => data.series[i].name.toLowerCase().includes(sought));
    byId("count").textContent = sought === "" ? found.length.toLocaleString("en") : `${found.length.toLocaleString("en")} found`;
    const items = found.slice(0, listed).map(listItem);
    if (found.length > listed) {
      const more = element("button", `${(found.length - listed).toLocaleString("en")} more…`, { type: "button" });
      more.addEventListener("click", () => {
        listed += LIST_ROWS;
        listSeries();
      });
      const item = element("li");
      item.append(more);
      items.push(item);
    }
    byId("list").replaceChildren(...items);
  }
  byId("search").addEventListener("input", () => {
    listed = LIST_ROWS;
    listSeries();
  });

  /** The times of the drawn points. */
  function times(series) {
    const all = [series.start];
    let steps = 0;
    for (const delta of series.deltas) {
      steps += delta;
      all.push(series.start + steps * series.unit);
    }
    return all;
  }

  /** A curve with an empty place at each break. */
  function broken(column, breaks) {
    if (breaks.length === 0) return column;
    const made = [];
    let from = 0;
    for (const at of breaks) {
      for (; from < at; from++) made.push(column[from]);
      made.push(null);
    }
    for (; from < column.length; from++) made.push(column[from]);
    return made;
  }

  /** Boxes over stretches of time, between two heights of the strip axis, as one curve. */
  function boxes(stretches, step, low, high) {
    const x = [], y = [];
    for (const [start, end] of stretches) {
      x.push(start - step / 2, start - step / 2, end + step / 2, end + step / 2, start - step / 2, null);
      y.push(low, high, high, low, low, null);
    }
    return { x, y };
  }

  let current = null;

  function draw(range) {
    const series = data.series[chosen];
    const c = colors();
    const at = times(series);
    const x = broken(at, series.breaks);
    // The middle of a break: the curve needs a place for its empty value.
    series.breaks.forEach((position, i) => { x[position + i] = (at[position - 1] + at[position]) / 2; });
    const panes = [...series.channels.map((name, i) => ({ name, column: series.values[i], color: c.line })),
      { name: "score", column: series.scores, color: c.score }];
    const height = Math.max(narrow.matches ? 340 : 430, 110 + panes.length * (narrow.matches ? 120 : 150));
    const strip = 22 / height;
    const gap = 20 / height;
    const each = (1 - strip - gap * panes.length) / panes.length;

    const traces = [];
    const axes = {};
    const titles = [];
    // y: the whole height, for shading. y2: the strip above. y3 and on: the panes, from the top.
    axes.yaxis = { domain: [0, 1 - strip], range: [0, 1], visible: false, fixedrange: true };
    axes.yaxis2 = { domain: [1 - strip * 0.9, 1], range: [0, 2], visible: false, fixedrange: true };
    const events = series.events.map((event) => [event.start, event.end]);
    const shade = (stretches, name, color, opacity, lane) => {
      if (stretches.length === 0) return;
      const shared = { mode: "lines", fill: "toself", hoverinfo: "skip", legendgroup: name, name };
      const light = Math.round(opacity * 255).toString(16).padStart(2, "0");
      traces.push({ ...shared, ...boxes(stretches, series.step, 0, 1), yaxis: "y", fillcolor: color + light,
        line: { width: 1, color: color + light }, showlegend: false });
      traces.push({ ...shared, ...boxes(stretches, series.step, lane + 0.1, lane + 0.9), yaxis: "y2", fillcolor: color,
        line: { width: 1.5, color } });
    };
    shade(series.truth ?? [], "true anomaly", c.truth, 0.18, 1);
    shade(events, "found", c.found, 0.25, 0);

    panes.forEach((pane, i) => {
      const id = i + 3;
      const top = 1 - strip - gap - i * (each + gap);
      axes[`yaxis${id}`] = {
        domain: [Math.max(0, top - each), top], gridcolor: c.grid, zeroline: false, fixedrange: true, automargin: true, nticks: 5,
      };
      titles.push({
        text: `<b>${plain(pane.name.length > 40 ? `${pane.name.slice(0, 39)}…` : pane.name)}</b>`, showarrow: false,
        xref: "paper", x: 0, xanchor: "left", yref: "paper", y: top, yanchor: "bottom", yshift: -1, font: { size: 11 },
      });
      traces.push({
        x, y: broken(pane.column, series.breaks), yaxis: `y${id}`, mode: "lines", line: { color: pane.color, width: 1.2 },
        name: plain(pane.name), connectgaps: false, showlegend: false, hovertemplate: "%{y:.6~g}",
      });
    });
    const scoreAxis = `y${panes.length + 2}`;
    const ends = [at[0] - series.step / 2, at[at.length - 1] + series.step / 2];
    traces.push({
      x: ends, y: [data.model.threshold, data.model.threshold], yaxis: scoreAxis, mode: "lines", hoverinfo: "skip",
      line: { color: c.threshold, width: 1.5, dash: "dash" }, name: "threshold",
    });
    for (const [key, style] of Object.entries(ANSWERS)) {
      const questions = series.questions.filter((question) => question.answer === key);
      if (questions.length === 0) continue;
      const text = questions.map((question) =>
        `question ${question.id + 1}, ${question.round === 0 ? "warm-up" : `round ${question.round}`}: ${REASONS[question.reason]}<br>` +
        style.name + (question.n_labelled > 1 ? `, ${question.n_labelled} points labelled` : ""));
      series.channels.forEach((_, channel) => traces.push({
        x: questions.map((question) => question.time), y: questions.map((question) => question.values[channel]),
        yaxis: `y${channel + 3}`, mode: "markers", text, hovertemplate: "%{text}<extra></extra>", name: style.name, legendgroup: style.name,
        showlegend: channel === 0,
        marker: { symbol: style.symbol, color: style.color, size: 10, line: { color: dark.matches ? "#14171a" : "#ffffff", width: 1.2 } },
      }));
    }
    current = { series, at, panes, ends };
    byId("chart").style.height = `${height}px`;
    Plotly.react("chart", traces, layout({
      ...axes,
      annotations: titles,
      height,
      margin: { l: narrow.matches ? 40 : 52, r: 12, t: 8, b: 32 },
      xaxis: {
        type: series.has_clock ? "date" : "linear", anchor: scoreAxis, gridcolor: c.grid, zeroline: false, range: range ?? ends,
        showspikes: true, spikemode: "across", spikethickness: 1, spikecolor: c.grid, spikedash: "solid", nticks: narrow.matches ? 4 : 0,
      },
      hovermode: "x", hoverdistance: 12, dragmode: narrow.matches ? "pan" : "zoom",
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", itemsizing: "constant" },
      uirevision: chosen,
    }), PLOTLY).then(() => fit(range ?? ends));
  }

  const milliseconds = (value) => (typeof value === "number" ? value : Date.parse(`${value.replace(" ", "T")}${value.length > 10 ? "Z" : ""}`));

  /** Fits the heights of the panes to what is in view. */
  function fit([from, to]) {
    const { series, at, panes } = current;
    const update = {};
    panes.forEach((pane, i) => {
      const isScore = i === panes.length - 1;
      let low = isScore ? data.model.threshold : Infinity, high = isScore ? data.model.threshold : -Infinity;
      pane.column.forEach((value, k) => {
        // One point beyond each edge belongs to the lines that cross it.
        if (value !== null && (at[k + 1] ?? at[k]) >= from && (at[k - 1] ?? at[k]) <= to) {
          if (value < low) low = value;
          if (value > high) high = value;
        }
      });
      if (low > high) return;
      const margin = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * 0.08;
      update[`yaxis${i + 3}.range`] = [low - margin, high + margin];
    });
    const shown = at.filter((time) => time >= from && time <= to).length;
    byId("drawn").textContent = at.length < series.n_points
      ? `${shown.toLocaleString("en")} of ${count(series.n_points, "point")} drawn`
      : count(series.n_points, "point");
    return Plotly.relayout("chart", update);
  }

  function zoom(range) {
    return Plotly.relayout("chart", { "xaxis.range": range });
  }

  function listEvents(series) {
    byId("events-title").textContent = series.events.length === 0 ? "No events" : count(series.events.length, "event");
    const table = byId("events");
    table.replaceChildren();
    if (series.events.length === 0) return;
    const head = element("thead");
    head.append(row([element("span", "start"), element("span", "end"), element("span", "points"), element("span", "peak score")], "th"));
    const body = element("tbody");
    for (const event of series.events.slice(0, MAX_EVENT_ROWS)) {
      const button = element("button", timeText(series, event.start), { type: "button", title: "Show it" });
      button.addEventListener("click", () => {
        const around = Math.max(2 * (event.end - event.start), 60 * series.step);
        zoom([event.start - around, event.end + around]);
        byId("name").scrollIntoView({ block: "nearest", behavior: "smooth" });
      });
      body.append(row([button, element("span", timeText(series, event.end)), element("span", event.n_points.toLocaleString("en")),
        element("span", number(event.peak))]));
    }
    table.append(head, body);
    if (series.events.length > MAX_EVENT_ROWS) byId("events-title").textContent += `, the first ${MAX_EVENT_ROWS} of them listed`;
  }

  function choose(i) {
    chosen = i;
    listSeries();
    setName(byId("name"), data.series[i].name);
    draw();
    listEvents(data.series[i]);
  }

  drawCurve();
  if (data.series.length > 0) {
    choose(0);
    byId("chart").on("plotly_relayout", (change) => {
      if (change["xaxis.range[0]"] !== undefined) fit([change["xaxis.range[0]"], change["xaxis.range[1]"]].map(milliseconds));
      else if (change["xaxis.range"] !== undefined) fit(change["xaxis.range"].map(milliseconds));
      else if (change["xaxis.autorange"]) zoom(current.ends);
    });
    byId("reset").addEventListener("click", () => zoom(current.ends));
  } else {
    document.querySelector("main").hidden = true;
  }
  const redraw = () => {
    drawCurve();
    if (chosen >= 0) draw(byId("chart").layout.xaxis.range.map(milliseconds));
  };
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
})();
