// SPDX-License-Identifier: GPL-2.0-or-later
// How wide something is, as it is now: for what is drawn to measure.
import { useEffect, useRef, useState } from "./h.js";

/**
 * @param {number} otherwise
 * @returns {[{ current: any }, number]}
 */
export function useWidth(otherwise = 0) {
  const box = useRef();
  const [width, setWidth] = useState(otherwise);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return [box, width];
}
