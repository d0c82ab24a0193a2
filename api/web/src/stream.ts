/**
 * The live stream: server-sent events, reconnected for ever with growing pauses.
 *
 * Read through fetch, because EventSource can neither send the access key nor tell why it was refused.
 */
import { ApiError, authorized, errorOf } from './api';
import { EventParser } from './sse';

/** A connection on which not even a keep-alive comment came for so long is dead, ms. */
const DEAD_AFTER_MS = 45_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;
/** A key that was refused stays so until somebody changes it; a new one is tried at once. */
const REFUSED_PAUSE_MS = 60_000;

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly since: number }
  | { readonly state: 'refused'; readonly since: number };

export class LiveStream {
  connection: Connection = { state: 'connecting' };
  private abort = new AbortController();
  private wake: (() => void) | null = null;
  private pause_ms = FIRST_PAUSE_MS;
  private lastEventId = '';

  constructor(
    private readonly onEvent: (event: string, data: unknown) => void,
    private readonly onConnection: () => void,
  ) {}

  /** Runs until the page is closed. */
  async run(): Promise<never> {
    window.addEventListener('online', () => this.retry());
    for (;;) {
      try {
        await this.listen();
        this.lost('lost');
      } catch (error) {
        this.lost(error instanceof ApiError && error.needsKey ? 'refused' : 'lost');
      }
      await this.rest();
    }
  }

  /** Connects again at once: a new key, or the network is back. */
  retry(): void {
    this.pause_ms = FIRST_PAUSE_MS;
    this.abort.abort();
    this.wake?.();
  }

  private async listen(): Promise<void> {
    this.abort = new AbortController();
    let watchdog = window.setTimeout(() => this.abort.abort(), DEAD_AFTER_MS);
    try {
      const headers = authorized({ Accept: 'text/event-stream' });
      if (this.lastEventId) headers['Last-Event-ID'] = this.lastEventId;
      const response = await fetch('api/v1/live/stream', { headers, cache: 'no-store', signal: this.abort.signal });
      if (!response.ok || !response.body) throw await errorOf(response);
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        window.clearTimeout(watchdog);
        watchdog = window.setTimeout(() => this.abort.abort(), DEAD_AFTER_MS);
        this.deliver(parser, part.value);
      }
    } finally {
      window.clearTimeout(watchdog);
    }
  }

  private deliver(parser: EventParser, text: string): void {
    for (const { event, data } of parser.push(text)) {
      this.pause_ms = FIRST_PAUSE_MS;
      this.lastEventId = parser.lastEventId;
      if (this.connection.state !== 'live') this.become({ state: 'live' });
      this.onEvent(event, JSON.parse(data));
    }
  }

  private lost(state: 'lost' | 'refused'): void {
    const since = 'since' in this.connection ? this.connection.since : Date.now();
    this.become({ state, since });
  }

  private become(connection: Connection): void {
    this.connection = connection;
    this.onConnection();
  }

  /** A pause with jitter, so that a hundred wall screens do not come back in the same instant. */
  private async rest(): Promise<void> {
    const pause_ms = (this.connection.state === 'refused' ? REFUSED_PAUSE_MS : this.pause_ms) * (0.5 + Math.random() / 2);
    this.pause_ms = Math.min(this.pause_ms * 2, LONGEST_PAUSE_MS);
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      window.setTimeout(resolve, pause_ms);
    });
    this.wake = null;
  }
}
