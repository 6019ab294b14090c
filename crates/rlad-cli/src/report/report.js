"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const { number, count, timeText, endText, element, row, setName } = Elements;
  const { dark, colors } = Chart;
  const narrow = window.matchMedia("(max-width: 760px)");
  const MAX_EVENT_ROWS = 1000;
  const LIST_ROWS = 200;
  const HINT_PANES = 12;

  // Okabe and Ito's colours, which stay apart for the colour-blind; shapes differ too.
  const ANSWERS = {
    anomaly: { name: "answer: anomaly", color: "#d55e00", symbol: "triangle" },
    normal: { name: "answer: normal", color: "#009e73", symbol: "circle" },
    unsure: { name: "answer: unsure", color: "#cc79a7", symbol: "diamond" },
    skip: { name: "answer: skipped", color: "#8a8f94", symbol: "cross" },
    elsewhere: { name: "answer: other points", color: "#8a8f94", symbol: "square" },
  };
  const REASONS = {
    highest: "among the highest scores of the warm-up",
    lowest: "among the lowest scores of the warm-up",
    middle: "among the middle scores of the warm-up",
    strategy: "the detector was least sure of it",
    random: "drawn at random",
    alarm: "an alarm of the detector in use",
    review: "the detector speaks against its first answer",
  };

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

  // The chart of a series: a strip for events and truth, then one pane a channel, then the score, over the same time.
  let current = null;
  const hidden = new Set();
  const axisWidth = () => (narrow.matches ? 50 : 62);
  const hint = new Chart.Hint(byId("chart"));

  /** The stretches of time that are shaded. */
  function stretches(series) {
    const c = colors();
    return [
      { name: "true anomaly", color: c.truth, light: `${c.truth}2e`, lane: 0, spans: series.truth ?? [] },
      { name: "found", color: c.found, light: `${c.found}40`, lane: 1, spans: series.events.map((event) => [event.start, event.end]) },
    ].filter(({ spans }) => spans.length > 0);
  }

  /** Fills boxes over those stretches that are in view, each at least a line wide. `place` gives the pixel of a time. */
  function fillStretches(context, { spans }, color, place, top, height) {
    const half = current.series.step / 2;
    const [from, to] = current.view;
    context.fillStyle = color;
    for (const [start, end] of spans) {
      if (end + half < from || start - half > to) continue;
      const left = place(start - half);
      context.fillRect(left, top, Math.max(place(end + half) - left, 1.5 * devicePixelRatio), height);
    }
  }

  function drawStrip() {
    const { plots, strip, shaded } = current;
    const { bbox } = plots[0];
    const pixel = devicePixelRatio;
    const lane = 11 * pixel;
    strip.width = bbox.width;
    strip.height = 2 * lane;
    strip.style.width = `${bbox.width / pixel}px`;
    strip.style.marginLeft = `${bbox.left / pixel}px`;
    const context = strip.getContext("2d");
    for (const stretch of shaded) {
      if (hidden.has(stretch.name)) continue;
      fillStretches(context, stretch, stretch.color, (time) => plots[0].valToPos(time, "x", true) - bbox.left,
        stretch.lane * lane + pixel, lane - 2 * pixel);
    }
  }

  /** The lowest and the highest value of a pane in view, with a margin. */
  function heights(pane) {
    const { at, view: [from, to] } = current;
    let low = pane.isScore ? data.model.threshold : Infinity, high = pane.isScore ? data.model.threshold : -Infinity;
    pane.column.forEach((value, k) => {
      // One point beyond each edge belongs to the lines that cross it.
      if (value !== null && (at[k + 1] ?? at[k]) >= from && (at[k - 1] ?? at[k]) <= to) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    });
    if (low > high) return [0, 1];
    const margin = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * 0.08;
    return [low - margin, high + margin];
  }

  /** What a question tells. */
  const questionTexts = (question) => [
    `question ${question.id + 1}, ${question.round === 0 ? "warm-up" : `round ${question.round}`}: ${REASONS[question.reason]}`,
    ANSWERS[question.answer].name + (question.n_labelled > 1 ? `, ${question.n_labelled.toLocaleString("en")} points labelled` : ""),
  ];

  /** The drawn point that is nearest to a time. */
  function nearest(at, time) {
    let [low, high] = [0, at.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at[middle] <= time) low = middle;
      else high = middle;
    }
    return time - at[low] <= at[high] - time ? low : high;
  }

  /** Shows the values under the mouse in the pane that it is in. */
  function point(plot) {
    if (current === null || plot !== current.hovered) return;
    const { series, at, panes } = current;
    const { left, top } = plot.cursor;
    if (left < 0 || current.isDragged) return hint.hide();
    const pixel = (time) => plot.valToPos(time, "x");
    const k = nearest(at, plot.posToVal(left, "x"));
    const isNear = Math.abs(pixel(at[k]) - left) <= 12;
    const questions = series.questions
      .filter((question) => !hidden.has(ANSWERS[question.answer].name) && Math.abs(pixel(question.time) - left) <= 6);
    if (!isNear && questions.length === 0) return hint.hide();
    const lines = [];
    if (isNear) {
      lines.push(timeText(series, at[k]));
      const order = [...panes.slice(0, HINT_PANES - 1), ...(panes.length > HINT_PANES ? ["…"] : []), ...panes.slice(HINT_PANES - 1).slice(-1)];
      for (const pane of order) lines.push(pane === "…" ? pane : [pane.name, number(pane.column[k], 6)]);
    }
    for (const question of questions.slice(0, 3)) lines.push(...questionTexts(question));
    const [frame, over] = [byId("chart").getBoundingClientRect(), plot.over.getBoundingClientRect()];
    hint.show(lines, over.left - frame.left + left, over.top - frame.top + top);
  }

  /** Zooms to a range of time, which stays within the series and no shorter than a few steps. */
  function zoom([from, to]) {
    const { ends, series } = current;
    const length = Math.min(Math.max(to - from, 4 * series.step), ends[1] - ends[0]);
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(middle - length / 2, ends[0]), ends[1] - length);
    current.view = [start, start + length];
    hint.hide();
    for (const plot of current.plots) {
      plot.setCursor({ left: -10, top: -10 }, false);
      plot.setScale("x", { min: start, max: start + length });
    }
    drawn();
  }

  function drawn() {
    const { series, at, view: [from, to] } = current;
    const shown = at.filter((time) => time >= from && time <= to).length;
    byId("drawn").textContent = at.length < series.n_points
      ? `${shown.toLocaleString("en")} of ${count(series.n_points, "point")} drawn`
      : count(series.n_points, "point");
  }

  /** The wheel zooms about the mouse; a drag zooms to a stretch, or moves the view with Shift or a finger; two fingers zoom. */
  function listen(plot) {
    const { over } = plot;
    const width = () => over.clientWidth;
    const timeAt = (x) => current.view[0] + ((x - over.getBoundingClientRect().left) / width()) * (current.view[1] - current.view[0]);
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200)));
      const middle = timeAt(event.clientX);
      zoom(current.view.map((time) => middle + (time - middle) * factor));
    }, { passive: false });
    over.addEventListener("mouseenter", () => { current.hovered = plot; });
    over.addEventListener("mouseleave", () => hint.hide());
    over.addEventListener("dblclick", () => zoom(current.ends));
    // Shift keeps uPlot from selecting.
    const fingers = new Map();
    let grip = null;
    const take = () => {
      const x = [...fingers.values()];
      grip = x.length === 0 ? null : x.length === 1 ? [timeAt(x[0])] : [timeAt(Math.min(...x)), timeAt(Math.max(...x))];
      current.isDragged = grip !== null;
      over.style.cursor = grip === null ? "" : "grabbing";
    };
    over.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && !(event.shiftKey && event.button === 0)) return;
      over.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event.clientX);
      take();
    });
    over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, event.clientX);
      const [left, right] = [Math.min(...fingers.values()), Math.max(...fingers.values())];
      const [from, to] = current.view;
      if (grip.length === 1) {
        const by = grip[0] - timeAt(left);
        zoom([from + by, to + by]);
      } else if (right > left + 8) {
        // What is under both fingers stays under them.
        const each = (grip[1] - grip[0]) / (right - left);
        const start = grip[0] - (left - over.getBoundingClientRect().left) * each;
        zoom([start, start + each * width()]);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      over.addEventListener(end, (event) => {
        if (fingers.delete(event.pointerId)) take();
      });
    }
  }

  function pane(pane, i, x, height, isLast) {
    const { series, shaded } = current;
    const c = colors();
    const shade = (plot) => Chart.clipped(plot, (context, bbox) => {
      for (const stretch of shaded) {
        if (hidden.has(stretch.name)) continue;
        fillStretches(context, stretch, stretch.light, (time) => plot.valToPos(time, "x", true), bbox.top, bbox.height);
      }
    });
    const draw = (plot) => Chart.clipped(plot, (context, bbox) => {
      if (pane.isScore) {
        if (hidden.has("threshold")) return;
        const y = plot.valToPos(data.model.threshold, "y", true);
        context.strokeStyle = c.threshold;
        context.lineWidth = 1.5 * devicePixelRatio;
        context.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
        context.beginPath();
        context.moveTo(bbox.left, y);
        context.lineTo(bbox.left + bbox.width, y);
        context.stroke();
        return;
      }
      for (const question of series.questions) {
        const [style, value] = [ANSWERS[question.answer], question.values[i]];
        if (value === null || hidden.has(style.name) || question.time < current.view[0] || question.time > current.view[1]) continue;
        Chart.mark(context, style.symbol, plot.valToPos(question.time, "x", true), plot.valToPos(value, "y", true), style.color, c.panel);
      }
    });
    const target = element("div");
    const title = element("h4", pane.name.length > 40 ? `${pane.name.slice(0, 39)}…` : pane.name, { title: pane.name });
    byId("panes").append(title, target);
    const below = isLast ? { size: 38, ...(series.has_clock ? { values: Chart.TIMES } : {}) } : { size: 0, values: (plot, splits) => splits.map(() => ""), ticks: { show: false } };
    const plot = new uPlot({
      width: target.clientWidth,
      height: height + (isLast ? 38 : 0),
      padding: [4, 12, isLast ? 0 : 4, 0],
      ms: 1,
      tzDate: (time) => uPlot.tzDate(new Date(time), "UTC"),
      legend: { show: false },
      cursor: { sync: { key: "panes", setSeries: false }, y: false, points: { show: false },
        bind: { dblclick: () => null, mousedown: (plot, target, handle) => (event) => { if (!event.shiftKey) handle(event); } },
        drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: series.has_clock, auto: false, range: () => current.view }, y: { range: () => heights(pane) } },
      axes: [
        Chart.axis({ ...below, space: narrow.matches ? 80 : 60 }),
        Chart.axis({ size: axisWidth(), space: 28, values: Chart.tickTexts }),
      ],
      series: [{}, { stroke: pane.color, width: 1.2, points: { show: false } }],
      hooks: {
        drawClear: [shade], draw: i === 0 ? [draw, () => current?.plots.length > 0 && drawStrip()] : [draw], setCursor: [point],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          zoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
          current.plots.forEach((other) => other.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false));
        }],
      },
    }, [x, broken(pane.column, series.breaks)], target);
    listen(plot);
    return plot;
  }

  function draw(view) {
    if (current !== null) {
      current.stop();
      current.plots.forEach((plot) => plot.destroy());
      byId("panes").replaceChildren();
      hint.hide();
    }
    const series = data.series[chosen];
    const c = colors();
    const at = times(series);
    const x = broken(at, series.breaks);
    // The middle of a break: the curve needs a place for its empty value.
    series.breaks.forEach((position, i) => { x[position + i] = (at[position - 1] + at[position]) / 2; });
    const panes = [...series.channels.map((name, i) => ({ name, column: series.values[i], color: c.line, isScore: false })),
      { name: "score", column: series.scores, color: c.score, isScore: true }];
    const least = (narrow.matches ? 340 : 430) / panes.length;
    const height = Math.max(least, narrow.matches ? 120 : 150) - 22;
    const ends = [at[0] - series.step / 2, at[at.length - 1] + series.step / 2];
    current = { series, at, panes, ends, view: view ?? ends, shaded: stretches(series), strip: element("canvas", undefined, { class: "strip" }),
      plots: [], hovered: null, isDragged: false };
    byId("panes").append(current.strip);
    current.plots = panes.map((each, i) => pane(each, i, x, height, i === panes.length - 1));
    current.stop = Chart.follow(byId("panes"), (width) => current.plots.forEach((plot) => plot.setSize({ width, height: plot.height })));
    const answered = Object.entries(ANSWERS).filter(([key]) => series.questions.some((question) => question.answer === key));
    const items = [
      ...current.shaded.map(({ name, color }) => ({ name, color, isBox: true })),
      { name: "threshold", color: c.threshold, isLine: true, dash: [6, 4] },
      ...answered.map(([, { name, color, symbol }]) => ({ name, color, symbol })),
    ].map((item) => ({ ...item, isShown: !hidden.has(item.name) }));
    Chart.legend(byId("legend"), items, () => {
      for (const { name, isShown } of items) {
        if (isShown) hidden.delete(name);
        else hidden.add(name);
      }
      current.plots.forEach((plot) => plot.redraw(false));
    });
    drawn();
  }

  /** Zooms to an event and what lies around it. */
  function zoomTo(start, end) {
    const around = Math.max(2 * (end - start), 60 * current.series.step);
    zoom([start - around, end + around]);
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
        zoomTo(event.start, event.end);
        byId("name").scrollIntoView({ block: "nearest", behavior: "smooth" });
      });
      body.append(row([button, element("span", endText(series, event.start, event.end)), element("span", event.n_points.toLocaleString("en")),
        element("span", number(event.peak))]));
      if (event.why !== "") {
        const why = element("tr", undefined, { class: "why" });
        why.append(element("td", event.why.replaceAll(" %", "\u00a0%"), { colspan: "4" }));
        body.append(why);
      }
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

  /** Shows an event in its series. */
  function show({ series, start, end }) {
    const i = data.series.findIndex((each) => each.name === series);
    if (i < 0) return;
    if (i !== chosen) choose(i);
    zoomTo(start, end);
    byId("name").scrollIntoView({ block: "start", behavior: "smooth" });
  }
  const story = Story.tell(data, show);
  if (data.series.length > 0) {
    choose(Math.max(0, data.series.findIndex((each) => each.name === data.worst[0]?.series)));
    byId("reset").addEventListener("click", () => zoom(current.ends));
  } else {
    document.querySelector("main").hidden = true;
  }
  const redraw = () => {
    story.redraw();
    if (chosen >= 0) draw(current.view);
  };
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
})();
