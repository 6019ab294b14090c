// The range that is being painted: values in, values out, as the terminal client has it.
//
// A range of a question always holds the judged point, which the answer is about.

/** A range of one point, whose end the arrows move. */
export const begin = (point) => ({ ends: [point, point], moving: 0, lastMoved: 0 });

/** A range that is done; a key may take up one of its ends again. */
export const between = (first, last) => ({ ends: [first, last], moving: null, lastMoved: 1 });

/** The first and the last point of the range, or null. `point` is the judged one, or null where there is none. */
export function painted(paint, point) {
  if (paint === null) return null;
  const held = point === null ? paint.ends : [...paint.ends, point];
  return { first: Math.min(...held), last: Math.max(...held) };
}

export const isMoving = (paint) => paint !== null && paint.moving !== null;

/** The step of the key for painting: begins a range, ends it, takes up its other end. */
export function beginOrEnd(paint, point) {
  if (paint === null) return begin(point);
  if (paint.moving !== null) return { ...paint, moving: null };
  const other = 1 - paint.lastMoved;
  return { ...paint, moving: other, lastMoved: other };
}

/** The range with its moving end by `by` points further, within `shown`. `by` may be infinite. */
export function moved(paint, by, shown) {
  const ends = [...paint.ends];
  ends[paint.moving] = Math.max(shown.first, Math.min(shown.last, ends[paint.moving] + by));
  return { ...paint, ends };
}
