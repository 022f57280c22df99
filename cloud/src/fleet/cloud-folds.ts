import type { ReportedDeployment } from '@weir/protocols';
import { type Deployed, parseBundle } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { getBundle } from './bundles.ts';
import type { CloudDeployed } from './fleet.ts';
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

interface Answer {
  revision: number;
  deployed: CloudDeployed[];
}

/** What runs in the cloud for each device, kept until something about it changes. */
export class CloudDeployments {
  #store: Store;
  #wanted: (device: string) => Promise<Map<string, Winner>>;
  #answers = new Map<string, Promise<Answer>>();
  #bundles = new Map<string, Deployed['bundle']>();
  #revision = 0;

  constructor(store: Store, wanted: (device: string) => Promise<Map<string, Winner>>) {
    this.#store = store;
    this.#wanted = wanted;
  }

  forDevice(device: string): Promise<Answer> {
    const known = this.#answers.get(device);
    if (known !== undefined) return known;
    if (this.#answers.size >= DEVICES_KEPT) this.#answers.clear();
    const answer = this.#ask(device);
    this.#answers.set(device, answer);
    // A failed answer is not kept. One that was invalidated meanwhile is another entry by now.
    answer.catch(() => this.#answers.get(device) === answer && this.#answers.delete(device));
    return answer;
  }

  invalidate(device: string): void {
    this.#answers.delete(device);
  }

  async #ask(device: string): Promise<Answer> {
    const revision = ++this.#revision;
    const wanted = await this.#wanted(device);
    const deployed: CloudDeployed[] = [];
    for (const { deployment } of wanted.values()) {
      if (deployment.where !== 'cloud') continue;
      const { name, hash, config, order } = deployment;
      const bundle = await this.#bundle(hash);
      if (bundle === undefined) continue;
      deployed.push({ name, bundle, hash, config, wish: order });
    }
    return { revision, deployed };
  }

  async #bundle(hash: string): Promise<Deployed['bundle'] | undefined> {
    const known = this.#bundles.get(hash);
    if (known !== undefined) return known;
    const bytes = await getBundle(this.#store, hash);
    if (bytes === undefined) return undefined;
    if (this.#bundles.size >= BUNDLES_KEPT) this.#bundles.clear();
    const bundle = parseBundle(bytes);
    this.#bundles.set(hash, bundle);
    return bundle;
  }
}
