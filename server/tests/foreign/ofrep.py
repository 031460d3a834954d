"""OpenFeature's SDK for Python with the stock OFREP provider."""

import json
import sys
import time
import urllib.request

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

given = json.load(sys.stdin)
headers = {"Authorization": f"Bearer {given['service']}"}
api.set_provider(OFREPProvider(given["other"], headers_factory=lambda: headers))
flags = api.get_client()
pro = EvaluationContext("user-1", {"plan": "pro"})

assert flags.get_boolean_value("checkout", False, pro) is True
assert flags.get_boolean_value("checkout", True, EvaluationContext("user-1", {"plan": "free"})) is False
assert flags.get_string_value("colour", "none", pro) == "green"
assert flags.get_integer_value("retries", -1, pro) == 3
assert flags.get_object_value("layout", {}, pro) == {"columns": 2, "names": ["a", "b"]}
missing = flags.get_boolean_details("nothing", True, pro)
assert (missing.value, missing.error_code.value) == (True, "FLAG_NOT_FOUND"), missing

changed = {**given["flags"]["colour"], "defaultVariant": "red"}
request = urllib.request.Request(
    f"{given['issuer']}/api/v1/admin/flags/colour",
    json.dumps(changed).encode(),
    {"Authorization": f"Bearer {given['admin']}", "Content-Type": "application/json"},
    method="PUT",
)
assert urllib.request.urlopen(request).status == 200
deadline = time.monotonic() + 1
while flags.get_string_value("colour", "none", pro) != "crimson":
    assert time.monotonic() < deadline, "waited a second in vain for the change"
    time.sleep(0.02)
