// Who is answering. The name is asked for once; the address (`?who=`) wins over what this browser keeps.

import { byId } from "../state/element.js";
import { choose, nameKept } from "../state/settings.js";
import { change, state, watch } from "../state/state.js";

/** The expert's name, asked for where none is known. */
export function askWho() {
  const known = nameKept();
  if (known) {
    change({ who: known });
    return Promise.resolve();
  }
  return openWho();
}

/** Asks for the name; resolves once there is one. */
export function openWho() {
  const dialog = byId("who");
  byId("who-name").value = state.who ?? "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const name = byId("who-name").value.trim();
      if (name === "" && state.who === null) {
        dialog.showModal();
        return;
      }
      if (name !== "" && name !== state.who) {
        choose("who", name);
        // A name in the address would win over the one just given.
        const address = new URL(location.href);
        address.searchParams.delete("who");
        history.replaceState(null, "", address);
        change({ who: name });
      }
      if (state.who !== null) resolve();
    });
  });
}

watch(["who"], () => {
  byId("who-shown").textContent = state.who;
  byId("settings-open").setAttribute("aria-label", `Settings; you are ${state.who}`);
});
