"""The dashboard's third-party files: at run time they come from us, never from a CDN.

Only the standard library, because hatch_build.py runs this in an empty build environment.
"""

from __future__ import annotations

from pathlib import Path

from paid.setup.npm import Package, archive, extract

ASSETS: dict[Package, dict[str, str]] = {
    Package(
        "htmx.org",
        "2.0.11",
        "Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
    ): {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "LICENSE.htmx"},
    Package(
        "htmx-ext-sse",
        "2.2.4",
        "LJmxVhykyflBWgh5PvbRidcyuqMHlgfajmmzumvKctv9puvsufeH6OaejSMZTNTnEI8O2wXXn4ZZtBdpEMqmEQ==",
    ): {"dist/sse.min.js": "sse.min.js", "LICENSE": "LICENSE.htmx-ext-sse"},
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
    ): {
        "dist/uPlot.iife.min.js": "uplot.min.js",
        "dist/uPlot.min.css": "uplot.min.css",
        "LICENSE": "LICENSE.uplot",
    },
    Package(
        "@picocss/pico",
        "2.1.1",
        "kIDugA7Ps4U+2BHxiNHmvgPIQDWPDU4IeU6TNRdvXQM1uZX+FibqDQT2xUOnnO2yq/LUHcwnGlu1hvf4KfXnMg==",
    ): {"css/pico.min.css": "pico.min.css", "LICENSE.md": "LICENSE.pico"},
}
STAMP = ".versions"


def folder(root: Path) -> Path:
    """Where the pages look for these files in a checkout; git ignores it."""
    return root / "web" / "static" / "vendor"


def are_there(into: Path) -> bool:
    """True when every file of these very versions is there."""
    stamp = into / STAMP
    names = [name for wanted in ASSETS.values() for name in wanted.values()]
    return (
        stamp.exists()
        and stamp.read_text() == _versions()
        and all((into / name).exists() for name in names)
    )


def install(into: Path, cache_dir: Path) -> None:
    """Put the files there; archives are kept in the cache. Raises DownloadError."""
    for package, wanted in ASSETS.items():
        extract(archive(package, cache_dir), wanted, into)
    (into / STAMP).write_text(_versions())


def _versions() -> str:
    return "".join(f"{package.name} {package.version} {package.sha512}\n" for package in ASSETS)
