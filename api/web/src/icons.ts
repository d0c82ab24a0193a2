/** Glyphs of the flows and states, so that colour is never the only sign. Drawn on a 24 by 24 grid. */
import { svg } from './dom';

const PATHS = {
  pv: 'M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2',
  discharge: 'M7 5h10v16H7zM10 2.5h4M12 18v-8M9 13l3-3l3 3',
  charge: 'M7 5h10v16H7zM10 2.5h4M12 9v8M9 14l3 3l3-3',
  import: 'M3 21L8 3l5 18M4.5 15h7M6 9h4M22 12h-7M18 9l-3 3l3 3',
  export: 'M3 21L8 3l5 18M4.5 15h7M6 9h4M15 12h7M19 9l3 3l-3 3',
  consumption: 'M3 21h18M5 21V10l7-6l7 6v11M10 21v-6h4v6',
  shared: 'M9 6a6 6 0 1 0 0 12a6 6 0 1 0 0-12M15 6a6 6 0 1 0 0 12a6 6 0 1 0 0-12',
  ok: 'M4 12.5l5.5 5.5L20 7',
  warning: 'M12 3L22 20H2zM12 10v4.5M12 17v.5',
  stale: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5.5l3.5 2',
  unknown: 'M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.2.7-1.7 1.4-1.7 2.8M12 18.6v.4',
  close: 'M5 5l14 14M19 5L5 19',
  key: 'M8 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 12h10M18 12v4',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4l12 8l-12 8z',
} as const;

export type IconName = keyof typeof PATHS;

/** A decorative glyph; what it means stands in words beside it. */
export function icon(name: IconName): SVGElement {
  return svg('svg', { class: `icon icon-${name}`, viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, svg('path', { d: PATHS[name] }));
}
