"""A client of one API server: JSON requests over one kept connection per thread, and watches."""
import http.client
import json
import ssl
import threading
import urllib.parse


class ApiError(Exception):
    """The API server refused; `status` is HTTP's."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


class Api:
    def __init__(self, server: str, ca: str, token: str):
        self.address = urllib.parse.urlsplit(server)
        self.tls = ssl.create_default_context(cafile=ca)
        self.token = token
        self.kept = threading.local()

    def connect(self, timeout):
        return http.client.HTTPSConnection(self.address.hostname, self.address.port, timeout=timeout, context=self.tls)

    def headers(self, body, content_type):
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json",
                **({"Content-Type": content_type} if body is not None else {})}

    def call(self, method: str, path: str, body=None, content_type="application/json"):
        payload = json.dumps(body).encode() if body is not None else None
        for attempt in (0, 1):
            connection = getattr(self.kept, "connection", None) or self.connect(15)
            self.kept.connection = connection
            try:
                connection.request(method, path, payload, self.headers(body, content_type))
                answer = connection.getresponse()
                text = answer.read().decode()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self.kept.connection = None
                if attempt == 1:
                    raise
        if answer.status >= 300:
            raise ApiError(answer.status, text)
        return json.loads(text)

    def get(self, path: str):
        return self.call("GET", path)

    def create(self, path: str, body):
        return self.call("POST", path, body)

    def patch(self, path: str, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str):
        return self.call("DELETE", path, {"gracePeriodSeconds": 0})

    def watch(self, path: str, version: str):
        """Yields (type, object) until the server ends the watch."""
        connection = self.connect(None)
        try:
            join = "&" if "?" in path else "?"
            connection.request("GET", f"{path}{join}watch=true&resourceVersion={version}", headers=self.headers(None, ""))
            answer = connection.getresponse()
            if answer.status >= 300:
                raise ApiError(answer.status, answer.read().decode())
            while line := answer.readline():
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()
