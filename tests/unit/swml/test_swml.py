# SPDX-License-Identifier: GPL-2.0-or-later
"""SWML: what a document may say, where it is wrong, and what it does when it runs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softfax.swml.document import SwmlError, load
from softfax.swml.expression import ExpressionError, evaluate, substitute
from softfax.swml.machine import (
    FetchDocument,
    Fetched,
    HttpAnswer,
    HttpRequest,
    Machine,
    ReceiveFax,
    SendFax,
    SwmlRunError,
)

GOOD = Fetched("https://x/a.pdf", "+49301", "+49302", 3, 0, "OK", True)
BAD = Fetched("https://x/a.pdf", "+49301", "+49302", 0, 49, "The call dropped prematurely", False)


def run(text: str, *answers: Any, **call: Any) -> tuple[list[Any], Machine]:
    """Runs a document, answering its effects in turn; returns them."""
    machine = Machine(load(text), call=call)
    steps, effects, replies = machine.run(), [], list(answers)
    answer = None
    while True:
        try:
            effects.append(steps.send(answer))
        except StopIteration:
            return effects, machine
        answer = replies.pop(0)


def main(*lines: str) -> str:
    return "version: 1.0.0\nsections:\n  main:\n" + "".join(f"    {line}\n" for line in lines)


def test_send_fax_sets_its_variables() -> None:
    text = main(
        "- send_fax:", "    document: https://x/a.pdf", "    header_info: Clinic", "    status_url: https://x/cb"
    )
    effects, machine = run(text, GOOD, **{"from": "+49301"})

    assert effects == [SendFax("https://x/a.pdf", "Clinic", "+49301", "https://x/cb")]
    assert machine.vars == {
        "send_fax_document": "https://x/a.pdf",
        "send_fax_identity": "+49301",
        "send_fax_remote_identity": "+49302",
        "send_fax_pages": 3,
        "send_fax_result_code": 0,
        "send_fax_result_text": "OK",
        "send_fax_result": "success",
    }


def test_receive_fax_sets_its_own() -> None:
    effects, machine = run(main("- receive_fax: {status_url: 'http://x/y'}"), BAD)

    assert effects == [ReceiveFax("http://x/y")]
    assert machine.vars["receive_fax_result"] == "failed"
    assert machine.vars["receive_fax_result_code"] == 49


def test_the_same_document_as_json() -> None:
    document = {
        "version": "1.0.0",
        "sections": {"main": [{"send_fax": {"document": "a.pdf", "identity": "me"}}, "hangup"]},
    }
    effects, machine = run(json.dumps(document, indent="\t"), GOOD)

    assert effects == [SendFax("a.pdf", identity="me")]
    assert machine.hung_up == "hangup"


def test_conditions_choose_by_the_result() -> None:
    text = main(
        "- send_fax: {document: a.pdf}",
        "- cond:",
        "    - when: vars.send_fax_result == 'success' && send_fax_pages >= 3",
        "      then: [{set: {said: yes-it-did}}]",
        "    - else:",
        "      - set: {said: 'code %{send_fax_result_code}: %{send_fax_result_text}'}",
    )
    assert run(text, GOOD)[1].vars["said"] == "yes-it-did"
    assert run(text, BAD)[1].vars["said"] == "code 49: The call dropped prematurely"


def test_a_failed_fax_is_tried_again_with_goto() -> None:
    text = main(
        "- label: again",
        "- send_fax: {document: a.pdf}",
        "- goto: {label: again, when: \"%{send_fax_result == 'failed'}\", max: 2}",
        "- set: {tries: 'done: %{send_fax_result}'}",
    )
    effects, machine = run(text, BAD, BAD, GOOD)
    assert len(effects) == 3
    assert machine.vars["tries"] == "done: success"
    assert len(run(text, BAD, BAD, BAD)[0]) == 3, "at most two jumps"


def test_execute_of_a_section_with_params_and_return() -> None:
    text = """
sections:
  main:
    - execute:
        dest: send
        params: {what: letter.pdf, to: [1, 2]}
        on_return:
          - set: {answer: "%{return_value.ok}"}
    - hangup: {reason: done}
  send:
    - send_fax: {document: "https://x/%{params.what}?n=%{params.to[1]}"}
    - return: {ok: "${send_fax_result}"}
