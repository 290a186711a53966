"""Compares an atlas with pyasn, which reads the same table by code of its own.

usage: pyasn_check.py TRACKER TABLE.dat.gz [ADDRESSES]

Has TRACKER (nearcast-tracker) compile the table, looks up so many random addresses (1,000,000) in both, and ends with 1 at
the first that differs. One in five lies near the edge of a prefix of the table, one in ten is IPv6.
"""

import gzip
import ipaddress
import json
import random
import subprocess
import sys
import tempfile

import pyasn


def addresses(table, count, dice):
    with gzip.open(table, "rt") as lines:
        prefixes = [ipaddress.ip_network(line.split()[0]) for line in lines if not line.startswith(";")]
    v6 = [prefix for prefix in prefixes if prefix.version == 6]
    for number in range(count):
        if number % 10 == 9:
            prefix = dice.choice(v6)
            yield prefix.network_address + dice.randrange(prefix.num_addresses)
        elif number % 5 == 0:
            prefix = dice.choice(prefixes)
            edge = prefix.network_address if dice.random() < 0.5 else prefix.broadcast_address
            highest = 2**edge.max_prefixlen - 1
            yield type(edge)(min(max(int(edge) + dice.randint(-1, 1), 0), highest))
        else:
            yield ipaddress.IPv4Address(dice.getrandbits(32))


def main():
    tracker, table = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    wanted = [str(address) for address in addresses(table, count, random.Random(1))]
    theirs = pyasn.pyasn(table)
    with tempfile.TemporaryDirectory() as folder:
        atlas = f"{folder}/atlas"
        build = [tracker, "atlas", "build", "--quiet", "--prefix2as", table, "-o", atlas]
        subprocess.run(build, check=True)
        lookup = [tracker, "atlas", "lookup", "--json", atlas, "-"]
        told = subprocess.run(lookup, input="\n".join(wanted), capture_output=True, text=True)
    # 3: some addresses are nobody's, as they should be.
    if told.returncode not in (0, 3):
        sys.exit(told.stderr)
    found = 0
    lines = told.stdout.splitlines()
    assert len(lines) == len(wanted), f"{len(lines)} answers to {len(wanted)} questions"
    for address, line in zip(wanted, lines):
        origins = json.loads(line)["origins"]
        ours = origins[0]["asn"] if origins else None
        expected = theirs.lookup(address)[0]
        if ours != expected:
            sys.exit(f"{address}: AS {ours} here, AS {expected} by pyasn")
        found += ours is not None
    print(f"{count} addresses, {found} of them found: the same AS as by pyasn {pyasn.__version__}")


main()
