"""The API against what it says of itself: requests that fit its schema, and requests that do not."""

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from lastlayer.explorer import application
from lastlayer.explorer.api_schema import api_schema
from lastlayer.explorer.application import ENDPOINTS

HOST = "http://127.0.0.1"
APPLICATION = application()
SCHEMA = schemathesis.openapi.from_dict(api_schema(ENDPOINTS))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


def test_every_endpoint_is_tried():
    assert sorted(operation.path for operation in OPERATIONS) == sorted(f"/api/{each.name}" for each in ENDPOINTS)


@pytest.mark.parametrize(
    "mode",
    [GenerationMode.POSITIVE, pytest.param(GenerationMode.NEGATIVE, marks=pytest.mark.thorough)],
    ids=lambda mode: mode.value,
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_answers_are_as_described(operation, mode):
    @seed(0)
    @settings(
        max_examples=8,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        response = case.call(base_url=HOST, app=APPLICATION)
        # Fields that fit each for itself need not fit each other: as many scores as classes.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    check()


def test_the_schema_is_valid_and_complete():
    document = api_schema(ENDPOINTS)
    assert document["openapi"] == "3.1.0"
    for path in document["paths"].values():
        body = path["post"]["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.meta.validate(body | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert set(path["post"]["responses"]) == {"200", "400", "403", "413", "414", "415", "421", "422", "500"}
