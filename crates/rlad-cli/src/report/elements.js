"use strict";
/** Elements and texts that the parts of the report share. */
const Elements = (() => {
  const number = (value, digits = 4) => (value === null ? "–" : Number(value.toPrecision(digits)).toLocaleString("en"));
  const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
  /** A time in UTC, with seconds where they are not 0; the index of a series without a clock. */
  function timeText(series, time) {
    if (!series.has_clock) return String(time);
    const text = new Date(time).toISOString().replace("T", " ").replace("Z", "");
    return text.replace(/\.000$/, "").replace(/(:\d\d):00$/, "$1");
  }

  /** The end of a stretch of time, without the day that it begins on. */
  function endText(series, start, end) {
    const [from, to] = [timeText(series, start), timeText(series, end)];
    return series.has_clock && from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to;
  }

  /** A text whose names stand between backticks, as nodes. */
  function words(text) {
    const parts = String(text).split("`");
    // An odd backtick is one of the text itself.
    if (parts.length % 2 === 0) return [String(text)];
    return parts.map((part, i) => {
      if (i % 2 === 0) return part;
      const name = document.createElement("code");
      name.textContent = part;
      return name;
    });
  }

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== undefined) made.append(...words(text));
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

  return { number, count, timeText, endText, element, row, setName };
})();
