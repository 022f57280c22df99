/** Programs of others, which not every machine has. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export function isInstalled(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, tool)));
}

/** Where a gate runs, all are there; elsewhere a newcomer need not have them. */
export const areToolsRequired = process.env.WEIR_TOOLS === 'required';

/** @returns the reason for which a test is left out @throws where tools are required */
export function missingTool(tool: string): string {
  const reason = `${tool} is not on this machine`;
  if (areToolsRequired) throw new Error(`${reason}, and WEIR_TOOLS=required`);
  return reason;
}
