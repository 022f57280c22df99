#!/usr/bin/env node
import { onPinnedNode } from '@weir/runtime/pinned-node';

await onPinnedNode(import.meta.url, () => import('../src/main.ts'));
