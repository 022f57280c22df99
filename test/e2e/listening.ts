/** On which addresses a process listens. Linux only: read from /proc, so that nothing has to be installed. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** @see proc_pid_net(5): state 0A is LISTEN */
const LISTEN = '0A';

export function listeningAddresses(pid: number): string[] {
  const inodes = new Set(socketInodes(pid));
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9]!))
      .map((fields) => addressOf(fields[1]!)),
  );
}

function socketInodes(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      // Closed since the folder was read.
      return [];
    }
  });
}

/** `0100007F:1F90` is 127.0.0.1:8080: 32-bit words, each with its bytes reversed. */
function addressOf(hex: string): string {
  const address = hex.split(':')[0]!;
  const bytes = address.match(/.{8}/g)!.flatMap((word) =>
    word
      .match(/../g)!
      .reverse()
      .map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0)) ? '::1' : `[${address}]`;
}
