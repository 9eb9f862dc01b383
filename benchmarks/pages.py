"""Pictures of every report of a running service, as browsers and printers show them.

    python -m benchmarks.pages [address] [folder]

By default of a demo that was kept (`lacuna demo --keep`), into build/pages. Needs a Chromium, and
pdftoppm of poppler for the PDFs' sheets; docs/pages.md says what was looked at.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from benchmarks import browser

ADDRESS, FOLDER = "http://127.0.0.1:8765", Path("build/pages")
WIDTHS = {"phone": 390, "desktop": 1280}  # CSS pixels
SCHEMES = {"light": False, "dark": True}
TOP = 1060  # CSS pixels of a report: its summary and the attacks
DOTS_PER_INCH = "70"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def main() -> None:
    """Take all pictures, and say which pages are wider than their window."""
    given = sys.argv[1:]
    address = given[0] if given else ADDRESS
    folder = Path(given[1]) if given[1:] else FOLDER
    program = browser.found()
    if program is None:
        sys.exit("There is no Chromium here; on Debian: apt-get install chromium poppler-utils")
    with httpx2.Client(base_url=address, timeout=60) as http:
        pages = dict(reports(http))
        for name, path in pages.items():
            if name != "landing":
                print_sheets(http, path, folder / f"{name}-pdf")
    with browser.tab(program) as tab:
        photograph(tab, address, pages, folder)
        for size, width in WIDTHS.items():  # what README.md and docs/pages.md show
            tab.show(address + pages["job-unlearn"], width=width)
            browser.save(tab.picture(height=TOP), folder / f"report-{size}.png")
    say(f"Pictures are in {folder.resolve()}")


def reports(http: httpx2.Client) -> Iterator[tuple[str, str]]:
    """By name: the landing page, the newest job of each kind, a request, this year so far."""
    yield "landing", "/"
    jobs = http.get("/v1/jobs").raise_for_status().json()["items"]
    for kind in dict.fromkeys(job["kind"] for job in jobs):
        newest = next(job["id"] for job in jobs if job["kind"] == kind)
        yield f"job-{kind}", f"/v1/jobs/{newest}/report?format=html"
    for request in http.get("/v1/deletion-requests").raise_for_status().json()["items"][:1]:
        yield "request", f"/v1/deletion-requests/{request['id']}/report?format=html"
    today = datetime.now(UTC).date()
    year = f"from={today.replace(month=1, day=1)}&to={today}"
    yield "period", f"/v1/reports/period?{year}&format=html"


def photograph(tab: browser.Tab, address: str, pages: dict[str, str], folder: Path) -> None:
    """Every page at every width, light and dark."""
    for name, path in pages.items():
        for size, width in WIDTHS.items():
            for scheme, dark in SCHEMES.items():
                tab.show(address + path, width=width, dark=dark)
                browser.save(tab.picture(), folder / f"{name}-{size}-{scheme}.png")
                if beyond := tab.evaluate(SIDEWAYS):
                    say(f"{name} scrolls sideways by {beyond} pixels at {width}")


def print_sheets(http: httpx2.Client, path: str, stem: Path) -> None:
    """The sheets of a report's PDF."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    content = http.get(path.replace("format=html", "format=pdf")).raise_for_status().content
    file = stem.with_suffix(".pdf")
    file.write_bytes(content)
    if (program := shutil.which("pdftoppm")) is None:
        say(f"No pdftoppm here, so no pictures of {file.name}")
        return
    subprocess.run([program, "-r", DOTS_PER_INCH, "-png", str(file), str(stem)], check=True)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
