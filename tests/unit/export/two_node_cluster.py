"""A Ray cluster of two nodes on this machine, each in processes of its own: prints its address, ends with its input."""

from __future__ import annotations

import os
import sys

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    each = {
        "node_ip_address": "127.0.0.1",
        "num_cpus": 1,
        "object_store_memory": 128 << 20,
        "include_dashboard": False,
        "resources": {},
    }
    cluster = Cluster()
    try:
        for name in ("head", "other"):
            cluster.add_node(**each | {"resources": {name: 1}})
        cluster.wait_for_nodes()
        print(cluster.address, flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()
