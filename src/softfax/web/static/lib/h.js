// SPDX-License-Identifier: GPL-2.0-or-later
// The one place that names the libraries.
import { h, render, Fragment, createContext } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { h, render, Fragment, createContext };
export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useErrorBoundary } from "../vendor/hooks.js";
