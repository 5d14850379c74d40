"""Holds answers of the query API against docs/openapi.yaml.

    from openapi_check import OpenApi
    OpenApi().check("GET", "/v1/url?url=…", status, headers, body)

`headers`: lower-case names. Raises AssertionError that says what does not fit. Needs python3-yaml
and python3-jsonschema.
"""

import json
import pathlib
import re

import jsonschema
import yaml

PATH = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"
GENERAL = {"content-type"}  # OpenAPI says it by `content`


class OpenApi:
    def __init__(self):
        self.document = yaml.safe_load(PATH.read_text(encoding="utf-8"))
        self.resolver = jsonschema.RefResolver("", self.document)
        self.seen = set()  # (path, method, status, code)

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def validate(self, schema, value):
        jsonschema.Draft202012Validator(schema, resolver=self.resolver).validate(value)

    def operation(self, method, target):
        """(path template, operation), or the nearest that has every problem answer."""
        path = re.sub(r"^https?://[^/]*", "", target).split("?")[0]
        for template, item in self.document["paths"].items():
            pattern = "^" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)) + "$"
            if re.match(pattern, path):
                return template, item.get(method.lower())
        return path, None

    def any_response(self, status):
        for item in self.document["paths"].values():
            for operation in item.values():
                if str(status) in operation["responses"] and str(status) != "200":
                    return operation["responses"][str(status)]
        raise AssertionError(f"no operation has status {status}")

    def check(self, method, target, status, headers, body):
        template, operation = self.operation(method, target)
        if operation is not None and method != "HEAD":
            response = operation["responses"].get(str(status))
            assert response is not None, f"{method} {template} does not have status {status}"
        else:  # a path or method that does not exist has only problem answers
            assert status != 200 or method == "HEAD", f"{method} {template} gave 200"
            response = self.any_response(status) if status != 200 else {}
        response = self.resolve(response)
        self.check_headers(response, headers, method)
        if method == "HEAD":
            assert body == b"", "HEAD with a body"
            return None
        assert len(body) == int(headers["content-length"]), "length of the body"
        media = headers["content-type"]
        content = response["content"].get(media)
        assert content is not None, f"{status} with {media}"
        if not media.endswith("json"):
            self.seen.add((template, method, status, None))
            return None
        value = json.loads(body.decode("utf-8"))
        self.validate(content["schema"], value)
        self.seen.add((template, method, status, value.get("code")))
        if "ttl" in value:
            assert headers["cache-control"] == f"private, max-age={value['ttl']}"
        return value

    def check_headers(self, response, headers, method):
        known = response.get("headers", {})
        names = {name.lower() for name in known}
        assert method == "HEAD" or not known or set(headers) - GENERAL <= names, \
            f"headers {set(headers) - GENERAL - names}"
        for name, header in known.items():
            header = self.resolve(header)
            value = headers.get(name.lower())
            assert value is not None or not header.get("required"), f"no {name}"
            if value is not None:
                self.validate(header["schema"], value)

    def check_document(self):
        """Every schema is one, every example fits its schema."""
        for name, schema in self.document["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
        count = 0
        for item in self.document["paths"].values():
            for operation in item.values():
                bodies = [operation.get("requestBody", {})]
                bodies += [self.resolve(r) for r in operation["responses"].values()]
                for body in bodies:
                    for content in body.get("content", {}).values():
                        for example in content.get("examples", {}).values():
                            self.validate(content["schema"], self.resolve(example)["value"])
                            count += 1
        return count
