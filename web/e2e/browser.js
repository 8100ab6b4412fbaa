import { createRequire } from 'node:module';
import { join } from 'node:path';

/** What is used of npm: the portal's own packages, or those of the folder that TESSERA_PACKAGES names. */
const packages = process.env['TESSERA_PACKAGES'];
const take = createRequire(packages ? join(packages, 'any.js') : import.meta.url);

/** @type {typeof import('playwright-core')} */
const { chromium } = take('playwright-core');

/** @type {typeof import('axe-core')} */
export const axeCore = take('axe-core');

/** Starts a Chromium that asks nobody on the net, and draws 3D on the processor. */
export function startBrowser() {
  return chromium.launch({
    executablePath: process.env['TESSERA_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      // As root, it has no sandbox to offer.
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-quic',
      '--disable-sync',
      '--no-proxy-server',
      '--use-gl=angle',
      // Only 3D goes through it: pages are drawn without, in half the time.
      '--use-angle=swiftshader-webgl',
      '--enable-unsafe-swiftshader',
    ],
  });
}
