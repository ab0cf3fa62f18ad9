#!/usr/bin/env python3
"""An ordinary ZeroMQ publisher, through a forwarder that it knows nothing of.

usage: pub.py ENDPOINT [COUNT]

For example: zferry forwarder --pub tcp://127.0.0.1:6000 --sub tcp://127.0.0.1:6001
             pub.py tcp://127.0.0.1:6000
             sub.py tcp://127.0.0.1:6001 prices.
"""
import sys
import time

import zmq

TOPICS = ("prices.eur", "prices.gbp", "orders.new")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        publisher.connect(sys.argv[1])
        number = 0
        while count is None or number < count:
            publisher.send_multipart([TOPICS[number % len(TOPICS)].encode(), str(number).encode()])
            number += 1
            time.sleep(0.01)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
