// Labels as files: given and taken.

import { post } from "./api.js";
import { byId, count } from "./element.js";
import { forgetLabels } from "./stage.js";
import { change } from "./state.js";

const MOST_BYTES = 64 * 1024 * 1024;

export function openFiles() {
  byId("import-said").textContent = "";
  byId("files").showModal();
}

byId("files-open").addEventListener("click", openFiles);
byId("files-close").addEventListener("click", () => byId("files").close());
byId("import-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = byId("import-said");
  const file = byId("import-file").files[0];
  if (!file) return;
  if (file.size > MOST_BYTES) {
    told.textContent = "The file is over 64 MiB.";
    return;
  }
  byId("import-go").disabled = true;
  told.textContent = "Importing…";
  try {
    const reply = await post(`/api/import?format=${byId("import-format").value}`, await file.text(), true);
    const unknown = reply.unknown_series.length > 0 ? ` Not in this session: ${reply.unknown_series.slice(0, 5).join(", ")}${reply.unknown_series.length > 5 ? "…" : ""}.` : "";
    told.textContent = `${count(reply.spans, "span")} taken in ${reply.entries === 1 ? "1 entry" : `${reply.entries.toLocaleString("en")} entries`}.${unknown}`;
    change({ changedAt: `import ${Date.now()}` });
    forgetLabels();
  } catch (refused) {
    told.textContent = `${refused.message}${refused.hint ? ` (${refused.hint})` : ""}`;
  } finally {
    byId("import-go").disabled = false;
  }
});
