"""Both ends of gRPC by its authors' own library. Messages are plain bytes: no compiler is needed.

peer.py serve HOST:PORT STATE [CHAIN KEY]   STATE holds what the health check answers
peer.py call HOST:PORT                      one line for each kind of call
"""

import sys
import threading
from concurrent import futures

import grpc

ECHO = "sim.Echo"


def unary(message, context):
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-before", told.get("x-told", "nothing")),))
    context.set_trailing_metadata((("x-after", "unary"),))
    return message


def split(message, _context):
    for byte in message:
        yield bytes([byte])


def join(messages, _context):
    return b"".join(messages)


def chat(messages, _context):
    for message in messages:
        yield message.upper()


def fail(_message, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")


def hang(_message, context):
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(60)
    return b""


def serve(address, state, chain=None, key=None):
    def health(message, context):
        if message not in (b"", b"\n\x08sim.Echo"):
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        with open(state) as file:
            return b"\x08" + bytes([int(file.read())])

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler(ECHO, {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Split": grpc.unary_stream_rpc_method_handler(split),
            "Join": grpc.stream_unary_rpc_method_handler(join),
            "Chat": grpc.stream_stream_rpc_method_handler(chat),
            "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "Hang": grpc.unary_unary_rpc_method_handler(hang),
        }),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {
            "Check": grpc.unary_unary_rpc_method_handler(health),
        }),
    ))
    if chain:
        with open(key, "rb") as key, open(chain, "rb") as chain:
            credentials = grpc.ssl_server_credentials([(key.read(), chain.read())])
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def call(address):
    with grpc.insecure_channel(address) as channel:
        def say(name, kind, messages, **more):
            try:
                print(name, kind(f"/{ECHO}/{name}")(messages, timeout=20, **more))
            except grpc.RpcError as error:
                print(name, error.code().name, error.details())

        answer, ended = channel.unary_unary(f"/{ECHO}/Unary").with_call(
            b"hello", timeout=20, metadata=(("x-told", "told"),))
        print("Unary", answer, dict(ended.initial_metadata())["x-before"],
              dict(ended.trailing_metadata())["x-after"])
        long = b"x" * 1_000_000
        print("Long", channel.unary_unary(f"/{ECHO}/Unary")(long, timeout=20) == long)
        print("Split", list(channel.unary_stream(f"/{ECHO}/Split")(b"abc", timeout=20)))
        say("Join", channel.stream_unary, iter([b"a", b"b", b"c"]))
        # Each message is answered before the next one is sent.
        said = iter([b"one", b"two", b"three"])
        heard, ready = [], threading.Semaphore(1)

        def slowly():
            for message in said:
                ready.acquire()
                yield message

        for message in channel.stream_stream(f"/{ECHO}/Chat")(slowly(), timeout=20):
            heard.append(message)
            ready.release()
        print("Chat", heard)
        say("Fail", channel.unary_unary, b"")
        say("Nothing", channel.unary_unary, b"")


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
