"""What type checkers are told is what there is, and the page's examples hold to it and run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Script

import glassdome

PAGE = (Path(__file__).parent / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


STRICT = ("--strict", "--no-incremental", "--cache-dir", os.devnull)


def mypy(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_what_there_is() -> None:
    mypy("mypy.stubtest", "glassdome")


def test_the_package_and_the_examples_are_typed(tmp_path: Path) -> None:
    mypy("mypy", *STRICT, "-p", "glassdome")
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(example)
    mypy("mypy", *STRICT, *map(str, tmp_path.glob("*.py")))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[-1])
def test_the_examples_run(example: str) -> None:
    for name, value in (("aws/prod/key", "AKIA"), ("db/password", "hunter2"), ("tls/key", "-----BEGIN")):
        glassdome.set(name, value)
    script = Script("example.py", example)
    script.allow()
    code, _, err = script.run()
    assert (code, err) == (0, "")
