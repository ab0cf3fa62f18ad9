#!/usr/bin/env python3
"""An ordinary ZeroMQ subscriber, through a forwarder that it knows nothing of.

usage: sub.py ENDPOINT PREFIX [COUNT]

See pub.py for an example.
"""
import sys

import zmq


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        subscriber.setsockopt_string(zmq.SUBSCRIBE, sys.argv[2])
        subscriber.connect(sys.argv[1])
        received = 0
        while count is None or received < count:
            topic, body = subscriber.recv_multipart()
            print(topic.decode(), body.decode(), flush=True)
            received += 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
