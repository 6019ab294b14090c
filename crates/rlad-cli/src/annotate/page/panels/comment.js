// The comment that goes with an answer.

import { byId } from "../state/element.js";
import { state, change, watch } from "../state/state.js";
import { say } from "./toast.js";

/** The comment before the field was opened, which Esc brings back. */
let before = null;

/** Opens the field. */
export function openComment() {
  if (!state.series) return say("There is nothing to comment on");
  before = state.comment;
  byId("comment-form").hidden = false;
  byId("comment").value = state.comment ?? "";
  byId("comment").focus();
}

function close() {
  byId("comment-form").hidden = true;
  byId("comment-open").focus();
  byId("comment-open").blur();
}

byId("comment-open").addEventListener("click", openComment);
// What stands in the field goes with the answer, whether or not enter was pressed.
byId("comment").addEventListener("input", () => change({ comment: byId("comment").value.trim() || null }));
byId("comment-form").addEventListener("submit", (event) => {
  event.preventDefault();
  change({ comment: byId("comment").value.trim() || null });
  close();
  say(state.comment ? "The comment is saved with your next answer" : "No comment");
});
byId("comment").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  change({ comment: before });
  close();
});
watch(["comment", "question"], () => byId("comment-open").classList.toggle("has", Boolean(state.comment)));
watch(["question", "screen"], () => {
  byId("comment-form").hidden = true;
});
