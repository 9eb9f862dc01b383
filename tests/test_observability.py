import logging

from app.observability import configure_logging

ACCESS = '%s - "%s %s HTTP/%s" %d'  # as uvicorn has it


def test_what_a_query_names_does_not_reach_the_access_log() -> None:
    configure_logging()
    logger = logging.getLogger("uvicorn.access")
    path = "/v1/models/m/versions?saw_sample=ada-7"
    record = logger.makeRecord(
        logger.name, logging.INFO, "", 0, ACCESS, ("::1", "GET", path, "1.1", 200), None
    )

    assert logger.filter(record)

    assert record.getMessage() == '::1 - "GET /v1/models/m/versions HTTP/1.1" 200'
