// Where a person lets a device in; `signing-in.js` comes first. Everything goes through the API.
let typed;

function greet(answer) {
  access = answer.accessToken;
  say("person", answer.user.email);
  say("whom", answer.user.email);
  show("sign-in", false);
  show("ask");
  part("code").focus();
}

const PLACES = {
  same_address: "the address that you have now",
  same_network: "the network that you are in",
  private_network: "a private network",
  elsewhere: "somewhere else on the Internet",
  unknown: "an unknown place",
};

function describe(asked) {
  const from = asked.requestedFrom;
  say("client", asked.client.name);
  say("shown", typed);
  say("device", from.device);
  say("address", `${from.ip ?? "unknown"}: ${PLACES[from.place] ?? from.place}`);
  say("asked", new Date(from.at).toLocaleString());
  say("scopes", asked.client.fullAccess ? "Everything that you may do" : asked.scopes.join(", ") || "Know who you are");
  const far = from.place === "elsewhere" || from.place === "unknown";
  say("warning", "This request did not come from where you are. Unless you know why, do not let it in.");
  show("warning", far);
  show("ask", false);
  show("decide");
  part("deny").focus();
}

async function decide(path, words) {
  await api("POST", `device/${path}`, { userCode: typed });
  show("decide", false);
  say("done", words);
  show("done");
}

takeSignIn(greet);

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  busy([event.submitter], async () => {
    typed = part("code").value;
    describe(await api("POST", "device/lookup", { userCode: typed }));
  });
});

const buttons = [part("approve"), part("deny")];
part("approve").addEventListener("click", () => busy(buttons, () => decide("approve", "The device is being signed in. You can close this page.")));
part("deny").addEventListener("click", () => busy(buttons, () => decide("deny", "The device was not let in. If you did not begin this, nothing else is to be done.")));

/** Goes on with the session of this browser, if there is one. */
async function begin() {
  part("code").value = new URLSearchParams(location.search).get("user_code") ?? "";
  try {
    const session = await api("GET", "session");
    if (session.authenticated) return greet(await api("POST", "refresh", undefined, { "x-csrf-token": session.csrfToken }));
  } catch (problem) {
    // Whoever cannot go on signs in.
    if (!problem?.code) trouble(problem);
  }
  show("sign-in");
  part("email").focus();
}

begin();
