// The comment that goes with an answer.

import { byId } from "../state/element.js";
import { state, change, watch } from "../state/state.js";
import { say } from "./toast.js";

/** Opens the field. */
export function openComment() {
  if (!state.series) return say("There is nothing to comment on");
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
byId("comment-form").addEventListener("submit", (event) => {
  event.preventDefault();
  change({ comment: byId("comment").value.trim() || null });
  close();
  say(state.comment ? "The comment goes with your answer" : "No comment");
});
byId("comment").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  close();
});
watch(["comment", "question"], () => byId("comment-open").classList.toggle("has", Boolean(state.comment)));
watch(["question", "screen"], () => {
  byId("comment-form").hidden = true;
});
