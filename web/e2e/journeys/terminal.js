import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** @import { ChildProcess } from 'node:child_process' */

/** @type {Set<ChildProcess>} */
const running = new Set();
// Nothing that was started here outlives the journeys, however they end.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Where somebody pastes the lines that the portal shows: a folder, with the farm's programs on its path. */
export class Terminal {
  #folder;
  #environment;

  /**
   * @param {string} folder is made; what the programs keep and say lies in it
   * @param {Record<string, string>} [environment] what they find in the environment besides
   */
  constructor(folder, environment = {}) {
    const programs = process.env['TESSERA_PROGRAMS'] ?? '';
    const path = [programs, process.env['PATH']].join(delimiter);
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#environment = { ...process.env, PATH: path, ...environment };
  }

  /**
   * Starts a line that goes on until it is stopped.
   * @param {string} line words without quotes
   */
  start(line) {
    const [program = '', ...words] = line.split(' ');
    const log = openSync(join(this.#folder, `${program}.log`), 'a');
    const child = spawn(program, words, {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.once('error', (error) => console.error(`${program}: ${error.message}`));
    return child;
  }

  /**
   * Runs a line to its end, which is to be a good one.
   * @param {string} line
   */
  async run(line) {
    const child = this.start(line);
    const code = await new Promise((ended) => {
      child.once('exit', ended);
      child.once('error', ended);
    });
    if (code !== 0) throw new Error(`${line}: ended with ${code}, see the logs in ${this.#folder}`);
  }
}

/**
 * Stops what was started, and waits until it has.
 * @param {ChildProcess} child
 */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await ended;
}
