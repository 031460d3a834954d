// Where a person agrees to what an application asks; `signing-in.js` comes first. Everything goes through the API.
const request = new URLSearchParams(location.search).get("request") ?? "";

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

takeSignIn(goOn);

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
