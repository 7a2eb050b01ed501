import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DelayedReplies } from '#radius/delayed';
import { Duplicates } from '#radius/duplicates';
import { Packet, Writer } from '#radius/packet';
import { SECRET } from '#test/radius-server/harness';
import { papDial } from '#test/radius-server/requests';

let nowMs = 0;
let sent: { name: string; atMs: number }[];
let memory: Duplicates;
let delayed: DelayedReplies;

beforeEach(() => {
  vi.useFakeTimers();
  nowMs = 0;
  sent = [];
  memory = new Duplicates({ entries: 65_536, ringOctets: 2 ** 22, lifeMs: 10_000 });
  delayed = new DelayedReplies(memory, { least: 100, most: 100 }, () => nowMs);
});
afterEach(() => {
  delayed.close();
  vi.useRealTimers();
});

const packet = new Packet();
packet.parse(papDial('demo', 'wrong', SECRET));
const reply = new Writer();
reply.beginReply(3, packet);

function add(name: string, port: number): void {
  const entry = memory.keep(1, port, packet, nowMs, reply, 38, true);
  const socket = { send: () => sent.push({ name, atMs: nowMs }) };
  delayed.add({ position: memory.positionOf(entry), length: 38, port, address: '127.0.0.1', socket });
}

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 10) {
    nowMs += 10;
    vi.advanceTimersByTime(10);
  }
}

test('a Reject leaves when its delay is over, and the timer rests when none waits', () => {
  add('a', 1);
  pass(50);
  add('b', 2);
  pass(49);
  expect(sent).toEqual([{ name: 'a', atMs: 100 }]);
  pass(60);
  expect(sent[1]).toEqual({ name: 'b', atMs: 150 });
  expect(vi.getTimerCount()).toBe(0);
});

test('after a stall of the thread what was overdue leaves at once and what is new still waits its time', () => {
  add('a', 1);
  nowMs = 60;
  add('b', 2);
  nowMs = 130;
  add('c', 3);
  expect(sent).toEqual([{ name: 'a', atMs: 130 }]);
  pass(200);
  expect(sent.map(({ name, atMs }) => `${name} ${atMs}`)).toEqual(['a 130', 'b 160', 'c 230']);
});

test('the twenty thousand and first makes the next in turn leave early', () => {
  for (let i = 0; i < 20_000; i += 1) add(`r${i}`, i);
  expect(sent).toEqual([]);
  add('one more', 30_000);
  expect(sent).toEqual([{ name: 'r0', atMs: 0 }]);
  expect(delayed.waiting).toBe(20_000);
});
