"""The OpenAPI document against the service: whatever it allows, and what it forbids, gets an answer that it names."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import serving
from tests.model_store.drafts import make_draft

EXAMPLES, MANY = 2, 200
CHECKS = [
    not_a_server_error,  # stands first: a deadline of a millisecond is answered 504
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("service")
    for version in (1, 2):
        Registry(folder / "store").publish(make_draft(seed=version), activate=version == 1)
    with serving(folder, load_fake) as client:
        yield client


def fuzz(client: TestClient, examples: int, mode: GenerationMode) -> None:
    """Every operation, `examples` times; schemathesis finds a 5xx, or a status, header or body that is not named."""
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.path == "/verdicts/stream":  # one that is accepted never ends
            continue
        if mode is GenerationMode.NEGATIVE and is_any_name_good(operation):
            continue

        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            if case.path == "/verdicts":
                case.query.pop("wait", None)  # one that is accepted is obeyed, for up to a minute
            sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
            answer = client.request(str(sent.method), str(sent.url), headers=dict(sent.headers), content=sent.body)
            is_late = answer.status_code == 504 and "x-deadline-ms" in sent.headers  # as the sender asked for
            case.validate_response(answer, checks=CHECKS[is_late:])

        with suppress(Unsatisfiable):  # of an operation without parameters, nothing can be wrong
            check()


def is_any_name_good(operation: schemathesis.schemas.APIOperation) -> bool:
    """Whether it takes a name in its path and nothing else: none breaks the rules, and looking for one takes long."""
    schemas = [each["schema"] for each in operation.definition.raw.get("parameters", ())]
    return "requestBody" not in operation.definition.raw and schemas != [] and all(is_any_string(it) for it in schemas)


def is_any_string(schema: dict[str, object]) -> bool:
    return {name: value for name, value in schema.items() if name != "title"} == {"type": "string"}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_answer_is_one_that_the_document_does_not_name(client: TestClient, mode: GenerationMode) -> None:
    fuzz(client, EXAMPLES, mode)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_answer_of_many_is_one_that_the_document_does_not_name(client: TestClient, mode: GenerationMode) -> None:
    fuzz(client, MANY, mode)
