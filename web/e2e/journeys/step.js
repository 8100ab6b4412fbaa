const begun = performance.now();

/**
 * Does one part of a journey, and says how long it took.
 * @template T
 * @param {string} what
 * @param {Promise<T>} part
 */
export async function step(what, part) {
  try {
    const given = await part;
    console.log(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${what}`);
    return given;
  } catch (error) {
    throw new Error(`not so: ${what}`, { cause: error });
  }
}
