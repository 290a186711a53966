"""The works that are compared, by the name used on the command line, in the order they are run."""

from content import ManyFiles, SparseFile
from goals import Absolute, Relative
from works.limits import Limits
from works.mixed import Mixed
from works.nearness import GROUPS, Nearness
from works.start import Start
from works.transfer import GIB, KIB, MIB, Transfer

HOSTS = 9
MEMORY = [Absolute("seeder_rss_mb", "<=", 64), Absolute("leecher_rss_mb", "<=", 64)]


def _one_to_one(size_bytes):
    return Transfer("one seeder to one leecher", size_bytes or GIB, goals=[
        Relative("mb_per_s", ">=", 1.6, "rqbit"), Relative("mb_per_s", ">=", 1.0, "curl"),
        Absolute("cpu_s_per_gib", "<=", 3.6), *MEMORY])


def _swarm(size_bytes):
    return Transfer("one seeder and eight leechers, unlimited", size_bytes or 256 * MIB, leechers=8, goals=[
        Relative("wall_s", "<=", 0.95, "rqbit"), Absolute("seeder_copies", "<=", 1.5)])


def _limited(size_bytes):
    return Transfer("one seeder and eight leechers, each sending at most 8 MiB/s", size_bytes or 128 * MIB, leechers=8,
                    uplinks={host: 8 * MIB for host in range(1, 1 + HOSTS)}, runs=3, timeout_s=240, goals=[
                        Absolute("last_over_bound", "<=", 1.05), Absolute("mean_over_bound", "<=", 1.03),
                        Absolute("seeder_copies", "<=", 1.05)])


def _mixed(size_bytes):
    return Mixed(size_bytes or 256 * MIB, runs=3, timeout_s=240, goals=[Absolute("last_over_bound", "<=", 1.15)])


def _files(size_bytes):
    return Transfer("many files of 4 KiB, one seeder to one leecher", size_bytes or 10_000 * 4 * KIB, kind=ManyFiles,
                    goals=[Relative("wall_s", "<", 1.0, "rqbit"), Relative("wall_s", "<", 1.0, "aria2")])


def _web_seed(size_bytes):
    return Transfer("an nginx alone to one leecher", size_bytes or GIB, web=True, goals=[
        Relative("mb_per_s", ">=", 1.0, "aria2")])


def _memory(size_bytes):
    return Transfer("one seeder to one leecher, one hole of a file, on disk", size_bytes or 20 * GIB, kind=SparseFile,
                    on_disk=True, runs=1, timeout_s=480, goals=MEMORY)


def _start(size_bytes):
    return Start(size_bytes or 16 * MIB, runs=15, goals=[Absolute("first_byte_ms", "<=", 50)])


def _limits(size_bytes):
    return Limits(size_bytes or 128 * MIB, runs=1, goals=[
        Absolute(key, "within", 0.02) for key in ("seeder_up_over_limit", "get_up_over_limit", "get_down_over_limit")])


def _nearness(size_bytes):
    names = [name for name, _, _ in GROUPS]
    return Nearness(size_bytes or 128 * MIB, runs=3, timeout_s=240, goals=[
        *(Absolute(f"imports_{name}", "<=", 1.3) for name in names),
        *(Relative(f"last_{name}_s", "<=", 1.05, "nearcast-random") for name in names)])


WORKS = {"one-to-one": _one_to_one, "swarm": _swarm, "limited": _limited, "mixed": _mixed, "files": _files,
         "web-seed": _web_seed, "memory": _memory, "start": _start, "limits": _limits,
         "nearness": _nearness}


def make_works(names, sizes, timeout_s):
    """The works with these names, each in every one of these sizes. No sizes: each in its own size.
    `timeout_s` replaces the works' own timeouts if given."""
    works = []
    for name in names:
        for size_bytes in sizes or [None]:
            work = WORKS[name](size_bytes)
            work.name = name
            work.label = name if len(sizes) < 2 else f"{name}-{size_bytes // MIB}MiB"
            work.timeout_s = timeout_s or work.timeout_s
            works.append(work)
    return works
