// SPDX-License-Identifier: GPL-2.0-or-later
// The one place that names the libraries.
import { h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { render };
export { useState, useEffect, useLayoutEffect, useRef, useMemo, useErrorBoundary } from "../vendor/hooks.js";
