"""deploy/check.sh, check by check: skipped, saying why, where its program is absent (`make services` brings them)."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = 77


def run_check(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy/check.sh", name], capture_output=True, text=True, check=False)


CHECKS = "shell vendored dockerfile compose compose-cuda systemd prometheus rules rule-tests"


@pytest.mark.parametrize("name", CHECKS.split())
def test_deployment_files_pass_their_programs(name: str) -> None:
    outcome = run_check(name)
    if outcome.returncode == SKIPPED:
        pytest.skip(outcome.stdout.strip())
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_a_check_that_does_not_exist_fails() -> None:
    assert run_check("nonsense").returncode == 1


def test_ci_calls_the_verbs_that_people_call() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().splitlines()[-1] == "exec make services lint test"


def test_make_without_a_verb_lists_every_verb() -> None:
    listed = subprocess.run(["make", "-C", ROOT, "--no-print-directory"], capture_output=True, text=True, check=True)
    verbs = {line.split()[1] for line in listed.stdout.splitlines() if line.startswith("  make ")}
    assert verbs == {"setup", "demo", "serve", "lint", "test", "bench", "services", "clean", "help"}
