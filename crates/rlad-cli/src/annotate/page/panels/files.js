// Labels as files: given and taken.

import { post } from "../state/api.js";
import { byId, count } from "../state/element.js";
import { forgetLabels } from "../chart/stage.js";
import { change, state } from "../state/state.js";

const MOST_BYTES = 64 * 1024 * 1024;

export function openFiles() {
  byId("import-result").textContent = "";
  byId("files").showModal();
}

byId("files-open").addEventListener("click", openFiles);
byId("files-close").addEventListener("click", () => byId("files").close());
byId("import-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const result = byId("import-result");
  const file = byId("import-file").files[0];
  if (!file) return;
  if (file.size > MOST_BYTES) {
    result.textContent = "The file is over 64 MiB.";
    return;
  }
  byId("import-go").disabled = true;
  result.textContent = "Importing…";
  try {
    const query = new URLSearchParams({ format: byId("import-format").value, who: state.who, name: file.name });
    const reply = await post(`/api/import?${query}`, await file.text(), { text: true });
    const unknown = reply.unknown_series.length > 0 ? ` Not in this session: ${reply.unknown_series.slice(0, 5).join(", ")}${reply.unknown_series.length > 5 ? "…" : ""}.` : "";
    const uncovered = reply.uncovered > 0 ? ` ${count(reply.uncovered, "span")} held no point.` : "";
    const n = Array.isArray(reply.entries) ? reply.entries.length : reply.entries;
    result.textContent = `${count(reply.spans, "span")} taken in ${n === 1 ? "1 entry" : `${n.toLocaleString("en")} entries`}.${uncovered}${unknown}`;
    change({ changedAt: `import ${Date.now()}` });
    forgetLabels();
  } catch (error) {
    result.textContent = `${error.message}${error.hint ? ` (${error.hint})` : ""}`;
  } finally {
    byId("import-go").disabled = false;
  }
});
