"""The data of `benches/logs`: sorted, reproducible logs that nobody's machine wrote.

Every line has fresh numbers, ids and addresses, so that caching whole messages gains nothing. Names of loggers match none of the error
patterns: what reads whole lines and what reads messages then count alike.
"""

import datetime
import errno
import json
import os
import random
import shutil
import subprocess
import sys

LOGGERS = ("orders", "search", "mailer", "ledger", "edge", "cron", "stock", "pricing")
START = datetime.datetime(2026, 11, 20)
DAYS = 3
CHUNK_LINES = 50_000

# a: an address, n: a number below a million, s: one below 256, x: an id of 12 hexadecimal digits, p: a share.
CALM = (
    ("basket %d of customer %d priced in %d ms", "nns"), ("page %s served from tier %d, %d bytes", "xsn"), ("peer %s joined ring %d", "as"),
    ("shard %d compacted: %d rows kept, share %.3f", "snp"), ("mail %s handed to relay %s", "xa"), ("lease %s renewed for %d s", "xs"),
    ("index segment %s merged after %d ms", "xn"), ("price list %d published to %d shops", "ns"), ("health of node-%d is good, lag %d us", "sn"),
)
WORRIED = (
    ("query plan %s ran for %d ms on partition %d", "xns"), ("queue %d holds %d entries, oldest %d s", "snn"),
    ("clock is %d us ahead of node-%d", "ns"), ("certificate of edge-%d ends in %d days", "ss"), ("second attempt for order %d via %s", "na"),
)
FAILED = (
    ("pool connection to %s hit its timeout after %d ms", "an"), ("database shard %d answered with error %d", "sn"),
    ("deadlock between transactions %d and %d, the second was rolled back", "nn"), ("connection to %s was refused, attempt %d", "as"),
    ("worker %d stopped: out of memory at %d KiB", "sn"), ("heap of region %d would overflow by %d bytes", "sn"),
    ("access to bucket %s was denied for account %d", "xn"), ("file export-%s.csv was not found on volume %d", "xs"),
    ("no such file: spool/%s (%d)", "xs"), ("network path to %s gave error %d", "as"), ("connection with %s was reset after %d bytes", "an"),
    ("rate of client %s is over its limit of %d", "xs"), ("too many requests from %s in window %d", "as"),
    ("auth of user %d failed at step %d", "ns"), ("invalid refresh token %s for user %d", "xn"),
    ("validation of form %s ended with an error in field %d", "xs"), ("bad upstream request %s was dropped by rule %d", "xs"),
    ("unhandled exception in job %s at stage %d: ArithmeticException", "xs"),
)


class NoRoom(Exception):
    """The disk is full, or would be."""


class Writer:
    """Records in order, from a seed. Only methods of `random` whose results no version of Python changes."""

    def __init__(self, seed):
        source = random.Random(seed)
        bits, share = source.getrandbits, source.random
        self.share = share
        self.slots = {
            "a": lambda: "10.%d.%d.%d:%d" % (bits(8), bits(8), bits(8), 1024 + bits(15)),
            "n": lambda: int(share() * 1_000_000),
            "s": lambda: bits(8),
            "x": lambda: "%012x" % bits(48),
            "p": share,
        }
        self.levels = {}

    def record(self):
        """Level, logger and message: 5 % ERROR, 0.2 % CRITICAL, 7 % WARNING, 8 % DEBUG."""
        at = self.share()
        level, kinds = (
            ("ERROR", FAILED) if at < 0.05 else ("CRITICAL", FAILED) if at < 0.052 else ("WARNING", WORRIED) if at < 0.122
            else ("DEBUG", CALM) if at < 0.202 else ("INFO", CALM)
        )
        self.levels[level] = self.levels.get(level, 0) + 1
        text, slots = kinds[int(self.share() * len(kinds))]
        return level, LOGGERS[int(self.share() * len(LOGGERS))], text % tuple([self.slots[slot]() for slot in slots])

    def standard(self, first, last, step):
        rows, second, stamp = [], -1, ""
        for n in range(first, last):
            if int(n * step) != second:
                second = int(n * step)
                stamp = f"{START + datetime.timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"
            level, logger, message = self.record()
            rows.append(f"{stamp} [{level}] {logger}: {message}\n")
        return "".join(rows)

    def json(self, first, last, step):
        rows = []
        for n in range(first, last):
            stamp = (START + datetime.timedelta(seconds=n * step)).isoformat(timespec="milliseconds") + "Z"
            level, logger, message = self.record()
            fields = {"timestamp": stamp, "level": level, "logger": logger, "message": message, "pid": 1701, "host": f"node-{n % 16}"}
            rows.append(json.dumps(fields) + "\n")
        return "".join(rows)


