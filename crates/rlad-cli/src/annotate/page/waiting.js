// The page while there is no labelling server, in the colours that were chosen for the page.

import { setting } from "./state/settings.js";

if (setting("theme") !== "auto") document.documentElement.dataset.theme = setting("theme");
