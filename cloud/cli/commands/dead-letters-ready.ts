/** A letter is run by the version that its device runs. Right after a deployment that is still the one that could not take it. */
import { setTimeout } from 'node:timers/promises';
import { isUnderWay } from '@weir/protocols';
import type { DeadLetter, DeploymentStatus } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import type { Session } from '../session.ts';

const POLL_MS = 300;

/**
 * Waits until the connected devices of these letters run what is wanted of their functions; a device that is away runs
 * them by what it is to run when it is back.
 *
 * @param waitMs 0: says that they do not, and waits for nothing
 * @throws {Failure} when one does not run it in time; nothing was asked of it then
 */
export async function untilDeployed(
  session: Session,
  hub: HubClient,
  letters: readonly DeadLetter[],
  waitMs: number,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  let isTold = false;
  for (;;) {
    const late = await onTheirWay(hub, letters);
    if (late.length === 0) return;
    const what = [...new Set(late.map(({ name, wanted }) => `${name}@${wanted?.version ?? '?'}`))].join(', ');
    const devices = [...new Set(late.map(({ device }) => device))].join(', ');
    if (waitMs === 0) {
      session.note(`warning: ${what} does not run on ${devices} yet: letters may meet the version before it.\n`);
      return;
    }
    if (Date.now() >= deadline) {
      throw new Failure(
        `${what} does not run on ${devices} yet; no letter was run again`,
        'see why: weir deploy status; to run them by what is there now: --no-wait',
      );
    }
    if (!isTold) session.note(`Waits until ${devices} runs ${what}.\n`);
    isTold = true;
    await setTimeout(POLL_MS);
  }
}

async function onTheirWay(hub: HubClient, letters: readonly DeadLetter[]): Promise<DeploymentStatus[]> {
  const onDevices = letters.filter(({ where }) => where === 'edge');
  const late: DeploymentStatus[] = [];
  for (const [name, own] of Map.groupBy(onDevices, (letter) => letter.function)) {
    const devices = new Set(own.map(({ device }) => device));
    const statuses = await hub.all<DeploymentStatus>('/deployments', { name });
    late.push(...statuses.filter((each) => each.where === 'edge' && devices.has(each.device) && isLate(each)));
  }
  return late;
}

function isLate({ connected, state }: DeploymentStatus): boolean {
  return connected && (state === 'pending' || isUnderWay(state));
}
