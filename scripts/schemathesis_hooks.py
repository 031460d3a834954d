"""Signs schemathesis in the way a person does: sign-up, code by mail, verification.

One person stays signed in for the whole run: the administrator whom `scripts/schemathesis` made at the command line, so
that the operations behind a scope are tried for real. Operations that end sessions or accounts get a person of their own each
time, so that what they do is real and nobody else is signed out by it.
"""

import itertools
import os
import re
import time

import requests
import schemathesis

BASE = os.environ["KEYSTEAD_BASE"]
ADMINISTRATOR = os.environ["KEYSTEAD_ADMINISTRATOR"]
PASSWORD = os.environ["KEYSTEAD_PASSWORD"]

# Afterwards the caller's session, or all of them, may be gone.
ENDS_SESSIONS = {
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/logout-all"),
    ("POST", "/api/v1/auth/password/change"),
    ("DELETE", "/api/v1/account"),
    ("DELETE", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{id}"),
}

# Well below the 15 minutes that an access token lives.
TOKEN_SECONDS = 300

numbers = itertools.count()


def call(method, path, **arguments):
    answer = requests.request(method, BASE + path, timeout=10, **arguments)
    if not answer.ok:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def mailed_code(email):
    """The code in the newest mail to the address; waits for it five seconds."""
    for _ in range(250):
        for mail in call("GET", "/dev/mailbox.json")["items"]:
            code = re.search(r"\b\d{6}\b", mail["text"])
            if mail["to"] == email and code:
                return code.group()
        time.sleep(0.02)
    raise RuntimeError(f"no code was mailed to {email}")


def new_person():
    """Signs somebody up; returns the address and an access token."""
    email = f"person-{next(numbers)}@fuzz.example.com"
    call("POST", "/api/v1/auth/signup", json={"email": email, "name": "Ada", "password": PASSWORD})
    verification = {"email": email, "code": mailed_code(email), "transport": "body"}
    return email, call("POST", "/api/v1/auth/verify-email", json=verification)["accessToken"]


class Resident:
    """The administrator, who stays."""

    token = None
    until = 0.0

    def access_token(self):
        if time.monotonic() > self.until:
            login = {"email": ADMINISTRATOR, "password": PASSWORD, "transport": "body"}
            self.token = call("POST", "/api/v1/auth/login", json=login)["accessToken"]
            self.until = time.monotonic() + TOKEN_SECONDS
        return self.token


resident = Resident()


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    """Puts an access token on every request; schemathesis takes it away again where it checks that it is needed."""

    def get(self, case, context):
        operation = (context.operation.method.upper(), context.operation.path)
        return new_person()[1] if operation in ENDS_SESSIONS else resident.access_token()

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """The text as it was made up: its lines are what is looked at."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def after_call(context, case, response):
    """A resident who was signed out would turn every further answer into a 401, and the run into a show.

    An administrator may end their own sessions by their own id, which the run finds in answers; then they sign in again. They
    stay an administrator who can, because they are the last one.
    """
    if response.status_code == 401 and resident.token and resident.token in str(response.request.headers.get("Authorization")):
        me = requests.get(f"{BASE}/api/v1/auth/me", headers={"Authorization": f"Bearer {resident.token}"}, timeout=10)
        if me.status_code == 401:
            resident.until = 0.0
            resident.access_token()
