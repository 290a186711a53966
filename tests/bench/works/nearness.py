"""What crosses the borders of networks: 24 leechers in four ASes, with nearness and by random
choice."""

import os
import random

import sandbox
from child import Failure
from works.transfer import MIB, SEEDER_HOST, Transfer

# Name, AS, number of leechers. Each AS has a block of its own in 127.0.0.0/8, so it has a private
# AS number.
GROUPS = (("A", 64_601, 12), ("B", 64_602, 6), ("C", 64_603, 4), ("D", 64_604, 2))
RIDGE, SOURCE = 64_605, 64_609
SOURCE_BLOCK = 9
# A and B peer without payment, C buys from A. ASes without a link reach the others through Ridge.
RELATIONS = ((64_601, 64_602, 0), (64_601, 64_603, -1), (RIDGE, 64_601, -1), (RIDGE, 64_602, -1),
             (RIDGE, 64_604, -1), (RIDGE, SOURCE, -1))
SEEDER_UP_MIB = 16
LEECHER_UP_MIB = (2, 12)
RATES_SEED = 2_409


class Nearness(Transfer):
    """One seeder in an AS of its own; the leechers send at random rates, the same in every run."""

    def __init__(self, size_bytes, **options):
        self._addresses = {SEEDER_HOST: f"127.{SOURCE_BLOCK}.0.1"}
        self.groups = {}
        for block, (name, _, members) in enumerate(GROUPS, start=1):
            first = SEEDER_HOST + len(self._addresses)
            self.groups[name] = list(range(first, first + members))
            self._addresses.update({host: f"127.{block}.{host}.1" for host in self.groups[name]})
        dice = random.Random(RATES_SEED)
        uplinks = {host: round(dice.uniform(*LEECHER_UP_MIB) * MIB) for host in self._addresses}
        uplinks[SEEDER_HOST] = SEEDER_UP_MIB * MIB
        super().__init__("24 leechers in ASes of 12, 6, 4 and 2, random uplinks", size_bytes, leechers=24,
                         uplinks=uplinks, **options)

    def address(self, host):
        return self._addresses[host]

    def write_tables(self, folder):
        prefixes, relations = os.path.join(folder, "prefixes.dat"), os.path.join(folder, "relations.txt")
        blocks = [(block, number) for block, (_, number, _) in enumerate(GROUPS, start=1)] + [(SOURCE_BLOCK, SOURCE)]
        with open(prefixes, "w") as file:
            file.writelines(f"127.{block}.0.0/16\t{number}\n" for block, number in blocks)
        with open(relations, "w") as file:
            file.writelines(f"{a}|{b}|{relation}\n" for a, b, relation in RELATIONS)
        return prefixes, relations

    def _measure(self, peer, run):
        sandbox.pace_loopback()
        return super()._measure(peer, run)

    def _figures(self, seeder, leechers, *costs):
        figures = super()._figures(seeder, leechers, *costs)
        first_start = min(leecher.child.started for leecher in leechers)
        by_host = dict(zip(range(SEEDER_HOST + 1, SEEDER_HOST + 1 + self.leechers), leechers))
        for name, hosts in self.groups.items():
            members = [by_host[host] for host in hosts]
            imported = [leecher.summary().get("imported_bytes") for leecher in members]
            if None in imported:
                raise Failure("a finished event without imported_bytes")
            figures[f"imports_{name}"] = sum(imported) / self.size_bytes
            figures[f"last_{name}_s"] = max(leecher.finished for leecher in members) - first_start
        return figures
