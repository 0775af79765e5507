# SPDX-License-Identifier: GPL-2.0-or-later
"""The binding in a 200 to REGISTER that is ours, and for how long it holds."""

from __future__ import annotations

import time

import pytest

from softfax.sip.contacts import binding_of

OURS = "<sip:fax@192.0.2.1:5060;ob;line=abc123>"


@pytest.mark.parametrize(
    ("lines", "expires_s"),
    [
        ([f"Contact: {OURS};expires=60"], 60),
        ([f"m:{OURS};q=0.5;expires=60"], 60),
        ([f"Contact: {OURS}", "Expires: 70"], 70),
        ([f"Contact: {OURS}"], 3600),
        (["Contact: <sip:a@b>;expires=9", f"Contact: {OURS};expires=60"], 60),
        (['Contact: "a, <b>" <sip:a@b>;expires=9,', f" {OURS};expires=60"], 60),
        # Parameters that a registrar does not know are left out, or the brackets.
        (["Contact: <sip:fax@192.0.2.1:5060>;expires=60"], 60),
        (["Contact: sip:FAX@192.0.2.1:5060;expires=60"], 60),
        (["Contact: <sip:other@192.0.2.1:5060>;expires=60"], 0),
        (["Contact: <sip:fax@192.0.2.2:5060>;expires=60"], 0),
        (["Contact: <sip:fax@192.0.2.2:5060;line=abc1234>;expires=60"], 0),
        ([f"Contact: {OURS};expires=0"], 0),
        ([f"Contact: {OURS};expires=0", "Expires: 300"], 0),
        (["Contact: *"], 0),
        (["Expires: 300"], 0),
        (["Contact: " + "<,;" * 2000], 0),
        ([f"Contact: {OURS};expires=99999999999999"], 1 << 30),
    ],
)
def test_binding(lines: list[str], expires_s: int) -> None:
    head = "\r\n".join(["SIP/2.0 200 OK", *lines])
    found, why = binding_of(head, "abc123", OURS)
    assert found == expires_s
    assert bool(why) == (not expires_s)


@pytest.mark.parametrize(
    "text", [";" + " " * 8000, "<" + " " * 8000, "; " * 4000, ',"' * 4000, "<,;" * 2600, "x;" + '"a' * 4000]
)
def test_no_contact_takes_long(text: str) -> None:
    began = time.thread_time()
    binding_of("\r\n".join(["SIP/2.0 200 OK", *[f"Contact: {text}"] * 7]), "abc123", OURS)
    assert time.thread_time() - began < 2
