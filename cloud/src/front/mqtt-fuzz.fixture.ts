/** Streams for an MQTT server: mostly what a client sends, with something wrong here and there. The same seed is the same stream. */
import { commandTopic, shadowPrefix, uplinkTopic } from '@weir/protocols';
import { generate, type Packet } from 'mqtt-packet';
import { batch } from './front.fixture.ts';

export interface FuzzStream {
  chunks: Buffer[];
  /** By a certificate. */
  isAuthenticated: boolean;
}

/** @see https://prng.di.unimi.it/splitmix64.c, at 32 bits */
function diceOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) % below;
  };
}

const TOPICS = [
  uplinkTopic('gw1', 'live'),
  uplinkTopic('gw1', 'backfill'),
  uplinkTopic('gw2', 'live'),
  `${shadowPrefix('gw1')}/get`,
  `${shadowPrefix('gw1')}/name/weir/update`,
  commandTopic('gw1'),
  ...['', '#', '+/+', '$SYS/#', 'a'.repeat(300), '/'.repeat(200), '\u0000', '$share/g/weir/1/gw1/command', '__proto__'],
];

export function streamOf(seed: number): FuzzStream {
  const below = diceOf(seed);
  const packets = Array.from({ length: 1 + below(12) }, (_, at) => packetOf(below, at === 0));
  const whole = Buffer.concat(packets.map((packet) => damaged(packet, below)));
  return { chunks: cut(whole, below), isAuthenticated: below(8) > 0 };
}

function packetOf(below: (n: number) => number, isFirst: boolean): Buffer {
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!;
  const messageId = 1 + below(65_535);
  const kinds: (() => Packet | Buffer)[] = [
    () => ({
      ...{ cmd: 'publish', topic: pick(TOPICS), payload: pick([batch(below(100)), Buffer.alloc(below(2_000), 7)]) },
      ...{ qos: pick([0, 1, 1, 1, 2] as const), messageId, dup: below(9) === 0, retain: below(9) === 0 },
    }),
    () => ({
      ...{ cmd: 'subscribe', messageId },
      subscriptions: Array.from({ length: 1 + below(12) }, () => ({
        topic: pick(TOPICS),
        qos: pick([0, 1, 2] as const),
      })),
    }),
    () => ({ cmd: 'unsubscribe', messageId, unsubscriptions: [pick(TOPICS)] }),
    () => ({ cmd: pick(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const), messageId }),
    () => ({ cmd: pick(['pingreq', 'pingreq', 'pingreq', 'disconnect', 'pingresp'] as const) }),
    () => Buffer.from(Array.from({ length: 1 + below(40) }, () => below(256))),
  ];
  const connect = (): Packet => ({
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: pick([4, 4, 4, 4, 3, 5] as const) },
    ...{ clientId: pick(['gw1', 'gw1', 'gw1', 'gw1', 'gw2', '', '#', 'constructor']), clean: below(2) === 0 },
    keepalive: below(20),
  });
  const made = isFirst && below(10) > 0 ? connect() : below(20) === 0 ? connect() : pick(kinds)();
  if (Buffer.isBuffer(made)) return made;
  try {
    return generate(made);
  } catch {
    // What the writer does not write is not what is looked for here.
    return Buffer.of(0xc0, 0);
  }
}

function damaged(packet: Buffer, below: (n: number) => number): Buffer {
  const bytes = Buffer.from(packet);
  switch (below(12)) {
    case 0:
      bytes[below(bytes.length)] = below(256);
      return bytes;
    case 1:
      return bytes.subarray(0, below(bytes.length));
    case 2:
      // Its length says something else.
      if (bytes.length > 1) bytes[1] = below(256);
      return bytes;
    case 3:
      bytes[0] = (bytes[0]! & 0xf0) | below(16);
      return bytes;
    default:
      return bytes;
  }
}

function cut(whole: Buffer, below: (n: number) => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; ) {
    const length = below(4) === 0 ? 1 + below(5) : 1 + below(whole.length);
    chunks.push(whole.subarray(at, at + length));
    at += length;
  }
  return chunks;
}
