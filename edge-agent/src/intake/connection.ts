/**
 * The stream of one sensor as the broker sees it: bounded in packet size, and stoppable.
 *
 *     CONNECT | PUBLISH PUBLISH …      a sensor need not wait for CONNACK before it publishes [MQTT-3.1.4-5]
 *             ^ from here on nothing is read or handed to the broker until the CONNECT is accepted
 *
 * So a stranger gets no further than one small packet, and what came in one piece with it.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PacketMeter } from '@weir/protocols';

export interface SensorConnection {
  stream: Duplex;
  /** The CONNECT was accepted: what came after it goes to the broker, and larger packets are allowed. */
  welcome(): void;
  /** Reads nothing until `resume`. */
  pause(): void;
  resume(): void;
}

export interface ConnectionLimits {
  packetBytesMax: number;
  connectBytesMax: number;
}

/** The connection is closed at once when a packet declares more than is allowed. */
export function connectionOf(socket: Socket, limits: ConnectionLimits, onTooLarge: () => void): SensorConnection {
  const meter = new PacketMeter(limits.connectBytesMax);
  let paused = false;
  let phase: 'connecting' | 'waiting' | 'accepted' = 'connecting';
  /** What came in one piece with the CONNECT. */
  let behindConnect: Buffer | undefined;
  const goOn = () => {
    if (!paused && phase !== 'waiting') socket.resume();
  };
  const stream = new Duplex({
    read: goOn,
    write: (chunk: Buffer, _encoding, done) => {
      socket.write(chunk, done);
    },
    // Acknowledgements are four bytes each: one system call for all that wait.
    writev: (chunks, done) => {
      socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done);
    },
    final: (done) => {
      socket.end(done);
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  const pass = (chunk: Buffer) => {
    if (chunk.length > 0 && !stream.push(chunk)) socket.pause();
  };
  const refuse = () => {
    onTooLarge();
    stream.destroy();
  };
  const take = (chunk: Buffer) => {
    if (meter.accept(chunk)) pass(chunk);
    else refuse();
  };
  const takeConnect = (chunk: Buffer) => {
    const end = meter.packetEnd(chunk);
    if (end === undefined) return refuse();
    if (meter.isBetween) {
      phase = 'waiting';
      socket.pause();
      behindConnect = chunk.subarray(end);
    }
    pass(chunk.subarray(0, end));
  };
  socket.on('data', (chunk: Buffer) => {
    if (phase === 'connecting') takeConnect(chunk);
    else take(chunk);
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.destroy());
  return {
    stream,
    welcome: () => {
      phase = 'accepted';
      meter.bytesMax = limits.packetBytesMax;
      goOn();
      if (behindConnect !== undefined) take(behindConnect);
      behindConnect = undefined;
    },
    pause: () => {
      paused = true;
      socket.pause();
    },
    resume: () => {
      paused = false;
      goOn();
    },
  };
}
