# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs SWML without doing any I/O: a generator that yields what is to be done and is sent how it went.

Variables live in `vars`; what `execute` passes in `params` is seen there while its section runs.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from softfax.errors import SoftfaxError
from softfax.swml.document import JUMPS_MAX, Instruction, SwmlDocument
from softfax.swml.expression import ExpressionError, copied, evaluate, is_true, substitute, text_of

__all__ = [
    "Effect",
    "FetchDocument",
    "Fetched",
    "HttpAnswer",
    "HttpRequest",
    "Machine",
    "ReceiveFax",
    "SendFax",
    "SwmlRunError",
]

STEPS_MAX = 10_000
CALLS_MAX = 30
FAXES_MAX = 100
BODY_MAX = 256 << 10
#: Of all variables, as `copied` measures them.
VARIABLES_MAX = 4 << 20
#: A value of this size takes as long as a step.
STEP_OCTETS = 4096


class SwmlRunError(SoftfaxError):
    """A SWML document cannot go on: too many steps, a jump to nowhere, a document that could not be fetched."""


@dataclass(frozen=True)
class SendFax:
    """A fax to send: answered by a `Fetched`."""

    document: str
    header_info: str = ""
    identity: str = ""
    status_url: str = ""


@dataclass(frozen=True)
class ReceiveFax:
    """A fax to receive: answered by a `Fetched`."""

    status_url: str = ""


@dataclass(frozen=True)
class Fetched:
    """Outcome of a fax, in the words of the variables."""

    document: str
    identity: str
    remote_identity: str
    pages: int
    result_code: int
    result_text: str
    success: bool


@dataclass(frozen=True)
class FetchDocument:
    """A SWML document to be asked for at `url` by POST of `body`: answered by a SwmlDocument."""

    url: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request: answered by a `HttpAnswer`."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: Any
    timeout_s: float


