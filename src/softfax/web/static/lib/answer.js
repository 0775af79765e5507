// SPDX-License-Identifier: GPL-2.0-or-later
// What the station answers to a question, for a view that shows it.
import { get } from "./api.js";
import { useEffect, useRef, useState } from "./h.js";

/**
 * The answer to `GET path`, or the error; `load` asks anew, and so do `every_ms` milliseconds while the page is looked at.
 * Until a later answer comes the one before is shown; one to an earlier question counts for nothing.
 * @param {string} path
 * @param {number} every_ms
 * @returns {{ answer: any, error: any, load: () => Promise<void> }}
 */
export function useAnswer(path, every_ms = 0) {
  const [state, setState] = useState({ answer: null, error: null });
  const turn = useRef(0);
  const load = async () => {
    const mine = (turn.current += 1);
    try {
      const answer = await get(path);
      if (mine === turn.current) setState({ answer, error: null });
    } catch (error) {
      if (mine === turn.current) setState((s) => ({ ...s, error }));
    }
  };
  useEffect(() => {
    setState({ answer: null, error: null });
    load();
    const timer = every_ms && setInterval(() => document.hidden || load(), every_ms);
    return () => clearInterval(timer);
  }, [path]);
  return { ...state, load };
}
