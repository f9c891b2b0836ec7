"""What the explorer can be asked, as OpenAPI."""

from collections.abc import Iterable
from typing import Any

import lastlayer
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.fields import state_schema

_REFUSALS = {
    "400": "The body is not strict JSON.",
    "403": "The request comes from another site's page.",
    "413": "The body is too large.",
    "414": "The address is too long.",
    "415": "The body is not declared as application/json.",
    "421": "The request is addressed to a host that is not served.",
    "422": "A state that no answer can be given of; `field` names the entry at fault.",
    "500": "A bug in lastlayer.",
}
_PROBLEM = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "One sentence."}, "field": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}


def api_schema(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """An OpenAPI document of every endpoint."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "lastlayer explorer", "version": lastlayer.__version__},
        "paths": {f"/api/{endpoint.name}": {"post": _operation(endpoint)} for endpoint in endpoints},
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _operation(endpoint):
    refusals = {
        status: _described(about, {"$ref": "#/components/schemas/Problem"}) for status, about in _REFUSALS.items()
    }
    return {
        "operationId": endpoint.name,
        "summary": endpoint.about,
        "requestBody": _content(state_schema(endpoint.fields)) | {"required": True},
        "responses": {"200": _described("The answer.", {"type": "object"})} | refusals,
    }


def _described(about, schema):
    return {"description": about} | _content(schema)


def _content(schema):
    return {"content": {"application/json": {"schema": schema}}}
