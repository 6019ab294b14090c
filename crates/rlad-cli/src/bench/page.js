"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const narrow = window.matchMedia("(max-width: 760px)");
  // Okabe and Ito's colours, which stay apart for the colour-blind; dashes and symbols differ too.
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f94"];
  const SYMBOLS = Object.keys(Chart.SYMBOLS);
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

  const names = new Set([...curves.values()].map((rows) => rows[0].name));
  const styled = [...curves.values()].map((rows, i) => ({
    rows,
    name: names.size < curves.size ? `${rows[0].name} (${rows[0].threshold})` : rows[0].name,
    color: COLORS[i % COLORS.length],
    dash: i < COLORS.length ? undefined : [3, 3],
    symbol: SYMBOLS[i % SYMBOLS.length],
    isLine: true,
    isShown: true,
  }));

  function drawCurve(target, column) {
    const value = (row) => (row.values[column] === null ? null : row.values[column][0]);
    const texts = (name, row) => {
      const [mean, deviation] = row.values[column] ?? [null, null];
      if (mean === null) return [];
      return [name, `${Math.round(row.questions).toLocaleString("en")} questions`,
        [data.columns[column].title, mean.toFixed(3) + (deviation === null ? "" : ` ± ${deviation.toFixed(3)}`)]];
    };
    const shown = styled.filter((curve) => curve.isShown).map((curve) => ({
      color: curve.color,
      dash: curve.dash,
      symbol: curve.symbol,
      x: curve.rows.map((row) => row.questions),
      y: curve.rows.map(value),
      errors: curve.rows.map((row) => row.values[column]?.[1] ?? 0),
      texts: curve.rows.map((row) => texts(curve.name, row)),
    }));
    const best = level(column);
    if (best !== null) {
      const end = Math.max(...styled.flatMap((curve) => curve.rows.map((row) => row.questions)));
      shown.push({ color: Chart.colors().text, dash: [6, 4], width: 1, x: [0, end], y: [value(best), value(best)] });
    }
    Chart.lines(target, shown, {
      height: narrow.matches ? 280 : 340, xLabel: "questions, the warm-up's too", range: [0, 1.02], canZoom: true,
    });
  }

  const charts = [];
  const drawCurves = () => charts.forEach(([chart, column]) => drawCurve(chart, column));
  if (styled.length > 0) {
    byId("curves").hidden = false;
    for (const column of [0, 1]) {
      const panel = document.createElement("div");
      const heading = document.createElement("h2");
      heading.textContent = `${data.columns[column].title} against questions`;
      const chart = document.createElement("div");
      chart.className = "chart";
      panel.append(heading, chart);
      const best = level(column);
      if (best !== null) {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = `Dashed line: the best without questions, ${best.name} (threshold: ${best.threshold}), ${best.values[column][0].toFixed(3)}`;
        panel.append(note);
      }
      byId("curves").querySelector(".panels").append(panel);
      charts.push([chart, column]);
    }
    Chart.legend(byId("legend"), styled, drawCurves);
  }

  // The weeks of a live suite: a curve a detector and number of questions a week.
  const weekly = data.rows.filter((row) => row.weeks.length > 0).map((row, i) => ({
    row,
    name: row.budget === null ? row.name : `${row.name}, ${row.budget} a week`,
    color: COLORS[i % COLORS.length],
    dash: i < COLORS.length ? undefined : [3, 3],
    symbol: SYMBOLS[i % SYMBOLS.length],
    isLine: true,
    isShown: true,
  }));

  function drawWeeks(target, title, at) {
    const shown = weekly.filter((curve) => curve.isShown).map((curve) => ({
      color: curve.color,
      dash: curve.dash,
      symbol: curve.symbol,
      x: curve.row.weeks.map((_, week) => week + 1),
      y: curve.row.weeks.map((week) => (week[at] === null ? null : week[at][0])),
      errors: curve.row.weeks.map((week) => week[at]?.[1] ?? 0),
      texts: curve.row.weeks.map((week, i) => (week[at] === null ? [] : [curve.name, `week ${i + 1}`,
        [title, week[at][0].toFixed(at < 2 ? 3 : 0) + (week[at][1] === null ? "" : ` ± ${week[at][1].toFixed(at < 2 ? 3 : 0)}`)]])),
    }));
    const highest = Math.max(1, ...shown.flatMap((curve) => curve.y));
    Chart.lines(target, shown, {
      height: narrow.matches ? 280 : 340, xLabel: "week", range: [0, at < 2 ? 1.02 : 1.05 * highest], canZoom: true,
    });
  }

  const weekCharts = [];
  const drawAllWeeks = () => weekCharts.forEach((chart) => drawWeeks(...chart));
  if (weekly.length > 0) {
    byId("weeks").hidden = false;
    ["strict F1", "delay F1", "false-alarm events"].forEach((title, at) => {
      const panel = document.createElement("div");
      const heading = document.createElement("h2");
      heading.textContent = `${title} by week`;
      const chart = document.createElement("div");
      chart.className = "chart";
      panel.append(heading, chart);
      byId("weeks").querySelector(".panels").append(panel);
      weekCharts.push([chart, title, at]);
    });
    Chart.legend(byId("weeks-legend"), weekly, drawAllWeeks);
  }

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
      ["detector", (row) => row.name, "name"],
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
      // Names from A, numbers from the highest; then the other way round; then the suite's order.
      const firstDown = style !== "name" && style !== "text";
      button.addEventListener("click", () => {
        if (order === null || order.title !== title) order = { title, key, down: firstDown };
        else order = order.down === firstDown ? { title, key, down: !firstDown } : null;
        drawTable();
        byId("results").querySelectorAll("th button")[at].focus();
      });
      if (order !== null && order.title === title) th.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      th.append(button);
      head.append(th);
    });
    const rows = [...data.rows];
    if (order !== null) {
      // What failed has no value, and stands below the others.
      const value = (row) => (row.error === null || order.title === "detector" ? order.key(row) : null);
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        const compared = typeof x === "string" ? x.localeCompare(y) : x - y;
        return order.down ? -compared : compared;
      });
    }
    const best = shown().map((i) => Math.max(...data.rows.map((row) => (row.values[i] === null ? -Infinity : row.values[i][0]))));
    const body = rows.map((row) => {
      const made = document.createElement("tr");
      made.append(cell(row.name, "name"));
      if (row.error !== null) {
        const failed = document.createElement("td");
        failed.className = "failed";
        const told = document.createElement("span");
        told.textContent = row.budget === null ? `failed: ${row.error}` : `failed after ${row.budget} questions: ${row.error}`;
        failed.append(told);
        failed.colSpan = titles.length - 2;
        made.append(failed, cell(String(row.seeds)));
        return made;
      }
      made.append(cell(Math.round(row.questions).toLocaleString("en")), cell(Math.round(row.labelled_points).toLocaleString("en")), cell(row.threshold, "text"));
      shown().forEach((i, at) => {
        const value = row.values[i];
        const styles = [data.columns[i].oracle ? "oracle" : "", value !== null && value[0] === best[at] ? "best" : ""];
        const td = cell(value === null ? "–" : value[0].toFixed(data.columns[i].digits), styles.join(" ").trim());
        if (value !== null && value[1] !== null) {
          const small = document.createElement("small");
          small.textContent = `±${value[1].toFixed(data.columns[i].digits)}`;
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
  const drawCharts = () => {
    drawCurves();
    drawAllWeeks();
  };
  Chart.dark.addEventListener("change", drawCharts);
  narrow.addEventListener("change", drawCharts);
  drawTable();
  drawCharts();
})();
