/** Calls `work` at once and then at most every `everyMs`; of calls in between, the last is made up for. */
export function throttled(
  work: () => void,
  everyMs: number,
): { call: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isDue = false;
  const rest = () => {
    timer = undefined;
    if (isDue) call();
  };
  const call = () => {
    if (timer !== undefined) {
      isDue = true;
      return;
    }
    isDue = false;
    work();
    timer = setTimeout(rest, everyMs);
  };
  return { call, stop: () => clearTimeout(timer) };
}
