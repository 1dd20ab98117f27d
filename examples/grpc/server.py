"""A gRPC server that answers every call with the name of the machine it runs on: demo.proto's services.

    python3 server.py [ADDRESS]         needs the package grpcio
"""

import socket
import sys
from concurrent import futures

import grpc

NAME = socket.gethostname().encode()
# A serialized demo.Reply: field 1, of type string. No generated code for one field.
REPLY = b"\x0a" + bytes([len(NAME)]) + NAME


class Everything(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: REPLY)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "0.0.0.0:50051"
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers([Everything()])
    server.add_insecure_port(address)
    server.start()
    print(f"{NAME.decode()} listens on {address}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
