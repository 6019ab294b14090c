"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 760px)");
  // Okabe and Ito's colours, which stay apart for the colour-blind; dashes and symbols differ too.
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f94"];
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star"];
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  byId("title").textContent = data.name;
  byId("about").textContent = data.about;
  byId("command").textContent = data.command;
  for (const line of data.head) {
    const item = document.createElement("li");
    item.textContent = line;
    byId("head").append(item);
  }

  // A detector that asks, at one threshold rule, is a curve; the best of the others is a level to compare with.
  const curves = new Map();
  for (const row of data.rows) {
    if (row.budget === null || row.error !== null) continue;
    const key = `${row.name}\n${row.threshold}`;
    if (!curves.has(key)) curves.set(key, []);
    curves.get(key).push(row);
  }
  const level = (column) => {
    const others = data.rows.filter((row) => row.budget === null && row.values[column] !== null);
    return others.reduce((best, row) => (best === null || row.values[column][0] > best.values[column][0] ? row : best), null);
  };

  function drawCurve(target, column) {
    const text = dark.matches ? "#e6e8ea" : "#1b1f24";
    const grid = dark.matches ? "#353b41" : "#e3e7ea";
    const names = new Set([...curves.values()].map((rows) => rows[0].name));
    const several = names.size < curves.size;
    const traces = [...curves.values()].map((rows, i) => ({
      name: plain(several ? `${rows[0].name} (${rows[0].threshold})` : rows[0].name),
      x: rows.map((row) => row.questions),
      y: rows.map((row) => (row.values[column] === null ? null : row.values[column][0])),
      error_y: { type: "data", array: rows.map((row) => (row.values[column] === null ? 0 : (row.values[column][1] ?? 0))), thickness: 1, width: 3 },
      mode: "lines+markers",
      line: { color: COLORS[i % COLORS.length], dash: i < COLORS.length ? "solid" : "dot" },
      marker: { symbol: SYMBOLS[i % SYMBOLS.length], size: 8 },
    }));
    const best = level(column);
    const xs = traces.flatMap((trace) => trace.x);
    if (best !== null) {
      traces.push({
        name: plain(`without questions, best: ${best.name} (${best.threshold})`),
        x: [0, Math.max(...xs)],
        y: [best.values[column][0], best.values[column][0]],
        mode: "lines",
        line: { color: text, dash: "dash", width: 1 },
      });
    }
    Plotly.react(
      target,
      traces,
      {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: text, size: 12, family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" },
        hoverlabel: { namelength: -1 },
        margin: { l: 45, r: 10, t: 10, b: 45 },
        xaxis: { title: { text: "questions, the warm-up's too" }, gridcolor: grid, rangemode: "tozero" },
        yaxis: { range: [0, 1], gridcolor: grid },
        legend: { orientation: "h", y: narrow.matches ? -0.35 : -0.2, yanchor: "top" },
      },
      { responsive: true, displaylogo: false, displayModeBar: false },
    );
  }

  const charts = [];
  if (curves.size > 0) {
    byId("curves").hidden = false;
    for (const column of [0, 1]) {
      const panel = document.createElement("div");
      panel.className = "panel";
      const heading = document.createElement("h2");
      heading.textContent = `${data.columns[column].title} against questions`;
      const chart = document.createElement("div");
      chart.className = "chart";
      panel.append(heading, chart);
      byId("curves").append(panel);
      charts.push([chart, column]);
    }
  }
  const drawCurves = () => charts.forEach(([chart, column]) => drawCurve(chart, column));

  // The table.
  let order = null;
  const showsOracle = () => byId("oracle").checked;
  const shown = () => data.columns.map((_, i) => i).filter((i) => showsOracle() || !data.columns[i].oracle);
  const cell = (text, style) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (style) made.className = style;
    return made;
  };

  function drawTable() {
    const head = document.createElement("tr");
    const titles = [
      ["detector", (row) => row.name, "text"],
      ["questions", (row) => row.questions, ""],
      ["labels read", (row) => row.labelled_points, ""],
      ["threshold", (row) => row.threshold, "text"],
      ...shown().map((i) => [data.columns[i].title, (row) => (row.values[i] === null ? null : row.values[i][0]), data.columns[i].oracle ? "oracle" : ""]),
      ["seeds", (row) => row.seeds, ""],
    ];
    titles.forEach(([title, key, style], at) => {
      const th = document.createElement("th");
      if (style) th.className = style;
      th.scope = "col";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => {
        const down = order === null || order.at !== at || !order.down;
        order = { at, down, key };
        drawTable();
        byId("results").querySelectorAll("th button")[at].focus();
      });
      if (order !== null && order.at === at) th.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      th.append(button);
      head.append(th);
    });
    const rows = [...data.rows];
    if (order !== null) {
      const value = (row) => order.key(row);
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const compared = typeof x === "string" ? -x.localeCompare(y) : x - y;
        return order.down ? -compared : compared;
      });
    }
    const best = shown().map((i) => Math.max(...data.rows.map((row) => (row.values[i] === null ? -Infinity : row.values[i][0]))));
    const body = rows.map((row) => {
      const made = document.createElement("tr");
      made.append(cell(row.name));
      if (row.error !== null) {
        const failed = cell(`failed: ${row.error}`, "failed text");
        failed.colSpan = titles.length - 2;
        made.append(failed, cell(String(row.seeds)));
        return made;
      }
      made.append(cell(Math.round(row.questions).toLocaleString("en")), cell(Math.round(row.labelled_points).toLocaleString("en")), cell(row.threshold, "text"));
      shown().forEach((i, at) => {
        const value = row.values[i];
        const styles = [data.columns[i].oracle ? "oracle" : "", value !== null && value[0] === best[at] ? "best" : ""];
        const td = cell(value === null ? "–" : value[0].toFixed(3), styles.join(" ").trim());
        if (value !== null && value[1] !== null) {
          const small = document.createElement("small");
          small.textContent = ` ±${value[1].toFixed(3)}`;
          td.append(small);
        }
        made.append(td);
      });
      made.append(cell(String(row.seeds)));
      return made;
    });
    const thead = document.createElement("thead");
    thead.append(head);
    const tbody = document.createElement("tbody");
    tbody.append(...body);
    byId("results").replaceChildren(thead, tbody);
  }

  byId("oracle").addEventListener("change", drawTable);
  dark.addEventListener("change", drawCurves);
  drawTable();
  drawCurves();
})();
