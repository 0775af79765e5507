# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `softfax`."""

from __future__ import annotations

import argparse
import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from softfax._version import __version__
from softfax.cli.lines import refusal
from softfax.cli.options import fill_defaults, hold_defaults
from softfax.errors import ExitStatus, SoftfaxError, StarvedError, is_starved

__all__ = ["VERBS", "build_parser", "main"]

#: Each verb, and what `softfax --help` says of it. What it does is in the module of its name, which is loaded when the verb
#: is asked for: help, and the verbs that ask a station, do not wait for the native parts.
VERBS = {
    "send": "fax documents to a SIP URI or number",
    "receive": "answer calls and keep their faxes",
    "loopback": "fax between two stations on this machine",
    "convert": "make a document the pages of a fax, or a fax a document",
    "gateway": "pass calls on, with the fax between T.38 and G.711",
    "serve": "run a station",
    "jobs": "list the faxes of a running station, or follow them",
    "polled": "list documents that far ends may fetch, put one out, take one back",
    "status": "show how a running station is",
    "stations": "list the stations that work on a database together",
    "cancel": "end faxes of a running station",
    "config": "write, check or show a station's configuration",
    "doctor": "find what would keep a station from working, with the remedy",
    "backup": "write a station's data to one file, while it runs",
    "restore": "put a backup back; the station must not run",
    "deliveries": "list callbacks that were given up or wait, or queue them again",
    "swml": "run a SWML document (YAML or JSON)",
    "probe": "call a number and report what answers, without sending a page",
    "trace": "show a captured fax call: what was said, its pages, what went wrong",
    "impair": "fax over bad lines and count what comes through, or relay packets badly",
}

#: They have something to say of a configuration file that is wrong, or not there.
_READ_THEMSELVES = frozenset({"config", "doctor", "restore"})


class _ArgumentParser(argparse.ArgumentParser):
    """Argument parser that reports an error in one line and names the help."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"{self.prog}: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(int(ExitStatus.USAGE))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        near = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices], n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"there is no verb {value}{meant}")
        choices = ", ".join(str(choice) for choice in action.choices)
        raise argparse.ArgumentError(action, f"invalid choice: '{value}' (choose from {choices}){meant}")

    def unknown(self, words: Sequence[str]) -> None:
        """Report words that no argument takes: the first option among them, which the others belong to."""
        option = next((word for word in words if word.startswith("-") and word != "-"), "").partition("=")[0]
        if not option:
            self.error(f"this is too much: {' '.join(words)}")
        near = difflib.get_close_matches(option, self._option_string_actions, n=1)
        self.error(f"there is no option {option}" + (f"; did you mean {near[0]}?" if near else ""))


class _Verb(Protocol):
    """Interface of a verb's module."""

    def add_options(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def _verb(name: str) -> _Verb:
    return cast(_Verb, importlib.import_module(f"softfax.cli.{name}"))


def build_parser(verb: str | None = None) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and that of each verb; only `verb` has its options."""
    parser = _ArgumentParser(
        prog="softfax",
        description="A fax machine that lives on SIP: T.38 and G.711.",
        epilog="`softfax VERB --help` has the options of a verb. Exit status: 0 all went well, 1 the fax failed, 2 wrong usage "
        "or an unreadable document, 3 the call could not be made, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"softfax {__version__}")
    adder = parser.add_subparsers(
        title="verbs", dest="verb", metavar="VERB", required=True, parser_class=_ArgumentParser
    )
    verbs: dict[str, argparse.ArgumentParser] = {
        name: adder.add_parser(name, help=text) for name, text in VERBS.items()
    }
    if verb in verbs:
        _verb(verb).add_options(verbs[verb])
        hold_defaults(verbs[verb])
    return parser, verbs


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the exit status. Errors of softfax become one line on standard error."""
    words = sys.argv[1:] if argv is None else argv
    parser, verbs = build_parser(next((word for word in words if not word.startswith("-")), None))
    options, unknown = parser.parse_known_args(words)
    if unknown:
        cast(_ArgumentParser, verbs[options.verb]).unknown(unknown)
    verb = _verb(options.verb)
    logging.basicConfig(
        level=os.environ.get("SOFTFAX_LOG", "ERROR").upper(),
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        fill_defaults(verbs[options.verb], options, layered=options.verb not in _READ_THEMSELVES)
        return verb.run(options)
    except SoftfaxError as error:
        if options.json and options.verb in ("send", "convert"):
            print(refusal(options, error), flush=True)
        print(f"softfax: {error}", file=sys.stderr)
        return int(error.exit_status)
    except (MemoryError, RuntimeError) as error:
        if not is_starved(error):
            raise
        print(f"softfax: {StarvedError()}", file=sys.stderr)
        return int(StarvedError.exit_status)
    except KeyboardInterrupt:
        print("softfax: interrupted", file=sys.stderr)
        return int(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(ExitStatus.FAX_FAILED)


if __name__ == "__main__":
    sys.exit(main())
