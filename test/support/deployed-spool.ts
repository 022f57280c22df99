/** A data folder of an agent in which things are deployed already, as a commit of the agent leaves them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig, openSpool, type Spool } from '@weir/edge-agent';

export interface BuiltDeployment {
  name: string;
  hash: string;
  bytes: Uint8Array;
}

/** @returns the spool, open; its owner closes it before an agent starts */
export async function deployedSpool(data: string, deployments: readonly BuiltDeployment[]): Promise<Spool> {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const { outbox, uplink, functions } = defaultConfig();
  const spool = await openSpool(join(data, 'spool.db'), {
    life: 'prepared',
    run: 'prepared',
    outbox,
    batch: { itemsMax: uplink.batchItemsMax, bytesMax: uplink.batchBytesMax },
    publishesMax: functions.publishesMax,
    deadLetters: functions.deadLetters,
    commandsMax: functions.commandsMax,
  });
  for (const { hash, bytes } of deployments) await spool.call('stageBundle', hash, bytes);
  const running = deployments.map(({ name, hash }) => ({ name, hash, config: '{}', quarantined: null }));
  await spool.call('commitStep', {
    number: 1,
    states: [],
    emitted: undefined,
    alerts: [],
    publishes: [],
    through: undefined,
    deployed: { running, hashesNeeded: running.map(({ hash }) => hash) },
    connected: false,
    now: Date.now(),
  });
  return spool;
}
