// The page begins here.
import { render } from "./vendor/preact.js";
import { begin, sitting } from "./session.js";
import { html } from "./html.js";
import { useStore } from "./store.js";
import { preferredLanguage, speak } from "./words.js";
import { Shell } from "./views/shell.js";

function Page() {
  return html`<${Shell} key=${useStore(sitting)} />`;
}

await speak(preferredLanguage());
document.body.replaceChildren();
render(html`<${Page} />`, document.body);
begin();
