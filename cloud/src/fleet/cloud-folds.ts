import {
  type Bundle,
  type Gatherer,
  gathererId,
  parseGatherer,
  type ReportedDeployment,
  rulePlan,
  signalsOf,
} from '@weir/protocols';
import type { Refusal } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { trustedBundle } from './bundles.ts';
import type { CloudDeployed, CloudDeployments, DeploymentRecord, Feed } from './fleet.ts';
import { type Gathering, gatheringOf, type Parsed } from './gatherers.ts';
import { deploymentsOf } from './groups.ts';
import { deviceKey } from './keys.ts';
import type { Winner } from './winners.ts';

/** By name. */
export async function cloudReported(store: Store, device: string): Promise<Map<string, ReportedDeployment>> {
  const item = await store.get(deviceKey(device, 'cloud'));
  return new Map(Object.entries((item?.json as { folds?: Reported } | undefined)?.folds ?? {}));
}

export async function setCloudReported(store: Store, device: string, folds: Reported): Promise<void> {
  await store.write([{ put: deviceKey(device, 'cloud'), json: { folds } }]);
}

type Reported = Readonly<Record<string, ReportedDeployment>>;

/** Parsed bundles are shared by all devices; this many at most are kept. */
const BUNDLES_KEPT = 256;
/** Answers kept; a fleet that is larger asks the store now and then. */
const DEVICES_KEPT = 20_000;

/** What runs in the cloud for each device and gatherer, kept until something about it changes. */
export class CloudFolds {
  #store: Store;
  #wanted: (device: string) => Promise<Map<string, Winner>>;
  #answers = new Map<string, Promise<CloudDeployments>>();
  #bundles = new Map<string, Bundle>();
  /** Why bundles do not run, by their hashes: somebody has changed what is in the store. */
  #refused = new Map<string, Refusal>();
  #revision = 0;

  constructor(store: Store, wanted: (device: string) => Promise<Map<string, Winner>>) {
    this.#store = store;
    this.#wanted = wanted;
  }

  of(device: string): Promise<CloudDeployments> {
    const known = this.#answers.get(device);
    if (known !== undefined) return known;
    if (this.#answers.size >= DEVICES_KEPT) this.#answers.clear();
    const answer = this.#ask(device);
    this.#answers.set(device, answer);
    // A failed answer is not kept. One that was invalidated meanwhile is another entry by now.
    answer.catch(() => this.#answers.get(device) === answer && this.#answers.delete(device));
    return answer;
  }

  /** @returns whether anybody has asked before */
  invalidate(device: string): boolean {
    return this.#answers.delete(device);
  }

  /** Why a bundle that is wanted does not run here. */
  refusalOf(hash: string): Refusal | undefined {
    return this.#refused.get(hash);
  }

  /** @returns what runs for a gatherer, the function itself first */
  async gathering(gatherer: Gatherer): Promise<Gathering> {
    const all = await deploymentsOf(this.#store, gatherer.group);
    return gatheringOf(gatherer, await this.#parse(all.filter(({ where }) => where === 'cloud')));
  }

  async #ask(device: string): Promise<CloudDeployments> {
    const revision = ++this.#revision;
    const gatherer = parseGatherer(device);
    const { run, feeds } = gatherer === undefined ? await this.#ofDevice(device) : await this.gathering(gatherer);
    return {
      revision,
      deployed: run.map(deployedOf),
      feeds: await Promise.all(feeds.map((each) => this.#feedOf(each))),
    };
  }

  async #feedOf({ deployment, bundle }: Parsed): Promise<Feed> {
    const { previous } = deployment;
    const before = previous?.where === 'cloud' ? await this.bundle(previous.hash) : undefined;
    const takers = [bundle, before].flatMap((each) => (each === undefined ? [] : takenBy(each)));
    const takeAll = takers.some(({ inputs }) => inputs.length === 0);
    return {
      gatherer: gathererId(deployment),
      handlers: [...new Set(takers.flatMap(({ handlers }) => handlers))],
      inputs: takeAll ? [] : takers.flatMap(({ inputs }) => inputs),
    };
  }

  async #ofDevice(device: string): Promise<Gathering> {
    const wanted = [...(await this.#wanted(device)).values()].map(({ deployment }) => deployment);
    const parsed = await this.#parse(wanted.filter(({ where }) => where === 'cloud'));
    const { run = [], feeds = [] } = Object.groupBy(parsed, ({ deployment }) => (deployment.gathers ? 'feeds' : 'run'));
    return { run, feeds };
  }

  async #parse(deployments: readonly DeploymentRecord[]): Promise<Parsed[]> {
    const parsed: Parsed[] = [];
    for (const deployment of deployments) {
      const bundle = await this.bundle(deployment.hash);
      if (bundle !== undefined) parsed.push({ deployment, bundle });
    }
    return parsed;
  }

  /** @returns undefined: it is not here, or may not run */
  async bundle(hash: string): Promise<Bundle | undefined> {
    const known = this.#bundles.get(hash);
    if (known !== undefined) return known;
    const found = await trustedBundle(this.#store, hash);
    if (found === undefined) return undefined;
    if (!found.ok) {
      this.#refused.set(hash, found);
      return undefined;
    }
    this.#refused.delete(hash);
    if (this.#bundles.size >= BUNDLES_KEPT) this.#bundles.clear();
    this.#bundles.set(hash, found.value);
    return found.value;
  }
}

/** What a gatherer wants to be handed on: a rule all readings that it looks at, and whether who says them is there. */
function takenBy(bundle: Bundle): Pick<Feed, 'handlers' | 'inputs'>[] {
  if (bundle.kind === 'function') return [bundle.manifest];
  if (bundle.kind !== 'rule') return [];
  const inputs = signalsOf(rulePlan(bundle.rule)).map(({ sensor, metric }) => ({ sensor, metric }));
  return [{ handlers: ['readings', 'online', 'offline'], inputs }];
}

function deployedOf({ deployment, bundle }: Parsed): CloudDeployed {
  const { name, hash, config, order } = deployment;
  return { name, bundle, hash, config, wish: order };
}
