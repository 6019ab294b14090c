"use strict";
/** What the charts of both pages share: symbols, hints beside the mouse, legends, and line charts with markers. */
const Chart = (() => {
  // Shapes about the origin, within a square of 12 by 12.
  const SYMBOLS = {
    circle: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    square: "M-4 -4h8v8h-8z",
    diamond: "M0 -5L5 0L0 5L-5 0z",
    triangle: "M0 -5L5 4H-5z",
    plus: "M-1.5 -5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
    cross: "M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0z",
    star: "M0 -6L1.5 -2L6 -2L2.4 .8L3.7 5L0 2.5L-3.7 5L-2.4 .8L-6 -2L-1.5 -2z",
  };
  const paths = Object.fromEntries(Object.entries(SYMBOLS).map(([name, path]) => [name, new Path2D(path)]));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

  const colors = () =>
    dark.matches
      ? { text: "#e6e8ea", grid: "#353b41", panel: "#1d2125", line: "#56b4e9", score: "#c3c9ce", found: "#e69f00",
          truth: "#a78bfa", threshold: "#f0e442" }
      : { text: "#1b1f24", grid: "#e3e7ea", panel: "#ffffff", line: "#0072b2", score: "#4a525a", found: "#e69f00",
          truth: "#6a4fb3", threshold: "#b22c00" };

  /** Draws a symbol at a place of the canvas, in its pixels. */
  function mark(context, symbol, x, y, fill, edge, scale = 1) {
    context.save();
    context.translate(x, y);
    context.scale(devicePixelRatio * scale, devicePixelRatio * scale);
    context.fillStyle = fill;
    context.fill(paths[symbol]);
    if (edge) {
      context.lineWidth = 1.2;
      context.strokeStyle = edge;
      context.stroke(paths[symbol]);
    }
    context.restore();
  }

  /** Draws within the frame of a chart only. */
  function clipped(plot, draw) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(ctx, bbox);
    ctx.restore();
  }

  /** Numbers at an axis, with the digits that its step needs. */
  function tickTexts(plot, splits, axis, space, step) {
    const largest = Math.max(...splits.map(Math.abs));
    if (largest !== 0 && (largest >= 1e6 || step < 1e-6)) return splits.map((value) => String(Number(value.toPrecision(4))));
    const digits = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9), 0));
    return splits.map((value) => value.toLocaleString("en", { maximumFractionDigits: digits }));
  }

  const [SECOND, MINUTE, HOUR, DAY] = [1e3, 60e3, 3600e3, 86400e3];
  // The least step; the text, and what is added where another year, month, day, hour or minute begins.
  const TIMES = [
    [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
    [28 * DAY, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [MINUTE, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
    [SECOND, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
    [1, ":{ss}.{fff}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  ];

  function axis(options = {}) {
    const c = colors();
    const line = { stroke: c.grid, width: 1 };
    return { stroke: c.text, font: FONT, labelFont: FONT, labelSize: 18, grid: line, ticks: { ...line, size: 4 }, gap: 3, ...options };
  }

  /** A box beside the mouse, within `target`. */
  class Hint {
    constructor(target) {
      this.target = target;
      this.box = document.createElement("div");
      this.box.className = "hint";
      this.box.hidden = true;
      target.append(this.box);
    }

    /** Shows lines of text, each one or with a name before it, at a place of `target`. */
    show(lines, x, y) {
      this.box.replaceChildren(...lines.map((line) => {
        const made = document.createElement("div");
        if (Array.isArray(line)) {
          const name = document.createElement("span");
          name.textContent = line[0];
          const value = document.createElement("b");
          value.textContent = line[1];
          made.append(name, value);
        } else made.textContent = line;
        return made;
      }));
      this.box.hidden = false;
      const { offsetWidth: width, offsetHeight: height } = this.box;
      const left = x + 14 + width > this.target.clientWidth ? x - 14 - width : x + 14;
      this.box.style.left = `${Math.max(0, left)}px`;
      this.box.style.top = `${Math.max(0, Math.min(y - height / 2, this.target.clientHeight - height))}px`;
    }

    hide() {
      this.box.hidden = true;
    }
  }

  /** The sign of a legend: a stroke, a symbol, or both. */
  function swatch({ color, symbol, dash, isLine, isBox }) {
    const made = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    const width = isLine ? 34 : 14;
    const svg = made("svg", { viewBox: `${-width / 2} -7 ${width} 14`, width, height: 14, "aria-hidden": "true" });
    if (isLine) {
      svg.append(made("path", { d: "M-17 0H17", stroke: color, "stroke-width": 2, "stroke-dasharray": dash ? dash.join(" ") : "none" }));
    }
    if (isBox) svg.append(made("path", { d: "M-7 -5H7V5H-7z", fill: color }));
    if (symbol) svg.append(made("path", { d: SYMBOLS[symbol], fill: color }));
    return svg;
  }

  /** Fills a list with a button for each item, which takes it away and back (`isShown`), and then calls `changed`. */
  function legend(list, items, changed) {
    list.replaceChildren(...items.map((item) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(item.isShown));
      button.append(swatch(item), item.name);
      button.addEventListener("click", () => {
        item.isShown = !item.isShown;
        button.setAttribute("aria-pressed", String(item.isShown));
        changed();
      });
      const entry = document.createElement("li");
      entry.append(button);
      return entry;
    }));
  }

  /** Keeps a chart as wide as the place that it stands in, until it is taken out of it. */
  function follow(target, resize) {
    let width = target.clientWidth;
    const observer = new ResizeObserver(() => {
      if (target.clientWidth === width || target.clientWidth === 0) return;
      width = target.clientWidth;
      resize(width);
    });
    observer.observe(target);
    return () => observer.disconnect();
  }

  const disposals = new WeakMap();

  /**
   * A chart of curves with markers in `target`, in place of the one that was there. Its height may be a function of the place
   * that there is.
   *
   * Each curve has `x`, `y` (null where there is none), `color`, and may have `dash`, `symbol`, `errors` (half the height of
   * a bar at each marker), `low` and `high` (the edges of a band), `scale` (`y` or `right`) and `texts` (the lines of the
   * hint of each marker).
   */
  function lines(target, curves, { height, xLabel, yLabel, rightLabel, range, canZoom = false }) {
    disposals.get(target)?.();
    if (typeof height === "function") height = height(target.clientHeight);
    const c = colors();
    const columns = curves.flatMap((curve) => {
      const own = [[curve.x, curve.y]];
      if (curve.low) own.push([curve.x, curve.low], [curve.x, curve.high]);
      return own;
    });
    const data = columns.length > 0 ? uPlot.join(columns, columns.map(() => [1, 1])) : [[0], [null]];
    const series = [{}];
    const bands = [];
    for (const curve of curves) {
      const scale = curve.scale ?? "y";
      series.push({ scale, stroke: curve.color, width: curve.width ?? 2, dash: curve.dash, points: { show: false } });
      if (curve.low) {
        const edge = { scale, stroke: "transparent", width: 0, points: { show: false } };
        bands.push({ series: [series.length + 1, series.length], fill: `${curve.color}2e` });
        series.push(edge, { ...edge });
      }
    }
    if (columns.length === 0) series.push({ scale: "y" });
    const hasRight = curves.some((curve) => curve.scale === "right");
    const fromZero = (plot, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1];
    const [first, last] = [data[0][0], data[0].at(-1)];
    const fromZeroUnlessZoomed = (plot, low, high) => (low === first && high === last ? fromZero(plot, low, high) : [low, high]);
    const places = (plot, visit) => {
      for (const curve of curves) {
        curve.x.forEach((x, i) => {
          if (curve.symbol && curve.y[i] !== null) visit(curve, i, x, curve.y[i], curve.scale ?? "y");
        });
      }
    };
    const draw = (plot) => clipped(plot, (context) => {
      const pixel = devicePixelRatio;
      places(plot, (curve, i, x, y, scale) => {
        const [left, top] = [plot.valToPos(x, "x", true), plot.valToPos(y, scale, true)];
        const error = curve.errors?.[i];
        if (error) {
          const [up, down] = [plot.valToPos(y + error, scale, true), plot.valToPos(y - error, scale, true)];
          context.strokeStyle = curve.color;
          context.lineWidth = pixel;
          context.setLineDash([]);
          context.beginPath();
          for (const [from, to, at] of [[-3, 3, up], [-3, 3, down]]) {
            context.moveTo(left + from * pixel, at);
            context.lineTo(left + to * pixel, at);
          }
          context.moveTo(left, up);
          context.lineTo(left, down);
          context.stroke();
        }
        mark(context, curve.symbol, left, top, curve.color, null, 0.9);
      });
    });
    const hint = new Hint(target);
    const point = (plot) => {
      const { left, top } = plot.cursor;
      let nearest = null;
      if (left >= 0) {
        places(plot, (curve, i, x, y, scale) => {
          const far = Math.hypot(plot.valToPos(x, "x") - left, plot.valToPos(y, scale) - top);
          if (curve.texts && far < 24 && (nearest === null || far < nearest.far)) nearest = { far, curve, i, x, y, scale };
        });
      }
      if (nearest === null) return hint.hide();
      const over = { left: plot.over.offsetLeft, top: plot.over.offsetTop };
      hint.show(nearest.curve.texts[nearest.i], over.left + plot.valToPos(nearest.x, "x"),
        over.top + plot.valToPos(nearest.y, nearest.scale));
    };
    const plot = new uPlot({
      width: target.clientWidth,
      height,
      padding: [12, hasRight ? 0 : 12, 0, 0],
      legend: { show: false },
      cursor: { points: { show: false }, y: false, drag: { x: canZoom, y: false, setScale: canZoom } },
      scales: { x: { time: false, range: fromZeroUnlessZoomed }, y: { range: range ?? fromZero }, right: { range: fromZero } },
      axes: [
        axis({ label: xLabel, size: 30 }),
        axis({ scale: "y", label: yLabel, size: 42, values: tickTexts }),
        ...(hasRight ? [axis({ scale: "right", side: 1, label: rightLabel, size: 48, values: tickTexts, grid: { show: false } })] : []),
      ],
      series,
      bands,
      hooks: { draw: [draw], setCursor: [point] },
    }, data, target);
    const stop = follow(target, (width) => plot.setSize({ width, height }));
    disposals.set(target, () => {
      stop();
      plot.destroy();
      hint.box.remove();
    });
    return plot;
  }

  return { SYMBOLS, FONT, dark, colors, mark, clipped, tickTexts, TIMES, axis, Hint, legend, follow, lines };
})();
