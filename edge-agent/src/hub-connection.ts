/** What of the agent talks to its hub, wired together: the uplink, and the deployer that converges on what the hub wants. */
import { commandTopic, paceTopic, parsePace } from '@weir/protocols';
import type { AgentOptions, AgentPorts } from './agent.ts';
import { teachingLink } from './clock/hub-time.ts';
import { Deployer, type DeployerPorts } from './deploy/deployer.ts';
import type { Renewal } from './identity/renewal.ts';
import type { Secrets } from './secrets/secrets.ts';
import { type VitalsPorts, VitalsWatch } from './status/vitals.ts';
import { type HubFiles, Trust, type TrustOrigin } from './trust/trust.ts';
import { basicIngestLink } from './uplink/basic-ingest-link.ts';
import type { OpenLink } from './uplink/link.ts';
import { Meter } from './uplink/meter.ts';
import { pacedLink } from './uplink/paced-link.ts';
import { Uplink } from './uplink/uplink.ts';

export interface HubPorts {
  openLink: OpenLink;
  files: HubFiles;
  /** Of the enrolment. */
  origin?: Omit<TrustOrigin, 'device'>;
  /** Of the groups of the device; absent: there are none. */
  secrets?: Secrets;
  /** Of the device's certificate; absent: somebody else sees to it. */
  renewal?: Pick<Renewal, 'start' | 'stop' | 'renew' | 'status'>;
}

export interface HubConnection {
  uplink: Uplink;
  deployer: Deployer;
  /** Of a line that is paid for by the byte. */
  meter: Meter | undefined;
}

type Within = Pick<DeployerPorts, 'deploy' | 'status' | 'kept' | 'candidates' | 'damaged'> & {
  onCommand(payload: Uint8Array): void;
  drainS: VitalsPorts['drainS'];
  backlog: VitalsPorts['functions'];
};

export function connectToHub(
  { spool, storage, clock, random, log, time, machine }: AgentPorts,
  { openLink, files, origin = { enrolment: '' }, renewal, secrets }: HubPorts,
  { device, version, config }: AgentOptions,
  { onCommand, drainS, backlog, ...pipeline }: Within,
): HubConnection {
  const say = (level: 'info' | 'warn', message: string) => log[level](message);
  const vitals = new VitalsWatch({
    ...{ spool, clock, machine, drainS, functions: backlog },
    certificateEnd: () => renewal?.status().validTo,
    onTrouble: () => void deployer.report(),
  });
  const now = () => (time === undefined || time.isKnown ? clock.now() : undefined);
  const trust = new Trust({ device, ...origin }, { spool, files, now, log: say });
  const deployer: Deployer = new Deployer(
    device,
    version,
    {
      ...{ spool, clock, trust, files, ...pipeline, log: say },
      publish: (topic, payload) => uplink.publish(topic, payload),
      isConnected: () => uplink.isOpen,
      clockStatus: () => time?.status(),
      storageHealth: () => storage?.health,
      ...{ vitals, machine, secrets },
    },
    config.deploy,
  );
  secrets?.onChanged(() => void deployer.report());
  const { budget, connectTimeout, ingestRule, publishesPerSecond } = config.uplink;
  const paced = publishesPerSecond === undefined ? openLink : pacedLink(openLink, clock, publishesPerSecond);
  const outgoing = ingestRule === undefined ? paced : basicIngestLink(paced, ingestRule);
  const meter = budget && new Meter({ spool, clock, log: say }, budget);
  const uplink: Uplink = new Uplink(
    device,
    [...deployer.subscriptions, commandTopic(device), paceTopic(device)],
    {
      ...{ spool, clock, random, meter, log: say },
      openLink: time === undefined ? outgoing : teachingLink(outgoing, device, time, clock, config.clock),
      onOpen: () => deployer.onUp(),
      onMessage: (topic, payload) => {
        if (topic === commandTopic(device)) onCommand(payload);
        else if (topic === paceTopic(device)) uplink.paced(parsePace(payload) ?? { backlogWaitMs: 0 });
        else deployer.onMessage(topic, payload);
      },
    },
    // A link that does not come up says why before this is over.
    { ...config.uplink, gather: budget?.gather ?? 0, openTimeout: 2 * connectTimeout },
  );
  return { uplink, deployer, meter };
}
