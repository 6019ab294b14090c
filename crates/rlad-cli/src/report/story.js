"use strict";
/** The story of the report: the headline, the worst events, the quality; and, folded away, the metrics, the training and the facts. */
const Story = (() => {
  const { number, count, element, row, setName } = Elements;
  const { colors } = Chart;
  const byId = (id) => document.getElementById(id);

  function tell(data, show) {
    byId("title").textContent = data.headline.charAt(0).toUpperCase() + data.headline.slice(1);
    byId("made").textContent = `${data.title === "" ? "" : `${data.title} · `}${data.created}`;
    for (const text of data.lede) byId("lede").append(element("p", text));
    byId("quality").textContent = data.quality;
    tellWorst(data, show);
    tellFacts(data);
    tellMetrics(data);
    return { redraw: tellLearning(data) };
  }

  /** A card an event: its picture, where and when it was, and why it was called. */
  function tellWorst(data, show) {
    byId("worst-panel").hidden = data.worst.length === 0;
    byId("worst-title").textContent = data.worst.length === 1 ? "The event" : data.worst.length < data.n_events ? `The worst ${data.worst.length}` : "The events, the worst first";
    for (const event of data.worst) {
      const card = element("li", undefined, { class: "card" });
      const button = element("button", undefined, { type: "button", title: "Show it in its series" });
      button.append(setName(element("strong"), event.series), element("span", event.when));
      button.addEventListener("click", () => show(event));
      const picture = element("div");
      // Made by the program, of numbers and names of classes.
      picture.innerHTML = event.picture;
      picture.firstElementChild?.setAttribute("aria-label", event.value === "" ? "values around the event" : event.value);
      // A number stays beside its sign.
      const why = (event.why.charAt(0).toUpperCase() + event.why.slice(1)).replaceAll(" %", "\u00a0%");
      card.append(button, picture, element("p", event.value, { class: "value" }), element("p", why));
      byId("worst").append(card);
    }
  }

  function tellFacts(data) {
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
      ["model", data.model.hash],
      ["made", data.created],
    ];
    for (const [name, value] of facts) {
      const group = element("div");
      group.append(element("dt", name), element("dd", value));
      byId("facts").append(group);
    }
  }

  /** A column for each kind of value that there is. */
  function tellMetrics(data) {
    byId("metrics-panel").hidden = data.metrics.length === 0;
    if (data.metrics.length === 0) return;
    byId("measured-on").textContent = `on ${data.measured_on}`;
    const kinds = [
      ["before", "before", ""],
      ["after", data.metrics.some((metric) => metric.before !== null) ? "after" : "own threshold", "after"],
      ["oracle_before", "before, oracle threshold", "oracle"],
      ["oracle_after", data.metrics.some((metric) => metric.oracle_before !== null) ? "after, oracle threshold" : "oracle threshold", "oracle"],
    ].filter(([key]) => data.metrics.some((metric) => metric[key] !== null));
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

  /** The learning curve, drawn when it is first unfolded. Returns what draws it again. */
  function tellLearning(data) {
    const learning = [];
    const has = (key) => data.curve.some((point) => point[key] !== null);
    function describeCurve() {
      const questions = data.curve.map((point) => point.n_questions);
      const digits = (value) => value.toFixed(3);
      const add = (key, name, color, symbol, more = {}) => learning.push({
        key, name, color, symbol, isLine: true, isShown: true, x: questions, y: data.curve.map((point) => point[key]),
        texts: data.curve.map((point) => [count(point.n_questions, "question"), ...(point[key] === null ? [] : [[name, digits(point[key])]])]),
        ...more,
      });
      if (has("f1")) add("f1", "strict F1", null, "circle");
      if (has("expected")) {
        add("expected", "expected from random questions", "#009e73", "diamond", {
          low: data.curve.map((point) => point.expected_low),
          high: data.curve.map((point) => point.expected_high),
          texts: data.curve.map((point) => [count(point.n_questions, "question"), ...(point.expected === null ? []
            : [["expected F1", `${digits(point.expected)}, ${digits(point.expected_low)} to ${digits(point.expected_high)}`]])]),
        });
      }
      if (has("loss")) add("loss", "loss", "#d55e00", "square", { scale: "right", dash: [3, 3] });
    }

    function drawCurve() {
      if (learning.length === 0 || !byId("curve-panel").open) return;
      for (const curve of learning) if (curve.key === "f1") curve.color = colors().line;
      if (learning.length > 1) Chart.legend(byId("curve-legend"), learning, drawCurve);
      Chart.lines(byId("curve"), learning.filter((curve) => curve.isShown),
        { height: (place) => Math.max(230, Math.min(420, place)), xLabel: "questions", yLabel: "strict F1", rightLabel: "loss" });
    }
    byId("curve-panel").hidden = data.curve.length === 0;
    if (data.curve.length === 0) return () => {};
    describeCurve();
    byId("curve-panel").addEventListener("toggle", drawCurve);
    return drawCurve;
  }

  return { tell };
})();
