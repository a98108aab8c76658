"""A receiver of OTLP over HTTP that takes nothing but what OpenTelemetry's own definitions know.

receiver.py HOST PORT STATE [CHAIN KEY]   STATE holds the status it answers, or nothing while it does not

Each request comes to a line of JSON on stdout: its headers and its spans.
"""

import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

STATE = sys.argv[3]


def status_to_answer():
    """Waits until there is one."""
    while True:
        with open(STATE, encoding="ascii") as state:
            status = state.read()
        if status:
            return int(status)
        time.sleep(0.01)


def known(message):
    """Fails if there is a field in it, or below, that is none of the definition."""
    if len(UnknownFieldSet(message)):
        raise ValueError(f"unknown fields in {message.DESCRIPTOR.full_name}")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                known(inner)


def attributes(message):
    found = {}
    for one in message.attributes:
        if one.key in found:
            raise ValueError(f"{one.key} is there twice")
        found[one.key] = getattr(one.value, one.value.WhichOneof("value"))
    return found


def flat(request):
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8:
                    raise ValueError("an id has the wrong length")
                yield {
                    "resource": attributes(resource.resource),
                    "scope": scope.scope.name,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "flags": span.flags,
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind),
                    "began": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano,
                    "attributes": attributes(span),
                    "status": Status.StatusCode.Name(span.status.code),
                    "message": span.status.message,
                }


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status = status_to_answer()
        try:
            if self.headers["content-type"] != "application/x-protobuf":
                raise ValueError(f"content-type {self.headers['content-type']}")
            request = service.ExportTraceServiceRequest.FromString(body)
            known(request)
            said = {"path": self.path, "headers": dict(self.headers), "spans": list(flat(request))}
        except Exception as error:  # whatever is wrong is told to the one who looks
            status, said = 400, {"wrong": repr(error)}
        if status != 503:
            print(json.dumps(said), flush=True)
        answer = service.ExportTraceServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Receiver)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
