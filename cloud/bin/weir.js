#!/usr/bin/env node
import { onPinnedNode } from '@weir/runtime/pinned-node';

await onPinnedNode(import.meta.url, async () => {
  const { main } = await import('../cli/main.ts');
  await main(process.argv.slice(2));
});
