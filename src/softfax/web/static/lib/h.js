// SPDX-License-Identifier: GPL-2.0-or-later
// The one place that names the libraries, and gives them the types of their packages.

import * as hooks from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import * as preact from "../vendor/preact.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(preact.h);
export const render = /** @type {typeof import("preact").render} */ (preact.render);
export const { useState, useEffect, useLayoutEffect, useMemo, useErrorBoundary } =
  /** @type {typeof import("preact/hooks")} */ (/** @type {unknown} */ (hooks));
/** @type {<T = any>(initial?: T) => { current: T }} */
export const useRef = hooks.useRef;
