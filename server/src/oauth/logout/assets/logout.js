// Asks whether to sign out. Everything goes through the API, with the session of this browser.
const part = (id) => document.getElementById(id);
const show = (id, on = true) => { part(id).hidden = !on; };
const next = part("next").getAttribute("href");

let csrf;

/** Asks the API; a refusal is thrown as the problem that it is. */
async function api(method, path, headers = {}) {
  const answer = await fetch(`/api/v1/auth/${path}`, { method, credentials: "same-origin", headers });
  const read = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw read;
  return read;
}

function trouble(problem) {
  part("trouble").textContent = problem?.detail || "The server does not answer. Check the network and try again.";
  show("trouble");
}

function finish(words) {
  show("ask", false);
  part("done").textContent = words;
  show("done");
  show("onward", next !== "");
}

part("leave").addEventListener("click", async () => {
  show("trouble", false);
  part("leave").disabled = true;
  try {
    await api("POST", "logout", { "x-csrf-token": csrf });
    if (next) return location.assign(next);
    finish("You are signed out. You can close this page.");
  } catch (problem) {
    trouble(problem);
  } finally {
    part("leave").disabled = false;
  }
});

part("stay").addEventListener("click", () => finish("You are still signed in."));

async function begin() {
  try {
    const session = await api("GET", "session");
    if (!session.authenticated) return finish("You are not signed in here.");
    csrf = session.csrfToken;
    show("ask");
    part("stay").focus();
  } catch (problem) {
    trouble(problem);
  }
}

begin();
