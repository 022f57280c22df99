/** What the quickstart prints: one calm line for each thing that happens. */
import type { HubEvent } from './hub-client.ts';

const bold = (text: string) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const red = (text: string) => (process.stdout.isTTY ? `\u001b[31m${text}\u001b[0m` : text);
const green = (text: string) => (process.stdout.isTTY ? `\u001b[32m${text}\u001b[0m` : text);

/** An alert told later than this waited somewhere, e.g. for the link. */
const LATE_MS = 5_000;

export class Screen {
  #print: (line: string) => void;

  constructor(print: (line: string) => void = console.log) {
    this.#print = print;
  }

  title(text: string): void {
    this.#print(`\n${bold(text)}\n`);
  }

  step(part: string, text: string): void {
    this.#print(`  ${part.padEnd(9)} ${text}`);
  }

  hints(broker: number, passwordFile: string, device: string): void {
    this.#print(`
Try, in another terminal:

  mosquitto_pub -p ${broker} -u sensor -P "$(cat ${passwordFile})" -q 1 -t plant/oven1/temperature -m 81.5
  npx weir alert list
  npx weir device show ${device}
  npx weir-agent status
  npx weir --help
`);
  }

  line(text: string): void {
    this.#print(`${clock(Date.now())}  ${text}`);
  }

  /** What somebody else has said. */
  quote(text: string): void {
    for (const line of text.split('\n')) this.#print(`          ${line}`);
  }

  event({ type, at, device, connected, transition }: HubEvent): void {
    if (type === 'presence')
      this.#print(`${clock(at)}  ${device} ${connected ? 'is connected' : 'lost its connection'}`);
    // What the channel `screen` delivers; the hub would send the same to a webhook.
    if (type !== 'notification' || transition === undefined) return;
    const { state, severity, summary, startedAt, ts, peak, unit } = transition;
    // When it happened: what an outage has kept back was no storm.
    const told = at - ts > LATE_MS ? `  (told late, at ${clock(at)})` : '';
    if (state === 'firing') this.#print(`${clock(ts)}  ${red('ALERT')}     ${severity}: ${summary}${told}`);
    if (state === 'resolved') {
      const amount = `${Number(peak?.toPrecision(4))}${unit === undefined ? '' : ` ${unit}`}`;
      const worst = peak === undefined ? '' : `; the worst was ${amount}`;
      const seconds = Math.round((ts - startedAt) / 1000);
      this.#print(`${clock(ts)}  ${green('RESOLVED')}  after ${seconds} s${worst}: ${summary}${told}`);
    }
  }
}

function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
