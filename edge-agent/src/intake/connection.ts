/** The stream of one sensor as the broker sees it: bounded in packet size, and stoppable. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { PacketLimiter } from './packet-limiter.ts';

export interface SensorConnection {
  stream: Duplex;
  /** The password was right: larger packets are allowed. */
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
  const limiter = new PacketLimiter(limits.connectBytesMax);
  let paused = false;
  const stream = new Duplex({
    read: () => {
      if (!paused) socket.resume();
    },
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
  socket.on('data', (chunk: Buffer) => {
    if (!limiter.accept(chunk)) {
      onTooLarge();
      stream.destroy();
    } else if (!stream.push(chunk)) socket.pause();
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.destroy());
  return {
    stream,
    welcome: () => {
      limiter.bytesMax = limits.packetBytesMax;
    },
    pause: () => {
      paused = true;
      socket.pause();
    },
    resume: () => {
      paused = false;
      socket.resume();
    },
  };
}
