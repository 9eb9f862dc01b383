from pathlib import Path

from app.cli.services import services


def test_only_the_clerk_is_given_a_log_key_from_our_environment(tmp_path: Path) -> None:
    programs = services(
        tmp_path, host="127.0.0.1", port=8000, workers=2, environment={"LACUNA_PEPPER": "p"}
    )

    told = {program.name for program in programs if "LACUNA_LOG_KEY" not in program.environment}

    assert told == {"clerk"}
    hidden = [program for program in programs if program.name not in told]
    assert {program.environment["LACUNA_LOG_KEY"] for program in hidden} == {""}
    assert len(hidden) == 5
