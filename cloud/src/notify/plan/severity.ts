import { SEVERITIES, type Severity } from '@weir/protocols';

export const rankOf = (severity: Severity): number => SEVERITIES.indexOf(severity);
