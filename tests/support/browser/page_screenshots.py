"""Takes the screenshots of docs/page.md and docs/results.md: `make screenshots`."""

import sys
import tempfile
from pathlib import Path

from chromium import chromium
from page_scene import analyses, links, log_in, scene
from processes import until

IMAGES = Path(__file__).parents[3] / "docs/images"
DESKTOP = {"viewport": {"width": 1180, "height": 760}}
PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "device_scale_factor": 1.5}
SHOTS = {
    "page-jobs": ("/", DESKTOP),
    "page-job": ("/jobs/somatic-run-0174", DESKTOP),
    "page-files": ("/files", DESKTOP),
    "page-accounts-dark": ("/accounts", DESKTOP | {"color_scheme": "dark"}),
    "page-phone": ("/", PHONE),
    "report": ("/jobs/germline-run-0172/report", {"viewport": {"width": 1060, "height": 1225}}),
}


def main() -> None:
    """Play a morning of a laboratory, and look at it."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as lab, chromium() as browser:
        files = (f"fil.{number:04}" for number in range(400))
        samples = [f"sample-{number:03}" for number in range(60)]
        lab.queue(
            "run-0171.yaml",
            links("link-run-0171", *files),
            analyses("germline-run-0171", *samples, after=["link-run-0171"], labels={"run": "0171"}),
        )
        lab.until("germline-run-0171", "succeeded")
        failing = [_named(each, 9, "flaky" if each.endswith(("9", "8")) else "fail") for each in samples]
        lab.queue("run-0172.yaml", analyses("germline-run-0172", *failing, labels={"run": "0172"}))
        lab.until("germline-run-0172", "partial")
        lab.drop("retry.yaml", "version: 1\ncontrols: [{retry: germline-run-0172, state: failed}]\n")
        until(lambda: lab.job("germline-run-0172")["round"] == 2)
        lab.until("germline-run-0172", "partial")
        tumours = [f"tumour-{n:03}{'-slow' if n % 3 else ''}{_word(n)}" for n in range(90)]
        lab.queue(
            "run-0174.yaml", analyses("somatic-run-0174", *tumours), analyses("rna-run-0175", "s1", "s2", after=["x"])
        )
        lab.queue("run-0176.yaml", links("link-run-0176", "fil.01", "fil.02", after=["somatic-run-0174"]))
        lab.drop("pause.yaml", "version: 1\ncontrols: [{pause: rna-run-0175}]\n")
        lab.drop(
            "run-0177.yaml",
            "version: 1\njobs:\n  - name: run 0177\n    kind: ica.data_linking\n    acount: ica\n    items: [{}]\n",
        )
        lab.until_counts("somatic-run-0174", succeeded=25, attention=1)
        for name, (path, options) in SHOTS.items():
            context = browser.new_context(**options)
            page = context.new_page()
            log_in(page, lab.url)
            if path.endswith("/report"):  # the server forbids scripts in it, those of this browser's driver too
                saved = Path(folder) / "report.html"
                saved.write_bytes(page.request.get(f"{lab.url}{path}").body())
                page.goto(saved.as_uri())
            else:
                page.goto(f"{lab.url}{path}")
            page.screenshot(path=IMAGES / f"{name}.png")
            context.close()
            sys.stdout.write(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size // 1024} KiB\n")


def _named(sample: str, every: int, word: str) -> str:
    return f"{sample}-{word}" if int(sample[-3:]) % every == 0 else sample


def _word(number: int) -> str:
    return {4: "-await", 9: "-fail", 30: "-fail"}.get(number, "")


if __name__ == "__main__":
    main()
