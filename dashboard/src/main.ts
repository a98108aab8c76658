// The page begins here.

import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/flow.css";
import "./style/tables.css";
import "./style/views.css";

import { Live } from "./live.ts";
import { hashOf } from "./model/place.ts";
import { applyTheme, settings } from "./settings.ts";
import { Store } from "./store.ts";
import { Shell } from "./view/shell.ts";

applyTheme(settings.theme());
const store = new Store();
const live = new Live(store);
const shell = new Shell({
  store,
  live,
  go: (place) => {
    location.hash = hashOf(place);
  },
});
document.body.append(shell.element);
void live.run();
