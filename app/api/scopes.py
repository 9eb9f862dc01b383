"""Which scope each route asks for: all of them, in this one place.

A test walks the routes and finds this table complete. A route that is missing here answers nobody.
"""

from app.auth import Scope

# Looked at by machines that have no key, and by people who want to know how to get one.
UNGUARDED = frozenset({"GET /healthz", "GET /readyz", "GET /problems", "GET /problems/{code}"})
# What proves receipts is for everybody: hashes, signatures and public keys, and nothing of what
# happened. Witnesses sign what they send.
PUBLIC = frozenset(
    {
        "GET /v1/ledger/checkpoint",
        "POST /v1/ledger/checkpoint/cosignatures",
        "GET /v1/ledger/proof/inclusion",
        "GET /v1/ledger/proof/consistency",
        "GET /v1/ledger/key",
        "GET /v1/ledger/model-key",
        "GET /opendsr/v2/discovery",
        "GET /opendsr/v2/certificate",
    }
)
# What a person's token reads of that person's request.
PERSONAL = frozenset(
    {
        "GET /v1/deletion-requests/{request_id}",
        "GET /v1/deletion-requests/{request_id}/report",
        "GET /v1/deletion-requests/{request_id}/receipt",
    }
)

REQUEST = "/v1/deletion-requests/{request_id}"
MODEL = "/v1/models/{name}"
VERSION = f"{MODEL}/versions/{{number}}"
WEBHOOK = "/v1/webhooks/{webhook_id}"
KEY = "/v1/api-keys/{key_id}"
OPENDSR, OPENGDPR = "/opendsr/v2/requests", "/opendsr/v2/opengdpr_requests"
SENT = "{subject_request_id}"

ROUTES: dict[Scope, tuple[str, ...]] = {
    Scope.REQUESTS_WRITE: (
        "POST /v1/deletion-requests",
        "POST /v1/deletion-requests:bulk",
        f"POST {REQUEST}:extend",
        f"POST {REQUEST}:hold",
        f"POST {REQUEST}:release",
        f"POST {REQUEST}:deny",
        f"POST {REQUEST}:cancel",
        f"POST {REQUEST}:token",
        f"POST {OPENDSR}",
        f"POST {OPENGDPR}",
        f"DELETE {OPENDSR}/{SENT}",
        f"DELETE {OPENGDPR}/{SENT}",
    ),
    Scope.REQUESTS_VERIFY: (f"POST {REQUEST}:verify",),
    Scope.REQUESTS_READ: (
        "GET /v1/deletion-requests",
        f"GET {REQUEST}",
        f"GET {REQUEST}/report",
        f"GET {REQUEST}/receipt",
        "GET /v1/reports/period",
        f"GET {OPENDSR}/{SENT}",
        f"GET {OPENGDPR}/{SENT}",
        f"GET /opendsr/v2/status/{SENT}",
        "GET /drp/v1/data-rights-request/{request_id}",
    ),
    Scope.JOBS_APPROVE: ("POST /v1/jobs/{job_id}:approve", "POST /v1/jobs/{job_id}:cancel"),
    Scope.MODELS_ADMIN: (
        "POST /v1/datasets",
        "POST /v1/datasets/{name}/samples",
        "POST /v1/models",
        f"PATCH {MODEL}",
        f"POST {MODEL}:train",
        f"POST {MODEL}:build-references",
        f"POST {MODEL}:flush",
        f"POST {MODEL}:assess",
        f"POST {MODEL}:calibrate",
        f"POST {MODEL}/versions",
        f"POST {VERSION}/derived",
        f"POST {VERSION}:withdraw",
        f"POST {MODEL}/consumers",
        "POST /v1/workers/{name}:pause",
        "POST /v1/workers/{name}:drain",
        "POST /v1/workers/{name}:resume",
        f"DELETE {MODEL}/consumers/{{consumer}}",
    ),
    Scope.MODELS_READ: (
        "GET /",
        "GET /v1/datasets",
        "GET /v1/datasets/{name}",
        "GET /v1/models",
        f"GET {MODEL}",
        f"GET {MODEL}/calibration",
        f"GET {MODEL}/checks",
        f"GET {MODEL}/stored-weights",
        f"GET {MODEL}/consumers",
        f"GET {MODEL}/versions",
        f"GET {VERSION}",
        f"GET {VERSION}/derived",
        f"GET {VERSION}/acknowledgements",
        "GET /v1/derived-versions",
        "GET /v1/jobs",
        "GET /v1/jobs/{job_id}",
        "GET /v1/jobs/{job_id}/report",
        "GET /v1/workers",
    ),
    Scope.WEIGHTS_READ: (f"GET {VERSION}/weights", f"GET {VERSION}/weights.sig"),
    Scope.WITHDRAWALS_WRITE: (
        f"POST {VERSION}/acknowledgements",
        "POST /v1/derived-versions/{derived_id}:confirm-withdrawn",
    ),
    Scope.LEDGER_READ: ("GET /v1/ledger/entries", "GET /v1/ledger/withdrawals"),
    Scope.METRICS_READ: ("GET /metrics",),
    Scope.WEBHOOKS_ADMIN: (
        "GET /v1/webhooks",
        "POST /v1/webhooks",
        f"GET {WEBHOOK}",
        f"DELETE {WEBHOOK}",
        f"POST {WEBHOOK}:disable",
        f"POST {WEBHOOK}:enable",
        f"POST {WEBHOOK}:rotate",
        f"GET {WEBHOOK}/deliveries",
        f"POST {WEBHOOK}/deliveries/{{delivery_id}}:replay",
    ),
    Scope.KEYS_ADMIN: (
        "GET /v1/api-keys",
        "POST /v1/api-keys",
        f"POST {KEY}:rotate",
        f"DELETE {KEY}",
    ),
}
OF_ROUTE = {route: scope for scope, routes in ROUTES.items() for route in routes}
