"""A harness.Server whose every answer to get(), post() and request() is held against docs/openapi.yaml."""

from harness import Server
from openapi_check import OpenApi


class CheckedServer(Server):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.openapi = OpenApi()
        self.checked = 0

    def check(self, method, path, answer):
        self.openapi.check(method, path, answer.status, answer.headers, answer.body)
        self.checked += 1

    def request(self, method, path, *arguments, **options):
        answer = super().request(method, path, *arguments, **options)
        self.check(method, path, answer)
        return answer

    def request_unchecked(self, method, path, *arguments, **options):
        """For very many large answers, of which the caller checks some."""
        return super().request(method, path, *arguments, **options)
