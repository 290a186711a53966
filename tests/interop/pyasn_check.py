"""Compares an atlas with pyasn, which reads the same table by code of its own.

usage: pyasn_check.py TRACKER TABLE.dat.gz [ADDRESSES]

Lets TRACKER (nearcast-tracker) compile the table, looks up ADDRESSES random addresses (default:
1,000,000) in both, and ends with 1 at the first difference. One address in five lies near the edge
of a prefix of the table, one in ten is IPv6. pyasn would believe the table's lines about private
and other special addresses, so it does not get them.
"""

import gzip
import ipaddress
import json
import random
import subprocess
import sys
import tempfile

import pyasn

# Addresses without an owner in the Internet: RFC 6890 and IANA's registries of special-purpose
# addresses.
SPECIAL = [
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 "
        "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 "
        "::/3 2001::/23 2001:db8::/32 2002::/16 3fff::/20 4000::/2 8000::/1"
    ).split()
]
# Parts of these blocks that are routed all the same (AMT, AS112).
ROUTED = [ipaddress.ip_network(block) for block in ("2001:3::/32", "2001:4:112::/48")]


def within(prefix, blocks):
    return any(prefix.version == block.version and prefix.subnet_of(block) for block in blocks)


def is_special(prefix):
    return within(prefix, SPECIAL) and not within(prefix, ROUTED)


def ordinary(table):
    """The table's lines about ordinary prefixes."""
    with gzip.open(table, "rt") as lines:
        said = [line for line in lines if line.strip() and not line.startswith(";")]
    return [line for line in said if not is_special(prefix_of(line))]


def prefix_of(line):
    return ipaddress.ip_network(line.split()[0])


def addresses(prefixes, count, dice):
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
    lines = ordinary(table)
    wanted = [str(address) for address in addresses([prefix_of(line) for line in lines], count, random.Random(1))]
    with tempfile.TemporaryDirectory() as folder:
        kept = f"{folder}/ordinary.dat"
        with open(kept, "w") as file:
            file.writelines(lines)
        theirs = pyasn.pyasn(kept)
        atlas = f"{folder}/atlas"
        build = [tracker, "atlas", "build", "--quiet", "--prefix2as", table, "-o", atlas]
        subprocess.run(build, check=True)
        lookup = [tracker, "atlas", "lookup", "--json", atlas, "-"]
        told = subprocess.run(lookup, input="\n".join(wanted), capture_output=True, text=True)
    # Exit code 3: some addresses have no owner, as expected.
    if told.returncode not in (0, 3):
        sys.exit(told.stderr)
    found = 0
    answers = told.stdout.splitlines()
    assert len(answers) == len(wanted), f"{len(answers)} answers to {len(wanted)} questions"
    for address, answer in zip(wanted, answers):
        origins = json.loads(answer)["origins"]
        ours = origins[0]["asn"] if origins else None
        expected = theirs.lookup(address)[0]
        if ours != expected:
            sys.exit(f"{address}: AS {ours} here, AS {expected} by pyasn")
        found += ours is not None
    print(f"{count} addresses, {found} of them found: the same AS as by pyasn {pyasn.__version__}")


main()