"""
    effects, machine = run(text, GOOD)
    assert effects == [SendFax("https://x/letter.pdf?n=2")]
    assert machine.vars["answer"] == "success"
    assert machine.hung_up == "done"


def test_execute_of_a_url_posts_the_variables_and_runs_the_answer() -> None:
    text = main(
        "- send_fax: {document: a.pdf}",
        "- execute: {dest: 'https://x/next', params: {result: '%{send_fax_result}'}}",
        "- set: {after: '%{return_value}'}",
    )
    answer = load(main("- set: {inner: '%{params.result}'}", "- return: seen"))
    effects, machine = run(text, GOOD, answer, **{"from": "+1", "to": "+2"})

    fetch = effects[1]
    assert isinstance(fetch, FetchDocument)
    assert fetch.url == "https://x/next"
    assert fetch.body["params"] == {"result": "success"}
    assert fetch.body["call"] == {"from": "+1", "to": "+2"}
    assert fetch.body["vars"]["send_fax_pages"] == 3
    assert (machine.vars["inner"], machine.vars["after"]) == ("success", "seen")


def test_request_keeps_what_was_answered() -> None:
    text = main(
        "- set: {id: 17}",
        "- request:",
        "    url: https://x/fax/%{id}",
        "    method: post",
        "    headers: {X-Id: '%{id}'}",
        "    body: {id: '%{id}', ok: true}",
        "    save_variables: true",
        "- set: {next: '%{request_response.next[0].url}'}",
    )
    answer = HttpAnswer(200, {"A": "b"}, '{"next":[{"url":"u"}]}', {"next": [{"url": "u"}]})
    effects, machine = run(text, answer)

    assert effects == [HttpRequest("https://x/fax/17", "POST", {"X-Id": "17"}, {"id": 17, "ok": True}, 10.0)]
    assert machine.vars["request_result"] == "success"
    assert machine.vars["request_response_code"] == 200
    assert machine.vars["next"] == "u"
    assert run(text, HttpAnswer(0))[1].vars["request_result"] == "failed"


def test_switch_unset_and_answer() -> None:
    text = main(
        "- answer",
        "- set: {kind: b, gone: 1}",
        "- unset: gone",
        "- switch: {variable: kind, case: {a: [{set: {x: 1}}], b: [{set: {x: 2}}]}, default: [hangup]}",
    )
    assert run(text)[1].vars == {"kind": "b", "x": 2}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (main("- send_fax: {documnt: a.pdf}"), 4, "did you mean document"),
        (main("- send_fax: {}"), 4, "needs 'document'"),
        (main("- sendfax: {document: a}"), 4, "did you mean send_fax"),
        (
            main("- hangup", "- send_fax:", "    document: a.pdf", "    status_url: ftp://x"),
            7,
            "not an http or https URL",
        ),
        (main("- goto: nowhere"), 4, "no label 'nowhere'"),
        (main("- execute: {dest: missing}"), 4, "no section 'missing'"),
        (main("- cond:", "    - when: 'a ==='", "      then: [hangup]"), 5, "cannot be read"),
        (main("- cond: [{when: a}]"), 4, "when with then"),
        (main("- goto: {label: a, max: 1000}", "- label: a"), 4, "from 1 to 100"),
        (main("- {hangup: {}, label: a}"), 4, "one an item"),
        (main("- 17"), 4, "a method is expected"),
        (main("- set: {a: 1, a: 2}"), 4, "given twice"),
        (main("- request: {url: https://x, method: BREW}"), 4, "'BREW' is not known"),
        ("sections: {main: [hangup]", 1, "expected"),
        ("version: 9.9\nsections: {main: []}", 1, "not known"),
        ("sections:\n  other: []\n", 2, "no section `main`"),
        ("section: {main: []}", 1, "did you mean sections"),
        ('{"sections": {"main": [}}', 1, "Expecting value"),
        ("- a\n- b", 1, "is a table"),
    ],
)
def test_errors_name_the_line(text: str, line: int, said: str) -> None:
    with pytest.raises(SwmlError, match=rf"line {line}, column \d+: ") as error:
        load(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sections: {main: [!!python/object/apply:os.system [id]]}",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\n"
        "e: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e]",
        "[" * 3000,
        '{"a":' * 3000,
        "x" * 300_000,
        b"\xff\xfe\x00",
        "? [a, b]\n: c",
        "sections: &s {main: *s}",
        # More digits than a number has.
        main("- set: {x: " + "1:" * 4000 + "1}"),
        main("- set: {x: 0x" + "f" * 20_000 + "}"),
        main("- " + "[" * 5000),
    ],
)
def test_hostile_documents(text: str | bytes) -> None:
    with pytest.raises(SwmlError):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        main("- label: a", "- goto: {label: a}", "- execute: main"),
        main("- execute: main"),
        main("- label: a", "- send_fax: {document: x}", "- goto: a", "- execute: main"),
    ],
)
def test_loops_end(text: str) -> None:
    with pytest.raises(SwmlRunError):
        run(text, *([BAD] * 20_000))


@pytest.mark.parametrize(
    "lines",
    [
        ["- set: {x: [a]}", "- label: l", "- set: {x: ['%{x}', '%{x}']}", "- goto: {label: l, max: 100}"],
        ["- set: {x: {" + "k" * 900 + ": 1}}", "- label: l", "- set: {x: {a: '%{x}', b: '%{x}'}}", "- goto: {label: l, max: 100}"],
        ["- set: {x: a}", "- label: l", "- set: {x: ['%{x}']}", "- goto: {label: l, max: 100}"],
        ["- set: {k0: " + "x" * 60_000 + "}", *(f"- set: {{k{n}: '%{{k0}}'}}" for n in range(1, 200))],
        ["- label: l", "- set: {x: '%{vars}'}", "- goto: {label: l, max: 100}"],
    ],
)  # fmt: skip
def test_variables_have_a_size(lines: list[str]) -> None:
    began = time.thread_time()
    with pytest.raises((SwmlRunError, SwmlError), match="too large"):
        run(main(*lines))
    assert time.thread_time() - began < 5


def test_variables_hold_copies() -> None:
    _, machine = run(main("- set: {x: [1]}", "- set: {y: '%{vars}', z: '%{x}'}"))
    assert machine.vars == {"x": [1], "y": {"x": [1]}, "z": [1]}
    _, machine = run(main("- set: {x: " + "a" * 60_000 + "}", *["- unset: x", "- set: {x: " + "b" * 60_000 + "}"] * 3))
    assert machine.vars == {"x": "b" * 60_000}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("'a' + 1", "a1"),
        ("a.b[0].c == 'x'", True),
        ("missing == null", True),
        ("missing.deep.er === undefined", True),
        ("n > 2 && !(n >= 4) || false", True),
        ("n == '3'", True),
        ("n === '3'", False),
        ("text.includes('ell') && text.startsWith('h') && text.length == 5", True),
        ("n == 3 ? 'yes' : 'no'", "yes"),
        ("-n % 2", -1.0),
        ("1 / 0 > 5", False),
        ("'it\\'s'", "it's"),
    ],
)
def test_expressions(expression: str, value: object) -> None:
    assert evaluate(expression, {"a": {"b": [{"c": "x"}]}, "n": 3, "text": "hello"}) == value


def test_substitution_keeps_types() -> None:
    variables = {"n": 3, "list": [1, 2], "s": "x"}
    assert substitute("%{n}", variables) == 3
    assert substitute({"a": ["${list}", "n=%{n} %{missing}."]}, variables) == {"a": [[1, 2], "n=3 ."]}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_document_or_a_clear_error(text: str) -> None:
    try:
        load(text)
    except SwmlError as error:
        said = str(error)
    else:
        return
    assert "\n" not in said


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1.'\"()[]!=<>&|+-*/%?:, ", max_size=60))
def test_any_expression_has_a_value_or_a_clear_error(text: str) -> None:
    try:
        evaluate(text, {"a": 1, "b": "x"})
    except ExpressionError:
        pass


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8)
        | st.sampled_from(["hangup", "send_fax", "main", "cond", "goto", "label", "when", "then", "dest"]),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["sections", "main", "send_fax", "cond", "when", "then", "set", "x"]), inner, max_size=4),
        max_leaves=30,
    )
)  # fmt: skip
def test_any_tree_is_a_document_or_a_clear_error(tree: object) -> None:
    try:
        document = load(json.dumps({"sections": {"main": [tree], "other": tree}}))
    except SwmlError:
        return
    steps, answer = Machine(document).run(), None
    try:
        for _ in range(200):
            effect = steps.send(answer)
            answer = GOOD if isinstance(effect, (SendFax, ReceiveFax)) else HttpAnswer(0)
    except (StopIteration, SwmlRunError, SwmlError):
        pass


def test_transfer_does_not_come_back() -> None:
    text = main("- transfer: {dest: https://x/next, params: {a: 1}}", "- set: {after: 1}")
    effects, machine = run(text, load(main("- set: {got: '%{params.a}'}")), to="5")
    assert [type(effect) for effect in effects] == [FetchDocument]
    assert machine.vars["got"] == 1
    assert "after" not in machine.vars
