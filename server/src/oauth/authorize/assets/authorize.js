// Where a person signs in for an application and agrees to what it asks. Everything goes through the API.
const part = (id) => document.getElementById(id);
const show = (id, on = true) => { part(id).hidden = !on; };
const say = (id, words) => { part(id).textContent = words; };

const request = new URLSearchParams(location.search).get("request") ?? "";
let access;

/** Asks the API; a refusal is thrown as the problem that it is. */
async function api(method, path, body, headers = {}) {
  const answer = await fetch(`/api/v1/auth/${path}`, {
    method,
    credentials: "same-origin",
    headers: { ...headers, ...(access && { authorization: `Bearer ${access}` }), ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const read = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw read;
  return read;
}

/** What went wrong, in the words of the API. */
function trouble(problem) {
  const words = problem?.errors?.map((error) => error.message).join(" ") || problem?.detail;
  say("trouble", words || "The server does not answer. Check the network and try again.");
  show("trouble");
}

/** Does `work` once at a time, with its buttons out of reach meanwhile. */
async function busy(buttons, work) {
  show("trouble", false);
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await work();
  } catch (problem) {
    trouble(problem);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

function signIn(hint, why) {
  if (hint && !part("email").value) part("email").value = hint;
  if (why) say("why", why);
  show("decide", false);
  show("sign-in");
  part(part("email").value ? "password" : "email").focus();
}

async function leave(path) {
  const { redirectTo } = await api("POST", `authorization/${path}`, { request });
  show("decide", false);
  say("done", "You are being sent back.");
  show("done");
  location.replace(redirectTo);
}

/** What is asked, or straight on where nothing is left to decide. */
async function goOn() {
  const asked = await api("POST", "authorization/lookup", { request });
  const again = asked.account ? "asks you to sign in again" : "asks you to sign in";
  if (asked.signInAgain) return signIn(asked.loginHint ?? asked.account?.email, `${asked.client.name} ${again}.`);
  if (!asked.consentRequired) return leave("approve");
  say("client", asked.client.name);
  say("person", asked.account.email);
  say("back", asked.redirectHost);
  part("scopes").replaceChildren(...asked.scopes.map(({ name, description }) => {
    const item = document.createElement("li");
    item.textContent = description ?? name;
    return item;
  }));
  say("resources", asked.resources.join(", "));
  ["for", "resources"].forEach((id) => show(id, asked.resources.length > 0));
  show("sign-in", false);
  show("decide");
  part("approve").focus();
}

part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  busy([event.submitter], async () => {
    const answer = await api("POST", "login", { email: part("email").value, password: part("password").value });
    access = answer.accessToken;
    part("password").value = "";
    await goOn();
  });
});

const buttons = [part("approve"), part("deny"), part("other")];
part("approve").addEventListener("click", () => busy(buttons, () => leave("approve")));
part("deny").addEventListener("click", () => busy(buttons, () => leave("deny")));
part("other").addEventListener("click", () => { access = undefined; part("email").value = ""; signIn(); });

/** Goes on with the session of this browser, if there is one. */
async function begin() {
  try {
    const session = await api("GET", "session");
    if (session.authenticated) access = (await api("POST", "refresh", undefined, { "x-csrf-token": session.csrfToken })).accessToken;
  } catch (problem) {
    // Whoever cannot go on signs in.
    if (problem?.status !== 401) return trouble(problem);
  }
  try {
    await goOn();
  } catch (problem) {
    // A request that is void is void for everybody, and is said before anybody types a password.
    trouble(problem);
  }
}

begin();
