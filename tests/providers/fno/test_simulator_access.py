"""The simulated F+O: tokens of Entra, and the limits for a user."""

from collections.abc import AsyncIterator

import pytest

from tests.providers.fno.simulated_fno import SimulatedFno, open_simulated_fno


@pytest.fixture
async def fno() -> AsyncIterator[SimulatedFno]:
    async with open_simulated_fno() as fno:
        yield fno


async def test_token_answer(fno: SimulatedFno) -> None:
    status, body = await fno.sign_in()
    assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 3599)
    assert isinstance(body["access_token"], str)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": ""}, 400, "invalid_request"),
        ({"scope": "openid"}, 400, "invalid_scope"),
    ],
)
async def test_token_refusals(fno: SimulatedFno, change: dict[str, str], status: int, code: str) -> None:
    answered, body = await fno.sign_in(**change)
    assert (answered, body["error"]) == (status, code)
    assert body["error_description"].startswith("AADSTS")


@pytest.mark.parametrize("path", ["/fno/contoso/oauth2/token", "/fno/contoso/oauth2/v2.0/token"])
async def test_both_versions_of_the_token_endpoint(fno: SimulatedFno, path: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret", "resource": "https://x"}
    assert (await fno.client.post(path, data=form)).status == 200


async def test_a_token_expires(fno: SimulatedFno) -> None:
    await fno.get("/SalesOrderHeadersV4")
    fno.now[0] += 3_599_000
    status, body = await fno.call("GET", "/SalesOrderHeadersV4")
    assert (status, body["error"]["message"]) == (401, "Unauthorized")
    await fno.sign_in()
    await fno.get("/SalesOrderHeadersV4")


async def test_throttling_says_when_to_come_back(fno: SimulatedFno) -> None:
    limits = {"provider": "fno", "quota": 2, "window_ms": 300_000}
    assert (await fno.client.post("/_sim/limits", json=limits)).status == 200
    await fno.get("/SalesOrderHeadersV4")
    fno.now[0] += 100_000
    await fno.get("/SalesOrderHeadersV4")
    headers = {"Authorization": f"Bearer {fno.token}"}
    response = await fno.client.get("/fno/data/SalesOrderHeadersV4", headers=headers)
    assert (response.status, response.headers["Retry-After"]) == (429, "200")
    message = "Number of requests exceeded the limit of 2 over the time window of 300 seconds."
    assert (await response.json())["error"]["message"] == message
    fno.now[0] += 200_000
    await fno.get("/SalesOrderHeadersV4")
    response = await fno.client.get("/fno/data/SalesOrderHeadersV4", headers=headers)
    assert (response.status, response.headers["Retry-After"]) == (429, "100")
