/** The present, good to a few seconds, for everything that says how long ago something was. */
class Clock {
  nowMs = $state(Date.now());

  constructor() {
    setInterval(() => {
      this.nowMs = Date.now();
    }, 5000);
  }
}

export const clock = new Clock();
