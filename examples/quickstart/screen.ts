/** What the quickstart prints: one calm line for each thing that happens. */
import type { HubEvent } from './hub-client.ts';

const bold = (text: string) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const red = (text: string) => (process.stdout.isTTY ? `\u001b[31m${text}\u001b[0m` : text);
const green = (text: string) => (process.stdout.isTTY ? `\u001b[32m${text}\u001b[0m` : text);

export class Screen {
  title(text: string): void {
    console.log(`\n${bold(text)}\n`);
  }

  step(part: string, text: string): void {
    console.log(`  ${part.padEnd(9)} ${text}`);
  }

  hints(broker: number, passwordFile: string, device: string): void {
    console.log(`
Try, in another terminal:

  mosquitto_pub -p ${broker} -u sensor -P "$(cat ${passwordFile})" -q 1 -t plant/oven1/temperature -m 81.5
  npx weir alert list
  npx weir device show ${device}
  npx weir-agent status
  npx weir --help
`);
  }

  line(text: string): void {
    console.log(`${clock(Date.now())}  ${text}`);
  }

  event({ type, at, device, connected, transition }: HubEvent): void {
    if (type === 'presence')
      console.log(`${clock(at)}  ${device} ${connected ? 'is connected' : 'lost its connection'}`);
    // What the channel `screen` delivers; the hub would send the same to a webhook.
    if (type !== 'notification' || transition === undefined) return;
    const { state, severity, summary, startedAt, ts, peak } = transition;
    if (state === 'firing') console.log(`${clock(at)}  ${red('ALERT')}     ${severity}: ${summary}`);
    if (state === 'resolved') {
      const worst = peak === undefined ? '' : `; the worst was ${Number(peak.toPrecision(4))}`;
      console.log(
        `${clock(at)}  ${green('RESOLVED')}  after ${Math.round((ts - startedAt) / 1000)} s${worst}: ${summary}`,
      );
    }
  }
}

function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
