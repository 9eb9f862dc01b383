from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import scopes
from app.auth import Auth, Scope
from app.config import Settings
from app.ledger.key_tables import ApiKey
from app.main import create_app
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.keys import bearer, make_key
from tests.factories import DAY, NOW, make_dataset

pytestmark = pytest.mark.usefixtures("keys_required")


def routes(app: FastAPI) -> set[str]:
    """Every route that the application describes, and the page at its root."""
    paths = app.openapi()["paths"]
    return {"GET /"} | {f"{method.upper()} {path}" for path in paths for method in paths[path]}


def test_every_route_declares_one_scope_in_the_one_place(app: FastAPI) -> None:
    declared = [route for group in scopes.ROUTES.values() for route in group]

    assert len(set(declared)) == len(declared)
    assert set(declared).isdisjoint(scopes.PUBLIC | scopes.UNGUARDED)
    assert set(declared) | scopes.PUBLIC | scopes.UNGUARDED == routes(app)
    assert scopes.PERSONAL.issubset(declared)


def test_every_route_but_the_public_ones_wants_a_key(app: FastAPI, http: TestClient) -> None:
    for route in sorted(routes(app)):
        method, path = route.split(" ")

        response = http.request(method, path.format_map(Placeholders()), json={})

        wanted = route not in scopes.PUBLIC | scopes.UNGUARDED
        assert (response.status_code == 401) == wanted, (route, response.text)
        if wanted:
            assert response.json()["code"] == "api_key_missing"
            assert response.headers["WWW-Authenticate"] == "Bearer"


class Placeholders(dict[str, str]):
    """Something for every parameter of a path."""

    def __missing__(self, name: str) -> str:
        return "1" if name == "number" else "00000000-0000-4000-8000-000000000000"


def test_a_route_wants_its_own_scope_and_no_other(http: TestClient, session: Session) -> None:
    for route, needed in scopes.OF_ROUTE.items():
        method, path = route.split(" ")
        its_own, others = make_key(session, needed), make_key(session, *set(Scope) - {needed})

        taken, refused = (
            http.request(method, path.format_map(Placeholders()), content=b"?", headers=key)
            for key in (its_own, others)
        )

        assert taken.status_code not in (401, 403), (route, taken.text)
        assert refused.json()["code"] == "missing_scope", route
        assert str(needed) in refused.json()["detail"]


def test_a_key_that_is_not_ours_is_refused_in_the_words_of_the_standard(refused: Call) -> None:
    for text in ("", "lac", "lac_0123456789ab_" + "A" * 43, "x" * 10_000, "lac_é"):
        headers = {"Authorization": f"Bearer {text}".encode()}

        refused("GET", "/v1/models", 401, "api_key_refused", headers=headers)


def test_keys_are_compared_whole(http: TestClient, session: Session) -> None:
    text = make_key(session)["Authorization"].removeprefix("Bearer ")
    last = "A" if text[-1] != "A" else "B"

    assert http.get("/v1/models", headers=bearer(text)).status_code == 200
    assert http.get("/v1/models", headers=bearer(text[:-1] + last)).status_code == 401
    assert http.get("/v1/models", headers=bearer(text.upper())).status_code == 401


def test_a_key_ends_when_it_expires(http: TestClient, session: Session, clock: Clock) -> None:
    key = make_key(session, expires_at=NOW + DAY)

    assert http.get("/v1/models", headers=key).status_code == 200
    clock.now = NOW + DAY
    assert http.get("/v1/models", headers=key).status_code == 401


def test_the_last_use_of_a_key_is_known_to_the_hour(
    http: TestClient, session: Session, clock: Clock
) -> None:
    key = make_key(session)
    clock.now = NOW + timedelta(minutes=90)

    http.get("/v1/models", headers=key)

    (row,) = session.scalars(select(ApiKey).execution_options(populate_existing=True))
    assert row.last_used_at == NOW + timedelta(hours=1)


def test_a_key_is_stored_nowhere(http: TestClient, session: Session) -> None:
    text = make_key(session)["Authorization"].removeprefix("Bearer ")

    (row,) = session.scalars(select(ApiKey))

    secret = text.removeprefix(row.prefix)
    stored = " ".join(str(value) for value in vars(row).values())
    assert secret not in stored
    assert text.startswith(row.prefix)
    assert len(row.digest) == 32


def test_the_description_names_the_scope_of_each_operation(app: FastAPI) -> None:
    schema = app.openapi()
    operation = schema["paths"]["/v1/jobs/{job_id}:approve"]["post"]

    assert schema["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    assert {"api_key": ["jobs:approve"]} in operation["security"]
    assert {"401", "403", "429"} <= operation["responses"].keys()
    assert "security" not in schema["paths"]["/healthz"]["get"]


def test_without_keys_only_this_machine_is_answered(
    app: FastAPI, configured: Settings, session: Session
) -> None:
    app.state.settings = configured.model_copy(update={"auth": Auth.OPEN})
    make_dataset(session)

    with TestClient(app, client=("203.0.113.7", 50_000)) as stranger:
        far = stranger.get("/v1/datasets", headers={"X-Forwarded-For": "127.0.0.1"})
    with TestClient(app, client=("127.0.0.1", 50_000)) as neighbour:
        near = neighbour.get("/v1/datasets")

    assert (far.status_code, far.json()["code"]) == (403, "only_from_here")
    assert near.status_code == 200


def test_an_open_service_does_not_start_on_a_public_address(configured: Settings) -> None:
    open_to_all = configured.model_copy(
        update={
            "auth": Auth.OPEN,
            "host": "0.0.0.0",  # noqa: S104, that is what is refused
            "database_url": "postgresql+psycopg:///unused",
        }
    )

    with pytest.raises(ValueError, match="Unset LACUNA_AUTH"):
        create_app(open_to_all, FakeQueue())


@pytest.mark.parametrize(
    ("host", "access"),
    [
        ("127.0.0.1", Auth.OPEN),
        ("::1", Auth.OPEN),
        ("localhost", Auth.OPEN),
        ("0.0.0.0", Auth.REQUIRED),  # noqa: S104, nobody listens there
        ("192.168.1.4", Auth.REQUIRED),
        ("lacuna.example", Auth.REQUIRED),
    ],
)
def test_keys_are_needed_wherever_others_reach_the_service(host: str, access: Auth) -> None:
    assert Settings(host=host).access is access
