"""Sends calls over ONE connection and shows who answered how many of them.

    python3 client.py TARGET            needs the package grpcio
"""

import collections
import sys

import grpc

CALLS = 300


def replica(reply):
    return reply[2:].decode()  # a serialized demo.Reply: one byte of tag, one of length


def tally(channel, method, metadata=()):
    call = channel.unary_unary(method)  # bytes in, bytes out
    names = collections.Counter(replica(call(b"", metadata=metadata)) for _ in range(CALLS))
    shown = "  ".join(f"{name}: {count}" for name, count in sorted(names.items()))
    print(f"{CALLS} calls of {method} {dict(metadata) or ''}\n    {shown}")


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        tally(channel, "/demo.Greeter/Hello")
        tally(channel, "/demo.Greeter/Hello", (("x-canary", "yes"),))
        tally(channel, "/demo.Prices/Get")
        try:
            channel.unary_unary("/demo.Secrets/Get")(b"")
        except grpc.RpcError as error:
            print(f"/demo.Secrets/Get, which no rule offers\n    {error.code().name}")


if __name__ == "__main__":
    main()
