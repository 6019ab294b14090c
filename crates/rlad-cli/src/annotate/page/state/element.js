// Elements made from text, never from markup: names and comments come from other people.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a child that is not a node is text. `on…` attributes are listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Puts a name into an element so that it may wrap after its separators. */
export function setName(target, name) {
  target.replaceChildren(...name.split(/(?<=[/_.:-])/).flatMap((part) => [part, document.createElement("wbr")]));
  return target;
}

/** `n` things, as in "1 point" and "2 points". */
export const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
