// Which view is shown: beside the conversation where there is room, instead of it on a phone.

import { byId } from "./dom.js";

export const WIDE = matchMedia("(min-width: 960px)");

export class Tabs {
  constructor() {
    this._tabs = [...byId("tabs").querySelectorAll("[role=tab]")];
    for (const tab of this._tabs) tab.addEventListener("click", () => this.show(tab.dataset.view));
    byId("tabs").addEventListener("keydown", (event) => this._key(event));
    WIDE.addEventListener("change", () => this.show(WIDE.matches && this.view === "talk" ? "timing" : this.view));
    this.show(WIDE.matches ? "timing" : "talk");
  }

  show(view) {
    this.view = document.body.dataset.view = view;
    for (const tab of this._tabs) {
      const chosen = tab.dataset.view === view;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
      if (tab.dataset.view !== "talk") byId(tab.dataset.view).hidden = !chosen;
    }
  }

  _key(event) {
    const shown = this._tabs.filter((tab) => tab.offsetParent !== null || tab.getClientRects().length), at = shown.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    const tab = shown[(to + shown.length) % shown.length];
    this.show(tab.dataset.view);
    tab.focus();
    event.preventDefault();
  }
}
