import { refusalOf, type Shadows } from './shadows.ts';

const PAGE = 100;

/** Deletes all shadows of a device. What fails can be repeated. */
export async function forgetShadows(shadows: Pick<Shadows, 'list' | 'delete'>, device: string): Promise<void> {
  const names: (string | undefined)[] = [undefined];
  for (let after: string | undefined; ; ) {
    const page = await shadows.list(device, { limit: PAGE, ...(after !== undefined && { after }) });
    names.push(...page.names);
    if (page.next === undefined) break;
    after = page.next;
  }
  for (const name of names) {
    try {
      await shadows.delete(device, name);
    } catch (error) {
      if (refusalOf(error).code !== 404) throw error;
    }
  }
}
