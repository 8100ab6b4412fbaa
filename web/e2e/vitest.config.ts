import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.e2e.ts'],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    bail: 1,
    env: { TESSERA_SHOTS: process.env['TESSERA_SHOTS'] ?? join(import.meta.dirname, 'shots') },
  },
});
