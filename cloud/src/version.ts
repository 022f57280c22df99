import about from '../package.json' with { type: 'json' };

/** Of this hub; agents are released with it. */
export const VERSION = about.version;
