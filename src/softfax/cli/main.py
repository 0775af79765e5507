# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `softfax`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from softfax._version import __version__
from softfax.cli import (
    backup,
    cancel,
    config,
    convert,
    deliveries,
    doctor,
    jobs,
    loopback,
    receive,
    send,
    serve,
    status,
    swml,
)
from softfax.cli.options import fill_defaults
from softfax.errors import ExitStatus, SoftfaxError

__all__ = ["build_parser", "main"]

_Run = Callable[[argparse.Namespace], int]
#: Each verb: what adds its parser, its defaults, what runs it.
_VERBS: dict[str, tuple[Callable[[Any], argparse.ArgumentParser], dict[str, Any], _Run]] = {
    "send": (send.add_parser, send.DEFAULTS, send.run),
    "receive": (receive.add_parser, receive.DEFAULTS, receive.run),
    "loopback": (loopback.add_parser, loopback.DEFAULTS, loopback.run),
    "convert": (convert.add_parser, convert.DEFAULTS, convert.run),
    "serve": (serve.add_parser, serve.DEFAULTS, serve.run),
    "jobs": (jobs.add_parser, jobs.DEFAULTS, jobs.run),
    "status": (status.add_parser, status.DEFAULTS, status.run),
    "cancel": (cancel.add_parser, cancel.DEFAULTS, cancel.run),
    "config": (config.add_parser, config.DEFAULTS, config.run),
    "doctor": (doctor.add_parser, doctor.DEFAULTS, doctor.run),
    "backup": (backup.add_parser, backup.DEFAULTS, backup.run),
    "restore": (backup.add_restore_parser, backup.DEFAULTS, backup.run_restore),
    "deliveries": (deliveries.add_parser, deliveries.DEFAULTS, deliveries.run),
    "swml": (swml.add_parser, swml.DEFAULTS, swml.run),
}

#: They have something to say of a configuration file that is wrong, or not there.
_READ_THEMSELVES = frozenset({"config", "doctor", "restore"})


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and where help is."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"{self.prog}: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(int(ExitStatus.USAGE))


def build_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and that of each verb."""
    parser = _Parser(prog="softfax", description="A fax machine that lives on SIP: T.38 and G.711.")
    parser.add_argument("--version", action="version", version=f"softfax {__version__}")
    verbs: Any = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)
    return parser, {name: add(verbs) for name, (add, _, _) in _VERBS.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the exit status. Errors of softfax become one line on standard error."""
    parser, verbs = build_parser()
    options = parser.parse_args(argv)
    _, defaults, run = _VERBS[options.verb]
    logging.basicConfig(
        level=os.environ.get("SOFTFAX_LOG", "ERROR").upper(),
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        if options.verb in _READ_THEMSELVES:
            vars(options).update({k: v for k, v in defaults.items() if vars(options).get(k) is None})
        else:
            fill_defaults(verbs[options.verb], options, defaults)
        return run(options)
    except SoftfaxError as error:
        print(f"softfax: {error}", file=sys.stderr)
        return int(error.exit_status)
    except KeyboardInterrupt:
        print("softfax: interrupted", file=sys.stderr)
        return int(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to tell, and Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(ExitStatus.FAX_FAILED)


if __name__ == "__main__":
    sys.exit(main())