def whole(path, write):
    """Lets `write` fill a file that is there whole or not at all."""
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            write(file)
        os.rename(part, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(f"no room for {path}: {error.strerror}; give another folder with --data, or fewer --lines") from error
        raise
    finally:
        if os.path.exists(part):
            os.remove(part)


def need_room(folder, size):
    free = shutil.disk_usage(folder).free
    if free < size * 1.1 + (1 << 30):
        raise NoRoom(f"{folder} has {free / 1e9:.1f} GB free; this takes {size / 1e9:.1f} GB and leaves 1 GB: give another folder with --data, or fewer --lines")


def make(folder, kind, lines, seed, say):
    """Path of a file of this kind, `std` or `json`, made unless it is there; and how many records of each level it has."""
    path = os.path.join(folder, f"{kind}-{lines}-{seed}.log")
    known = f"{path}.levels"
    if os.path.exists(path) and os.path.exists(known):
        with open(known) as file:
            return path, json.load(file)
    need_room(folder, lines * (90 if kind == "std" else 180))
    say(f"writing {path}: {lines:,} lines")
    writer = Writer(f"{kind} {seed}")
    rows = writer.standard if kind == "std" else writer.json

    def write(file):
        for first in range(0, lines, CHUNK_LINES):
            file.write(rows(first, min(lines, first + CHUNK_LINES), DAYS * 86_400 / lines).encode())

    whole(path, write)
    whole(known, lambda file: file.write(json.dumps(writer.levels).encode()))
    return path, writer.levels


def let_make(program, path, kind, lines, say):
    """Lets another program write a file of this kind, unless it is there."""
    if os.path.exists(path):
        return
    need_room(os.path.dirname(path) or ".", lines * (90 if kind == "std" else 180))
    say(f"{program} writes {path}: {lines:,} lines")
    part = f"{path}.part"
    try:
        subprocess.run([sys.executable, program, part, kind, str(lines)], check=True)
        os.rename(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def head(path, lines):
    """Path of a file with the first lines of another, made unless it is there."""
    small = f"{path}.head-{lines}"
    if not os.path.exists(small):

        def write(file):
            with open(path, "rb") as whole_file:
                for _ in range(lines):
                    file.write(whole_file.readline())

        whole(small, write)
    return small


def make_big(folder, size, seed, say):
    """Path of a sorted file of this many bytes: the same thousand messages in every second, each second once."""
    path = os.path.join(folder, f"big-{size}-{seed}.log")
    if os.path.exists(path):
        return path
    need_room(folder, size)
    say(f"writing {path}: {size / 1e9:.1f} GB")
    mark = f"{START:%Y-%m-%d %H:%M:%S}"
    second = Writer(f"big {seed}").standard(0, 1_000, 0).encode()

    def write(file):
        for n in range(size // len(second)):
            file.write(second.replace(mark.encode(), f"{START + datetime.timedelta(seconds=n):%Y-%m-%d %H:%M:%S}".encode()))

    whole(path, write)
    return path


if __name__ == "__main__":
    sys.exit("this file makes data for benches/logs; run that")
