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

// Whether a media query holds, as it does now.
export function useMedia(query) {
  const [holds, setHolds] = useState(matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const look = () => setHolds(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [query]);
  return holds;
}
