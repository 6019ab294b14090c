// How far the session is and what it is worth: rounds, expected quality, experts, what the last answers changed.

import { byId, count, element, setName } from "../state/element.js";
import { openNamed } from "./label.js";
import { changedInWords } from "./effect.js";
import { closeOverlay, isOpen, onOpen } from "./side.js";
import { state, watch } from "../state/state.js";
import { agoText, timeText } from "../state/time.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 280, HEIGHT = 92, LEFT = 26, BOTTOM = 76, TOP = 8;
const drawn = new Map();

const fraction = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
const percent = ({ same, asked }) => (asked === 0 ? "not asked yet" : `${same} of ${asked} answered alike`);

function svg(tag, attributes, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** The expected F1 of each round with its interval, as a small chart. */
function qualityChart(rounds) {
  const estimated = rounds.filter((round) => round.expected?.f1);
  if (estimated.length < 2) return null;
  const x = (i) => LEFT + ((WIDTH - LEFT - 10) * i) / (estimated.length - 1);
  const y = (value) => BOTTOM - (BOTTOM - TOP) * value;
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "quality",
    "aria-label": `Expected F1 by round: ${estimated.map((round) => `${fraction(round.expected.f1.expected)} in round ${round.round}`).join(", ")}` });
  for (const value of [0, 0.5, 1]) {
    chart.append(svg("line", { x1: LEFT, x2: WIDTH - 10, y1: y(value), y2: y(value), class: "grid" }), svg("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  const up = estimated.map((round, i) => `${x(i)},${y(round.expected.f1.high)}`);
  const down = estimated.map((round, i) => `${x(i)},${y(round.expected.f1.low)}`).reverse();
  chart.append(svg("polygon", { points: [...up, ...down].join(" "), class: "interval" }));
  chart.append(svg("polyline", { points: estimated.map((round, i) => `${x(i)},${y(round.expected.f1.expected)}`).join(" "), class: "curve" }));
  estimated.forEach((round, i) => chart.append(svg("circle", { cx: x(i), cy: y(round.expected.f1.expected), r: 3, class: "dot" })));
  chart.append(svg("text", { x: LEFT, y: HEIGHT - 2 }, `round ${estimated[0].round}`), svg("text", { x: WIDTH - 10, y: HEIGHT - 2, "text-anchor": "end" }, `round ${estimated.at(-1).round}`));
  return chart;
}

const dayOf = (until) => (typeof until === "number" ? until.toLocaleString("en") : until.slice(0, 10));

/** The last twelve weeks of use: of each the last line that tells of it. */
function weeksOf(rounds) {
  const of = (until) => (typeof until === "number" ? until : Math.floor((Date.parse(until) / 86_400_000 + 3) / 7));
  const weeks = new Map();
  for (const { in_use: inUse } of rounds) if (inUse) weeks.set(of(inUse.until), inUse);
  return [...weeks.values()].slice(-12);
}

/** What the detector rests on, in sentences. Before the first round is whole, none of its answers was learned from. */
const groundsOf = (server) => (server.round === 0 && server.questions > 0 ? ["the answers are learned from once all questions of the warm-up have one"] : server.grounds);

const PARTS = [
  ["facts", (server) => [server.phase, server.round, server.round_answered, server.round_questions, server.questions, server.budget, server.labelled_points, server.labelled_anomalies], (server) => {
    const facts = [
      ["round", server.round_questions > 0 ? `${server.round === 0 ? "warm-up" : server.round}: ${server.round_answered} of ${server.round_questions} answered` : String(server.round)],
      ["questions", `${server.questions.toLocaleString("en")} of ${server.budget.toLocaleString("en")}`],
      ["labelled", `${count(server.labelled_points, "point")}, ${server.labelled_anomalies.toLocaleString("en")} anomalous`],
    ];
    return element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }],
  ["quality", (server) => [server.rounds, server.settled, groundsOf(server)], (server) => {
    const latest = server.rounds.findLast((round) => round.expected);
    const part = element("section", {}, element("h3", {}, "Expected quality"));
    part.append(...groundsOf(server).map((sentence) => element("p", { class: "note" }, sentence[0].toUpperCase() + sentence.slice(1) + ".")));
    if (!latest) return part;
    const rows = ["f1", "precision", "recall"].filter((name) => latest.expected[name]).map((name) => {
      const { expected, low, high } = latest.expected[name];
      return element("tr", {}, element("th", { scope: "row" }, name === "f1" ? "F1" : name), element("td", {}, element("strong", {}, fraction(expected))), element("td", {}, `${fraction(low)} to ${fraction(high)}`));
    });
    part.append(element("table", {}, element("thead", {}, element("tr", {}, element("td", {}), element("th", { scope: "col" }, "expected"), element("th", { scope: "col" }, "interval"))), element("tbody", {}, ...rows)));
    const chart = qualityChart(server.rounds);
    if (chart) part.append(chart);
    const kappa = server.rounds.findLast((round) => round.agreement !== null)?.agreement;
    if (kappa !== undefined) part.append(element("p", { class: "note" }, `The alarms of the last two rounds agree by Cohen's κ ${fraction(kappa)}, where 1 is the same and 0 chance.`));
    if (server.settled) part.append(element("p", {}, "The last rounds changed little: more answers are likely to bring little."));
    return part;
  }],
  ["in-use", (server) => server.rounds.map((round) => round.in_use), (server) => {
    const weeks = weeksOf(server.rounds);
    if (weeks.length === 0) return element("div", {});
    const part = element("section", { id: "in-use" }, element("h3", {}, "In use, by week"));
    const share = (value) => (value === null ? "–" : `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`);
    const heads = ["to", "alarms", "answered", "right", "left"];
    const rows = weeks.map((week) => element("tr", {}, element("th", { scope: "row" }, dayOf(week.until)), ...[week.alarms.toLocaleString("en"), share(week.answered_share), share(week.agreement), share(week.out_of_range_share)].map((text) => element("td", {}, text))));
    part.append(element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, ...rows)));
    const last = weeks.at(-1);
    part.append(element("p", { class: "note" }, `Right: the answers that say what the detector said. Left: the series that left the range of what they were trained on. At the end ${share(last.alarm_share)} of the points were alarms.`));
    const left = last.out_of_range;
    if (left.length > 0) part.append(element("p", { class: "note" }, `Left their range: ${left.slice(0, 5).join(", ")}${left.length > 5 ? ", …" : ""}.`));
    return part;
  }],
  ["changed", (server) => server.changed, (server) => {
    const part = element("section", {}, element("h3", {}, "Changes by the last answers"));
    const events = server.changed?.events ?? [];
    if (server.changed) part.append(element("p", {}, changedInWords(server.changed)));
    if (events.length === 0) {
      if (!server.changed) part.append(element("p", { class: "note" }, "Told after the second round, when there are two detectors to compare."));
      return part;
    }
    const item = (event) => element("li", {}, element("button", { type: "button", onclick: () => {
      closeOverlay();
      openNamed(event.name, { first: event.first, last: event.last, from: event.from, what: `the event ${event.what}` });
    } }, element("span", { class: `what ${event.what}` }, event.what === "appeared" ? "+ appeared" : "− gone"), setName(element("span", {}), event.name), element("span", { class: "note" }, timeText(event.from))));
    part.append(element("ul", { id: "changed" }, ...events.slice(0, 50).map(item)));
    if (events.length > 50) part.append(element("p", { class: "note" }, `and ${count(events.length - 50, "other")}`));
    return part;
  }],
  ["experts", (server) => [server.experts, server.experts_agreement], (server) => {
    const part = element("section", {}, element("h3", {}, "Experts"));
    if (server.experts.length > 0) {
      const rows = server.experts.map((expert) => element("tr", {}, element("th", { scope: "row" }, expert.name), element("td", {}, expert.answers.toLocaleString("en")), element("td", {}, agoText(expert.last_seen_s))));
      part.append(element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "name"), element("th", { scope: "col" }, "answers"), element("th", { scope: "col" }, "last seen"))), element("tbody", {}, ...rows)));
    }
    const { within, between } = server.experts_agreement;
    part.append(element("p", { class: "note" }, `The same question twice: one expert, ${percent(within)}; two experts, ${percent(between)}.`));
    return part;
  }],
];

function draw() {
  const { server } = state;
  if (!server || !isOpen("progress")) return;
  PARTS.forEach(([name, reads, make], i) => {
    // A part that says the same stays, so that focus stays in it.
    const read = JSON.stringify(reads(server));
    if (drawn.get(name) === read) return;
    drawn.set(name, read);
    const box = byId("progress");
    while (box.children.length <= i) box.append(element("div"));
    box.children[i].replaceChildren(make(server));
  });
}

watch(["server"], draw);
onOpen("progress", draw);
