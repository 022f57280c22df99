/** Where the author's keys are. They are the author's and not the hub's: a hub that is taken over has none of them. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface KeyFolderOptions {
  env: NodeJS.ProcessEnv;
  home: string;
  /** Data folder of a hub on this machine, where one is named. */
  hubData?: string | undefined;
}

/**
 * `$WEIR_KEYS`; else `keys` beside the data folder of the hub, if it is there, as `npm start` makes one; else
 * `$XDG_CONFIG_HOME/weir/keys`, which is `~/.config/weir/keys`.
 *
 * @see https://specifications.freedesktop.org/basedir-spec/latest/
 */
export function keyFolder({ env, home, hubData }: KeyFolderOptions): string {
  if (given(env.WEIR_KEYS)) return resolve(env.WEIR_KEYS);
  if (hubData !== undefined) {
    const beside = join(dirname(resolve(hubData)), 'keys');
    if (existsSync(beside)) return beside;
  }
  const config = given(env.XDG_CONFIG_HOME) ? env.XDG_CONFIG_HOME : join(home, '.config');
  return join(config, 'weir', 'keys');
}

function given(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