@dataclass(frozen=True)
class HttpAnswer:
    """`code` is 0 where nothing answered; `data` is the body as JSON, None where it is none."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    data: Any = None


Effect = SendFax | ReceiveFax | FetchDocument | HttpRequest
Steps = Generator[Effect, Any, None]


class _Hangup(Exception):
    pass


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class _Goto(Exception):
    def __init__(self, label: str) -> None:
        self.label = label


class Machine:
    """One run. `vars` are its variables, `call` what is known of the call (`from`, `to` …)."""

    def __init__(
        self,
        document: SwmlDocument,
        *,
        call: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.vars: dict[str, Any] = dict(variables or {})
        self.call = dict(call or {})
        self.hung_up = ""
        self._document = document
        self._params: dict[str, Any] = {}
        self._jumps: dict[int, int] = {}
        self._steps = self._depth = self._faxes = self._size = 0
        self._sizes: dict[str, int] = {}

    def run(self) -> Steps:
        """Yields effects until the document ends. Raises SwmlRunError."""
        try:
            yield from self._list(self._document.sections["main"])
        except (_Hangup, _Return):
            return
        except _Goto as jump:
            raise SwmlRunError(f"there is no label {jump.label!r} to go to") from None

    # ---- lists and jumps ------------------------------------------------------------------------------------------

    def _list(self, instructions: tuple[Instruction, ...]) -> Steps:
        at = 0
        while at < len(instructions):
            try:
                yield from self._step(instructions[at])
                at += 1
            except _Goto as jump:
                labels = [i for i, one in enumerate(instructions) if one.method == "label" and one.given == jump.label]
                if not labels:
                    raise
                at = labels[0] + 1

    def _step(self, instruction: Instruction) -> Steps:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise SwmlRunError(f"the SWML document takes more than {STEPS_MAX} steps", "look for an endless loop")
        try:
            yield from _STEPS[instruction.method](self, instruction)
        except ExpressionError as error:
            raise instruction.node.wrong(str(error), "correct the expression") from None

    # ---- variables ------------------------------------------------------------------------------------------------

    def _scope(self) -> Mapping[str, Any]:
        return ChainMap({"vars": self.vars, "params": self._params, "call": self.call}, self.vars)

    def _fill(self, value: Any) -> Any:
        filled, size = copied(substitute(value, self._scope()))
        self._steps += size // STEP_OCTETS
        return filled

    def _keep(self, name: str, value: Any) -> None:
        kept, size = copied(value)
        self._size += size - self._sizes.pop(name, 0)
        self._sizes[name] = size
        if self._size > VARIABLES_MAX:
            raise SwmlRunError("the variables of the SWML document are too large")
        self.vars[name] = kept

    def _fill_text(self, value: Any) -> str:
        return text_of(self._fill(value))

    def _holds(self, condition: str) -> bool:
        return is_true(evaluate(condition, self._scope()))

    # ---- methods --------------------------------------------------------------------------------------------------

    def _nothing(self, instruction: Instruction) -> Steps:
        del instruction
        yield from ()

    def _count_fax(self) -> None:
        self._faxes += 1
        if self._faxes > FAXES_MAX:
            raise SwmlRunError(f"the SWML document makes more than {FAXES_MAX} faxes", "look for a loop")

    def _send_fax(self, instruction: Instruction) -> Steps:
        self._count_fax()
        given = {name: self._fill_text(value) for name, value in instruction.given.items()}
        given.setdefault("identity", text_of(self.call.get("from")))
        done: Fetched = yield SendFax(**given)
        self._note_fax("send_fax", done)

    def _receive_fax(self, instruction: Instruction) -> Steps:
        self._count_fax()
        done: Fetched = yield ReceiveFax(**{k: self._fill_text(v) for k, v in instruction.given.items()})
        self._note_fax("receive_fax", done)

    def _note_fax(self, prefix: str, done: Fetched) -> None:
        for name in ("document", "identity", "remote_identity", "pages", "result_code", "result_text"):
            self._keep(f"{prefix}_{name}", getattr(done, name))
        self.vars[f"{prefix}_result"] = "success" if done.success else "failed"

    def _execute(self, instruction: Instruction) -> Steps:
        given = instruction.given
        dest = self._fill_text(given["dest"])
        params = self._fill(given.get("params", {}))
        document = self._document
        if dest.lower().startswith(("http://", "https://")):
            body = {"call": self.call, "vars": self.vars, "params": params, "meta": self._fill(given.get("meta", {}))}
            document = yield FetchDocument(dest, body)
            section = document.sections["main"]
        elif dest in document.sections:
            section = document.sections[dest]
        else:
            raise SwmlRunError(f"there is no section {dest[:60]!r} to execute")
        yield from self._within(document, section, params)
        if given.get("on_return"):
            yield from self._list(given["on_return"])

    def _transfer(self, instruction: Instruction) -> Steps:
        """Execute without a way back."""
        yield from self._execute(instruction)
        raise _Hangup

    def _within(self, document: SwmlDocument, section: tuple[Instruction, ...], params: dict[str, Any]) -> Steps:
        self._depth += 1
        if self._depth > CALLS_MAX:
            raise SwmlRunError("sections execute each other without end", "look for a loop of execute")
        outer = self._document, self._params
        self._document, self._params = document, params
        self.vars["return_value"] = None
        try:
            yield from self._list(section)
        except _Return as back:
            self._keep("return_value", back.value)
        finally:
            self._document, self._params = outer
            self._depth -= 1

    def _request(self, instruction: Instruction) -> Steps:
        given = self._fill({k: v for k, v in instruction.given.items() if k != "save_variables"})
        headers = {text_of(k): text_of(v) for k, v in given.get("headers", {}).items()}
        effect = HttpRequest(
            text_of(given["url"]), given["method"], headers, given.get("body"), float(given.get("timeout", 10.0))
        )
        answer: HttpAnswer = yield effect
        self.vars["request_url"] = effect.url
        self.vars["request_result"] = "success" if 200 <= answer.code < 300 else "failed"
        self.vars["request_response_code"] = answer.code
        self._keep("request_response_headers", dict(answer.headers))
        self._keep("request_response_body", answer.body[:BODY_MAX])
        if instruction.given.get("save_variables") and answer.data is not None:
            self._keep("request_response", answer.data)

    def _set(self, instruction: Instruction) -> Steps:
        for name, value in instruction.given.items():
            self._keep(name, self._fill(value))
        yield from ()

    def _unset(self, instruction: Instruction) -> Steps:
        for name in instruction.given:
            gone = self._fill_text(name)
            self.vars.pop(gone, None)
            self._size -= self._sizes.pop(gone, 0)
        yield from ()

    def _cond(self, instruction: Instruction) -> Steps:
        for branch in instruction.given:
            if "when" in branch and self._holds(branch["when"]):
                yield from self._list(branch["then"])
                return
            if "else" in branch:
                yield from self._list(branch["else"])
                return

    def _switch(self, instruction: Instruction) -> Steps:
        given = instruction.given
        value = text_of(evaluate(given["variable"], self._scope()))
        yield from self._list(given.get("case", {}).get(value, given.get("default", ())))

    def _goto(self, instruction: Instruction) -> Steps:
        given = instruction.given
        if "when" in given and not self._holds(given["when"]):
            return
        key = id(instruction)
        self._jumps[key] = self._jumps.get(key, 0) + 1
        if self._jumps[key] > given.get("max", JUMPS_MAX):
            return
        yield from ()
        raise _Goto(self._fill_text(given["label"]))

    def _hangup(self, instruction: Instruction) -> Steps:
        self.hung_up = self._fill_text(instruction.given.get("reason", "hangup"))
        yield from ()
        raise _Hangup

    def _return(self, instruction: Instruction) -> Steps:
        yield from ()
        raise _Return(self._fill(instruction.given))


_STEPS = {
    "answer": Machine._nothing,
    "label": Machine._nothing,
    "send_fax": Machine._send_fax,
    "receive_fax": Machine._receive_fax,
    "execute": Machine._execute,
    "request": Machine._request,
    "set": Machine._set,
    "unset": Machine._unset,
    "cond": Machine._cond,
    "switch": Machine._switch,
    "transfer": Machine._transfer,
    "goto": Machine._goto,
    "hangup": Machine._hangup,
    "return": Machine._return,
}
