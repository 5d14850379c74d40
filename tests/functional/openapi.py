"""Holds answers of the query API against docs/openapi.yaml.

    from openapi import CheckedServer      # a harness.Server whose every answer is checked
    OpenApi().check("GET", "/v1/url?url=x", answer)      # raises AssertionError

Of a path that the document does not know (404) only the form of the error is checked.
"""

import functools
import json
import re
import urllib.parse

import jsonschema
import yaml

from harness import TOP, Server

DOCUMENT = TOP / "docs" / "openapi.yaml"


class OpenApi:
    def __init__(self, path=DOCUMENT):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.resolver = jsonschema.RefResolver.from_schema(self.document)
        self.paths = [(self.pattern(template), item) for template, item in self.document["paths"].items()]

    @staticmethod
    def pattern(template):
        """"/v1/file/{digest}" as a regular expression."""
        pieces = re.split(r"\{[^}]*\}", template)
        return re.compile("[^/]*".join(re.escape(piece) for piece in pieces))

    def resolved(self, value):
        while isinstance(value, dict) and "$ref" in value:
            value = self.resolver.resolve(value["$ref"])[1]
        return value

    def find_operation(self, method, path):
        """The operation, {} when only the path is known, None when nothing is."""
        for pattern, item in self.paths:
            if pattern.fullmatch(path):
                name = "get" if method == "HEAD" and "head" not in item else method.lower()
                return item.get(name, {})
        return None

    def find_response(self, method, path, status):
        operation = self.find_operation(method, path)
        responses = (operation or {}).get("responses", {})
        for key in (str(status), f"{str(status)[0]}XX", "default"):
            if key in responses:
                return self.resolved(responses[key])
        if operation:
            raise AssertionError(f"{method} {path}: the document has no answer {status}")
        return None

    @functools.lru_cache(maxsize=None)
    def validator(self, text):
        schema = json.loads(text)
        return jsonschema.Draft202012Validator(schema, resolver=self.resolver)

    def check_json(self, schema, value, where):
        errors = sorted(self.validator(json.dumps(schema)).iter_errors(value), key=str)
        if errors:
            error = errors[0]
            raise AssertionError(f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message}\n{value}")

    def check_problem(self, answer, where):
        schema = {"$ref": "#/components/schemas/Problem"}
        self.check_json(schema, answer.json, where)
        if answer.headers.get("content-type") != "application/problem+json":
            raise AssertionError(f"{where}: an error of type {answer.headers.get('content-type')}")

    def check(self, method, target, answer):
        path = urllib.parse.urlsplit(target).path
        where = f"{method} {target[:200]} {answer.status}"
        response = self.find_response(method, path, answer.status)
        if response is None:
            if answer.status < 400:
                raise AssertionError(f"{where}: the document does not know this")
            if method != "HEAD":
                self.check_problem(answer, where)
            return
        for name, header in response.get("headers", {}).items():
            header = self.resolved(header)
            value = answer.headers.get(name.lower())
            if value is None and header.get("required"):
                raise AssertionError(f"{where}: no header {name}")
            schema = self.resolved(header.get("schema", {}))
            if value is not None and schema.get("type") == "integer":
                value = int(value)
            if value is not None:
                self.check_json(schema, value, f"{where}: header {name}")
        self.check_content(method, response, answer, where)

    def check_content(self, method, response, answer, where):
        content = response.get("content", {})
        if not content or method == "HEAD":
            if answer.body:
                raise AssertionError(f"{where}: a body that the document does not have")
            return
        kind = answer.headers.get("content-type", "").split(";")[0].strip()
        if kind not in content:
            raise AssertionError(f"{where}: content type {kind}, the document has {sorted(content)}")
        if kind.endswith("json"):
            self.check_json(content[kind].get("schema", {}), answer.json, where)


class CheckedServer(Server):
    """A server whose every answer to get(), post() and request() is held against the document."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.openapi = OpenApi()
        self.checked = 0

    def request(self, method, path, *arguments, **options):
        answer = super().request(method, path, *arguments, **options)
        self.openapi.check(method, path, answer)
        self.checked += 1
        return answer
