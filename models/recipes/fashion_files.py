"""Where Debian's package of Fashion-MNIST lies, and how to get it without touching the system."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "dataset-fashion-mnist"
VARIABLE = "LACUNA_FASHION_MNIST"
IN_PACKAGE = Path("usr/share/datasets/fashion-mnist")
CACHE = Path(".lacuna/cache") / PACKAGE
FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
WAY_OUT = (
    f"as root: apt-get install {PACKAGE}; or, as anyone: apt-get download {PACKAGE} && "
    f"dpkg -x {PACKAGE}_*.deb {CACHE}; or set {VARIABLE} to a folder that holds the four files"
)


def folder() -> Path:
    """Where all four files are: what LACUNA_FASHION_MNIST says, else installed, else in the cache.

    The `FileNotFoundError` for files that are nowhere says how to get them.
    """
    chosen = os.environ.get(VARIABLE)
    places = [Path(chosen)] if chosen else [Path("/") / IN_PACKAGE, CACHE / IN_PACKAGE]
    for place in places:
        if all((place / name).is_file() for name in FILES):
            return place
    looked = " or ".join(str(place) for place in places)
    raise FileNotFoundError(f"Fashion-MNIST is not in {looked}. {WAY_OUT}")


def available() -> bool:
    """Whether the files can be read right now."""
    try:
        folder()
    except FileNotFoundError:
        return False
    return True


def fetch() -> tuple[bool, str]:
    """Get the files into the cache folder unless some are there: whether they are, and why (not).

    apt-get checks signature and digest of what it downloads. Its lists, where it has none, and the
    package go into a folder of ours, so an ordinary user can do it and the system stays as it is.
    """
    if available():
        return True, f"Fashion-MNIST is in {folder()}"
    if os.environ.get(VARIABLE):
        return False, f"{VARIABLE} is set, but the folder does not hold {', '.join(FILES)}"
    missing = [program for program in ("apt-get", "dpkg") if shutil.which(program) is None]
    if missing:
        return False, f"{' and '.join(missing)} not found: this is no Debian. {WAY_OUT}"
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE.parent.absolute()) as scratch:
        try:
            unpack(download(Path(scratch)), Path(scratch) / "unpacked")
            return True, f"Fashion-MNIST is in {folder()}"
        except (subprocess.SubprocessError, OSError) as error:
            return False, f"{PACKAGE} could not be fetched: {said(error)}. {WAY_OUT}"


def download(scratch: Path) -> Path:
    """The package's file, by the lists this machine has, or else by lists fetched for this only."""
    try:
        run(["apt-get", "download", PACKAGE], scratch)
    except subprocess.CalledProcessError:
        (scratch / "lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        # As root apt-get would work as the user _apt, who may not write into our folder.
        ours = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
        ours += ["-o", "APT::Sandbox::User=root"]
        run(["apt-get", *ours, "update"], scratch)
        run(["apt-get", *ours, "download", PACKAGE], scratch)
    return next(scratch.glob(f"{PACKAGE}_*.deb"))


def unpack(package: Path, place: Path) -> None:
    """Unpack beside the cache, then move: whoever looks meanwhile finds no half-written file."""
    run(["dpkg", "-x", str(package), str(place)], package.parent)
    shutil.rmtree(CACHE, ignore_errors=True)
    place.rename(CACHE)


def run(command: list[str], scratch: Path) -> None:
    """Run one of the system's programs in the folder; `SubprocessError` where it fails or hangs."""
    subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True, timeout=300)


def said(error: Exception) -> str:
    """What the program that failed said last, or else the error itself."""
    if isinstance(error, subprocess.CalledProcessError) and error.stderr.strip():
        return error.stderr.strip().splitlines()[-1]
    return str(error)
