// Asking for a token, where the device wants one.

import { byId } from "./dom.js";

export function askForToken(link) {
  const dialog = byId("signin"), field = byId("token");
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // without a token there is nothing behind it
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    link.signIn(field.value.trim());
    field.value = "";
    dialog.close();
  });
  let tried = false;
  link.on("signin", ({ message }) => {
    byId("signin-why").textContent = tried ? message : "";
    tried = true;
    if (!dialog.open) dialog.showModal();
    field.focus();
  });
  link.on("up", () => { tried = true; });
}
