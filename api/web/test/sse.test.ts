import { describe, expect, it } from 'vitest';
import { EventParser } from '../src/sse';

describe('EventParser', () => {
  it('gives an event once its empty line has come, however the text is cut', () => {
    const text = ': hello\r\nevent: site\r\nid: 7\r\ndata: {"a":\r\ndata: 1}\r\n\r\n';
    for (let cut = 0; cut <= text.length; cut += 1) {
      const parser = new EventParser();
      const events = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
      expect(events).toEqual([{ event: 'site', data: '{"a":\n1}' }]);
      expect(parser.lastEventId).toBe('7');
    }
  });

  it('calls an event without a name a message and drops one without data', () => {
    const parser = new EventParser();
    expect(parser.push('data:x\n\nevent: ping\n\n')).toEqual([{ event: 'message', data: 'x' }]);
  });

  it('reads comments and unknown fields as nothing', () => {
    expect(new EventParser().push(': ping\n\nretry: 10\n\n')).toEqual([]);
  });
});
