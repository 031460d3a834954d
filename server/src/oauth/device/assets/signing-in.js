// What the pages share on which people sign in. Everything goes through the API; nothing is kept but in the page's memory.
const part = (id) => document.getElementById(id);
const show = (id, on = true) => { part(id).hidden = !on; };
const say = (id, words) => { part(id).textContent = words; };

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

/** Asks for address and password; and for the code in the mail, if the address was not confirmed. `signedIn` gets the answer. */
function takeSignIn(signedIn) {
  let email;

  async function pass(answer) {
    access = answer.accessToken;
    part("password").value = "";
    part("mailed").value = "";
    show("confirm", false);
    await signedIn(answer);
  }

  function confirmFirst() {
    say("unconfirmed", email);
    show("sign-in", false);
    show("resent", false);
    show("confirm");
    part("mailed").focus();
  }

  part("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    busy([event.submitter], async () => {
      email = part("email").value;
      try {
        await pass(await api("POST", "login", { email, password: part("password").value }));
      } catch (problem) {
        if (problem?.code !== "email_not_verified") throw problem;
        confirmFirst();
      }
    });
  });

  part("confirm").addEventListener("submit", (event) => {
    event.preventDefault();
    busy([event.submitter, part("resend")], async () => pass(await api("POST", "verify-email", { email, code: part("mailed").value })));
  });

  part("resend").addEventListener("click", () => busy([part("resend")], async () => {
    await api("POST", "verify-email/resend", { email });
    show("resent");
  }));

  part("another").addEventListener("click", () => {
    show("trouble", false);
    show("confirm", false);
    show("sign-in");
    part("email").focus();
  });
}
