/** `weir rule new`: a rule to begin from, and its test. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { examples, type Session } from '../session.ts';

export function ruleNewCommand(session: Session, command: Command): void {
  command
    .description('write a rule to begin from, with everything else a rule can have in its comments, and its test')
    .argument('<name>', 'name of the rule: letters, digits and . _ : -')
    .option('--dir <dir>', 'where the files are written', '.')
    .addHelpText('after', examples('weir rule new oven-hot', 'weir rule new oven-hot --dir rules'))
    .action((name: string, { dir }: { dir: string }) => make(session, name, dir));
}

async function make(session: Session, name: string, dir: string): Promise<void> {
  const { isName } = await import('@weir/protocols');
  if (!isName(name))
    throw new Misuse(`"${name}" is no name of a rule`, 'letters, digits and . _ : - make one, 64 at most');
  const folder = resolve(dir);
  const files: [string, string][] = [
    [`${name}.yaml`, ruleText(name)],
    [`${name}.test.yaml`, TEST],
  ];
  const taken = files.find(([file]) => existsSync(join(folder, file)));
  if (taken !== undefined)
    throw new Misuse(`${join(dir, taken[0])} is there already`, 'give another name, or another --dir');
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of files) writeFileSync(join(folder, file), text, { flag: 'wx' });
  const shown = files.map(([file]) => relative('.', join(folder, file)) || file);
  session.out(`${shown.join('\n')}\n`);
  session.note(`
Write the rule, and see whether it does as its test says whenever you save:
  weir rule test ${shown[1]} --watch
Then deploy it:
  weir rule apply ${shown[0]} --group GROUP
`);
}

/** Every line that is commented out is valid where it stands. @see docs/guides/alert-on-a-threshold.md */
function ruleText(name: string): string {
  return `name: ${name}
sensor: '*'              # oven* : all whose name begins so; each has an alert of its own
metric: temperature
unit: Cel                # of the levels; readings in another unit are converted

severities:              # a ladder; for one level alone: above: 80 and severity: critical
  warning: { above: 70, clear: 65 }    # begins over 70, ends under 65
  critical: { above: 80, clear: 75 }
# Also atLeast, below, atMost, equals, notEquals, outside: [2, 8], inside, changesBy, silentFor, adaptive.
# A level may be { tag: max-temp, default: 80 } of the device, or another signal: { metric: setpoint, plus: 5 }.

for: 30s                 # only when it stays so long
# value: { avg: 5m }     # not the last reading, but avg, min, max, sum, count, median, p95, stddev, change, rate
# matches: { times: 3, of: 5 }
# keepFiringFor: 5m      # over only when it is over for so long
# clearAfter: { samples: 3 }
# by: device             # one alert for each device; group: one for all of them, in the hub
# schedule: { zone: Europe/Oslo, times: 'Mon-Fri 06:00-22:00' }
# lateness: 5s           # readings that come late are put in order
# labels: { team: bakery }
# runbook: https://wiki.example.com/${name}
summary: '{sensor} of {device} is at {value} {unit}, over {level}'
`;
}

const TEST = `interval: 10s                # between two values
sensor: oven1
tests:
  - name: goes up the ladder and down again
    input:
      temperature Cel: 60 72x4 85x4 72x2 60
    expect:
      - firing warning at 40s
      - firing critical at 1m20s
      - firing warning at 1m30s
      - resolved at 1m50s

  - name: a short crossing is nobody's business
    input:
      temperature Cel: 60 85x2 60x5
    expect: []
`;
